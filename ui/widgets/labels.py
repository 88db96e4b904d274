"""Labels and buttons in the roles of the theme."""

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLabel, QPushButton, QWidget


def label(text: str, role: str = "", wraps: bool = False) -> QLabel:
    """Return a label in a role of the theme that shows text as it is."""
    made = QLabel(text)
    made.setProperty("role", role)
    made.setWordWrap(wraps)
    # Titles and remarks come from files and devices: never read them as markup.
    made.setTextFormat(Qt.TextFormat.PlainText)
    return made


def heading(text: str) -> QLabel:
    """Return the label above a section."""
    return label(text, "heading")


def strong(made: QLabel) -> QLabel:
    """Return the label, now in bold: what a card or row is called."""
    font = made.font()
    font.setBold(True)
    made.setFont(font)
    return made


def button(text: str, action: Callable[[], object], role: str = "", name: str = "") -> QPushButton:
    """Return a button; `name` is what a screen reader says where the text alone is too short."""
    made = QPushButton(text)
    made.setProperty("role", role)
    made.setAccessibleName(name)
    made.clicked.connect(lambda: action())
    return made


def set_role(widget: QWidget, role: str) -> None:
    """Show a widget in another role of the theme than before."""
    widget.setProperty("role", role)
    # Style sheets look at properties only when a widget is polished.
    widget.style().unpolish(widget)
    widget.style().polish(widget)


class Elided(QLabel):
    """A line that ends in dots where there is no room for all of it."""

    def __init__(self, text: str, role: str = "", parent: QWidget | None = None) -> None:
        """Show the text; pointing at it tells all of it."""
        super().__init__(text, parent)
        self.setProperty("role", role)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setToolTip(text)

    def minimumSizeHint(self) -> QSize:
        """Return a size that holds a word or so."""
        return QSize(self.fontMetrics().averageCharWidth() * 6, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw as much as fits."""
        painter = QPainter(self)
        metrics = self.fontMetrics()
        short = metrics.elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), int(self.alignment()), short)
        painter.end()
