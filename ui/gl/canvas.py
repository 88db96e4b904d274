"""The widget that shows the scene: paints a few milliseconds at a time, and only what changed."""

from collections import deque
from dataclasses import replace
from time import perf_counter, sleep

from OpenGL.error import GLError
from PySide6.QtCore import QEvent, QSize, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from engine.core.arrays import F64
from ui import theme
from ui.gl.modes import SPAN_TICKS, TICK_S, ColorMode
from ui.gl.no_viewport import CLOSED, LOST, apology
from ui.gl.offscreen import NoOpenGL
from ui.gl.orbit import Orbit
from ui.gl.overlay import Lens
from ui.gl.painter import Picture, Shot
from ui.gl.rhythm import GAP_MS, STILL_MS, Rhythm
from ui.gl.shaders import Look
from ui.gl.stage import Stage

# The window's thread is given back after this long.
STEP_S = 0.006
SMOOTH_PASSES = 4
AGE_REPAINT_MS = 1000
# What takes less was a look whether the driver is through, not painting.
POLL_MS = 0.5


class Canvas(QWidget):
    """Shows a stage from an orbit."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Show an empty stage.

        Raises:
            NoOpenGL: nothing can be drawn in 3D here.
        """
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.stage = Stage()
        self.renderer = self.stage.screen.renderer
        self.is_software = self.stage.screen.is_software
        self.orbit = Orbit()
        self.look = Look()
        self.unit_world: F64 | None = None
        self.fault = ""
        self.last_change = 0
        self._picture: Picture | None = None
        self._image = QImage()
        self._is_stale = True
        self._started_s = perf_counter()
        self._held_ms: deque[float] = deque(maxlen=600)
        self.rhythm = Rhythm(self.is_software)
        self._pulse = QTimer(self)
        self._pulse.setSingleShot(True)
        self._pulse.setTimerType(Qt.TimerType.PreciseTimer)
        self._pulse.timeout.connect(self._beat)

    def now(self) -> int:
        """Return the time as `Page.stamps` has it; it turns over after hours."""
        return 1 + int((perf_counter() - self._started_s) / TICK_S) % 65_000

    def touch(self) -> None:
        """Something changed that shows: paint soon."""
        self._is_stale = True
        if self.isVisible() and not self.fault:
            self._come_in(self.rhythm.wait_ms(perf_counter()))

    def upload(self, deadline_s: float) -> bool:
        """Upload until a `perf_counter` time; return whether something is left."""
        if self.fault:
            return False
        try:
            if self.stage.work(deadline_s, self.orbit.eye_m()):
                self.touch()
        except (NoOpenGL, GLError) as fault:
            self._fail(fault)
        return not self.fault and self.stage.has_work()

    def snapshot(self) -> QImage:
        """Return what is shown, in full resolution, with what lies over it; waits for it.

        It is an empty image where nothing can be drawn any more.
        """
        if self.fault:
            return QImage()
        self._is_stale = False
        picture = None
        try:
            self.stage.begin(self._shot(SMOOTH_PASSES))
            while picture is None:
                picture = self.stage.step(perf_counter() + STEP_S)
                sleep(0)
        except (NoOpenGL, GLError) as fault:
            self._fail(fault)
            return QImage()
        self._keep(picture)
        self.update()
        image = self._image.copy()
        painter = QPainter(image)
        self._paint_over(painter, picture)
        painter.end()
        return image

    def paint_ms(self) -> list[float]:
        """Return how long the window's thread was held for each recent stretch of painting."""
        return list(self._held_ms)

    def release(self) -> None:
        """Give back what the graphics card holds; nothing is shown afterwards."""
        self._pulse.stop()
        if not self.fault:
            self.stage.release()
            self.fault = CLOSED

    def paint_over(self, painter: QPainter, lens: Lens) -> None:
        """Paint what lies over the picture."""

    def _beat(self) -> None:
        start = perf_counter()
        if self.fault or not self.isVisible():
            return
        try:
            self._go_on(start)
        except (NoOpenGL, GLError) as fault:
            self._fail(fault)
            return
        now = perf_counter()
        self._count(start, now)
        if self.stage.painting is not None or self.stage.has_work():
            self._come_in(GAP_MS)
        elif self._is_stale:
            self._come_in(self.rhythm.wait_ms(now))
        elif self._needs_smoothing():
            self._come_in(STILL_MS)
        elif self.look.mode is ColorMode.AGE and self.now() - self.last_change < SPAN_TICKS:
            self._is_stale = True
            self._come_in(AGE_REPAINT_MS)

    def _go_on(self, start_s: float) -> None:
        # Half for what came, half for painting it: neither waits for the other to end.
        if self.stage.work(start_s + STEP_S / 2, self.orbit.eye_m()):
            self._is_stale = True
        painting = self.stage.painting
        is_idle = painting is None or painting.passes > 1
        if self._is_stale and is_idle and not self.rhythm.wait_ms(perf_counter()):
            self._is_stale = False
            self.stage.begin(self._shot(1))
        elif painting is None and self._needs_smoothing():
            self.stage.begin(self._shot(SMOOTH_PASSES))
        picture = self.stage.step(start_s + STEP_S)
        if picture is not None:
            self.rhythm.painted(perf_counter(), picture.cost_s)
            self._keep(picture)
            self.update()

    def _needs_smoothing(self) -> bool:
        """Whether the picture shown is a quick one and nothing is about to change it."""
        is_quick = self._picture is not None and self._picture.shot.passes == 1
        return is_quick and not self._is_stale and not self.stage.has_work()

    def _come_in(self, wait_ms: int) -> None:
        if not self._pulse.isActive() or self._pulse.remainingTime() > wait_ms:
            self._pulse.start(wait_ms)

    def _shot(self, passes: int) -> Shot:
        size = QSize(self.width(), self.height()) * self.devicePixelRatioF()
        paper = QColor(theme.current().background)
        return Shot(
            replace(self.orbit),
            (max(size.width(), 1), max(size.height(), 1)),
            passes,
            replace(self.look, has_image=self.stage.surface.image > 0),
            (paper.redF(), paper.greenF(), paper.blueF()),
            self.now(),
            self.unit_world,
        )

    def _keep(self, picture: Picture) -> None:
        height, width = picture.pixels.shape[:2]
        self._picture = picture  # and with it the memory that the image looks at
        self._image = QImage(
            picture.pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32
        )
        self._image.setDevicePixelRatio(self.devicePixelRatioF())

    def _paint_over(self, painter: QPainter, picture: Picture) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width, height = picture.shot.size
        ratio = self.devicePixelRatioF()
        # As the picture was taken, not as the next will be: nothing swims on it.
        self.paint_over(painter, Lens(picture.shot.T_clip_world, width / ratio, height / ratio))

    def _fail(self, fault: Exception) -> None:
        self.fault = self.renderer = str(fault) if isinstance(fault, NoOpenGL) else LOST
        self.stage.abandon()
        self.update()

    def _count(self, start_s: float, end_s: float) -> None:
        held_ms = (end_s - start_s) * 1000
        if held_ms > POLL_MS:
            self._held_ms.append(held_ms)

    # Qt

    def paintEvent(self, event: QPaintEvent) -> None:
        """Put the last picture on the screen."""
        start = perf_counter()
        painter = QPainter(self)
        colors = theme.current()
        if self._picture is None or self.fault:
            painter.fillRect(self.rect(), QColor(colors.background))
        if self.fault:
            painter.setPen(QColor(colors.muted))
            wrapped = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect(), wrapped, apology(self.fault))
        elif self._picture is not None:
            if self._image.deviceIndependentSize().toSize() != self.size():
                painter.fillRect(self.rect(), QColor(colors.background))
            painter.drawImage(0, 0, self._image)
            self._paint_over(painter, self._picture)
        painter.end()
        self._count(start, perf_counter())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Paint in the new size."""
        self.touch()

    def showEvent(self, event: QShowEvent) -> None:
        """Paint what changed while hidden."""
        self.touch()

    def changeEvent(self, event: QEvent) -> None:
        """Paint in new colours."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.StyleChange, QEvent.Type.PaletteChange):
            self.touch()
