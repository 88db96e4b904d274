"""The page of keys, read from the menus themselves, so that it cannot be out of date."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QGridLayout,
    QLabel,
    QMenu,
    QMenuBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from ui.theme import GAP_PX

POINTER = (
    ("Left drag", "Turn the view"),
    ("Middle drag, or Shift and left drag", "Move the view"),
    ("Wheel", "Nearer, farther"),
    ("Double click", "Turn about this place"),
)
ROUND = (("Tab, Shift+Tab", "To the next control, or back"), ("Alt", "Into the menus"))
WIDTH_PX, HEIGHT_PX = 620, 640


def rows_of(menu: QMenu) -> list[tuple[str, str]]:
    """Return key and wording of every entry that has a key, those of menus inside included."""
    rows = []
    for action in menu.actions():
        inside = action.menu()
        if isinstance(inside, QMenu):
            rows += rows_of(inside)
        keys = [key.toString(QKeySequence.SequenceFormat.NativeText) for key in action.shortcuts()]
        if keys:
            rows.append((", ".join(keys), plain(action.text())))
    return rows


def plain(text: str) -> str:
    """Return an entry's wording without the sign before its letter and without dots."""
    return text.replace("&&", "\0").replace("&", "").replace("\0", "&").rstrip("…")


class KeysDialog(QDialog):
    """Every key, menu by menu, then what the pointer does."""

    def __init__(self, menus: QMenuBar, parent: QWidget) -> None:
        """Show the keys as the menus have them now."""
        super().__init__(parent)
        self.setWindowTitle("Keys")
        self.resize(WIDTH_PX, HEIGHT_PX)
        self._table = QWidget(self)
        self._grid = QGridLayout(self._table)
        self._grid.setColumnStretch(1, 1)
        self._grid.setHorizontalSpacing(24)
        for action in menus.actions():
            menu = action.menu()
            if isinstance(menu, QMenu):
                self._section(plain(action.text()), rows_of(menu))
        self._section("Getting about", list(ROUND))
        self._section("In the 3D view", list(POINTER))
        area = QScrollArea(self)
        area.setAccessibleName("Keys")
        area.setWidgetResizable(True)
        area.setWidget(self._table)
        close = QPushButton("Close", self)
        close.clicked.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(area, 1)
        column.addWidget(close, 0, Qt.AlignmentFlag.AlignRight)

    def rows(self) -> list[tuple[str, str]]:
        """Return what is shown, key and wording."""
        found = []
        for row in range(self._grid.rowCount()):
            left, right = (self._grid.itemAtPosition(row, column) for column in (0, 1))
            if left is None or right is None or left is right:
                continue
            texts = [w.text() for w in (left.widget(), right.widget()) if isinstance(w, QLabel)]
            if len(texts) == 2:
                found.append((texts[0], texts[1]))
        return found

    def _section(self, title: str, rows: list[tuple[str, str]]) -> None:
        if not rows:
            return
        heading = QLabel(title, self._table)
        heading.setProperty("role", "heading")
        at = self._grid.rowCount() + 1
        self._grid.setRowMinimumHeight(at - 1, GAP_PX // 2)
        self._grid.addWidget(heading, at, 0, 1, 2)
        for offset, (key, what) in enumerate(rows, start=1):
            name = QLabel(key, self._table)
            words = QLabel(what, self._table)
            words.setProperty("role", "muted")
            words.setWordWrap(True)
            self._grid.addWidget(name, at + offset, 0)
            self._grid.addWidget(words, at + offset, 1)
