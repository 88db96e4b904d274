"""The growing surface on the screen: patches come by brick, the screen keeps one page per chunk.

A scan has thousands of bricks, and a scene of thousands of items cannot be painted from Python;
a page of 4 x 4 x 4 bricks is small enough to be replaced often and large enough to be few.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from OpenGL import GL
from pyqtgraph.opengl import GLMeshItem, GLViewWidget
from pyqtgraph.opengl.shaders import ShaderProgram

from engine.core.arrays import F32, I32, U8, Bool
from engine.core.grid import CHUNK_BLOCKS, pack, unpack
from engine.core.surface import MeshPatch
from ui.gl.guessed import Guessed, shown_colors, shown_faces


@dataclass(frozen=True, slots=True)
class Page:
    """All patches of one chunk in one piece.

    Attributes:
        vertices: (n, 3) float32, world.
        faces: (m, 3) int32.
        colors: (n, 4) uint8 RGBA.
        is_observed: (n,) whether depth was measured there.
    """

    vertices: F32
    faces: I32
    colors: U8
    is_observed: Bool


class PageBook:
    """Which patches stand on which page, and which pages must be drawn anew."""

    def __init__(self) -> None:
        self._patches: dict[int, dict[int, MeshPatch]] = {}
        self._dirty: dict[int, None] = {}
        # Some point of each page. Cells differ in size from lattice to lattice; points do not.
        self._where: dict[int, F32] = {}
        self._low = np.full(3, np.inf, np.float32)
        self._high = np.full(3, -np.inf, np.float32)

    def absorb(self, patches: Iterable[MeshPatch]) -> None:
        """Let patches replace what their cells showed; older revisions are ignored."""
        given = list(patches)
        if not given:
            return
        cells = unpack(np.array([patch.key for patch in given], np.int64))
        chunks = pack(cells // CHUNK_BLOCKS).tolist()
        for patch, chunk in zip(given, chunks, strict=True):
            page = self._patches.setdefault(chunk, {})
            shown = page.get(patch.key)
            if shown is not None and shown.revision > patch.revision:
                continue
            page[patch.key] = patch
            self._dirty[chunk] = None
            if len(patch.vertices):
                self._where[chunk] = patch.vertices[0]
                self._low = np.minimum(self._low, patch.vertices.min(axis=0))
                self._high = np.maximum(self._high, patch.vertices.max(axis=0))

    @property
    def has_dirty(self) -> bool:
        """Whether some page must be drawn anew."""
        return bool(self._dirty)

    def dirty_by_distance(self, eye_world: F32) -> list[int]:
        """Return the dirty pages, nearest to a point (3,) first; emptied ones come before all."""
        nowhere = np.asarray(eye_world, np.float32)
        places = np.array([self._where.get(chunk, nowhere) for chunk in self._dirty], np.float32)
        gaps = places.reshape(-1, 3) - nowhere
        order = np.argsort((gaps * gaps).sum(axis=1), kind="stable")
        chunks = list(self._dirty)
        return [chunks[i] for i in order]

    def take(self, chunk: int) -> Page:
        """Return a page as it should be drawn now, and count it as drawn."""
        self._dirty.pop(chunk, None)
        patches = [p for p in self._patches[chunk].values() if len(p.faces)]
        if not patches:
            nothing = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
            return Page(*nothing, _rgba([]), np.zeros(0, bool))
        counts = np.array([len(p.vertices) for p in patches])
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
        faces = np.concatenate([p.faces + s for p, s in zip(patches, starts, strict=True)])
        vertices = np.concatenate([p.vertices for p in patches])
        observed = np.concatenate([
            np.ones(len(p.vertices), bool) if p.is_observed is None else p.is_observed
            for p in patches
        ])  # fmt: skip
        return Page(vertices, faces, _rgba([p.colors for p in patches]), observed)

    def redo(self) -> None:
        """Count every page as not yet drawn."""
        self._dirty.update(dict.fromkeys(self._patches))

    def bounds_m(self) -> tuple[F32, F32] | None:
        """Return the box (3,), (3,) round all surface so far, or None when there was none yet."""
        return (self._low, self._high) if np.isfinite(self._low).all() else None


class Pages:
    """The GL items of a page book."""

    def __init__(self, view: GLViewWidget, shader: ShaderProgram) -> None:
        """Draw into a view; nothing is drawn yet."""
        self.book = PageBook()
        self._view = view
        self._shader = shader
        self._items: dict[int, GLMeshItem] = {}
        self._faces: dict[int, int] = {}
        self._guessed = Guessed.SHOW
        self._is_visible = True

    def work(self, deadline_s: float, eye_world: F32) -> bool:
        """Rebuild dirty pages, nearest first, until a `perf_counter` time, but at least one.

        Returns whether some are left.
        """
        if not self.book.has_dirty:
            return False
        for chunk in self.book.dirty_by_distance(eye_world):
            self._draw(chunk, self.book.take(chunk))
            if perf_counter() >= deadline_s:
                break
        return self.book.has_dirty

    def set_visible(self, visible: bool) -> None:
        """Show or hide the pages without forgetting them."""
        self._is_visible = visible
        for chunk, item in self._items.items():
            item.setVisible(visible and self._faces[chunk] > 0)

    def set_guessed(self, how: Guessed) -> None:
        """Show guessed surface like all other, tinted, or not; pages follow as they are drawn."""
        if how is not self._guessed:
            self._guessed = how
            self.book.redo()

    @property
    def page_count(self) -> int:
        """Pages that show something."""
        return sum(count > 0 for count in self._faces.values())

    @property
    def face_count(self) -> int:
        """Faces on all pages."""
        return sum(self._faces.values())

    def uploaded_vertices(self) -> int:
        """Return how many vertices of the pages' current state the graphics card was given."""
        # An item parses its mesh when it is painted, and uploads it in the same breath.
        return sum(
            len(item.vertexes)
            for item in self._items.values()
            if item.vertexes is not None and item.m_vbo_position.isCreated() and item.visible()
        )

    def _draw(self, chunk: int, page: Page) -> None:
        faces = shown_faces(page.faces, page.is_observed, self._guessed)
        self._faces[chunk] = len(faces)
        item = self._items.get(chunk)
        if not len(faces):
            if item is not None:
                item.setVisible(False)
            return
        if item is None:
            item = surface_item(self._shader)
            self._items[chunk] = item
            self._view.addItem(item)
        colors = shown_colors(page.colors, page.is_observed, self._guessed)
        item.setMeshData(vertexes=page.vertices, faces=faces, vertexColors=colors)
        item.setVisible(self._is_visible)


def surface_item(shader: ShaderProgram) -> GLMeshItem:
    """Return an empty item that shows faces from their free side only.

    A room is looked into from outside like a doll's house: walls and ceiling in between, whose
    back it would be, do not hide it.
    """
    one_sided = {GL.GL_DEPTH_TEST: True, GL.GL_BLEND: False, GL.GL_CULL_FACE: True}
    return GLMeshItem(shader=shader, smooth=True, computeNormals=False, glOptions=one_sided)


def _rgba(parts: list[U8]) -> U8:
    count = sum(len(part) for part in parts)
    colors = np.full((count, 4), 255, np.uint8)
    if parts:
        colors[:, :3] = np.concatenate(parts)
    return colors
