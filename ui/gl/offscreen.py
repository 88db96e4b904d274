"""A drawing context of our own that belongs to no window, and pictures drawn in it.

A view that draws straight into its window makes Qt put the whole window together with OpenGL from
then on: with a software renderer every changed label costs as much as the scene.
"""

from typing import Any

import numpy as np
from OpenGL import GL
from PySide6.QtGui import QOffscreenSurface, QOpenGLContext, QSurfaceFormat

from engine.core.arrays import U8

OLDEST_GL = (3, 2)
SOFTWARE = ("llvmpipe", "softpipe", "swrast", "swiftshader", "software", "gdi generic", "basic")


class NoOpenGL(Exception):
    """Nothing can be drawn in 3D here, or not any more; the text says why."""


class Offscreen:
    """An OpenGL context without a window.

    Attributes:
        renderer: what draws, in the driver's words.
        is_software: whether the processor draws.
    """

    def __init__(self) -> None:
        """Create it and make it current.

        Raises:
            NoOpenGL: this screen has none, or too old a one.
        """
        wanted = QSurfaceFormat()
        wanted.setRenderableType(QSurfaceFormat.RenderableType.OpenGL)
        wanted.setVersion(*OLDEST_GL)
        wanted.setProfile(QSurfaceFormat.OpenGLContextProfile.CoreProfile)
        self._context = QOpenGLContext()
        self._context.setFormat(wanted)
        if not self._context.create() or self._context.isOpenGLES():
            raise NoOpenGL("This screen offers no OpenGL for desktops.")
        self._surface = QOffscreenSurface()
        self._surface.setFormat(self._context.format())
        self._surface.create()
        self.make_current()
        major, minor = self._context.format().version()
        if (major, minor) < OLDEST_GL:
            self.close()
            raise NoOpenGL(f"This screen offers OpenGL {major}.{minor}, which is too old.")
        self.renderer = GL.glGetString(GL.GL_RENDERER).decode(errors="replace")
        self.is_software = any(word in self.renderer.lower() for word in SOFTWARE)

    def make_current(self) -> None:
        """Let drawing commands of this thread come here.

        Raises:
            NoOpenGL: the context was lost.
        """
        if not self._context.makeCurrent(self._surface):
            raise NoOpenGL("The graphics driver stopped and took the 3D view with it.")

    def close(self) -> None:
        """Give the context back."""
        self._context.doneCurrent()
        self._surface.destroy()


class Target:
    """What is drawn into: colour and depth."""

    def __init__(self, width: int, height: int) -> None:
        """Reserve it in the current context.

        Raises:
            NoOpenGL: the driver has no room for it.
        """
        self.size = width, height
        self._frame = int(GL.glGenFramebuffers(1))
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._frame)
        self._buffers = [int(name) for name in GL.glGenRenderbuffers(2)]
        kinds = (
            (GL.GL_RGBA8, GL.GL_COLOR_ATTACHMENT0),
            (GL.GL_DEPTH_COMPONENT24, GL.GL_DEPTH_ATTACHMENT),
        )
        for name, (inner, place) in zip(self._buffers, kinds, strict=True):
            GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, name)
            GL.glRenderbufferStorage(GL.GL_RENDERBUFFER, inner, width, height)
            GL.glFramebufferRenderbuffer(GL.GL_FRAMEBUFFER, place, GL.GL_RENDERBUFFER, name)
        if GL.glCheckFramebufferStatus(GL.GL_FRAMEBUFFER) != GL.GL_FRAMEBUFFER_COMPLETE:
            raise NoOpenGL("The graphics driver has no room for a picture of this size.")

    def begin(self, rgb: tuple[float, float, float]) -> None:
        """Make it the place where drawing goes, empty but for a colour."""
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._frame)
        GL.glViewport(0, 0, *self.size)
        GL.glClearColor(*rgb, 1.0)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT | GL.GL_DEPTH_BUFFER_BIT)

    def read(self) -> U8:
        """Return the picture (h, w, 4) as blue, green, red and nothing, the top row first."""
        width, height = self.size
        pixels = np.empty((height, width, 4), np.uint8)
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._frame)
        GL.glReadPixels(0, 0, width, height, GL.GL_BGRA, GL.GL_UNSIGNED_BYTE, pixels)
        return pixels

    def release(self) -> None:
        """Free it; its context must be current."""
        GL.glDeleteFramebuffers(1, [self._frame])
        GL.glDeleteRenderbuffers(len(self._buffers), self._buffers)


def is_passed(fence: Any) -> bool:
    """Return whether all is drawn that was asked for before the fence; never waits."""
    said = GL.glClientWaitSync(fence, GL.GL_SYNC_FLUSH_COMMANDS_BIT, 0)
    return bool(said != GL.GL_TIMEOUT_EXPIRED)


def why_no_opengl() -> str | None:
    """Return why nothing can be drawn in 3D here, or None."""
    try:
        Offscreen().close()
    except NoOpenGL as fault:
        return str(fault)
    return None
