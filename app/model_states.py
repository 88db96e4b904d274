"""What was done to a surface, so that it can be undone: states, and how many are kept."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from engine.core.edits import Counts, Crop, Edit, FillHoles, Level, RemoveIslands
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from engine.meshing.count import counted
from engine.meshing.edits import Edited, moved
from engine.meshing.parts import Surface, bare

MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class State:
    """A surface at one moment.

    Attributes:
        T_now_scan: from the world it was scanned in.
        said: the edit that made it, in a sentence; empty for the first.
        painted: the last surface with a texture before this one, standing in the same place; None
            when it has one itself or never had.
    """

    surface: Surface
    counts: Counts
    T_now_scan: Pose
    said: str = ""
    painted: TexturedMesh | None = None

    @staticmethod
    def of(surface: Surface, T_now_scan: Pose) -> "State":
        """Return the first state of a surface."""
        return State(surface, counted(surface), T_now_scan)

    def after(self, edit: Edit, result: Edited, counts: Counts) -> "State":
        """Return the state that an edit led to."""
        T_new_old, painted = result.T_new_old, None
        if isinstance(result.surface, Mesh):
            painted = self.painted if isinstance(self.surface, Mesh) else self.surface
        if painted is not None and T_new_old is not None:
            painted = replace(painted, mesh=bare(moved(painted, T_new_old)))
        T_now_scan = self.T_now_scan if T_new_old is None else T_new_old @ self.T_now_scan
        said = sentence(edit, self.counts, counts, T_new_old)
        return State(result.surface, counts, T_now_scan, said, painted)

    def painted_anew(self, surface: TexturedMesh) -> "State":
        """Return the state after its texture was built."""
        edge_px = surface.texture.shape[0]
        said = f"Built the texture, {edge_px} × {edge_px}"
        return State(surface, self.counts, self.T_now_scan, said)

    def arrays(self) -> Iterator[np.ndarray]:
        """Yield all large arrays it holds."""
        for surface in (self.surface, self.painted):
            if surface is None:
                continue
            mesh = bare(surface)
            given = [mesh.vertices, mesh.faces, mesh.colors, mesh.is_observed]
            if isinstance(surface, TexturedMesh):
                given += [surface.uv, surface.texture]
            yield from (array for array in given if array is not None)


@dataclass(frozen=True, slots=True)
class Stacks:
    """The state now, those before, oldest first, and those taken back, next one last."""

    now: State
    back: tuple[State, ...] = ()
    forth: tuple[State, ...] = ()

    def pushed(self, state: State, limit_bytes: int = MAX_BYTES) -> "Stacks":
        """Return the stacks after an edit; what is oldest goes when all take more than so much."""
        back = (*self.back, self.now)
        while back and _bytes((*back, state)) > limit_bytes:
            back = back[1:]
        return Stacks(state, back)

    def undone(self) -> "Stacks":
        """Return the stacks one step back, which there must be."""
        return Stacks(self.back[-1], self.back[:-1], (*self.forth, self.now))

    def redone(self) -> "Stacks":
        """Return the stacks one step forth, which there must be."""
        return Stacks(self.forth[-1], (*self.back, self.now), self.forth[:-1])

    @property
    def done(self) -> tuple[str, ...]:
        """Sentences about the edits that can be undone, oldest first."""
        return tuple(state.said for state in (*self.back, self.now)[1:])

    @property
    def to_redo(self) -> tuple[str, ...]:
        """Sentences about the edits that can be made again, next one last."""
        return tuple(state.said for state in self.forth)


def sentence(edit: Edit, before: Counts, after: Counts, T_new_old: Pose | None) -> str:
    """Return in words what an edit did."""
    if isinstance(edit, Crop):
        x, y, z = edit.size_m
        return f"Cropped to a box of {x:.2f} × {y:.2f} × {z:.2f} m"
    if isinstance(edit, Level):
        if T_new_old is None:
            return "Levelled"
        tilt_deg = np.degrees(np.arccos(np.clip(T_new_old.rotation[2, 2], -1, 1)))
        return f"Levelled the floor, which was off by {tilt_deg:.1f}°"
    if isinstance(edit, RemoveIslands):
        gone = before.pieces - after.pieces
        return f"Removed {gone:,} loose piece{'' if gone == 1 else 's'}"
    if isinstance(edit, FillHoles):
        gone = before.holes - after.holes
        if gone < 1:
            # Holes that touch count as one, and it is still open elsewhere.
            return "Closed holes in part"
        return f"Closed {gone:,} hole{'' if gone == 1 else 's'}"
    return f"Reduced to {after.faces:,} triangles"


def _bytes(states: tuple[State, ...]) -> int:
    """Return what states take together; what they share counts once."""
    sizes = {id(array): array.nbytes for state in states for array in state.arrays()}
    return sum(sizes.values())
