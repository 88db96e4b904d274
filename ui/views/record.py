"""The one large round button."""

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from engine.core.news import ScanState
from ui import theme

DIAMETER_PX = 76


class RecordButton(QAbstractButton):
    """A red disc to begin or go on, two bars to pause; its shape says what a press will do."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Offer to begin."""
        super().__init__(parent)
        self.setFixedSize(DIAMETER_PX, DIAMETER_PX)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._pauses = False
        self.show_state(ScanState.READY, True)

    def show_state(self, state: ScanState, can_resume: bool) -> None:
        """Offer what makes sense in a state of the scan."""
        self._pauses = state is ScanState.SCANNING
        words = {ScanState.READY: "Start", ScanState.SCANNING: "Pause", ScanState.PAUSED: "Go on"}
        self.setEnabled(state in words and (state is not ScanState.PAUSED or can_resume))
        self.setAccessibleName(words.get(state, "Start"))
        self.setToolTip(f"{words.get(state, 'Start')} (Space)")
        self.update()

    def sizeHint(self) -> QSize:
        """Return the fixed size."""
        return QSize(DIAMETER_PX, DIAMETER_PX)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw ring and sign."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        alive = self.isEnabled()
        palette = theme.current()
        ring = QColor(palette.text if alive else palette.line)
        sign = QColor(palette.record if alive else palette.line)
        if self.underMouse() and alive:
            sign = sign.lighter(112)
        centre = QPointF(DIAMETER_PX / 2, DIAMETER_PX / 2)
        painter.setPen(QPen(QColor(palette.accent) if self.hasFocus() else ring, 4))
        painter.drawEllipse(centre, DIAMETER_PX / 2 - 4, DIAMETER_PX / 2 - 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(sign)
        if self._pauses:
            for left in (-15.0, 4.0):
                bar = QRectF(centre.x() + left, centre.y() - 15, 11, 30)
                painter.drawRoundedRect(bar, 2, 2)
        else:
            painter.drawEllipse(centre, DIAMETER_PX / 2 - 13, DIAMETER_PX / 2 - 13)
        painter.end()
