"""The first page: what can be scanned here, and what was scanned before."""

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import (
    QApplication,
    QFileDialog,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QVBoxLayout,
    QWidget,
)

from engine.core.news import Progress
from ui.ports import ScanCard, StudioPort
from ui.theme import GAP_PX
from ui.widgets.camera_list import CameraList
from ui.widgets.column import Column
from ui.widgets.labels import button, heading, label, set_role
from ui.widgets.opening import OpeningStrip
from ui.widgets.scan_list import ScanList
from ui.widgets.side_by_side import SideBySide
from ui.widgets.tab_order import tab_through

TITLE = "Finescan"
SUBTITLE = "Walk through a room, leave with a textured mesh."
DROP = "Drop a recording here"
KINDS = (
    "A folder, .r3d, .zip or transforms.json of 7-Scenes, TUM RGB-D, ScanNet, Open3D, "
    "Stray Scanner, Record3D, Polycam, NeRFCapture or ARKitScenes."
)
FOLDER = "Open folder…"
FILE = "Open file…"
DEMO = "Try the demo room"
DEMO_SAYS = "No camera at hand? Watch a made-up room being scanned."
PICK = "Open a recording"
OBJECT = "Scan an object"
CALIBRATION = "Check a camera"
SETTINGS = "Settings"
MODELS = "Networks"
WIDEST_PX = 1120
WAYS_EM = 31


