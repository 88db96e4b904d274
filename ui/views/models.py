"""The networks: which weights are here, on what terms, and how to get the others."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from engine.core.news import FaultNews
from ui.ports import StudioPort, WeightsCard
from ui.theme import GAP_PX
from ui.widgets.column import Column
from ui.widgets.errand import Errand
from ui.widgets.labels import button, heading, label
from ui.widgets.tab_order import tab_through
from ui.widgets.weights_row import WeightsRow

TITLE = "Networks"
BACK = "‹ Back"
SUBTITLE = (
    "Weights that some ways of scanning need. Nothing is downloaded, and no page opened, "
    "before you ask for it."
)
LOOKING = "Looking which are here …"
FAILED = "It cannot be said which networks are here."
NONE = "No networks are known."
HERE = "On this machine"
ABSENT = "Not on this machine"
WIDEST_PX = 860


class ModelsView(QWidget):
    """Rows of weights, those on this machine first."""

    asked_back = Signal()
    faulted = Signal(object)

    def __init__(self, studio: StudioPort, parent: QWidget | None = None) -> None:
        """Show an empty page; `refresh` fills it."""
        super().__init__(parent)
        self._studio = studio
        self._looking: Errand | None = None
        self.rows: dict[str, WeightsRow] = {}
        self.note = label(LOOKING, "muted", wraps=True)
        self.back_button = button(BACK, self.asked_back.emit, "link", "Back")
        head = QHBoxLayout()
        head.setSpacing(GAP_PX)
        head.addWidget(self.back_button)
        head.addWidget(label(TITLE, "state"))
        head.addStretch(1)
        self._lists: dict[str, QVBoxLayout] = {}
        self._heads: dict[str, QWidget] = {}
        self._column = column = Column(WIDEST_PX)
        column.rows.addLayout(head)
        column.rows.addWidget(label(SUBTITLE, "muted", wraps=True))
        column.rows.addWidget(self.note)
        for title in (HERE, ABSENT):
            self._heads[title] = heading(title)
            self._heads[title].hide()
            self._lists[title] = QVBoxLayout()
            column.rows.addWidget(self._heads[title])
            column.rows.addLayout(self._lists[title])
        column.rows.addStretch(1)
        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.addWidget(column)
        self.setFocusProxy(self.back_button)

    def refresh(self) -> None:
        """Look anew which weights are here; downloads go on."""
        if self._looking is not None:
            self._looking.drop()
        self._looking = Errand(self._studio.weights(), self)
        self._looking.done.connect(self._show)
        self._looking.failed.connect(self._cannot_look)

    def shut(self) -> None:
        """Stop looking and downloading."""
        if self._looking is not None:
            self._looking.drop()
            self._looking = None
        for row in self.rows.values():
            row.shut()

    def _show(self, cards: tuple[WeightsCard, ...]) -> None:
        self._looking = None
        self.note.setText(NONE)
        self.note.setVisible(not cards)
        names = {card.name for card in cards}
        for name in [name for name in self.rows if name not in names]:
            gone = self.rows.pop(name)
            gone.shut()
            gone.hide()
            gone.deleteLater()
        for card in cards:
            row = self.rows.get(card.name)
            if row is None:
                row = self.rows[card.name] = WeightsRow(self._studio, card)
                row.arrived.connect(self.refresh)
            else:
                row.show_card(card)
            # Adding a row where it is already only moves it to the end, which sorts them.
            self._lists[ABSENT if card.state == "missing" else HERE].addWidget(row)
            row.show()
        for title in (HERE, ABSENT):
            self._heads[title].setVisible(self._lists[title].count() > 0)
        ordered = sorted(self.rows.values(), key=lambda row: row.card.state == "missing")
        stops = [(row.link, row.download_button, row.cancel_button) for row in ordered]
        tab_through((self.back_button, *(stop for three in stops for stop in three)))

    def _cannot_look(self, fault: FaultNews) -> None:
        self._looking = None
        self.note.setText(f"{FAILED} {fault.says} {fault.remedy}".strip())
        self.note.show()
