"""The strip that tells how far opening is, with the way out."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QVBoxLayout, QWidget

from engine.core.news import Progress
from ui.pace import Pace
from ui.widgets.column import MARGIN_PX
from ui.widgets.labels import Elided, button

CANCEL = "Cancel"
OPENING = "Opening {what} …"


class OpeningStrip(QFrame):
    """Hidden while nothing is being opened; `gave_up` says that the user does not want to wait."""

    gave_up = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        """Be hidden."""
        super().__init__(parent)
        self.setProperty("role", "panel")
        self._pace = Pace()
        self.says = Elided("")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)
        self.cancel_button = button(CANCEL, self.gave_up.emit, name="Cancel opening")
        words = QVBoxLayout()
        words.setSpacing(8)
        words.addWidget(self.says)
        words.addWidget(self._bar)
        row = QHBoxLayout(self)
        row.setContentsMargins(MARGIN_PX, 12, MARGIN_PX, 12)
        row.setSpacing(MARGIN_PX)
        row.addLayout(words, 1)
        row.addWidget(self.cancel_button)
        self.hide()

    def begin(self, what: str) -> None:
        """Show that something is being opened."""
        self._pace = Pace()
        self._say(OPENING.format(what=what))
        self._bar.setRange(0, 0)
        self._bar.setAccessibleName(OPENING.format(what=what))
        self.show()

    def show_progress(self, progress: Progress) -> None:
        """Show how far it is."""
        self._say(self._pace.sentence(progress))
        self._bar.setRange(0, progress.total)
        self._bar.setValue(progress.done)

    def _say(self, sentence: str) -> None:
        self.says.setText(sentence)
        self.says.setToolTip(sentence)
