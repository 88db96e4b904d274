"""Thin lines in the scene, which surface may hide."""

import ctypes

import numpy as np
from OpenGL import GL
from OpenGL.raw.GL.VERSION.GL_2_0 import glVertexAttribPointer

from engine.core.arrays import F32
from ui.gl.shaders import POSITION, Program

Rgba = tuple[float, float, float, float]


class Lines:
    """Lines of one colour; changed at any time, uploaded when they are next drawn."""

    def __init__(self, rgba: Rgba, joined: bool = False) -> None:
        """Draw nothing yet; points are ends two by two, or one line if `joined`."""
        self.rgba = rgba
        self.is_visible = True
        self._kind = GL.GL_LINE_STRIP if joined else GL.GL_LINES
        self._waiting: F32 | None = None
        self._count = 0
        self._array = self._buffer = 0

    def set_points(self, points_world: F32) -> None:
        """Draw through these points (n, 3) from now on."""
        self._waiting = np.ascontiguousarray(points_world, np.float32)

    def draw(self, program: Program) -> None:
        """Draw with the program in use; the context must be current."""
        if self._waiting is not None:
            self._upload(self._waiting)
            self._waiting = None
        if self._count and self.is_visible:
            program.use(rgba=np.array(self.rgba))
            GL.glBindVertexArray(self._array)
            GL.glDrawArrays(self._kind, 0, self._count)

    def release(self) -> None:
        """Free what the graphics card holds; the context must be current."""
        if self._array:
            GL.glDeleteVertexArrays(1, [self._array])
            GL.glDeleteBuffers(1, [self._buffer])
        self._array = self._buffer = self._count = 0

    def _upload(self, points: F32) -> None:
        if not self._array:
            self._array, self._buffer = int(GL.glGenVertexArrays(1)), int(GL.glGenBuffers(1))
        GL.glBindVertexArray(self._array)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._buffer)
        GL.glBufferData(GL.GL_ARRAY_BUFFER, points.nbytes, points, GL.GL_DYNAMIC_DRAW)
        GL.glEnableVertexAttribArray(POSITION)
        glVertexAttribPointer(POSITION, 3, GL.GL_FLOAT, False, 0, ctypes.c_void_p(0))
        self._count = len(points)
