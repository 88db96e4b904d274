"""The one window: its pages, the way between them, and what happens before one is left."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPoint, QRect, Qt, QUrl, Signal
from PySide6.QtGui import QCloseEvent, QDesktopServices, QDragEnterEvent, QDropEvent, QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QDockWidget, QMainWindow, QWidget

from engine.core.news import FaultNews, ScanState
from ui.asking import Answer, ask
from ui.bridge import FINAL
from ui.commands import Commands
from ui.gl.viewport import opengl_works
from ui.logbook import Logbook
from ui.look import Look
from ui.navigation import Navigation
from ui.notify import Toasts
from ui.pages import Page, make_export, make_review, make_scan, make_side_page, make_start
from ui.ports import ModelPort, ScanPort, StudioPort
from ui.views.log import LogPane
from ui.widgets.errand import Errand

if TYPE_CHECKING:
    from ui.pages import SidePage
    from ui.views.export import ExportDialog
    from ui.views.review import ReviewView
    from ui.views.scan import ScanView
    from ui.views.start import StartView

NAME = "Finescan"
PRESSING = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
LEAST_NOTES_PX = 360
NO_3D = FaultNews(
    "The 3D view is switched off: this screen offers no OpenGL 3.2.",
    "Scanning, finishing and exporting work as usual. A newer graphics driver may bring it back.",
    "degrade",
)
NOTHING_TO_EXPORT = FaultNews(
    "There is no finished surface to export.", "Finish a scan or open one first.", "degrade"
)
BUSY = (ScanState.SCANNING, ScanState.PAUSED, ScanState.FINISHING)
OPEN_FOLDER = "Open folder"
STOP_TITLE = "Stop the scan?"
KEPT = "What a camera recorded stays, and can be made into a mesh from the start page."
STOP_SCANNING = f"The scan is not finished. Finish makes its mesh; to stop makes none yet. {KEPT}"
STOP_FINISHING = f"The mesh is being made. To stop now makes none yet. {KEPT}"
LEAVE_TITLE = "Leave without saving?"
LEAVE_SAYS = "The surface was changed and not saved. Ctrl+S saves it into the scan's folder."
KEEP, WAIT = Answer("keep", "Keep scanning"), Answer("keep", "Wait for it")
FINISH = Answer("finish", "Finish")
DISCARD = Answer("discard", "Stop without a mesh", is_harmful=True)
STAY, LEAVE = Answer("stay", "Stay"), Answer("leave", "Leave without saving", is_harmful=True)


class MainWindow(QMainWindow):
    """Shows one page at a time, and holds at most one scan or one finished surface.

    `told` shows a note, with an action or None, and may be emitted from any thread.
    """

    told = Signal(object, object)

    def __init__(
        self, studio: StudioPort, parent: QWidget | None = None, logbook: Logbook | None = None
    ) -> None:
        """Show the first page; the log pane shows what the logbook holds."""
        super().__init__(parent)
        self.setWindowTitle(NAME)
        self.resize(1280, 800)
        self.setMinimumSize(640, 420)
        self.setAcceptDrops(True)
        self._studio = studio
        self._opening: Errand | None = None
        self.scan: ScanView | None = None
        self.review: ReviewView | None = None
        self.model: ModelPort | None = None
        self.dialog: ExportDialog | None = None
        self.pages = Navigation(self._make_page, self)
        self.setCentralWidget(self.pages)
        self.toasts = Toasts(self, self._notes_area)
        self.told.connect(self.toasts.show_fault)
        self.start = self._make_start()
        self.pages.take_keyboard(Page.START)
        self.log_dock = self._make_log(logbook or Logbook())
        self.look = Look(studio, self.toasts.show_fault, self)
        self.look.changed.connect(self._look_changed)
        self.commands = Commands(self)
        self.pages.changed.connect(self._page_changed)
        self.pages.turned.connect(self._page_shown)
        self._page_changed()
        self._page_shown()
        self.look.refresh()
        if not opengl_works():
            self.toasts.show_fault(NO_3D)

    @property
    def studio(self) -> StudioPort:
        """What the window asks."""
        return self._studio

    def open(self, spec: str) -> None:
        """Open a source in the background and show its scan once that is done."""
        if not self._begin_opening(Path(spec).name or spec):
            return
        if Path(spec).exists():
            self.look.choose_folder(Path(spec).absolute().parent)
        self._follow(Errand(self._studio.open(spec), self), self.show_scan)

    def open_model(self, path: Path) -> None:
        """Open the surface of a finished scan likewise."""
        if self._begin_opening(path.name):
            self._follow(Errand(self._studio.open_model(path), self), self.show_review)

    def show_scan(self, port: ScanPort) -> None:
        """Show a scan that was opened."""
        self.scan = scan = make_scan(port, self)
        scan.faulted.connect(self.toasts.show_fault)
        scan.asked_export.connect(self.export)
        scan.asked_close.connect(self.show_start)
        scan.asked_review.connect(self._review_scan)
        scan.set_sound(self.look.sound)
        scan.sound_chosen.connect(self.look.choose_sound)
        # Not within the page's own work, as it may be the page's end.
        scan.is_over.connect(self._scan_over, Qt.ConnectionType.QueuedConnection)
        self.setWindowTitle(f"{port.title} - {NAME}")
        self.pages.put(Page.SCAN, scan)
        self.pages.go(Page.SCAN)
        for remark in port.remarks:
            self.toasts.show_fault(FaultNews(remark, "", "degrade"))
        scan.record.setFocus()

    def show_review(self, model: ModelPort) -> None:
        """Show a finished surface."""
        self._put_review(model)
        self.pages.go(Page.REVIEW)

    def show_start(self) -> None:
        """Go back to the first page, leaving scan and surface if the user agrees."""
        if self._leave():
            self.pages.go(Page.START)

    def stop(self) -> None:
        """Leave an unfinished scan, if the user agrees."""
        if self.scan is not None and self.scan.port.state in BUSY:
            self.show_start()

    def export(self) -> None:
        """Ask where to write the finished surface."""
        model = self.model or (self.scan.port.model if self.scan is not None else None)
        if model is None:
            self.toasts.show_fault(NOTHING_TO_EXPORT)
            return
        name = "".join(c if c.isalnum() or c in "-_" else "-" for c in model.title)
        suggested = Path.home() / f"{name.strip('-') or 'scan'}.glb"
        self.dialog = make_export(self._studio, model, suggested, self)
        self.dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.dialog.destroyed.connect(self._forget_dialog)
        self.dialog.open()

    def can_toggle(self) -> bool:
        """Whether there is a scan that can begin, pause or go on."""
        return self.scan is not None and self.scan.port.state not in FINAL

    def show_folder(self, folder: Path) -> None:
        """Have the desktop show a folder."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop what runs before the window goes, unless the user would rather stay."""
        if not self._leave():
            event.ignore()
            return
        for errand in self.findChildren(Errand):
            errand.drop()
        for page in Page:
            widget = self.pages.widget(page)
            if widget is not None:
                widget.shut()
        super().closeEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Let Enter press the button that has the keyboard: Space may belong to the scan."""
        button = self.focusWidget()
        if event.key() in PRESSING and isinstance(button, QAbstractButton):
            button.click()
        else:
            super().keyPressEvent(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Invite a single local file or folder, whatever page is shown."""
        urls = event.mimeData().urls()
        if len(urls) == 1 and urls[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        event.acceptProposedAction()
        self.open(event.mimeData().urls()[0].toLocalFile())

    def _make_start(self) -> "StartView":
        start = make_start(self._studio, self)
        start.chosen.connect(self.open)
        start.chose_model.connect(self.open_model)
        start.gave_up.connect(self._give_up)
        start.faulted.connect(self.toasts.show_fault)
        for signal, page in (
            (start.asked_settings, Page.SETTINGS),
            (start.asked_models, Page.MODELS),
            (start.asked_object, Page.OBJECT),
            (start.asked_calibration, Page.CALIBRATION),
        ):
            signal.connect(lambda page=page: self.pages.go(page))
        self.pages.put(Page.START, start)
        return start

    def _make_page(self, page: Page) -> "SidePage | None":
        if page in (Page.SCAN, Page.REVIEW):
            return None
        made = make_side_page(page, self._studio, self)
        made.asked_back.connect(lambda: self.pages.go(self._home()))
        made.faulted.connect(self.toasts.show_fault)
        if hasattr(made, "changed"):
            # Colours of the window may be among what was changed.
            made.changed.connect(self.look.refresh)
        return made

    def _make_log(self, logbook: Logbook) -> QDockWidget:
        pane = LogPane(logbook, self)
        pane.faulted.connect(self.toasts.show_fault)
        pane.saved.connect(
            lambda path: self.toasts.say(
                f"The log is in {path.name}.",
                (OPEN_FOLDER, lambda: self.show_folder(path.parent)),
            )
        )
        dock = QDockWidget("Log", self)
        dock.setObjectName("log")
        dock.setAccessibleName("Log")
        dock.setWidget(pane)
        dock.setFeatures(QDockWidget.DockWidgetFeature.DockWidgetClosable)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, dock)
        dock.hide()
        return dock

    def _home(self) -> Page:
        """Where a side page leads back to."""
        if self.review is not None:
            return Page.REVIEW
        return Page.START if self.scan is None else Page.SCAN

    def _page_changed(self) -> None:
        self.pages.allow(Page.SCAN, self.scan is not None)
        self.pages.allow(Page.REVIEW, self.review is not None)
        self.commands.refresh()

    def _page_shown(self) -> None:
        self.toasts.place()
        page = self.pages.shown
        if page is not None and hasattr(page, "refresh"):
            page.refresh()

    def _notes_area(self) -> QRect:
        """Return where notes cover least: the 3D view of the page, or else the page."""
        page = self.pages.shown
        view = getattr(page, "view", None)
        where = view if isinstance(view, QWidget) and view.width() > LEAST_NOTES_PX else self.pages
        return QRect(where.mapTo(self, QPoint()), where.size())

    def _look_changed(self) -> None:
        self.start.folder = self.look.last_folder
        self.commands.refresh()

    def _begin_opening(self, what: str) -> bool:
        if self._opening is not None or not self._leave():
            return False
        self.toasts.clear()
        self.pages.go(Page.START)
        self.start.set_opening(what)
        return True

    def _follow(self, errand: Errand, show: Callable[[Any], None]) -> None:
        self._opening = errand
        errand.progressed.connect(self.start.show_progress)
        errand.failed.connect(self._opened)
        errand.failed.connect(self.toasts.show_fault)
        errand.stopped.connect(self._opened)
        errand.done.connect(self._opened)
        errand.done.connect(lambda result: None if result is None else show(result))

    def _opened(self) -> None:
        self._opening = None
        self.start.set_opening(None)

    def _give_up(self) -> None:
        if self._opening is not None:
            self._opening.cancel()

    def _scan_over(self) -> None:
        if self.scan is not None and self.scan.port.state is ScanState.DONE:
            self._review_scan()
        self.commands.refresh()

    def _review_scan(self) -> None:
        """Put the review of the finished scan in the scan's place."""
        model = None if self.scan is None else self.scan.port.model
        if model is None:
            return
        was_shown = self.pages.shown is self.scan
        self._drop_scan()
        self._put_review(model)
        if was_shown:
            self.pages.go(Page.REVIEW)
        else:
            look = ("Look at it", lambda: self.pages.go(Page.REVIEW))
            self.toasts.say(f"{model.title} is finished.", look)

    def _put_review(self, model: ModelPort) -> None:
        self.model = model
        self.review = review = make_review(model, self._studio, self)
        review.faulted.connect(self.toasts.show_fault)
        review.asked_export.connect(self.export)
        review.asked_close.connect(self.show_start)
        self.setWindowTitle(f"{model.title} - {NAME}")
        self.pages.put(Page.REVIEW, review)

    def _leave(self) -> bool:
        """Return whether there is neither scan nor surface any more; asks before work is lost."""
        if not (self._may_drop_scan() and self._may_drop_review()):
            return False
        self._drop_scan()
        if self.review is not None and self.model is not None:
            self.review.shut()
            self.model.close()
            self.review = self.model = None
            self.pages.take_out(Page.REVIEW)
        self.setWindowTitle(NAME)
        return True

    def _drop_scan(self) -> None:
        if self.scan is not None:
            self.scan.shut()
            self.scan = None
            self.pages.take_out(Page.SCAN)

    def _may_drop_scan(self) -> bool:
        scan = self.scan
        if scan is None or scan.port.state not in BUSY:
            return True
        if scan.port.state is ScanState.FINISHING:
            return self._asks(STOP_TITLE, STOP_FINISHING, WAIT, DISCARD) == DISCARD.name
        answer = self._asks(STOP_TITLE, STOP_SCANNING, KEEP, FINISH, DISCARD)
        # The scan may have come to its end while the question was open.
        if answer == FINISH.name and self.scan is scan and scan.port.state not in FINAL:
            self.pages.go(Page.SCAN)
            scan.finish()
        return answer == DISCARD.name

    def _may_drop_review(self) -> bool:
        if self.review is None or self.review.is_saved:
            return True
        return self._asks(LEAVE_TITLE, LEAVE_SAYS, STAY, LEAVE) == LEAVE.name

    def _asks(self, title: str, question: str, *answers: Answer) -> str:
        return ask(self, title, question, answers)

    def _forget_dialog(self) -> None:
        self.dialog = None
