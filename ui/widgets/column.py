"""A page's text column: scrolls, stays in the middle, and is never too wide to read."""

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from ui.theme import GAP_PX

MARGIN_PX = 28


class Column(QScrollArea):
    """Rows below one another; add them to `rows`."""

    def __init__(self, widest_px: int, parent: QWidget | None = None) -> None:
        """Hold no rows yet, in a column of at most that width."""
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        # The page's controls take the keyboard; the arrow keys reach the scroll bar through them.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        middle = QWidget()
        self.rows = QVBoxLayout(middle)
        self.rows.setContentsMargins(0, 0, 0, 0)
        self.rows.setSpacing(GAP_PX)
        self._inside = centred(middle, widest_px)
        self.setWidget(self._inside)

    def scroll_to(self, widget: QWidget) -> None:
        """Bring a widget to the top, as far as there is something below it."""
        self.verticalScrollBar().setValue(widget.mapTo(self._inside, QPoint()).y() - GAP_PX)


def centred(middle: QWidget, widest_px: int, below_px: int = MARGIN_PX) -> QWidget:
    """Return a widget of any width that keeps another in its middle, with a margin round it."""
    middle.setMaximumWidth(widest_px)
    made = QWidget()
    across = QHBoxLayout(made)
    across.setContentsMargins(MARGIN_PX, MARGIN_PX, MARGIN_PX, below_px)
    across.addStretch(1)
    across.addWidget(middle, 1000)
    across.addStretch(1)
    return made
