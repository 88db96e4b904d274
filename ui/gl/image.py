"""The texture of a finished mesh on the graphics card, with smaller copies for what is far away.

A large one takes longer to upload, and longer still to be made smaller by a software renderer,
than the window may stand still; so both are done in strips.
"""

from collections.abc import Iterator

import numpy as np
from OpenGL import GL

from engine.core.arrays import U8

STRIP_BYTES = 1 << 20


class Image:
    """One picture (h, w, 3) uint8 RGB; `name` is 0 until `upload` began."""

    def __init__(self, pixels: U8) -> None:
        """Keep the picture until it is uploaded."""
        self._pixels = pixels
        self.name = 0

    def upload(self) -> Iterator[None]:
        """Upload it and its smaller copies, stopping after each strip.

        The context must be current.
        """
        levels = 1 + int(np.log2(max(min(self._pixels.shape[:2]), 1)))
        self.name = int(GL.glGenTextures(1))
        self._bind()
        for what, how in (
            (GL.GL_TEXTURE_MIN_FILTER, GL.GL_LINEAR_MIPMAP_LINEAR),
            (GL.GL_TEXTURE_MAG_FILTER, GL.GL_LINEAR),
            (GL.GL_TEXTURE_WRAP_S, GL.GL_CLAMP_TO_EDGE),
            (GL.GL_TEXTURE_WRAP_T, GL.GL_CLAMP_TO_EDGE),
            (GL.GL_TEXTURE_MAX_LEVEL, levels - 1),
        ):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, what, how)
        pixels = self._pixels
        for level in range(levels):
            height, width = pixels.shape[:2]
            self._bind()
            GL.glTexImage2D(
                GL.GL_TEXTURE_2D, level, GL.GL_RGB8, width, height, 0,
                GL.GL_RGB, GL.GL_UNSIGNED_BYTE, None,
            )  # fmt: skip
            smaller = np.empty((height // 2, width // 2, 3), np.uint8)
            rows = max(2, STRIP_BYTES // (3 * width) // 2 * 2)
            for top in range(0, height, rows):
                strip = np.ascontiguousarray(pixels[top : top + rows])
                self._put(level, top, strip)
                smaller[top // 2 : (top + rows) // 2] = halved(strip)
                yield
            pixels = smaller
        self._pixels = np.zeros((0, 0, 3), np.uint8)

    def release(self) -> None:
        """Free it; its context must be current."""
        if self.name:
            GL.glDeleteTextures(1, [self.name])
            self.name = 0

    def _bind(self) -> None:
        # Not where a picture that is being painted looks for its texture.
        GL.glActiveTexture(GL.GL_TEXTURE1)
        GL.glBindTexture(GL.GL_TEXTURE_2D, self.name)

    def _put(self, level: int, top: int, strip: U8) -> None:
        self._bind()
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        GL.glTexSubImage2D(
            GL.GL_TEXTURE_2D, level, 0, top, strip.shape[1], strip.shape[0],
            GL.GL_RGB, GL.GL_UNSIGNED_BYTE, strip,
        )  # fmt: skip


def halved(pixels: U8) -> U8:
    """Return a picture (h // 2, w // 2, 3) of the means of two by two; odd ends are left out."""
    height, width = pixels.shape[0] // 2 * 2, pixels.shape[1] // 2 * 2
    whole = pixels[:height, :width].astype(np.uint16)
    rows = whole[0::2] + whole[1::2]
    mean: U8 = ((rows[:, 0::2] + rows[:, 1::2] + 2) >> 2).astype(np.uint8)
    return mean
