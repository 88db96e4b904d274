"""A layout like words in a text: one after the other, and a new line where one is full."""

from PySide6.QtCore import QPoint, QRect, QSize
from PySide6.QtWidgets import QLayout, QLayoutItem, QWidget


class Flow(QLayout):
    """Lays widgets out at the size they like, from the left."""

    def __init__(self, gap_px: int, parent: QWidget | None = None) -> None:
        """Hold nothing yet."""
        super().__init__(parent)
        self.setContentsMargins(0, 0, 0, 0)
        self.setSpacing(gap_px)
        self._items: list[QLayoutItem] = []

    def addItem(self, item: QLayoutItem) -> None:
        """Take an item after the others; `addWidget` calls it."""
        self._items.append(item)

    def count(self) -> int:
        """Return how many items there are."""
        return len(self._items)

    def itemAt(self, index: int) -> QLayoutItem | None:
        """Return an item, or None past the end."""
        return self._items[index] if 0 <= index < len(self._items) else None

    def takeAt(self, index: int) -> QLayoutItem | None:
        """Give an item away, or None past the end."""
        return self._items.pop(index) if 0 <= index < len(self._items) else None

    def hasHeightForWidth(self) -> bool:
        """Say that a narrow place needs more lines."""
        return True

    def heightForWidth(self, width: int) -> int:
        """Return the height of all lines."""
        return self._lines(width)[1]

    def sizeHint(self) -> QSize:
        """Return the size of a single line."""
        hints = [item.sizeHint() for item in self._items]
        wide = sum(hint.width() for hint in hints) + self.spacing() * max(0, len(hints) - 1)
        return QSize(wide, max((hint.height() for hint in hints), default=0))

    def minimumSize(self) -> QSize:
        """Return room for the widest item."""
        hints = [item.sizeHint() for item in self._items]
        return QSize(
            max((hint.width() for hint in hints), default=0),
            max((hint.height() for hint in hints), default=0),
        )

    def setGeometry(self, rect: QRect) -> None:
        """Put every item in its place."""
        super().setGeometry(rect)
        places, _ = self._lines(rect.width())
        for item, place in zip(self._items, places, strict=True):
            item.setGeometry(QRect(rect.topLeft() + place, item.sizeHint()))

    def _lines(self, width: int) -> tuple[list[QPoint], int]:
        """Return where items go within a width, and the height that takes.

        What is lower than its line lies in the middle of it.
        """
        hints = [item.sizeHint() for item in self._items]
        lines: list[list[int]] = []
        left = 0
        for number, hint in enumerate(hints):
            if not lines or left + hint.width() > width:
                lines.append([])
                left = 0
            lines[-1].append(number)
            left += hint.width() + self.spacing()
        places: list[QPoint] = []
        top = 0
        for line in lines:
            left, height = 0, max(hints[number].height() for number in line)
            for number in line:
                places.append(QPoint(left, top + (height - hints[number].height()) // 2))
                left += hints[number].width() + self.spacing()
            top += height + self.spacing()
        return places, max(0, top - self.spacing())
