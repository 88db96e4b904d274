"""The live page: what the camera sees, the mesh as it grows, and very few buttons."""

from collections.abc import Callable

import numpy as np
from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QImage, QPixmap, QResizeEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from engine.core.arrays import U8
from engine.core.faults import Fault
from engine.core.news import FaultNews, ScanNews, ScanState, ScanStats
from ui.bridge import FINAL, Bridge
from ui.gl.guessed import Guessed
from ui.gl.viewport import NoViewport, Viewport, opengl_works
from ui.pace import Pace
from ui.ports import ScanPort
from ui.theme import GAP_PX
from ui.views.details import Details
from ui.views.record import RecordButton
from ui.words import STATES, still_to_do

SIDE_PX = 360
PICTURE_LEAST_PX, PICTURE_PX, PICTURE_HIGHEST_PX = 100, 246, 300
# How much sooner than the gap below it the picture gets what height there is.
PICTURE_FIRST = 100
# A step that holds on for seconds must not hold the window with it.
BRIEFLY_S = 0.2
UNDO_S = 5

GUESSED = {
    Guessed.SHOW: ("Show", "like all other surface"),
    Guessed.TINT: ("Tint", "in blue-violet"),
    Guessed.HIDE: ("Hide", "left out"),
}


class ScanView(QWidget):
    """One scan from beginning to end.

    `faulted` passes on every fault, `asked_export` and `asked_close` what the user wants next;
    `is_over` says that the scan has come to its end, whichever.
    """

    faulted = Signal(object)
    asked_export = Signal()
    asked_close = Signal()
    is_over = Signal()

    def __init__(self, port: ScanPort, parent: QWidget | None = None) -> None:
        """Show a scan that has not begun and let its news in."""
        super().__init__(parent)
        self.port = port
        self.view = Viewport(self) if opengl_works() else NoViewport(self)
        self._shown_state: ScanState | None = None
        self._picture: QPixmap | None = None
        self._stats = ScanStats()
        self._pace = Pace()
        self._has_seen_frame = False
        self.details = Details(self)
        self.details.hide()
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self._side())
        row.addWidget(self.details)
        row.addWidget(self.view, 1)
        self.bridge = Bridge(port, self._show, self.view.work, self)
        self.bridge.start()
        self._show_state(port.state)

    def toggle(self) -> None:
        """Do what the round button does: begin, pause, or go on."""
        action = {
            ScanState.READY: self.port.start,
            ScanState.SCANNING: self.port.pause,
            ScanState.PAUSED: self.port.resume,
        }.get(self.port.state)
        if action is not None:
            self._command(action)

    def finish(self) -> None:
        """Read no more and make the final mesh."""
        self._command(self.port.finish)

    def undo(self) -> None:
        """Take back what was scanned last."""
        self._command(lambda: self.port.undo(UNDO_S))

    def toggle_details(self) -> None:
        """Show the details, or no more."""
        self.details_button.toggle()

    def toggle_follow(self) -> None:
        """Follow the camera, or no more."""
        self._follow.toggle()

    def shut(self) -> None:
        """Let no more news in and stop the scan, which may take it longer than this call."""
        self.bridge.stop()
        self.view.release()
        self.port.abort(BRIEFLY_S)

    @property
    def can_export(self) -> bool:
        """Whether there is a finished mesh."""
        return self.port.result is not None

    def state_text(self) -> str:
        """Return the word on the screen for where the scan is."""
        return self._state.text()

    def beside_text(self) -> str:
        """Return what the screen says is going on beside the scan; empty when nothing is."""
        return self._beside.text()

    def picture_height_px(self) -> int:
        """Return how high the camera picture is shown."""
        return self._camera.pixmap().height()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the picture's shape."""
        super().resizeEvent(event)
        self._fit_picture()

    def _side(self) -> QFrame:
        side = QFrame(self)
        side.setProperty("role", "panel")
        side.setFixedWidth(SIDE_PX)
        self._title = _label(self.port.title, "muted")
        self._title.setToolTip("\n".join(self.port.remarks))
        self._camera = _label("The camera picture appears here", "picture")
        self._camera.setAlignment(Qt.AlignmentFlag.AlignCenter)
        # On a low screen the picture gives way, not the buttons.
        self._camera.setMinimumHeight(PICTURE_LEAST_PX)
        self._camera.setMaximumHeight(PICTURE_PX)
        self._camera.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self._camera.setAccessibleName("Camera picture; amber where no depth is known")
        legend = _label("Amber: no depth known there", "small")
        self._state = _label("", "state")
        self._hint = _label("", "muted")
        self._hint.setWordWrap(True)
        self._hint.setMinimumHeight(44)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._beside = _label("", "small")
        self._bar = QProgressBar(side)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)

        self.record = RecordButton(side)
        self.record.clicked.connect(self.toggle)
        self.undo_button = QPushButton(f"Undo {UNDO_S} s", side)
        self.undo_button.setAccessibleName(f"Undo the last {UNDO_S} seconds")
        self.undo_button.setToolTip(
            f"Takes back what was scanned in the last {UNDO_S} seconds; "
            "press again for more (Ctrl+Z)"
        )
        self.undo_button.clicked.connect(self.undo)
        self.finish_button = QPushButton("Finish", side)
        self.finish_button.clicked.connect(self.finish)
        self.export_button = QPushButton("Export…", side)
        self.export_button.setProperty("role", "primary")
        self.export_button.clicked.connect(self.asked_export)
        self.another_button = QPushButton("Scan another", side)
        self.another_button.clicked.connect(self.asked_close)
        buttons = QHBoxLayout()
        buttons.setSpacing(12)
        buttons.addWidget(self.record)
        buttons.addWidget(self.undo_button)
        buttons.addStretch()
        for button in (self.finish_button, self.another_button, self.export_button):
            buttons.addWidget(button)

        self._follow = QCheckBox("Follow the camera", side)
        self._follow.toggled.connect(self.view.set_follow)
        guessed = self._guessed_row(side)
        self.details_button = QPushButton("Details ▸", side)
        self.details_button.setProperty("role", "link")
        self.details_button.setCheckable(True)
        self.details_button.toggled.connect(self._open_details)

        column = QVBoxLayout(side)
        column.setContentsMargins(GAP_PX, GAP_PX, GAP_PX, GAP_PX)
        column.setSpacing(10)
        column.addWidget(self._title)
        column.addWidget(self._camera, PICTURE_FIRST)
        column.addWidget(legend)
        column.addSpacing(8)
        column.addWidget(self._state)
        column.addWidget(self._hint)
        column.addWidget(self._bar)
        column.addWidget(self._beside)
        column.addSpacing(8)
        column.addLayout(buttons)
        column.addStretch(1)
        column.addWidget(self._follow)
        column.addLayout(guessed)
        column.addWidget(self.details_button, 0, Qt.AlignmentFlag.AlignLeft)
        return side

    def _guessed_row(self, side: QFrame) -> QHBoxLayout:
        self.guessed_box = QComboBox(side)
        for how, (word, meaning) in GUESSED.items():
            self.guessed_box.addItem(word, how)
            tip = f"Guessed surface {meaning}."
            self.guessed_box.setItemData(
                self.guessed_box.count() - 1, tip, Qt.ItemDataRole.ToolTipRole
            )
        self.guessed_box.setToolTip(
            "Where no depth was measured, a network may complete the surface.\n"
            "Show it, tint it blue-violet, or leave it out. The scan itself stays the same."
        )
        self.guessed_box.setAccessibleName("Guessed surface")
        self.guessed_box.currentIndexChanged.connect(self._choose_guessed)
        label = QLabel("&Guessed surface", side)
        label.setBuddy(self.guessed_box)
        row = QHBoxLayout()
        row.addWidget(label)
        row.addStretch()
        row.addWidget(self.guessed_box)
        return row

    def _choose_guessed(self) -> None:
        self.view.set_guessed(self.guessed_box.currentData())
        # After the scan nobody draws any more; the bridge stops again by itself.
        self.bridge.start()

    def _show(self, news: ScanNews) -> None:
        self.view.absorb(news)
        if news.track is not None and news.track.preview is not None:
            self._picture = _pixmap(news.track.preview)
            self._fit_picture()
        if news.track is not None and not self._has_seen_frame:
            self._has_seen_frame = True
            self._hint.setText(STATES[news.state][1])
        if news.stats is not None:
            self._stats = news.stats
            self._beside.setText(still_to_do(news.state, news.stats))
            if news.state is not ScanState.FINISHING and news.stats.frames_total:
                self._bar.setVisible(news.state not in FINAL)
                self._set_bar(news.stats.frames_used, news.stats.frames_total)
        for fault in news.faults:
            self.faulted.emit(fault)
        if news.state is not self._shown_state:
            self._show_state(news.state)
        if news.progress is not None and news.state is ScanState.FINISHING:
            self._hint.setText(self._pace.sentence(news.progress))
            self._set_bar(news.progress.done, news.progress.total)
        if self.details.is_due():
            self._show_details()

    def _show_state(self, state: ScanState) -> None:
        self._shown_state = state
        word, hint = STATES[state]
        if state is ScanState.PAUSED and not self.port.can_resume:
            hint = "The source has ended early. Finish makes a mesh of what was scanned."
        if state is ScanState.SCANNING and not self._has_seen_frame:
            hint = "Waiting for the first picture."
        self._state.setText(word)
        self._hint.setText(hint)
        # A live camera has no end to measure by.
        counts = state in (ScanState.SCANNING, ScanState.PAUSED) and self._stats.frames_total > 0
        self._bar.setVisible(counts or state is ScanState.FINISHING)
        if state is ScanState.FINISHING:
            self._set_bar(0, 0)
        over = state in FINAL
        self.record.show_state(state, self.port.can_resume)
        self.record.setVisible(not over)
        self.finish_button.setVisible(not over)
        can_change = state in (ScanState.SCANNING, ScanState.PAUSED)
        self.undo_button.setVisible(not over)
        self.undo_button.setEnabled(can_change)
        self.finish_button.setEnabled(can_change)
        self._beside.setText(still_to_do(state, self._stats))
        self.another_button.setVisible(over)
        self.export_button.setVisible(self.can_export)
        self._follow.setEnabled(not over)
        if state is ScanState.DONE and self.port.result is not None:
            self.view.show_result(self.port.result)
        if over:
            (self.export_button if self.can_export else self.another_button).setFocus()
            self.is_over.emit()
        elif not self.bridge.is_running:
            self.bridge.start()

    def _command(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Fault as fault:
            self.faulted.emit(FaultNews(fault.says, fault.remedy, fault.severity.value))

    def _set_bar(self, done: int, total: int) -> None:
        # One single step is either not done or over: the bar only says that it runs.
        self._bar.setRange(0, total if total > 1 else 0)
        self._bar.setValue(min(done, total))

    def _fit_picture(self) -> None:
        if self._picture is None:
            return
        width = SIDE_PX - 2 * GAP_PX
        tall = round(width * self._picture.height() / self._picture.width())
        self._camera.setMaximumHeight(min(tall, PICTURE_HIGHEST_PX))
        scaled = self._picture.scaled(
            QSize(width, self._camera.height()),
            Qt.AspectRatioMode.KeepAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
        self._camera.setPixmap(scaled)

    def _open_details(self, on: bool) -> None:
        self.details_button.setText("Details ◂" if on else "Details ▸")
        self.details.setVisible(on)
        if on:
            self._show_details()

    def _show_details(self) -> None:
        self.details.show_stats(self._stats, self.bridge.slow_tick_ms())


def _label(text: str, role: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", role)
    return label


def _pixmap(picture: U8) -> QPixmap:
    rows, columns = picture.shape[:2]
    packed = np.ascontiguousarray(picture)
    image = QImage(packed.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)
    # The pixmap copies, so the array need not outlive this call.
    return QPixmap.fromImage(image)