class StartView(QWidget):
    """Cameras, scans on disk, recordings and the demo room; all but the last arrive by tasks.

    Choosing a recording begins in `folder`. `chosen` carries what to open, `chose_model` the folder
    of a finished scan; `gave_up` says that opening should be cancelled. The others ask for another
    page.
    """

    chosen = Signal(str)
    chose_model = Signal(object)
    gave_up = Signal()
    asked_settings = Signal()
    asked_models = Signal()
    asked_object = Signal()
    asked_calibration = Signal()
    faulted = Signal(object)

    def __init__(self, studio: StudioPort, parent: QWidget | None = None) -> None:
        """Show the page; `refresh` fills it."""
        super().__init__(parent)
        self.setAcceptDrops(True)
        self._before: QWidget | None = None
        self.folder = Path.home()
        self.demo_button = button(DEMO, lambda: self.chosen.emit(studio.demo), "primary")
        self.cameras = CameraList(studio)
        self.cameras.filled.connect(self._order_tabs)
        self.cameras.chose.connect(self.chosen.emit)
        self.cameras.faulted.connect(self.faulted.emit)
        self.scans = ScanList(studio)
        self.scans.filled.connect(self._order_tabs)
        self.scans.chose.connect(self._choose_scan)
        self.scans.faulted.connect(self.faulted.emit)
        self.opening = OpeningStrip()
        self.opening.gave_up.connect(self.gave_up.emit)
        self._pages = (
            button(OBJECT, self.asked_object.emit, "link"),
            button(CALIBRATION, self.asked_calibration.emit, "link"),
            button(SETTINGS, self.asked_settings.emit, "link"),
            button(MODELS, self.asked_models.emit, "link"),
        )
        self._picks = (button(FOLDER, self.pick_folder), button(FILE, self.pick_file))
        self._drop = self._make_drop()

        self._column = Column(WIDEST_PX)
        self.cameras.grid.reached.connect(self._column.ensureWidgetVisible)
        self.scans.grid.reached.connect(self._column.ensureWidgetVisible)
        left = QVBoxLayout()
        left.setSpacing(10)
        left.addWidget(self.cameras)
        left.addSpacing(6)
        left.addStretch(1)
        left.addWidget(label(DEMO_SAYS, "small", wraps=True))
        left.addWidget(self.demo_button)
        ways = SideBySide(WAYS_EM, 2 * GAP_PX)
        ways.add(left, 1)
        ways.add(self._drop, 1)
        rows = self._column.rows
        rows.addLayout(self._make_head())
        rows.addSpacing(4)
        rows.addWidget(self.scans.offer)
        rows.addWidget(ways)
        rows.addSpacing(GAP_PX)
        rows.addWidget(self.scans)
        rows.addStretch(1)

        page = QVBoxLayout(self)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(0)
        page.addWidget(self._column, 1)
        page.addWidget(self.opening)
        self._order_tabs()
        self.setFocusProxy(self.demo_button)

    def refresh(self) -> None:
        """Look for scans and cameras anew; what is shown stays meanwhile."""
        self.cameras.refresh()
        self.scans.refresh()

    def shut(self) -> None:
        """Look for nothing more."""
        self.cameras.shut()
        self.scans.shut()

    def set_opening(self, what: str | None) -> None:
        """Show that something is being opened, or with None, that the choice is free again."""
        is_free = what is None
        if what is not None:
            self._before = QApplication.focusWidget()
            self.opening.begin(what)
            self.opening.cancel_button.setFocus()
        self._column.setEnabled(is_free)
        self.setAcceptDrops(is_free)
        if is_free:
            if self.opening.cancel_button.hasFocus() and self._before is not None:
                self._before.setFocus()
            self._before = None
            self.opening.hide()

    def show_progress(self, progress: Progress) -> None:
        """Show how far opening is."""
        self.opening.show_progress(progress)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Invite a single local file or folder."""
        urls = event.mimeData().urls()
        if len(urls) == 1 and urls[0].isLocalFile():
            event.acceptProposedAction()
            self._light(True)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Stop inviting."""
        self._light(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Open what was dropped."""
        self._light(False)
        event.acceptProposedAction()
        self.chosen.emit(event.mimeData().urls()[0].toLocalFile())

    def pick_folder(self) -> None:
        """Ask for a folder."""
        self._choose(QFileDialog.getExistingDirectory(self, PICK, str(self.folder)))

    def pick_file(self) -> None:
        """Ask for a file."""
        self._choose(QFileDialog.getOpenFileName(self, PICK, str(self.folder))[0])

    def _make_head(self) -> QHBoxLayout:
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(label(TITLE, "title"))
        words.addWidget(label(SUBTITLE, "muted", wraps=True))
        # Two by two, so that large letters leave room for the name beside them.
        pages = QGridLayout()
        pages.setHorizontalSpacing(GAP_PX)
        pages.setVerticalSpacing(2)
        pages.setRowStretch(2, 1)
        for place, made in enumerate(self._pages):
            pages.addWidget(made, place % 2, place // 2)
        head = QHBoxLayout()
        head.addLayout(words, 1)
        head.addLayout(pages)
        return head

    def _make_drop(self) -> QFrame:
        frame = QFrame()
        frame.setProperty("role", "drop")
        buttons = QHBoxLayout()
        buttons.setSpacing(12)
        for made in self._picks:
            buttons.addWidget(made, 1)
        rows = QVBoxLayout(frame)
        rows.setContentsMargins(24, 20, 24, 20)
        rows.setSpacing(10)
        rows.addWidget(heading(DROP))
        rows.addWidget(label(KINDS, "small", wraps=True))
        rows.addStretch(1)
        rows.addSpacing(10)
        rows.addLayout(buttons)
        return frame

    def _order_tabs(self) -> None:
        offer = self.scans.offer
        tab_through(
            (
                *self._pages,
                *(offer.recover_button, offer.later_button, self.cameras.again_button),
                *self.cameras.grid.cards,
                self.demo_button,
                *self._picks,
                *self.scans.grid.cards,
                *(self.scans.all_button, self.opening.cancel_button),
            )
        )

    def _choose(self, path: str) -> None:
        if path:
            self.chosen.emit(path)

    def _choose_scan(self, scan: ScanCard) -> None:
        if scan.state == "finished":
            self.chose_model.emit(scan.path)
        else:
            self.chosen.emit(str(scan.path))

    def _light(self, on: bool) -> None:
        self._drop.setProperty("over", on)
        set_role(self._drop, "drop")
