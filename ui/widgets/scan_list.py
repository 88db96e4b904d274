"""The scans on disk: cards, an offer to recover one that was cut short, and deleting."""

import time
from collections.abc import Callable

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMessageBox, QVBoxLayout, QWidget

from engine.core.news import FaultNews
from ui.ports import ScanCard, StudioPort
from ui.theme import GAP_PX
from ui.widgets.amounts import age, size
from ui.widgets.cards import CardGrid
from ui.widgets.errand import Errand
from ui.widgets.labels import button, heading, label
from ui.widgets.scan_card import ScanTile

TITLE = "Your scans"
LOOKING = "Looking for scans …"
NONE = "None yet. A scan that you finish is kept, and will be shown here."
FAILED = "Your scans cannot be shown."
CUT_SHORT = "“{title}” was cut short {age}."
RECOVER = "Recover"
LATER = "Later"
SHOW_ALL = "Show all {count}"
IS_DAMAGED = "“{title}” cannot be opened."
ASK_TITLE = "Delete this scan?"
ASK = "“{title}” ({size}) will be deleted from disk for good."
FIRST_SHOWN = 12
LEAST_EM = 12.5


class ScanList(QWidget):
    """What `studio.scans()` finds, as cards.

    `chose` carries the ScanCard that was pressed; `faulted` a FaultNews. `filled` says that the
    cards are others.
    """

    chose = Signal(object)
    filled = Signal()
    faulted = Signal(object)

    def __init__(self, studio: StudioPort, parent: QWidget | None = None) -> None:
        """Show that nothing is known yet; `refresh` looks."""
        super().__init__(parent)
        self._studio = studio
        self._looking: Errand | None = None
        self._scans: tuple[ScanCard, ...] = ()
        self._put_off: set[str] = set()
        self._shows_all = False
        self.offer = _Offer(self)
        self.offer.recover.connect(self.chose.emit)
        self.offer.later.connect(self._put_off_offer)
        self.note = label(LOOKING, "muted", wraps=True)
        self.grid = CardGrid(LEAST_EM, self)
        self.all_button = button("", self._show_all, "link")
        self.all_button.hide()
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(GAP_PX)
        rows.addWidget(heading(TITLE))
        rows.addWidget(self.note)
        rows.addWidget(self.grid)
        rows.addWidget(self.all_button)

    def refresh(self) -> None:
        """Look again; what is shown stays until something else was found."""
        self.shut()
        self._looking = Errand(self._studio.scans(), self)
        self._looking.done.connect(self._show)
        self._looking.failed.connect(self._cannot_look)

    def shut(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.drop()
            self._looking = None

    def _show(self, scans: tuple[ScanCard, ...]) -> None:
        self._looking = None
        self.note.setText(NONE)
        self.note.setVisible(not scans)
        self._scans = scans
        self._fill()

    def _cannot_look(self, fault: FaultNews) -> None:
        self._looking = None
        self.note.setText(f"{FAILED} {fault.says} {fault.remedy}".strip())
        self.note.show()

    def _fill(self) -> None:
        shown = self._scans if self._shows_all else self._scans[:FIRST_SHOWN]
        focused = next((tile.scan.path for tile in self._tiles() if tile.hasFocus()), None)
        place = [tile.scan.path for tile in self._tiles()].index(focused) if focused else 0
        now_s = time.time()
        tiles = [ScanTile(scan, now_s, self.grid) for scan in shown]
        for tile in tiles:
            tile.pressed.connect(self._on(self._press, tile.scan))
            tile.asked_delete.connect(self._on(self._ask_delete, tile.scan))
        self.grid.set_cards(list(tiles))
        self.filled.emit()
        if focused is not None and tiles:
            # The same scan, or where it is gone, the one that took its place.
            same = [tile for tile in tiles if tile.scan.path == focused]
            (same or [tiles[min(place, len(tiles) - 1)]])[0].setFocus()
        self.all_button.setText(SHOW_ALL.format(count=len(self._scans)))
        self.all_button.setVisible(len(shown) < len(self._scans))
        torn = [scan for scan in self._scans if scan.state == "recoverable"]
        self.offer.show_scan(next((s for s in torn if str(s.path) not in self._put_off), None))

    def _tiles(self) -> list[ScanTile]:
        return [card for card in self.grid.cards if isinstance(card, ScanTile)]

    def _on(self, do: Callable[[ScanCard], None], scan: ScanCard) -> Callable[[], None]:
        return lambda: do(scan)

    def _press(self, scan: ScanCard) -> None:
        if scan.state == "damaged":
            says = IS_DAMAGED.format(title=scan.title)
            self.faulted.emit(FaultNews(says, scan.remark, "degrade"))
        else:
            self.chose.emit(scan)

    def _show_all(self) -> None:
        self._shows_all = True
        self._fill()

    def _put_off_offer(self, scan: ScanCard) -> None:
        self._put_off.add(str(scan.path))
        self._fill()

    def _ask_delete(self, scan: ScanCard) -> None:
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        question = ASK.format(title=scan.title, size=size(scan.megabytes))
        if QMessageBox.question(self, ASK_TITLE, question, yes | no, no) != yes:
            return
        errand = Errand(self._studio.delete_scan(scan.path), self)
        errand.done.connect(lambda _: self.refresh())
        errand.failed.connect(self.faulted.emit)


class _Offer(QFrame):
    """Offers to recover a scan; hidden while there is none."""

    recover = Signal(object)
    later = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self._scan: ScanCard | None = None
        self._says = label("", wraps=True)
        self._remark = label("", "muted", wraps=True)
        self.recover_button = button(RECOVER, lambda: self.recover.emit(self._scan), "primary")
        self.later_button = button(LATER, lambda: self.later.emit(self._scan))
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self._says)
        words.addWidget(self._remark)
        row = QHBoxLayout(self)
        row.setContentsMargins(GAP_PX, 12, GAP_PX, 12)
        row.setSpacing(12)
        row.addLayout(words, 1)
        row.addWidget(self.recover_button)
        row.addWidget(self.later_button)
        self.hide()

    def show_scan(self, scan: ScanCard | None) -> None:
        """Offer this scan, or none."""
        self._scan = scan
        self.setVisible(scan is not None)
        if scan is None:
            return
        self._says.setText(CUT_SHORT.format(title=scan.title, age=age(scan.changed_s, time.time())))
        self._remark.setText(scan.remark)
        self._remark.setVisible(bool(scan.remark))
        self.setAccessibleName(f"{self._says.text()} {scan.remark}".strip())
