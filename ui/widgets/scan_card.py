"""A scan on disk as a card."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from ui.ports import ScanCard
from ui.widgets.amounts import age, size
from ui.widgets.cards import Card
from ui.widgets.labels import Elided, button, label, strong
from ui.widgets.picture import Picture

STATES = {"finished": "", "recoverable": "Cut short", "damaged": "Damaged"}
OPENS = {"finished": "Open", "recoverable": "Recover", "damaged": "What is wrong?"}
NO_PICTURE = "No picture"
DELETE = "Delete…"


class ScanTile(Card):
    """Picture, title, age, size and state of a scan; Delete and the menu ask to delete it."""

    asked_delete = Signal()

    def __init__(self, scan: ScanCard, now_s: float, parent: QWidget | None = None) -> None:
        """Show a scan as it was found."""
        self.scan = scan
        state = STATES.get(scan.state, scan.state)
        about = " · ".join(
            part for part in (state, age(scan.changed_s, now_s), size(scan.megabytes)) if part
        )
        super().__init__(f"{scan.title}, {about.replace(' · ', ', ')}", parent)
        if scan.remark:
            self.setToolTip(scan.remark)
            self.setAccessibleDescription(scan.remark)
        more = button("⋯", self._show_menu, "link", f"More for {scan.title}")
        # One stop of the Tab key for a card is enough: Delete and the menu key do the same.
        more.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._more = more
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(strong(Elided(scan.title)))
        words.addWidget(Elided(about, "small"))
        below = QHBoxLayout()
        below.setContentsMargins(4, 0, 4, 0)
        below.addLayout(words, 1)
        below.addWidget(more, 0, Qt.AlignmentFlag.AlignVCenter)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(8, 8, 8, 10)
        rows.setSpacing(8)
        rows.addWidget(Picture(scan.thumbnail, NO_PICTURE))
        rows.addLayout(below)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ask to delete on Delete."""
        if event.key() == Qt.Key.Key_Delete:
            self.asked_delete.emit()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer what can be done with the scan."""
        self._show_menu()

    def menu(self) -> QMenu:
        """Return a menu of what can be done with the scan; it deletes itself when it closes."""
        made = QMenu(self)
        made.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        made.addAction(OPENS.get(self.scan.state, "Open"), self.pressed.emit)
        made.addAction(DELETE, self.asked_delete.emit)
        return made

    def _show_menu(self) -> None:
        self.menu().popup(self._more.mapToGlobal(self._more.rect().bottomLeft()))


class CameraTile(Card):
    """A camera with what it gives, or why it cannot be used."""

    def __init__(
        self, title: str, remark: str, is_usable: bool, parent: QWidget | None = None
    ) -> None:
        """Show a camera as it was found."""
        state = "Ready" if is_usable else "Not usable"
        super().__init__(f"{title}: {state}. {remark}".strip(), parent)
        name = label(title, "" if is_usable else "muted", wraps=True)
        head = QHBoxLayout()
        head.addWidget(strong(name), 1)
        head.addWidget(label(state, "small"), 0, Qt.AlignmentFlag.AlignTop)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(14, 10, 14, 10)
        rows.setSpacing(2)
        rows.addLayout(head)
        if remark:
            rows.addWidget(label(remark, "small", wraps=True))
