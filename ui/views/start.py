"""The first page: choose what to scan."""

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from engine.core.news import Progress


class StartView(QWidget):
    """Drop a recording, pick one, or take the demo room.

    `chosen` carries what to open; `gave_up` says that opening should be cancelled.
    """

    chosen = Signal(str)
    gave_up = Signal()

    def __init__(self, demo: str, parent: QWidget | None = None) -> None:
        """Show the page; `demo` is what the demo button opens."""
        super().__init__(parent)
        self.setAcceptDrops(True)
        title = _label("Finescan", "title")
        subtitle = _label("Walk through a room, leave with a textured mesh.", "muted")

        self._drop = QFrame(self)
        self._drop.setProperty("role", "drop")
        self._drop.setFixedSize(620, 260)
        hint = _label("Drop a recording here", "state")
        kinds = _label(
            "a folder, .r3d, .zip or transforms.json:\n7-Scenes · TUM RGB-D · ScanNet · Open3D · "
            "Stray Scanner\nRecord3D · Polycam · NeRFCapture · ARKitScenes",
            "small",
        )
        self.demo_button = _button(
            "Try the demo room", lambda: self.chosen.emit(demo), role="primary"
        )
        self._buttons = [
            _button("Open folder…", self.pick_folder),
            _button("Open file…", self.pick_file),
            self.demo_button,
        ]
        row = QHBoxLayout()
        row.setSpacing(12)
        row.addStretch()
        for button in self._buttons:
            row.addWidget(button)
        row.addStretch()
        inside = QVBoxLayout(self._drop)
        inside.setSpacing(12)
        inside.addStretch()
        inside.addWidget(hint, 0, Qt.AlignmentFlag.AlignHCenter)
        inside.addWidget(kinds, 0, Qt.AlignmentFlag.AlignHCenter)
        inside.addSpacing(12)
        inside.addLayout(row)
        inside.addStretch()

        self._opening = QWidget(self)
        self._opening.setFixedSize(620, 60)
        self._doing = _label("", "muted")
        self._bar = QProgressBar(self._opening)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)
        cancel = _button("Cancel", self.gave_up.emit, role="link")
        line = QHBoxLayout()
        line.addWidget(self._doing, 1)
        line.addWidget(cancel)
        below = QVBoxLayout(self._opening)
        below.setContentsMargins(0, 0, 0, 0)
        below.addLayout(line)
        below.addWidget(self._bar)

        page = QVBoxLayout(self)
        page.addStretch(2)
        page.addWidget(title, 0, Qt.AlignmentFlag.AlignHCenter)
        page.addWidget(subtitle, 0, Qt.AlignmentFlag.AlignHCenter)
        page.addSpacing(28)
        page.addWidget(self._drop, 0, Qt.AlignmentFlag.AlignHCenter)
        page.addSpacing(12)
        page.addWidget(self._opening, 0, Qt.AlignmentFlag.AlignHCenter)
        page.addStretch(3)
        self.set_opening(None)
        self.setFocusProxy(self.demo_button)

    def set_opening(self, what: str | None) -> None:
        """Show that something is being opened, or with None, that the choice is free again."""
        for child in self._opening.findChildren(QWidget):
            child.setVisible(what is not None)
        self._doing.setText(f"Opening {what}" if what else "")
        self._bar.setRange(0, 0)
        for button in self._buttons:
            button.setEnabled(what is None)
        self.setAcceptDrops(what is None)

    def show_progress(self, progress: Progress) -> None:
        """Show how far opening is."""
        self._doing.setText(progress.stage)
        self._bar.setRange(0, progress.total)
        self._bar.setValue(progress.done)

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
        self._choose(QFileDialog.getExistingDirectory(self, "Open a recording", str(Path.home())))

    def pick_file(self) -> None:
        """Ask for a file."""
        self._choose(QFileDialog.getOpenFileName(self, "Open a recording", str(Path.home()))[0])

    def _choose(self, path: str) -> None:
        if path:
            self.chosen.emit(path)

    def _light(self, on: bool) -> None:
        self._drop.setProperty("over", on)
        self._drop.style().unpolish(self._drop)
        self._drop.style().polish(self._drop)


def _label(text: str, role: str) -> QLabel:
    label = QLabel(text)
    label.setProperty("role", role)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return label


def _button(text: str, action: object, role: str = "") -> QPushButton:
    button = QPushButton(text)
    button.setProperty("role", role)
    button.clicked.connect(action)
    return button
