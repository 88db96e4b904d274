"""The one window: first page, live page, menus and keys."""

from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QCloseEvent, QKeySequence
from PySide6.QtOpenGLWidgets import QOpenGLWidget
from PySide6.QtWidgets import QMainWindow, QMenu, QMessageBox, QStackedWidget, QWidget

from engine.core.news import FaultNews, ScanState
from ui.bridge import FINAL
from ui.gl.viewport import opengl_works
from ui.notify import Toasts
from ui.ports import ScanPort, StudioPort, TaskPort
from ui.views.export import ExportDialog
from ui.views.scan import UNDO_S, ScanView
from ui.views.start import StartView

POLL_MS = 50
KEYS = (
    ("Space", "start, pause, go on"),
    ("Ctrl+Z", f"take back the last {UNDO_S} seconds"),
    ("Ctrl+Return", "finish: make the mesh"),
    ("R", "look from the first place again"),
    ("F", "look at everything"),
    ("C", "follow the camera"),
    ("D", "show the details"),
    ("Ctrl+E", "export"),
    ("F11", "full screen"),
    ("Left drag", "turn the view"),
    ("Middle drag, Shift+drag", "move the view"),
    ("Wheel", "nearer, farther"),
)


class MainWindow(QMainWindow):
    """Shows the first page, or one scan at a time."""

    def __init__(self, studio: StudioPort, parent: QWidget | None = None) -> None:
        """Show the first page."""
        super().__init__(parent)
        self.setWindowTitle("Finescan")
        self.resize(1280, 800)
        self._studio = studio
        self._opening: TaskPort[ScanPort] | None = None
        self.scan: ScanView | None = None
        self.dialog: ExportDialog | None = None
        self._stack = QStackedWidget(self)
        self.start = StartView(studio.demo, self)
        self.start.chosen.connect(self.open)
        self.start.gave_up.connect(self._give_up)
        self._stack.addWidget(self.start)
        self.setCentralWidget(self._stack)
        self.start.setFocus()
        if opengl_works():
            # A window already on screen is taken down and rebuilt when its first GL widget comes:
            # it blinks and loses the keyboard. With one inside from the start it does not.
            QOpenGLWidget(self).resize(0, 0)
        self.toasts = Toasts(self)
        self._make_menus()
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll_opening)

    def open(self, spec: str) -> None:
        """Open a source in the background and show its scan once that is done."""
        if self._opening is not None or not self._leave_scan():
            return
        self.toasts.clear()
        self.start.set_opening(Path(spec).name or spec)
        self._opening = self._studio.open(spec)
        self._timer.start()

    def export(self) -> None:
        """Ask where to write the finished mesh."""
        if self.scan is None or self.scan.port.result is None:
            return
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in self.scan.port.title)
        suggested = Path.home() / f"{name.strip('-') or 'scan'}.glb"
        self.dialog = ExportDialog(self._studio, self.scan.port.result, suggested, self)
        self.dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.dialog.destroyed.connect(self._forget_dialog)
        self.dialog.open()

    def show_start(self) -> None:
        """Go back to the first page, leaving the scan if the user agrees."""
        self._leave_scan()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop what runs before the window goes, unless the user would rather stay."""
        if not self._leave_scan():
            event.ignore()
            return
        self._give_up()
        self._timer.stop()
        super().closeEvent(event)

    def _make_menus(self) -> None:
        file = self._menu("&File")
        self._add(file, "Open &folder…", "Ctrl+O", self.start.pick_folder)
        self._add(file, "Open f&ile…", "Ctrl+Shift+O", self.start.pick_file)
        self._export_action = self._add(file, "&Export…", "Ctrl+E", self.export)
        self._close_action = self._add(file, "&Close scan", "Ctrl+W", self.show_start)
        file.addSeparator()
        self._add(file, "&Quit", "Ctrl+Q", self.close)
        scan = self._menu("&Scan")
        self._toggle_action = self._add(scan, "&Start, pause, go on", "Space", self._toggle)
        self._scan_actions = [
            self._add(scan, f"&Undo {UNDO_S} seconds", "Ctrl+Z", self._undo),
            self._add(scan, "&Finish", "Ctrl+Return", self._finish),
        ]
        view = self._menu("&View")
        self._view_actions = [
            self._add(view, "&Reset view", "R", self._reset),
            self._add(view, "&Fit all", "F", self._fit),
            self._add(view, "Follow the &camera", "C", self._follow),
            self._add(view, "&Details", "D", self._details),
        ]
        view.addSeparator()
        self._add(view, "F&ull screen", "F11", self._full_screen)
        self._add(self._menu("&Help"), "&Keys", "F1", self._show_keys)
        self._enable_actions()

    def _menu(self, title: str) -> QMenu:
        menu = self.menuBar().addMenu(title)
        menu.aboutToShow.connect(self._enable_actions)
        return menu

    def _add(self, menu: QMenu, text: str, key: str, action: object) -> QAction:
        entry = QAction(text, self)
        entry.setShortcut(QKeySequence(key))
        entry.triggered.connect(action)
        menu.addAction(entry)
        return entry

    def _enable_actions(self) -> None:
        has_scan = self.scan is not None
        # Export stays enabled with its key: a disabled entry would not tell why nothing happens.
        # After a scan Space presses buttons again.
        self._toggle_action.setEnabled(self.scan is not None and self.scan.port.state not in FINAL)
        for action in (self._close_action, *self._scan_actions, *self._view_actions):
            action.setEnabled(has_scan)

    def _poll_opening(self) -> None:
        if self._opening is None:
            return
        news = self._opening.poll()
        if news.progress is not None:
            self.start.show_progress(news.progress)
        if not news.is_over:
            return
        self._opening = None
        self._timer.stop()
        self.start.set_opening(None)
        if news.fault is not None:
            self.toasts.show_fault(news.fault)
        elif news.result is not None:
            self._show_scan(news.result)

    def _show_scan(self, port: ScanPort) -> None:
        self.scan = ScanView(port, self)
        self.scan.faulted.connect(self.toasts.show_fault)
        self.scan.asked_export.connect(self.export)
        self.scan.asked_close.connect(self.show_start)
        self.scan.is_over.connect(self._enable_actions)
        self._stack.addWidget(self.scan)
        self._stack.setCurrentWidget(self.scan)
        self.setWindowTitle(f"{port.title} - Finescan")
        for remark in port.remarks:
            self.toasts.show_fault(FaultNews(remark, "", "degrade"))
        self._enable_actions()
        self.scan.record.setFocus()

    def _leave_scan(self) -> bool:
        """Return whether there is no scan any more; asks before throwing work away."""
        scan = self.scan
        if scan is None:
            return True
        busy = (ScanState.SCANNING, ScanState.PAUSED, ScanState.FINISHING)
        if scan.port.state in busy and not self._may_discard():
            return False
        scan.shut()
        self.scan = None
        self._stack.removeWidget(scan)
        scan.deleteLater()
        self.setWindowTitle("Finescan")
        self._enable_actions()
        self.start.setFocus()
        return True

    def _may_discard(self) -> bool:
        answer = QMessageBox.question(
            self,
            "Stop the scan?",
            "The scan is not finished. Stop it and throw away what was scanned?",
        )
        return answer == QMessageBox.StandardButton.Yes

    def _give_up(self) -> None:
        if self._opening is not None:
            self._opening.cancel()

    def _forget_dialog(self) -> None:
        self.dialog = None

    def _toggle(self) -> None:
        if self.scan is not None:
            self.scan.toggle()

    def _finish(self) -> None:
        if self.scan is not None:
            self.scan.finish()

    def _details(self) -> None:
        if self.scan is not None:
            self.scan.toggle_details()

    def _undo(self) -> None:
        if self.scan is not None:
            self.scan.undo()

    def _reset(self) -> None:
        if self.scan is not None:
            self.scan.view.reset_view()

    def _fit(self) -> None:
        if self.scan is not None:
            self.scan.view.fit_view()

    def _follow(self) -> None:
        if self.scan is not None:
            self.scan.toggle_follow()

    def _full_screen(self) -> None:
        self.setWindowState(self.windowState() ^ Qt.WindowState.WindowFullScreen)

    def _show_keys(self) -> None:
        rows = "".join(
            f"<tr><td><b>{key}</b>&nbsp;&nbsp;</td><td>{what}</td></tr>" for key, what in KEYS
        )
        QMessageBox.information(self, "Keys", f"<table>{rows}</table>")
