"""Weights of one network as a row: what for, on what terms, and how they get here."""

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QHBoxLayout, QMessageBox, QProgressBar, QVBoxLayout, QWidget

from engine.core.news import FaultNews, Progress
from ui.pace import Pace
from ui.ports import StudioPort, WeightsCard
from ui.theme import GAP_PX
from ui.widgets.amounts import size
from ui.widgets.errand import Errand
from ui.widgets.labels import button, label, strong
from ui.widgets.side_by_side import SideBySide

STATES = {"bundled": "Part of Finescan", "installed": "Installed", "missing": "Not installed"}
RESTRICTED = "non-commercial"
DOWNLOAD = "Download…"
AGAIN = "Try again"
CANCEL = "Cancel"
BEGINS = "Asking for it …"
STOPPED = "Stopped. What has arrived is kept; a new try goes on from there."
ROW_EM = 28
ASK_TITLE = "Download {title}?"
ASK = "{size} will be downloaded, under this licence: {licence}."
ASK_RESTRICTED = "It forbids commercial use of these weights."


class WeightsRow(QWidget):
    """Shows weights, downloads them when asked, and tells what came of it.

    `arrived` says that they are here now.
    """

    arrived = Signal()

    def __init__(self, studio: StudioPort, card: WeightsCard) -> None:
        """Show the weights as they were found."""
        super().__init__()
        self._studio = studio
        self._errand: Errand | None = None
        self._pace = Pace()
        self.card = card
        self.state = label("", "small")
        self.remark = label("", "small", wraps=True)
        self.says = label("", "small", wraps=True)
        self.wrong = label("", "danger", wraps=True)
        self.download_button = button(DOWNLOAD, self.ask, name=f"Download {card.title}")
        self.cancel_button = button(CANCEL, self.cancel, name=f"Cancel download of {card.title}")
        self.bar = QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar.setAccessibleName(f"Download of {card.title}")

        terms = QHBoxLayout()
        terms.setSpacing(10)
        self.link = button(card.licence, self._open_licence, "link", f"Licence: {card.licence}")
        self.link.setToolTip(card.licence_url)
        self.link.setEnabled(bool(card.licence_url))
        terms.addWidget(label("Licence:", "small"))
        terms.addWidget(self.link)
        if card.is_restricted:
            terms.addWidget(label(RESTRICTED, "warn"))
        terms.addStretch()
        words = QVBoxLayout()
        words.setSpacing(4)
        words.addWidget(strong(label(card.title, wraps=True)))
        words.addWidget(label(card.purpose, wraps=True))
        words.addLayout(terms)
        words.addWidget(self.remark)
        words.addWidget(self.bar)
        words.addWidget(self.says)
        words.addWidget(self.wrong)
        words.addStretch(1)
        side = QVBoxLayout()
        side.setSpacing(6)
        side.addWidget(self.state)
        side.addWidget(self.download_button)
        side.addWidget(self.cancel_button)
        side.addStretch(1)
        parts = SideBySide(ROW_EM, 6)
        parts.add(words, 1)
        parts.add(side)
        row = QVBoxLayout(self)
        row.setContentsMargins(0, 0, 0, GAP_PX)
        row.addWidget(parts)
        self.show_card(card)

    @property
    def is_busy(self) -> bool:
        """Whether a download is under way."""
        return self._errand is not None

    def show_card(self, card: WeightsCard) -> None:
        """Show how the same weights stand now."""
        self.card = card
        self.state.setText(f"{STATES.get(card.state, card.state)} · {size(card.megabytes)}")
        self.remark.setText(card.remark)
        self.remark.setVisible(bool(card.remark))
        self._arrange()

    def ask(self) -> None:
        """Download if the user agrees to the terms."""
        card = self.card
        says = ASK.format(size=size(card.megabytes), licence=card.licence)
        if card.is_restricted:
            says += f" {ASK_RESTRICTED}"
        yes, no = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
        title = ASK_TITLE.format(title=card.title)
        if QMessageBox.question(self, title, says, yes | no, no) == yes:
            self._begin()

    def cancel(self) -> None:
        """Ask the download to stop."""
        if self._errand is not None:
            self.cancel_button.setEnabled(False)
            self._errand.cancel()

    def shut(self) -> None:
        """Stop the download without another word."""
        if self._errand is not None:
            self._errand.drop()
            self._errand = None

    def _begin(self) -> None:
        self._pace = Pace()
        self._errand = Errand(self._studio.download(self.card.name), self)
        self._errand.progressed.connect(self._show_progress)
        self._errand.done.connect(self._done)
        self._errand.failed.connect(self._failed)
        self._errand.stopped.connect(lambda: self._end(STOPPED, AGAIN))
        self.says.setText(BEGINS)
        self.wrong.clear()
        self.bar.setRange(0, 0)
        self._arrange()
        self.cancel_button.setEnabled(True)
        self.cancel_button.setFocus()

    def _show_progress(self, progress: Progress) -> None:
        self.says.setText(self._pace.sentence(progress))
        self.bar.setRange(0, progress.total)
        self.bar.setValue(progress.done)

    def _done(self, sentence: str) -> None:
        self._end(sentence, DOWNLOAD)
        self.arrived.emit()

    def _failed(self, fault: FaultNews) -> None:
        self.wrong.setText(f"{fault.says} {fault.remedy}".strip())
        self._end("", AGAIN)

    def _end(self, sentence: str, then: str) -> None:
        self._errand = None
        self.says.setText(sentence)
        self.download_button.setText(then)
        had_focus = self.cancel_button.hasFocus()
        self._arrange()
        if had_focus:
            self.download_button.setFocus()

    def _arrange(self) -> None:
        can = self.card.can_download and self.card.state == "missing"
        self.bar.setVisible(self.is_busy)
        self.cancel_button.setVisible(self.is_busy)
        self.download_button.setVisible(can and not self.is_busy)
        self.says.setVisible(bool(self.says.text()))
        self.wrong.setVisible(bool(self.wrong.text()))

    def _open_licence(self) -> None:
        QDesktopServices.openUrl(QUrl(self.card.licence_url))
