"""Choosing a file, and watching it being written."""

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QCloseEvent, QDesktopServices
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from engine.core.surface import Mesh, TexturedMesh
from ui.pace import Pace
from ui.ports import Choice, StudioPort, TaskPort

POLL_MS = 50


class ExportDialog(QDialog):
    """Asks for format, purpose and place; then shows progress, which can be cancelled."""

    def __init__(
        self, studio: StudioPort, mesh: Mesh | TexturedMesh, path: Path, parent: QWidget
    ) -> None:
        """Suggest a path; its ending follows the format."""
        super().__init__(parent)
        self.setWindowTitle("Export")
        self.setMinimumWidth(560)
        self._studio = studio
        self._mesh = mesh
        self._task: TaskPort[str] | None = None
        self._pace = Pace()
        self.format_box = _box(studio.formats)
        self.target_box = _box(studio.targets)
        self.path_edit = QLineEdit(str(path), self)
        browse = QPushButton("Browse…", self)
        browse.clicked.connect(self._browse)
        self._format_says, self._target_says = _remark(), _remark()
        place = QHBoxLayout()
        place.setSpacing(10)
        place.addWidget(self.path_edit, 1)
        place.addWidget(browse)
        form = QFormLayout()
        form.setVerticalSpacing(8)
        form.setHorizontalSpacing(16)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        form.addRow("Format", self.format_box)
        form.addRow("", self._format_says)
        form.addRow("Made for", self.target_box)
        form.addRow("", self._target_says)
        form.addRow("File", place)

        self.says = QLabel(_size_of(mesh), self)
        self.says.setWordWrap(True)
        self.says.setProperty("role", "muted")
        self._bar = QProgressBar(self)
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)
        self._bar.hide()
        self.export_button = QPushButton("Export", self)
        self.export_button.setProperty("role", "primary")
        self.export_button.setDefault(True)
        self.export_button.clicked.connect(self.begin)
        self.folder_button = QPushButton("Open folder", self)
        self.folder_button.clicked.connect(self._open_folder)
        self.folder_button.hide()
        self.close_button = QPushButton("Close", self)
        self.close_button.clicked.connect(self.reject)
        row = QHBoxLayout()
        row.addStretch()
        for button in (self.folder_button, self.close_button, self.export_button):
            row.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 20)
        column.setSpacing(14)
        column.addLayout(form)
        column.addWidget(self.says)
        column.addWidget(self._bar)
        column.addLayout(row)
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        self.format_box.currentIndexChanged.connect(self._format_changed)
        self.target_box.currentIndexChanged.connect(self._target_changed)
        self._format_changed()
        self._target_changed()

    def begin(self) -> None:
        """Write the file in the background."""
        path = Path(self.path_edit.text()).expanduser()
        self._task = self._studio.export(
            self._mesh, path, self.format_box.currentData().name, self.target_box.currentData().name
        )
        self._set_busy(True)
        self.says.setText("Writing.")
        self._timer.start()

    def reject(self) -> None:
        """Cancel what is being written; with nothing in work, close."""
        if self._task is not None:
            self._task.cancel()
            self.says.setText("Stopping.")
            return
        super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let a file in work end first."""
        if self._task is not None:
            self._task.cancel()
            event.ignore()
            return
        super().closeEvent(event)

    def _poll(self) -> None:
        if self._task is None:
            return
        news = self._task.poll()
        if news.progress is not None:
            self.says.setText(self._pace.sentence(news.progress))
            self._bar.setRange(0, news.progress.total)
            self._bar.setValue(news.progress.done)
        if not news.is_over:
            return
        self._task = None
        self._timer.stop()
        self._set_busy(False)
        if news.fault is not None:
            self.says.setText(f"{news.fault.says} {news.fault.remedy}".strip())
        elif news.result is not None:
            self.says.setText(news.result)
            self.folder_button.show()
        else:
            self.says.setText("Stopped. Nothing was written.")

    def _set_busy(self, busy: bool) -> None:
        for widget in (self.format_box, self.target_box, self.path_edit, self.export_button):
            widget.setEnabled(not busy)
        self._bar.setRange(0, 0)
        self._bar.setVisible(busy)
        self.folder_button.hide()
        self.close_button.setText("Cancel" if busy else "Close")

    def _format_changed(self) -> None:
        choice: Choice = self.format_box.currentData()
        self._format_says.setText(choice.remark)
        path = Path(self.path_edit.text())
        self.path_edit.setText(str(path.with_suffix(f".{choice.name}")))

    def _target_changed(self) -> None:
        self._target_says.setText(self.target_box.currentData().remark)

    def _browse(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self, "Export to", self.path_edit.text())
        if chosen:
            self.path_edit.setText(chosen)

    def _open_folder(self) -> None:
        folder = Path(self.path_edit.text()).expanduser().parent
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))


def _box(choices: tuple[Choice, ...]) -> QComboBox:
    box = QComboBox()
    for choice in choices:
        box.addItem(choice.title, choice)
    return box


def _remark() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setProperty("role", "small")
    return label


def _size_of(result: Mesh | TexturedMesh) -> str:
    mesh = result.mesh if isinstance(result, TexturedMesh) else result
    if mesh.is_empty:
        return "The mesh is empty."
    low, high = mesh.bounds_m()
    x, y, z = (float(side) for side in high - low)
    picture = ""
    if isinstance(result, TexturedMesh):
        picture = f", texture {result.texture.shape[1]} × {result.texture.shape[0]} pixels"
    return f"{len(mesh.faces):,} triangles{picture}; {x:.2f} × {y:.2f} × {z:.2f} m."
