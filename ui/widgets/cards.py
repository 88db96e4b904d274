"""Cards that can be pressed, and the grid in which arrow keys go from one to the next."""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QWidget

from ui.theme import GAP_PX

PRESSES = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)


class Card(QFrame):
    """Something to choose: a click, Enter or Space presses it."""

    pressed = Signal()

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        """Be a card that a screen reader calls `name`."""
        super().__init__(parent)
        self.setProperty("role", "card")
        self.setAccessibleName(name)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Press on Enter and Space; leave the other keys to whoever holds the card."""
        if event.key() in PRESSES and not event.isAutoRepeat():
            self.pressed.emit()
        else:
            event.ignore()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the press, so that the release comes here too."""
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Press where the button is let go over the card."""
        is_left = event.button() is Qt.MouseButton.LeftButton
        if is_left and self.rect().contains(event.position().toPoint()):
            self.pressed.emit()


class CardGrid(QWidget):
    """Cards of equal width in as many columns as fit; as high as they need.

    `reached` carries the card that an arrow key went to.
    """

    reached = Signal(QWidget)

    def __init__(self, least_em: float, parent: QWidget | None = None) -> None:
        """Hold no cards yet; a column is at least so many letter heights wide."""
        super().__init__(parent)
        self._least_em = least_em
        self._columns = 1
        self.cards: list[Card] = []

    def set_cards(self, cards: list[Card]) -> None:
        """Show these cards instead."""
        for old in self.cards:
            old.hide()
            old.deleteLater()
        self.cards = cards
        for card in cards:
            card.setParent(self)
            card.show()
        self._arrange()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to the next card in the direction of an arrow key."""
        steps = {
            Qt.Key.Key_Left: -1,
            Qt.Key.Key_Right: 1,
            Qt.Key.Key_Up: -self._columns,
            Qt.Key.Key_Down: self._columns,
        }
        here = next((i for i, card in enumerate(self.cards) if card.hasFocus()), None)
        step = steps.get(Qt.Key(event.key()), 0)
        if here is None or not step or not 0 <= here + step < len(self.cards):
            event.ignore()
            return
        card = self.cards[here + step]
        card.setFocus(Qt.FocusReason.TabFocusReason)
        self.reached.emit(card)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the cards into the new width."""
        if event.size().width() != event.oldSize().width():
            self._arrange()

    def event(self, event: QEvent) -> bool:
        """Fit the cards again when one needs more room or letters have another size."""
        if event.type() in (QEvent.Type.LayoutRequest, QEvent.Type.StyleChange):
            self._arrange()
        return super().event(event)

    def _arrange(self) -> None:
        least_px = round(self._least_em * self.fontMetrics().height())
        wide = max(1, self.width())
        self._columns = max(1, (wide + GAP_PX) // (least_px + GAP_PX))
        each = (wide - GAP_PX * (self._columns - 1)) // self._columns
        top = 0
        for start in range(0, len(self.cards), self._columns):
            row = self.cards[start : start + self._columns]
            high = max(_height(card, each) for card in row)
            for place, card in enumerate(row):
                card.setGeometry(place * (each + GAP_PX), top, each, high)
            top += high + GAP_PX
        self.setFixedHeight(max(0, top - GAP_PX))


def _height(card: Card, wide: int) -> int:
    if card.hasHeightForWidth():
        return card.heightForWidth(wide)
    return card.sizeHint().height()
