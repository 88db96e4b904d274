"""What the graphics card holds of the surface: one sheet a page, and which of them are in view."""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from OpenGL import GL
from OpenGL.raw.GL.VERSION.GL_2_0 import glVertexAttribPointer

from engine.core.arrays import F32, F64
from ui.gl.page import Page
from ui.gl.shaders import COLOR, FACTS, POSITION, STAMP, UV

VERTEX = np.dtype([
    ("position", "<f4", 3), ("color", "u1", 3), ("confidence", "u1"),
    ("is_guessed", "u1"), ("is_counted", "u1"), ("stamp", "<u2"),
])  # fmt: skip
UV_BYTES = 8
# Place, count, type, whether 0..255 becomes 0..1, and where in a vertex.
_LAYOUT = (
    (POSITION, 3, GL.GL_FLOAT, False, 0),
    (COLOR, 4, GL.GL_UNSIGNED_BYTE, True, 12),
    (FACTS, 2, GL.GL_UNSIGNED_BYTE, True, 16),
    (STAMP, 1, GL.GL_UNSIGNED_SHORT, False, 18),
)


@dataclass(slots=True)
class Sheet:
    """One page on the graphics card.

    Attributes:
        array: name of the vertex array, 0 once it was freed.
        buffers: names of what it refers to: vertices, faces, and texture coordinates if any.
        corners: how many corners are drawn.
        index_type: of the faces.
        vertices: how many there are.
    """

    array: int
    buffers: list[int]
    corners: int = 0
    index_type: int = 0
    vertices: int = 0


class Sheets:
    """All sheets of one surface, by number."""

    def __init__(self) -> None:
        """Hold nothing."""
        self._sheets: dict[int, Sheet] = {}
        self._boxes: dict[int, tuple[F32, F32]] = {}
        self._stacked: tuple[list[int], F32, F32] | None = None
        self.uploads = 0

    def __len__(self) -> int:
        """How many sheets show something."""
        return len(self._sheets)

    @property
    def triangles(self) -> int:
        """Faces on all sheets."""
        return sum(sheet.corners for sheet in self._sheets.values()) // 3

    @property
    def vertices(self) -> int:
        """Vertices on all sheets."""
        return sum(sheet.vertices for sheet in self._sheets.values())

    def put(self, number: int, page: Page) -> None:
        """Let a page be what a sheet shows; an empty one frees it. A context must be current."""
        if not len(page.faces):
            self.drop(number)
            return
        sheet = self._sheets.get(number)
        if sheet is None:
            count = 2 if page.uv is None else 3
            names = [int(name) for name in np.atleast_1d(GL.glGenBuffers(count))]
            sheet = self._sheets[number] = Sheet(int(GL.glGenVertexArrays(1)), names)
            _lay_out(sheet)
        _upload(sheet, page)
        self.uploads += 1
        self._boxes[number] = page.vertices.min(axis=0), page.vertices.max(axis=0)
        self._stacked = None

    def drop(self, number: int) -> None:
        """Free a sheet, if there is one."""
        sheet = self._sheets.pop(number, None)
        if sheet is not None:
            GL.glDeleteVertexArrays(1, [sheet.array])
            GL.glDeleteBuffers(len(sheet.buffers), sheet.buffers)
            sheet.array = 0
            del self._boxes[number]
            self._stacked = None

    def clear(self) -> None:
        """Free all sheets."""
        for number in list(self._sheets):
            self.drop(number)

    def all(self) -> list[Sheet]:
        """Return all sheets."""
        return list(self._sheets.values())

    def in_view(self, T_clip_world: F64, eye_m: F64) -> list[Sheet]:
        """Return the sheets that may be seen, nearest first, so that they hide the others."""
        numbers, low, high = self.boxes()
        if not numbers:
            return []
        seen = np.ones(len(numbers), bool)
        # What is inside has -w <= x, y, z <= w: six planes, and a box is out if its best corner is.
        rows = T_clip_world[3] + np.array([1, -1])[:, None, None] * T_clip_world[None, :3]
        for plane in rows.reshape(6, 4):
            best = np.where(plane[:3] > 0, high, low)
            seen &= best @ plane[:3] + plane[3] >= 0
        gaps = np.linalg.norm(np.clip(eye_m, low, high) - eye_m, axis=1)
        order = np.argsort(gaps, kind="stable")
        return [self._sheets[numbers[i]] for i in order if seen[i]]

    def boxes(self) -> tuple[list[int], F32, F32]:
        """Return the numbers (n), lowest and highest corners (n, 3) of all sheets."""
        if self._stacked is None:
            numbers = list(self._boxes)
            ends = np.array(list(self._boxes.values()), np.float32).reshape(-1, 2, 3)
            self._stacked = numbers, ends[:, 0], ends[:, 1]
        return self._stacked


def draw(sheets: Iterable[Sheet]) -> Iterable[None]:
    """Draw sheets with the program in use, stopping after each; those freed meanwhile are left."""
    for sheet in sheets:
        if sheet.array:
            GL.glBindVertexArray(sheet.array)
            GL.glDrawElements(GL.GL_TRIANGLES, sheet.corners, sheet.index_type, None)
            yield


def _lay_out(sheet: Sheet) -> None:
    # The plain call: the comfortable one asks the window system which context is current, and where
    # there are two window systems it asks the wrong one.
    GL.glBindVertexArray(sheet.array)
    GL.glBindBuffer(GL.GL_ARRAY_BUFFER, sheet.buffers[0])
    for place, count, kind, is_share, start in _LAYOUT:
        GL.glEnableVertexAttribArray(place)
        at = ctypes.c_void_p(start)
        glVertexAttribPointer(place, count, kind, is_share, VERTEX.itemsize, at)
    if len(sheet.buffers) > 2:
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, sheet.buffers[2])
        GL.glEnableVertexAttribArray(UV)
        glVertexAttribPointer(UV, 2, GL.GL_FLOAT, False, UV_BYTES, ctypes.c_void_p(0))
    GL.glBindBuffer(GL.GL_ELEMENT_ARRAY_BUFFER, sheet.buffers[1])


def _upload(sheet: Sheet, page: Page) -> None:
    corners = np.empty(len(page.vertices), VERTEX)
    corners["position"] = page.vertices
    corners["color"] = page.colors
    corners["confidence"] = page.confidence
    corners["is_guessed"] = np.where(page.is_observed, 0, 255)
    corners["is_counted"] = np.where(page.is_counted, 255, 0)
    corners["stamp"] = page.stamps
    # Half the bytes where a page is small enough, as nearly all are.
    small = len(page.vertices) <= 1 << 16
    faces = np.ascontiguousarray(page.faces, np.uint16 if small else np.uint32)
    GL.glBindVertexArray(sheet.array)
    GL.glBindBuffer(GL.GL_ARRAY_BUFFER, sheet.buffers[0])
    GL.glBufferData(GL.GL_ARRAY_BUFFER, corners.nbytes, corners, GL.GL_DYNAMIC_DRAW)
    if page.uv is not None:
        uv = np.ascontiguousarray(page.uv, np.float32)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, sheet.buffers[2])
        GL.glBufferData(GL.GL_ARRAY_BUFFER, uv.nbytes, uv, GL.GL_STATIC_DRAW)
    GL.glBufferData(GL.GL_ELEMENT_ARRAY_BUFFER, faces.nbytes, faces, GL.GL_DYNAMIC_DRAW)
    GL.glBindVertexArray(0)
    sheet.corners, sheet.vertices = faces.size, len(corners)
    sheet.index_type = GL.GL_UNSIGNED_SHORT if small else GL.GL_UNSIGNED_INT
