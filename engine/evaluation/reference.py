"""The three kinds of truth a mesh can be held against."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from engine.core.arrays import F64, I64, Bool
from engine.core.faults import BadInput
from engine.core.surface import Mesh
from engine.evaluation.fused import VOXEL_M, fuse
from engine.evaluation.views import View, pick_one_a_cell, seen_by_any
from engine.kernels.raster import MeshScene

# Points of the reference lie on a grid finer than the strictest threshold.
CELL_M = 0.01


class Reference(Protocol):
    """What is true: how far a point is from the surface, and points that lie on it.

    Attributes:
        views: what its cameras saw; empty where it has none.
    """

    views: tuple[View, ...]

    def describe(self) -> str:
        """Return one phrase for the protocol."""
        ...

    def distance(self, points_world: F64) -> F64:
        """Return metres (n,) from points (n, 3) to the surface, never negative."""
        ...

    def points(self, count: int, seed: int) -> F64:
        """Return at most `count` points (n, 3) spread over the surface that should be found."""
        ...

    def seen(self, points_world: F64, slack_m: float) -> Bool:
        """Return whether the cameras could judge each point (n, 3)."""
        ...


class KnowsDistance(Protocol):
    """A world with an exact distance to its surface, such as a synthetic one."""

    def distance(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return signed metres (n,) from points (n, 3) to the nearest surface."""
        ...


def sample_surface(mesh: Mesh, count: int, seed: int) -> tuple[F64, I64]:
    """Return `count` points (n, 3) spread evenly by area, and the face (n,) each lies on.

    Raises:
        BadInput: the mesh has no area.
    """
    areas = np.linalg.norm(mesh.face_normals().astype(np.float64), axis=1)
    total = areas.sum()
    if not total > 0:
        raise BadInput("The mesh has no area, so it cannot be compared.")
    dice = np.random.default_rng(seed)
    # One sample in each of `count` equal slices of area: evener than independent draws.
    slices = (np.arange(count) + dice.random(count)) / count * total
    face = np.searchsorted(np.cumsum(areas), slices, side="right").clip(max=len(areas) - 1)
    a, b = dice.random((2, count))
    flip = a + b > 1
    a, b = np.where(flip, 1 - a, a)[:, None], np.where(flip, 1 - b, b)[:, None]
    corners = mesh.vertices[mesh.faces[face]].astype(np.float64)
    return corners[:, 0] * (1 - a - b) + corners[:, 1] * a + corners[:, 2] * b, face


class MeshReference:
    """Another mesh; with views, only what they see of it counts, else all of it."""

    def __init__(
        self, mesh: Mesh, views: Sequence[View] = (), name: str = "reference mesh"
    ) -> None:
        """Prepare distances to the triangles of a mesh.

        Raises:
            BadInput: the mesh is empty.
        """
        if mesh.is_empty:
            raise BadInput("The reference mesh has no face.")
        self._mesh = mesh
        self._name = name
        self.views = tuple(views)
        self._scene = MeshScene(mesh)

    def describe(self) -> str:
        """Return one phrase for the protocol."""
        trim = f"trimmed to {len(self.views)} views" if self.views else "untrimmed"
        return f"{self._name} of {len(self._mesh.faces)} triangles, distance to them, {trim}"

    def distance(self, points_world: F64) -> F64:
        """Return metres (n,) to the nearest triangle."""
        return self._scene.closest(points_world)[0]

    def points(self, count: int, seed: int) -> F64:
        """Return points spread evenly by area over what the views see."""
        points, _ = sample_surface(self._mesh, count, seed)
        return points[self.seen(points, CELL_M)]

    def seen(self, points_world: F64, slack_m: float) -> Bool:
        """Return whether a view sees each point; all are, without views."""
        if not self.views:
            return np.ones(len(points_world), np.bool_)
        return seen_by_any(self.views, points_world, slack_m)


class WorldReference:
    """A synthetic world: distances are exact, points come from exact depth pictures."""

    def __init__(self, world: KnowsDistance, views: Sequence[View]) -> None:
        """Lift the points of exact views.

        Raises:
            BadInput: the views know no depth.
        """
        self._world = world
        self.views = _useful(views)
        # Chosen, not averaged: a mean of two sides of an edge would lie off the surface.
        lifted = np.concatenate([view.points() for view in self.views])
        self._points = pick_one_a_cell(lifted, CELL_M)

    def describe(self) -> str:
        """Return one phrase for the protocol."""
        return (
            f"synthetic world, exact distance, completeness from exact depth of "
            f"{len(self.views)} views on a {CELL_M * 100:g} cm grid"
        )

    def distance(self, points_world: F64) -> F64:
        """Return exact metres (n,) to the world's surface."""
        return np.asarray(np.abs(self._world.distance(points_world)), np.float64)

    def points(self, count: int, seed: int) -> F64:
        """Return what the views saw, one point a centimetre cell, at most `count` of them."""
        return _some(self._points, count, seed)

    def seen(self, points_world: F64, slack_m: float) -> Bool:
        """Return whether a view sees each point."""
        return seen_by_any(self.views, points_world, slack_m)


def sensor_reference(views: Sequence[View]) -> MeshReference:
    """Return a recording's own depth as reference: fused, and trimmed to what its views saw.

    Raises:
        BadInput: the views know no depth, or agree on no surface.
    """
    useful = _useful(views)
    name = f"sensor depth of {len(useful)} frames fused by Open3D at {VOXEL_M * 100:g} cm"
    return MeshReference(fuse(useful), useful, name)


def _useful(views: Sequence[View]) -> tuple[View, ...]:
    kept = tuple(view for view in views if (view.depth_m > 0).any())
    if not kept:
        raise BadInput(
            "The reference has no depth to compare with.", "Use a source with depth and poses."
        )
    return kept


def _some(points: F64, count: int, seed: int) -> F64:
    if len(points) <= count:
        return points
    chosen = np.random.default_rng(seed).choice(len(points), count, replace=False)
    return np.asarray(points[np.sort(chosen)])
