"""A finished surface for pages to work on; its edits are crude, but they do change it."""

import time

import numpy as np

from app.jobs import Task
from engine.core.edits import Counts, Crop, EditPreview, Level, Rung, Simplify
from engine.core.faults import BadInput
from engine.core.news import Progress
from engine.core.surface import Mesh, TexturedMesh
from tests.app.fakes import patch_at


def hills(cells=6):
    """Return the sand hills as one mesh."""
    patches = [patch_at(x, y, 0) for x in range(-cells, cells) for y in range(-cells, cells)]
    starts = np.cumsum([0, *(len(p.vertices) for p in patches)])
    return Mesh(
        np.concatenate([p.vertices for p in patches]),
        np.concatenate([p.faces + s for p, s in zip(patches, starts, strict=False)]).astype("i4"),
        np.concatenate([p.colors for p in patches]),
        np.concatenate([p.vertices[:, 0] > -1 for p in patches]),
    )


def shape_of(surface):
    return surface.mesh if isinstance(surface, TexturedMesh) else surface


def counts_of(surface):
    mesh = shape_of(surface)
    low, high = mesh.bounds_m()
    size_m = tuple(float(edge) for edge in high - low)
    return Counts(len(mesh.faces), len(mesh.vertices), 1, 1, mesh.area_m2(), size_m)


def edited(mesh, edit):
    """Crop drops whole faces, Level lifts, Simplify leaves faces out; others change nothing."""
    keep = np.ones(len(mesh.faces), bool)
    vertices = mesh.vertices
    if isinstance(edit, Crop):
        centres = edit.T_world_box.inverse.apply(vertices[mesh.faces].mean(axis=1))
        keep = (np.abs(centres) <= np.array(edit.size_m) / 2).all(axis=1)
    if isinstance(edit, Simplify):
        keep = np.arange(len(keep)) < edit.faces
    if isinstance(edit, Level):
        vertices = vertices - [0, 0, vertices[:, 2].min()]
    if not keep.any():
        raise BadInput("Nothing would be left.", "Make the box larger.")
    used, faces = np.unique(mesh.faces[keep], return_inverse=True)
    observed = None if mesh.is_observed is None else mesh.is_observed[used]
    colors = None if mesh.colors is None else mesh.colors[used]
    return Mesh(vertices[used].astype("f4"), faces.reshape(-1, 3).astype("i4"), colors, observed)


class FakeModel:
    """Has the three grades, undo and redo, and a texture of stripes.

    While `hold` is set, tasks go on for ever; with `fault` set, they end with it.
    """

    can_texture = True

    def __init__(self, surface=None, title="sand hills", fault=None, kept=None):
        self.title = title
        self.surface = hills() if surface is None else surface
        self.first = self.surface
        self.grades = ("draft", "refined", "final")
        self.texture_note = ""
        self.fault = fault
        self.export_fault = None
        self.hold = False
        self.exports = []
        self.saved = 0
        self.closed = False
        self._before, self._after = [], []
        self._tasks = []
        self._kept = kept or self._tasks.append

    @property
    def counts(self):
        return counts_of(self.surface)

    @property
    def done(self):
        return tuple(says for says, _ in self._before)

    @property
    def undone(self):
        return tuple(says for says, _ in self._after)

    def grade(self, name):
        share = {"draft": 0.8, "refined": 0.9, "final": 1.0}[name]
        mesh = shape_of(self.first)
        return self._task("grade", lambda: edited(mesh, Simplify(int(share * len(mesh.faces)))))

    def preview(self, edit):
        def work():
            after = edited(shape_of(self.surface), edit)
            return EditPreview(self.counts, counts_of(after), after)

        return self._task("preview", work)

    def apply(self, edit):
        return self._task(
            "apply",
            lambda: self._become(f"{type(edit).__name__}.", edited(shape_of(self.surface), edit)),
        )

    def undo(self):
        return self._task("undo", lambda: self._swap(self._before, self._after))

    def redo(self):
        return self._task("redo", lambda: self._swap(self._after, self._before))

    def texture(self, size_px):
        def work():
            mesh = shape_of(self.surface)
            low, high = mesh.bounds_m()
            uv = ((mesh.vertices - low) / np.maximum(high - low, 1e-6))[:, :2].astype("f4")
            stripes = np.zeros((size_px, size_px, 3), np.uint8)
            stripes[:, ::2] = (200, 160, 90)
            return self._become("Texture made.", TexturedMesh(mesh, uv, stripes))

        return self._task("texture", work)

    def ladder(self):
        faces = self.counts.faces
        return self._task(
            "ladder",
            lambda: tuple(
                Rung(
                    name,
                    name.capitalize(),
                    min(faces, most),
                    px,
                    {"glb": most / 3e4, "stl": most / 2e4},
                )
                for name, most, px in (
                    ("preview", 2_000, 512),
                    ("medium", 8_000, 2048),
                    ("full", 300_000, 4096),
                )
            ),
        )

    def export(self, path, format_name, target_name, detail=None):
        def work():
            if self.export_fault is not None:
                raise self.export_fault
            faces = self.counts.faces
            path.write_text(f"{faces} faces")
            self.exports.append((path, format_name, target_name, detail, faces))
            return f"Wrote {path.name}."

        return self._task("export", work)

    def save(self):
        def work():
            self.saved += 1
            return "Saved mesh.glb."

        return self._task("save", work)

    def close(self):
        self.closed = True
        for task in self._tasks:
            task.cancel()
            assert task.join(5)

    def _become(self, says, surface):
        self._before.append((says, self.surface))
        self._after.clear()
        self.surface = surface
        return surface

    def _swap(self, source, target):
        if not source:
            raise BadInput("There is nothing left to undo or redo.")
        says, surface = source.pop()
        target.append((says, self.surface))
        self.surface = surface
        return surface

    def _task(self, name, work):
        def job():
            yield Progress(name, 0, 2)
            while self.hold:
                yield Progress(name, 1, 2)
                time.sleep(0.005)
            if self.fault is not None:
                raise self.fault
            return work()

        task = Task(name, job())
        self._kept(task)
        return task
