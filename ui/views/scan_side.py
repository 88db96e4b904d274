"""The left side of the live page: camera picture, where the scan is, buttons."""

from PySide6.QtCore import QEvent, Qt
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from engine.core.news import ScanState
from ui.bridge import FINAL
from ui.theme import GAP_PX
from ui.views.camera import CameraPicture
from ui.views.record import RecordButton
from ui.views.scale import text_scale
from ui.widgets.labels import Elided, label

SIDE_PX = 336
UNDO_S = 5
# How much sooner than the gap below it the picture gets what height there is.
PICTURE_FIRST = 100

UNDO_TIP = (
    f"Takes back what was scanned in the last {UNDO_S} seconds; press again for more (Ctrl+Z)"
)
SOUND_TIP = "Your eyes are on the camera, not on the screen: hear when tracking is lost"
DETAILS = "Details"
AMBER = "Amber in the picture: no depth known"


class ScanSide(QFrame):
    """Shows what it is told; on a screen too low for all of it, it scrolls above the buttons."""

    def __init__(self, title: str, remarks: tuple[str, ...]) -> None:
        """Show a scan that has not begun."""
        super().__init__()
        self.setProperty("role", "panel")
        self.title = Elided(title, "muted")
        self.title.setToolTip("\n".join((title, *remarks)))
        self.camera = CameraPicture()
        self.state = label("", "state")
        self.hint = label("", wraps=True)
        self.steps = label("", wraps=True)
        self.steps.setAccessibleName("What is ready")
        self.coverage = label("", "heading", wraps=True)
        self.coverage.setAccessibleName("Coverage")
        self.beside = label("", "small")
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.progress.setAccessibleName("How much of the recording is done")
        self.sound = QCheckBox("&Sound when lost")
        self.sound.setToolTip(SOUND_TIP)
        self.details_button = QPushButton(f"{DETAILS} ▸")
        self.details_button.setProperty("role", "link")
        self.details_button.setCheckable(True)
        self.details_button.setAccessibleName("Details of the scan")
        self.details_button.toggled.connect(self._turn_arrow)
        self._make_buttons()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, GAP_PX // 2)
        column.setSpacing(6)
        column.addWidget(self._scrolling(), 1)
        column.addLayout(self._pinned())
        self._fit()

    def show_buttons(
        self, state: ScanState, can_resume: bool, can_export: bool, can_review: bool
    ) -> None:
        """Offer what makes sense in a state."""
        over = state in FINAL
        can_change = state in (ScanState.SCANNING, ScanState.PAUSED)
        self.record.show_state(state, can_resume)
        for button in (self.record, self.undo_button, self.finish_button):
            button.setVisible(not over)
        self.undo_button.setEnabled(can_change)
        self.finish_button.setEnabled(can_change)
        self.another_button.setVisible(over)
        self.review_button.setVisible(over and can_review)
        self.export_button.setVisible(can_export)
        self.sound.setVisible(not over)

    def focus_next(self) -> None:
        """Put the keyboard on what most users want after a scan."""
        for button in (self.export_button, self.another_button):
            if not button.isHidden():
                button.setFocus()
                return

    def set_bar(self, done: int, total: int) -> None:
        """Show so much of the whole."""
        # One single step is either not done or over: the bar only says that it runs.
        self.progress.setRange(0, total if total > 1 else 0)
        self.progress.setValue(min(done, total))

    def changeEvent(self, event: QEvent) -> None:
        """Follow the size of text."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and hasattr(self, "record"):
            self._fit()

    def _fit(self) -> None:
        # Half as fast as the text: the 3D view needs its room too.
        self.setFixedWidth(round(SIDE_PX * (1 + text_scale(self)) / 2))
        self.hint.setMinimumHeight(2 * self.hint.fontMetrics().lineSpacing())
        self.hint.setAlignment(Qt.AlignmentFlag.AlignTop)

    def _make_buttons(self) -> None:
        self.record = RecordButton()
        self.undo_button = QPushButton(f"Undo {UNDO_S} s")
        self.undo_button.setAccessibleName(f"Undo the last {UNDO_S} seconds")
        self.undo_button.setToolTip(UNDO_TIP)
        self.finish_button = QPushButton("Finish")
        self.finish_button.setToolTip("Reads no more and makes the mesh (Ctrl+Return)")
        self.review_button = QPushButton("Review")
        self.review_button.setToolTip("Crop, level, measure, compare")
        self.export_button = QPushButton("Export…")
        self.export_button.setProperty("role", "primary")
        self.another_button = QPushButton("Scan another")

    def _scrolling(self) -> QScrollArea:
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(GAP_PX, GAP_PX, GAP_PX, 0)
        column.setSpacing(8)
        column.addWidget(self.title)
        column.addWidget(self.camera, PICTURE_FIRST)
        column.addWidget(label(AMBER, "small", wraps=True))
        for part in (self.state, self.hint, self.steps, self.progress, self.coverage, self.beside):
            column.addWidget(part)
        column.addStretch(1)
        area = QScrollArea()
        area.setWidget(body)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return area

    def _pinned(self) -> QVBoxLayout:
        """Return what never scrolls away."""
        buttons = QHBoxLayout()
        buttons.setSpacing(10)
        buttons.addWidget(self.record)
        buttons.addWidget(self.undo_button)
        buttons.addStretch()
        for button in (self.finish_button, self.another_button):
            buttons.addWidget(button)
        results = QHBoxLayout()
        results.setSpacing(10)
        results.addStretch()
        results.addWidget(self.review_button)
        results.addWidget(self.export_button)
        below = QHBoxLayout()
        below.addWidget(self.details_button)
        below.addStretch()
        below.addWidget(self.sound)
        pinned = QVBoxLayout()
        pinned.setContentsMargins(GAP_PX, 0, GAP_PX, 0)
        pinned.setSpacing(6)
        for row in (buttons, results, below):
            pinned.addLayout(row)
        return pinned

    def _turn_arrow(self, on: bool) -> None:
        self.details_button.setText(f"{DETAILS} {'◂' if on else '▸'}")
