"""A finished mesh on the screen, cut into pages as well.

What is out of view then costs nothing, and a click is searched for only where it can be. Cutting a
million triangles takes longer than a tick may, so it is done page by page.
"""

from collections.abc import Generator, Iterator
from time import perf_counter

import numpy as np

from engine.core.arrays import F32, F64, I64
from engine.core.surface import Mesh, TexturedMesh
from ui.gl.image import Image
from ui.gl.modes import PLAIN_RGB
from ui.gl.page import Page
from ui.gl.sheets import Sheets

PAGE_FACES = 16_384
# Faces are sorted along a curve through so many cells an axis; 15 bits sort fast.
CELL_BITS = 5
SORT_STEP = 1 << 15
FLIP, TOP = np.array([1, -1], np.float32), np.array([0, 1], np.float32)


class Finished:
    """One finished mesh, with its photographs if it has any."""

    def __init__(self, surface: Mesh | TexturedMesh) -> None:
        """Show nothing yet; `work` does."""
        mesh = surface.mesh if isinstance(surface, TexturedMesh) else surface
        self.sheets = Sheets()
        self._mesh = mesh
        self._uv: F32 | None = None
        self._picture: Image | None = None
        if isinstance(surface, TexturedMesh):
            self._uv = surface.uv
            self._picture = Image(surface.texture)
        self._bounds = None if mesh.is_empty else mesh.bounds_m()
        self._pages: list[Page] = []
        self._steps: Iterator[None] | None = self._made()

    @property
    def image(self) -> int:
        """Name of the texture, 0 without one."""
        return self._picture.name if self._picture is not None else 0

    def work(self, deadline_s: float, eye_m: F64) -> bool:
        """Cut and upload until a `perf_counter` time, but at least one step.

        Returns whether some is left. The context must be current.
        """
        while self._steps is not None:
            if next(self._steps, self) is self:
                self._steps = None
            if perf_counter() >= deadline_s:
                break
        return self._steps is not None

    def page(self, number: int) -> Page:
        """Return the page that a sheet shows."""
        return self._pages[number]

    def bounds_m(self) -> tuple[F32, F32] | None:
        """Return the box (3,), (3,) round the mesh, or None when it is empty."""
        return self._bounds

    def coverage(self) -> float | None:
        """Return nothing: a finished mesh says no more how often each place was seen."""
        return None

    def release(self) -> None:
        """Free what the graphics card holds; the context must be current."""
        self._steps = None
        self.sheets.clear()
        if self._picture is not None:
            self._picture.release()

    def _made(self) -> Iterator[None]:
        if self._picture is not None:
            yield from self._picture.upload()
        if self._bounds is None:
            return
        order = yield from _along_curve(self._mesh, self._bounds)
        for start in range(0, len(order), PAGE_FACES):
            page = self._cut(order[start : start + PAGE_FACES])
            self._pages.append(page)
            self.sheets.put(len(self._pages) - 1, page)
            yield

    def _cut(self, numbers: I64) -> Page:
        mesh = self._mesh
        used, corners = np.unique(mesh.faces[numbers], return_inverse=True)
        count = len(used)
        colors = np.full((count, 3), PLAIN_RGB, np.uint8)
        return Page(
            mesh.vertices[used],
            corners.reshape(-1, 3).astype(np.int32),
            colors if mesh.colors is None else mesh.colors[used],
            np.ones(count, bool) if mesh.is_observed is None else mesh.is_observed[used],
            np.zeros(count, np.uint8),
            np.zeros(count, bool),
            np.zeros(count, np.uint16),
            # The texture's first row is on top, and v grows upwards.
            None if self._uv is None else self._uv[used] * FLIP + TOP,
            numbers,
        )


def _along_curve(mesh: Mesh, bounds_m: tuple[F32, F32]) -> Generator[None, None, I64]:
    """Return the numbers of all faces, neighbours near each other: along a Z-order curve."""
    low, high = bounds_m
    scale = ((1 << CELL_BITS) - 1e-3) / max(float((high - low).max()), 1e-9)
    key = np.empty(len(mesh.faces), np.uint16)
    for start in range(0, len(key), SORT_STEP):
        part = slice(start, start + SORT_STEP)
        cells = ((mesh.vertices[mesh.faces[part, 0]] - low) * scale).astype(np.uint16)
        bits = [
            (cells[:, axis] >> bit & 1) << (3 * bit + axis)
            for bit in range(CELL_BITS)
            for axis in range(3)
        ]
        key[part] = np.bitwise_or.reduce(bits)
        yield
    return np.argsort(key, kind="stable")
