"""Pictures of the scene, painted a few milliseconds at a time.

A software renderer needs tens of milliseconds for a picture and the window's thread has five to
give. So a picture is painted in steps: pages are handed over until time is up, what is left comes
at the next step; the driver goes on with them meanwhile. A fence tells when it is through, and only
then is the picture read.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Protocol

import numpy as np
from OpenGL import GL

from engine.core.arrays import F32, F64, U8, U16
from ui.gl.lines import Lines
from ui.gl.modes import ColorMode, cividis_table
from ui.gl.offscreen import Target, is_passed
from ui.gl.orbit import Orbit
from ui.gl.page import Page
from ui.gl.shaders import Look, Programs
from ui.gl.sheets import Sheet, Sheets, draw

# Parts of a pixel, spread over both axes alike.
ASIDE = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))
NOT_ASIDE = (0.0, 0.0)
_FLIP = np.diag([1.0, -1.0, 1.0, 1.0])
_CIVIDIS_MODES = (ColorMode.CONFIDENCE, ColorMode.AGE)


class Surface(Protocol):
    """A growing or a finished one."""

    sheets: Sheets

    @property
    def image(self) -> int:
        """Name of its texture, 0 without one."""
        ...

    def work(self, deadline_s: float, eye_m: F64) -> bool:
        """Upload until a `perf_counter` time; return whether something is left."""
        ...

    def page(self, number: int) -> Page:
        """Return the page that a sheet shows."""
        ...

    def bounds_m(self) -> tuple[F32, F32] | None:
        """Return the box (3,), (3,) round it, or None when there is none."""
        ...

    def coverage(self) -> float | None:
        """Return the share that is measured well; None when nobody kept count."""
        ...

    def release(self) -> None:
        """Free what the graphics card holds."""
        ...


@dataclass(frozen=True, slots=True)
class Shot:
    """What one picture shows, and how.

    Attributes:
        orbit: from where.
        size: width and height in pixels.
        passes: how often it is drawn, a part of a pixel aside each time, for smooth edges: 1 or 4.
        look: which program draws the surface.
        paper: the colour behind it, 0 to 1.
        now: the time as `Page.stamps` has it.
        unit_world: (4, 4) as `shaders.unit_of_box`; None without a box.
    """

    orbit: Orbit
    size: tuple[int, int]
    passes: int
    look: Look
    paper: tuple[float, float, float]
    now: int = 0
    unit_world: F64 | None = None

    @property
    def T_clip_world(self) -> F64:
        """The matrix (4, 4) to clip space."""
        return self.orbit.T_clip_world(self.size[0] / self.size[1])


@dataclass(frozen=True, slots=True)
class Picture:
    """A painted shot: (h, w, 4) uint8 blue, green, red and nothing, and what it took to paint."""

    pixels: U8
    shot: Shot
    cost_s: float


class Painter:
    """Paints one shot at a time; its context must be current at every call."""

    def __init__(self) -> None:
        """Reserve nothing yet."""
        self._programs = Programs()
        self._target: Target | None = None
        self._cividis = 0
        self._spare = Sheets()
        self._steps: Generator[None, None, U8] | None = None
        self._shot: Shot | None = None
        self._cost_s = 0.0
        self._is_waiting = False

    @property
    def shot(self) -> Shot | None:
        """What is being painted."""
        return self._shot

    def begin(self, shot: Shot, surface: Surface, lines: Iterable[Lines]) -> None:
        """Start to paint, in place of what was being painted."""
        self._stop()
        self._shot, self._cost_s = shot, 0.0
        self._steps = self._painted(shot, surface, tuple(lines))

    def step(self, deadline_s: float) -> Picture | None:
        """Paint until a `perf_counter` time, but at least a bit; return the picture when done."""
        if self._shot is None or self._steps is None:
            return None
        start = perf_counter()
        try:
            while True:
                next(self._steps)
                if self._is_waiting or perf_counter() >= deadline_s:
                    break
        except StopIteration as done:
            picture = Picture(done.value, self._shot, self._cost_s + perf_counter() - start)
            self._steps = self._shot = None
            return picture
        self._cost_s += perf_counter() - start
        return None

    def release(self) -> None:
        """Free all."""
        self._stop()
        self._spare.clear()
        self._programs.release()
        if self._target is not None:
            self._target.release()
            self._target = None
        if self._cividis:
            GL.glDeleteTextures(1, [self._cividis])
            self._cividis = 0

    def _stop(self) -> None:
        if self._steps is not None:
            self._steps.close()
        self._steps = self._shot = None
        self._is_waiting = False

    def _painted(
        self, shot: Shot, surface: Surface, lines: tuple[Lines, ...]
    ) -> Generator[None, None, U8]:
        """Draw pass by pass, each a part of a pixel aside, and return their mean."""
        total: U16 | None = None
        for aside in ASIDE[: shot.passes] if shot.passes > 1 else (NOT_ASIDE,):
            yield from self._drawn(shot, surface, lines, aside)
            fence = GL.glFenceSync(GL.GL_SYNC_GPU_COMMANDS_COMPLETE, 0)
            try:
                GL.glFlush()
                self._is_waiting = True
                while not is_passed(fence):
                    yield
            finally:
                self._is_waiting = False
                GL.glDeleteSync(fence)
            assert self._target is not None
            pixels = self._target.read()
            if shot.passes == 1:
                return pixels
            yield
            total = pixels.astype(np.uint16) if total is None else np.add(total, pixels, out=total)
            yield
        assert total is not None
        total += shot.passes // 2
        mean: U8 = (total // np.uint16(shot.passes)).astype(np.uint8)
        return mean

    def _drawn(
        self, shot: Shot, surface: Surface, lines: tuple[Lines, ...], aside: tuple[float, float]
    ) -> Iterator[None]:
        self._aim(shot).begin(shot.paper)
        T_clip_world = _shift(aside, shot.size) @ shot.T_clip_world
        sheets = surface.sheets.in_view(T_clip_world, shot.orbit.eye_m()) or self._nothing()
        GL.glEnable(GL.GL_DEPTH_TEST)
        GL.glDisable(GL.GL_BLEND)
        # A room is looked into from outside like a doll's house: walls and ceiling in between,
        # whose back it would be, do not hide it. The picture is upside down, and so is what counts
        # as the front.
        GL.glEnable(GL.GL_CULL_FACE)
        GL.glFrontFace(GL.GL_CW)
        self._bind_image(shot.look, surface)
        yield
        if shot.look.has_wires:
            GL.glEnable(GL.GL_POLYGON_OFFSET_FILL)
            GL.glPolygonOffset(1.0, 1.0)
        yield from self._surface(shot, shot.look, T_clip_world, sheets)
        GL.glDisable(GL.GL_POLYGON_OFFSET_FILL)
        if shot.look.has_wires:
            GL.glPolygonMode(GL.GL_FRONT_AND_BACK, GL.GL_LINE)
            wires = replace(shot.look, has_wires=False, is_wires=True)
            yield from self._surface(shot, wires, T_clip_world, sheets)
            GL.glPolygonMode(GL.GL_FRONT_AND_BACK, GL.GL_FILL)
        GL.glEnable(GL.GL_BLEND)
        GL.glBlendFunc(GL.GL_SRC_ALPHA, GL.GL_ONE_MINUS_SRC_ALPHA)
        program = self._programs.lines()
        program.use(clip_world=_FLIP @ T_clip_world)
        for some in lines:
            some.draw(program)

    def _surface(
        self, shot: Shot, look: Look, T_clip_world: F64, sheets: list[Sheet]
    ) -> Iterator[None]:
        program = self._programs.of(look)
        program.use(
            clip_world=_FLIP @ T_clip_world,
            axis=shot.orbit.axes()[2],
            now=shot.now,
            paper=np.array(shot.paper),
            unit_world=np.eye(4) if shot.unit_world is None else shot.unit_world,
        )
        yield from draw(sheets)

    def _aim(self, shot: Shot) -> Target:
        target = self._target
        if target is None or target.size != shot.size:
            if target is not None:
                target.release()
            target = self._target = Target(*shot.size)
        return target

    def _nothing(self) -> list[Sheet]:
        """Return a sheet that shows nothing.

        A driver compiles a program when it first draws with it, and a software renderer takes a
        tenth of a second for that: better while the scene is empty than in the middle of a scan.
        """
        if not len(self._spare):
            point, color = np.zeros((1, 3), np.float32), np.zeros((1, 3), np.uint8)
            flag, count, stamp = np.zeros(1, bool), np.zeros(1, np.uint8), np.zeros(1, np.uint16)
            face = np.zeros((1, 3), np.int32)
            self._spare.put(0, Page(point, face, color, flag, count, flag, stamp))
        return self._spare.all()

    def _bind_image(self, look: Look, surface: Surface) -> None:
        GL.glActiveTexture(GL.GL_TEXTURE0)
        if look.mode in _CIVIDIS_MODES:
            GL.glBindTexture(GL.GL_TEXTURE_2D, self._cividis or self._upload_cividis())
        else:
            GL.glBindTexture(GL.GL_TEXTURE_2D, surface.image)

    def _upload_cividis(self) -> int:
        self._cividis = int(GL.glGenTextures(1))
        GL.glBindTexture(GL.GL_TEXTURE_2D, self._cividis)
        for what, how in (
            (GL.GL_TEXTURE_MIN_FILTER, GL.GL_LINEAR),
            (GL.GL_TEXTURE_MAG_FILTER, GL.GL_LINEAR),
            (GL.GL_TEXTURE_WRAP_S, GL.GL_CLAMP_TO_EDGE),
            (GL.GL_TEXTURE_WRAP_T, GL.GL_CLAMP_TO_EDGE),
        ):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, what, how)
        GL.glTexImage2D(
            GL.GL_TEXTURE_2D, 0, GL.GL_RGB8, 256, 1, 0,
            GL.GL_RGB, GL.GL_UNSIGNED_BYTE, cividis_table().copy(),
        )  # fmt: skip
        return self._cividis


def _shift(aside: tuple[float, float], size: tuple[int, int]) -> F64:
    matrix = np.eye(4)
    matrix[:2, 3] = 2 * np.array(aside) / size
    return matrix
