"""The live page: what the camera sees, the mesh as it grows, and very few buttons."""

import logging
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from PySide6.QtCore import QEvent, QStandardPaths, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QApplication, QHBoxLayout, QVBoxLayout, QWidget

from engine.core.faults import Fault
from engine.core.news import (
    FaultNews,
    Progress,
    ScanNews,
    ScanState,
    ScanStats,
    Tracking,
    TrackView,
)
from ui.bridge import FINAL, Bridge
from ui.gl.modes import ColorMode
from ui.gl.viewport import NoViewport, Viewport, opengl_works
from ui.pace import Pace
from ui.ports import ScanPort
from ui.snapshots import save_picture
from ui.views.details import Details
from ui.views.guidance import Guidance
from ui.views.scan_side import UNDO_S, ScanSide
from ui.views.viewbar import ViewBar
from ui.words import STATES, coverage_words, ready_steps, still_to_do

# A step that holds on for seconds must not hold the window with it.
BRIEFLY_S = 0.2
# What takes looking through the surface is asked this seldom.
COVERAGE_EVERY_S = 0.7
PICTURES = "Finescan"
IGNORED = "ignore"

log = logging.getLogger(__name__)
# Large text on a small screen leaves the 3D view this much.
VIEW_LEAST_PX = 150


class ScanView(QWidget):
    """One scan from beginning to end.

    `faulted` passes on faults and notes, but those of single frames, which go to the log;
    `asked_review`, `asked_export` and `asked_close` tell what the user wants next; `is_over` that
    the scan has come to its end, whichever. `sound_chosen` tells whether the user wants to hear
    when tracking is lost.
    """

    faulted = Signal(object)
    asked_review = Signal()
    asked_export = Signal()
    asked_close = Signal()
    is_over = Signal()
    sound_chosen = Signal(bool)

    def __init__(self, port: ScanPort, parent: QWidget | None = None) -> None:
        """Show a scan that has not begun and let its news in."""
        super().__init__(parent)
        self.port = port
        self.view = Viewport(self) if opengl_works() else NoViewport(self)
        self.view.setMinimumSize(VIEW_LEAST_PX, VIEW_LEAST_PX)
        self._shown_state: ScanState | None = None
        self._stats = ScanStats()
        self._pace = Pace()
        self._track: TrackView | None = None
        self._asked_s = 0.0
        self._has_wires = False
        self._is_preparing = False
        self.details = Details(self)
        self.details.hide()
        self.side = ScanSide(port.title, port.remarks)
        self.guidance = Guidance()
        self.bar = ViewBar()
        self._seen = QWidget()
        column = QVBoxLayout(self._seen)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.guidance)
        column.addWidget(self.view, 1)
        column.addWidget(self.bar)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.side)
        row.addWidget(self.details)
        row.addWidget(self._seen, 1)
        # Takes the place of what a narrow screen has no room for.
        row.addStretch()
        self._connect()
        self.bridge = Bridge(port, self._show, self.view.work, self)
        self.bridge.start()
        self._show_state(port.state)

    def _connect(self) -> None:
        side, bar = self.side, self.bar
        self.record, self.undo_button = side.record, side.undo_button
        self.finish_button, self.export_button = side.finish_button, side.export_button
        self.another_button, self.details_button = side.another_button, side.details_button
        self.guessed_box = bar.guessed_box
        side.record.clicked.connect(self.toggle)
        side.undo_button.clicked.connect(self.undo)
        side.finish_button.clicked.connect(self.finish)
        side.review_button.clicked.connect(self.asked_review)
        side.export_button.clicked.connect(self.asked_export)
        side.another_button.clicked.connect(self.asked_close)
        side.details_button.toggled.connect(self._open_details)
        side.sound.toggled.connect(self.sound_chosen)
        bar.follow_toggled.connect(self.view.set_follow)
        bar.guessed_chosen.connect(self._draw_with(self.view.set_guessed))
        bar.mode_chosen.connect(self._draw_with(self.view.set_mode))
        bar.asked_snapshot.connect(self.snapshot)

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
        if self.bar.follow.isEnabled():
            self.bar.follow.toggle()

    def toggle_wireframe(self) -> None:
        """Show the edges of triangles, or no more."""
        self._has_wires = not self._has_wires
        self._draw_with(self.view.set_wireframe)(self._has_wires)

    def set_mode(self, mode: ColorMode) -> None:
        """Colour the surface by something."""
        self.bar.set_mode(mode)

    def set_sound(self, wanted: bool) -> None:
        """Make a sound when tracking is lost, or not."""
        self.side.sound.setChecked(wanted)

    def snapshot(self) -> None:
        """Keep a picture of the 3D view, and say where."""
        picture, pictures = self.view.snapshot(), QStandardPaths.StandardLocation.PicturesLocation
        if picture.isNull():
            self.faulted.emit(FaultNews("There is no 3D view to keep a picture of.", "", "degrade"))
            return
        try:
            folder = Path(QStandardPaths.writableLocation(pictures)) / PICTURES
            path = save_picture(picture, "scan", folder)
        except OSError as error:
            says = f"The picture could not be saved ({error.strerror or error})."
            self.faulted.emit(FaultNews(says, "Look whether the disk is full.", "degrade"))
        else:
            self.faulted.emit(FaultNews(f"Saved {path.name}.", f"It is in {path.parent}.", "info"))

    def shut(self) -> None:
        """Let no more news in and stop the scan, which may take it longer than this call."""
        self.bridge.stop()
        self.view.release()
        self.port.abort(BRIEFLY_S)

    @property
    def stats(self) -> ScanStats:
        """The newest counters."""
        return self._stats

    @property
    def track(self) -> TrackView | None:
        """Where the camera was last; None before the first picture."""
        return self._track

    @property
    def can_export(self) -> bool:
        """Whether there is a finished mesh."""
        return self.port.result is not None

    def state_text(self) -> str:
        """Return the word on the screen for where the scan is."""
        return self.side.state.text()

    def beside_text(self) -> str:
        """Return what the screen says is going on beside the scan; empty when nothing is."""
        return self.side.beside.text()

    def picture_height_px(self) -> int:
        """Return how high the camera picture is shown."""
        return self.side.camera.picture_height_px()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep room for what matters."""
        super().resizeEvent(event)
        self._arrange()

    def changeEvent(self, event: QEvent) -> None:
        """Likewise for another size of text."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and hasattr(self, "bridge"):
            self._arrange()

    def _arrange(self) -> None:
        """On a narrow screen the details take the place of the 3D view."""
        room = self.width() - self.side.width() - self.details.width()
        fits = room >= self._seen.minimumSizeHint().width()
        self._seen.setVisible(fits or not self.details_button.isChecked())

    def _draw_with(self, change: Callable[..., None]) -> Callable[..., None]:
        def do(value: object) -> None:
            change(value)
            # After the scan nobody draws any more; the bridge stops again by itself.
            self.bridge.start()

        return do

    def _show(self, news: ScanNews) -> None:
        self.view.absorb(news)
        if news.track is not None:
            self._show_track(news.track, news.state)
        if news.stats is not None:
            self._show_stats(news.stats, news.state)
        for fault in news.faults:
            if fault.severity == IGNORED:
                # One frame of hundreds; that tracking is lost is on the screen already.
                log.info(fault.says)
            else:
                self.faulted.emit(fault)
        if news.state is not self._shown_state:
            self._show_state(news.state)
        if news.progress is not None and news.state in (ScanState.SCANNING, ScanState.FINISHING):
            self._show_progress(news.progress, news.state)
        self.details.history.add(self._stats, self.bridge.slow_tick_ms(), monotonic())
        if self.details.is_due():
            self._show_details()
        self._show_coverage(news.state)

    def _show_track(self, track: TrackView, state: ScanState) -> None:
        is_first, self._track = self._track is None, track
        if track.preview is not None:
            self.side.camera.show_picture(track.preview)
        if track.health is not None:
            before = self.guidance.state
            is_new = self.guidance.show_health(track.health)
            now = self.guidance.state
            self.side.camera.show_state(now)
            is_lost = now is Tracking.LOST and before is not Tracking.LOST
            if is_lost and state is ScanState.SCANNING and self.side.sound.isChecked():
                QApplication.beep()
            if is_new and state is ScanState.READY:
                self.side.steps.setText(ready_steps(track))
        if is_first:
            self._show_state(state)

    def _show_progress(self, progress: Progress, state: ScanState) -> None:
        # While scanning there is something to wait for only before the first frame is fused.
        self._is_preparing = state is ScanState.SCANNING
        self.side.hint.setText(self._pace.sentence(progress))
        self.side.progress.show()
        self.side.set_bar(progress.done, progress.total)

    def _show_stats(self, stats: ScanStats, state: ScanState) -> None:
        self._stats = stats
        if self._is_preparing:
            self._is_preparing = False
            self._show_state(state)
        self.side.beside.setText(still_to_do(state, stats))
        if state is not ScanState.FINISHING and stats.frames_total:
            self.side.progress.setVisible(state not in FINAL)
            self.side.set_bar(stats.frames_used, stats.frames_total)

    def _show_coverage(self, state: ScanState) -> None:
        now_s = monotonic()
        if now_s - self._asked_s >= COVERAGE_EVERY_S:
            self._asked_s = now_s
            self.side.coverage.setText(coverage_words(state, self.view.coverage()))

    def _show_state(self, state: ScanState) -> None:
        is_new, self._shown_state = state is not self._shown_state, state
        side = self.side
        word, hint = STATES[state]
        if state is ScanState.PAUSED and not self.port.can_resume:
            hint = "The source has ended early. Finish makes a mesh of what was scanned."
        if state is ScanState.SCANNING and self._track is None:
            hint = "Waiting for the first picture."
        side.state.setText(word)
        side.hint.setText(hint)
        side.steps.setVisible(state is ScanState.READY)
        side.steps.setText(ready_steps(self._track))
        # A live camera has no end to measure by.
        counts = state in (ScanState.SCANNING, ScanState.PAUSED) and self._stats.frames_total > 0
        side.progress.setVisible(counts or state is ScanState.FINISHING)
        if state is ScanState.FINISHING:
            side.set_bar(0, 0)
        over = state in FINAL
        side.show_buttons(
            state, self.port.can_resume, self.can_export, over and self.port.model is not None
        )
        side.beside.setText(still_to_do(state, self._stats))
        side.coverage.setText(coverage_words(state, self.view.coverage()))
        self.guidance.show_scan(state)
        self.guidance.setVisible(not over and state is not ScanState.FINISHING)
        side.camera.show_state(Tracking.WAITING if over else self.guidance.state)
        self.bar.follow.setEnabled(not over)
        if not is_new:
            return
        if state is ScanState.DONE and self.port.result is not None:
            self.view.show_result(self.port.result)
        if over:
            side.focus_next()
            self.is_over.emit()
        elif not self.bridge.is_running:
            self.bridge.start()

    def _command(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Fault as fault:
            self.faulted.emit(FaultNews(fault.says, fault.remedy, fault.severity.value))

    def _open_details(self, on: bool) -> None:
        # What goes goes first, lest the window grow.
        if not on:
            self.details.hide()
        self._arrange()
        self.details.setVisible(on)
        if on:
            self._show_details()

    def _show_details(self) -> None:
        self.details.show_stats(self._stats, self.bridge.slow_tick_ms())
