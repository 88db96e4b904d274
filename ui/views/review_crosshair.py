"""Pointing at the surface by keyboard: a cross in the view, and Enter for a click."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QApplication, QWidget

from ui import theme

CROSS_PX, GAP_PX = 41, 5
STEP_PX, FAR_PX = 3, 30
TURN_DEG = 5.0
WAYS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
PLACING = (Qt.Key.Key_Return, Qt.Key.Key_Enter)


class Crosshair(QWidget):
    """A cross over the 3D view that has the keyboard in its place while points are asked for.

    Arrow keys move it, with Shift in large steps; with Alt they turn the view. Enter clicks where
    it points. All other keys are the view's. Whoever points with the mouse does not see it.
    """

    def __init__(self, view: QWidget, turn: Callable[[float, float], None]) -> None:
        """Lie in the middle of the view, hidden; `turn` turns it by degrees."""
        super().__init__(view)
        self._view = view
        self._turn = turn
        self._at = QPoint(-1, -1)
        self._is_seen = False
        self.setFixedSize(CROSS_PX, CROSS_PX)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName("Cross that points at the surface")
        self.setAccessibleDescription("Arrow keys move it, Enter places a point.")
        self.hide()
        view.installEventFilter(self)

    @property
    def is_seen(self) -> bool:
        """Whether it is painted."""
        return self._is_seen and self.hasFocus()

    @property
    def at_px(self) -> QPointF:
        """Where it points, or where the mouse was pressed last; pixels of the view."""
        return QPointF(self._at)

    def set_wanted(self, wanted: bool) -> None:
        """Take over the view's keyboard, or give it back."""
        had_focus = self.hasFocus()
        if wanted and not self._view.rect().contains(self._at):
            self._at = self._view.rect().center()
        self.setVisible(wanted)
        self._place()
        if had_focus and not wanted:
            self._view.setFocus()
        elif wanted and self._view.hasFocus():
            self.setFocus()

    def begin(self) -> None:
        """Point from now on."""
        self._is_seen = True
        self.setFocus()
        self.update()

    def move_by(self, dx_px: int, dy_px: int) -> None:
        """Move within the view."""
        area = self._view.rect()
        x = min(max(self._at.x() + dx_px, 0), area.width() - 1)
        y = min(max(self._at.y() + dy_px, 0), area.height() - 1)
        self._at = QPoint(x, y)
        self._place()

    def place_point(self) -> None:
        """Click where it points, exactly as a mouse would."""
        at, everywhere = QPointF(self._at), QPointF(self._view.mapToGlobal(self._at))
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        plain = Qt.KeyboardModifier.NoModifier
        for kind, held in (
            (QEvent.Type.MouseButtonPress, left),
            (QEvent.Type.MouseButtonRelease, none),
        ):
            QApplication.sendEvent(self._view, QMouseEvent(kind, at, everywhere, left, held, plain))
        self.begin()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the view's size and its mouse, and take the keyboard when it gets it."""
        kind = event.type()
        if kind == QEvent.Type.FocusIn and self.isVisible():
            # Not within the view's own taking of it.
            QTimer.singleShot(0, self, self.setFocus)
        elif kind == QEvent.Type.Resize:
            self.move_by(0, 0)
        elif isinstance(event, QMouseEvent) and kind == QEvent.Type.MouseButtonPress:
            self._is_seen = False
            self._at = event.position().toPoint()
            self._place()
        return False

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show itself to those who came by keyboard."""
        if event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason):
            self._is_seen = True
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Vanish."""
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move, turn, or click."""
        key, modifiers = Qt.Key(event.key()), event.modifiers()
        if key in WAYS and not modifiers & Qt.KeyboardModifier.ControlModifier:
            dx, dy = WAYS[key]
            if modifiers & Qt.KeyboardModifier.AltModifier:
                self._turn(-dx * TURN_DEG, dy * TURN_DEG)
            else:
                self.begin()
                step = FAR_PX if modifiers & Qt.KeyboardModifier.ShiftModifier else STEP_PX
                self.move_by(dx * step, dy * step)
        elif key in PLACING:
            self.place_point()
        else:
            event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the cross, dark under light, so that it shows on anything."""
        if not self.is_seen:
            return
        painter = QPainter(self)
        middle, end = CROSS_PX // 2, CROSS_PX - 1
        for color, width in ((QColor(0, 0, 0, 170), 5), (QColor(theme.DARK.accent), 2)):
            painter.setPen(QPen(color, width))
            for a, b in ((0, middle - GAP_PX), (middle + GAP_PX, end)):
                painter.drawLine(a, middle, b, middle)
                painter.drawLine(middle, a, middle, b)
        painter.end()

    def _place(self) -> None:
        self.move(self._at - QPoint(CROSS_PX // 2, CROSS_PX // 2))
        self.raise_()
        self.update()
