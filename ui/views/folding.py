"""A strip of two parts, side by side where there is room, else one below the other."""

from PySide6.QtCore import QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QWidget

from ui.theme import GAP_PX


class Folding(QFrame):
    """One part takes what width is left; the strip can be as narrow as its wider part."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Hold nothing yet."""
        super().__init__(parent)
        self._parts: tuple[QWidget, ...] = ()
        self._is_upright = False
        self._box = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._box.setContentsMargins(GAP_PX, 10, GAP_PX, 10)
        self._box.setSpacing(GAP_PX)

    def hold(self, first: QWidget, second: QWidget, wide: QWidget | None = None) -> None:
        """Hold two parts, side by side; `wide` is the one that grows, the first if not given."""
        self._parts = first, second
        for part in self._parts:
            self._box.addWidget(part, int(part is (wide or first)))

    def nest(self) -> None:
        """Keep no distance round it: another strip does."""
        self._box.setContentsMargins(0, 0, 0, 0)

    def set_upright(self, wanted: bool) -> None:
        """Stand one below the other whatever the room, or no more."""
        if wanted is not self._is_upright:
            self._is_upright = wanted
            self._arrange(self.width())

    def folded(self, is_folded: bool) -> None:
        """Be told how the parts stand; for those who have more to arrange."""

    def minimumSizeHint(self) -> QSize:
        """Return the width of the wider part: narrower than both side by side."""
        margins = self._box.contentsMargins()
        wide = max((part.minimumSizeHint().width() for part in self._parts), default=0)
        return QSize(wide + margins.left() + margins.right(), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fold or unfold."""
        super().resizeEvent(event)
        self._arrange(event.size().width())

    def _arrange(self, width: int) -> None:
        margins = self._box.contentsMargins()
        room = width - margins.left() - margins.right() - self._box.spacing()
        fits = sum(part.minimumSizeHint().width() for part in self._parts) <= room
        direction = QBoxLayout.Direction
        is_folded = self._is_upright or not fits
        self._box.setDirection(direction.TopToBottom if is_folded else direction.LeftToRight)
        self.folded(is_folded)
