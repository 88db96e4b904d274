"""Choosing a file, what it is for and how fine it is; then watching it being written."""

from pathlib import Path

from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QCloseEvent, QDesktopServices, QResizeEvent, QShowEvent
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

from engine.core.edits import Rung
from engine.core.faults import Fault
from engine.core.surface import TexturedMesh
from ui.pace import Pace
from ui.ports import Choice, ModelPort, StudioPort, TaskPort

POLL_MS = 50

FORMAT, MADE_FOR, DETAIL, FILE = "&Format", "&Made for", "&Detail", "F&ile"
AS_IT_IS = "As it is"
EXPORT, REPLACE, CANCEL, CLOSE = "Export", "Replace the file", "Cancel", "Close"
IS_THERE = "{} is there already. Press again to replace it, or choose another name."
EMPTY = "The surface is empty; there is nothing to write."
NO_NAME = "The file needs a name."
WRITING, STOPPING, STOPPED = "Writing.", "Stopping.", "Stopped. Nothing was written."
ESTIMATING = "Working out what files would weigh."
UNIT_NAMES = {1.0: "m", 0.01: "cm", 0.001: "mm"}


class ExportDialog(QDialog):
    """Asks for format, purpose, detail and place; then shows progress, which can be cancelled."""

    # Where the last file of this run of the program went.
    last_folder: Path | None = None

    def __init__(
        self, studio: StudioPort, model: ModelPort, path: Path, parent: QWidget | None = None
    ) -> None:
        """Suggest a path; its ending follows the format, its folder that of the file before."""
        super().__init__(parent)
        self.setWindowTitle("Export")
        self.setMinimumWidth(620)
        self._model = model
        self._task: TaskPort[str] | None = None
        self._estimate: TaskPort[tuple[Rung, ...]] | None = None
        self._rungs: tuple[Rung, ...] = ()
        self._may_replace: Path | None = None
        self._pace = Pace()
        folder = ExportDialog.last_folder or path.parent
        self.format_box = _box("Format", studio.formats)
        self.target_box = _box("Made for", studio.targets)
        self.detail_box = QComboBox()
        self.detail_box.setAccessibleName("Detail")
        self.path_edit = QLineEdit(str(folder / path.name))
        self.path_edit.setAccessibleName("File")
        self._format_says, self._target_says = _remark(), _remark()
        self.detail_says, self.size_says = _remark(), QLabel()
        self.size_says.setWordWrap(True)
        self.says = QLabel()
        self.says.setWordWrap(True)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedHeight(8)
        self._bar.setAccessibleName("How far it is")
        self._bar.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 24, 24, 20)
        column.setSpacing(12)
        column.addLayout(self._form())
        column.addWidget(self.size_says)
        column.addWidget(self.says)
        column.addWidget(self._bar)
        column.addLayout(self._buttons())
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        self.format_box.currentIndexChanged.connect(self._format_changed)
        self.target_box.currentIndexChanged.connect(self._describe)
        self.detail_box.currentIndexChanged.connect(self._describe)
        self.path_edit.textChanged.connect(self._path_changed)
        self._fill_details()
        self._format_changed()
        self._begin_estimate()

    @property
    def path(self) -> Path:
        """Where the file goes: what was typed, with the format's ending."""
        typed = Path(self.path_edit.text().strip()).expanduser()
        return self._with_ending(typed, self.format_box.currentData().name) if typed.name else typed

    def begin(self) -> None:
        """Write the file in the background; one that is there already only if asked twice."""
        path = self.path
        if not path.name:
            self._tell(NO_NAME)
            return
        if path.exists() and self._may_replace != path:
            self._may_replace = path
            self._tell(IS_THERE.format(path.name), is_warning=True)
            self.export_button.setText(REPLACE)
            return
        self._drop_estimate()
        rung: Rung | None = self.detail_box.currentData()
        try:
            self._task = self._model.export(
                path,
                self.format_box.currentData().name,
                self.target_box.currentData().name,
                None if rung is None else rung.name,
            )
        except Fault as fault:
            self._tell(str(fault))
            return
        self._set_busy(True)
        self.close_button.setFocus()
        self._tell(WRITING)
        self._timer.start()

    def reject(self) -> None:
        """Cancel what is being written; with nothing in work, close."""
        if self._task is not None:
            self._task.cancel()
            self._tell(STOPPING)
            return
        self._drop_estimate()
        self._timer.stop()
        super().reject()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Let a file in work end first."""
        if self._task is not None:
            self._task.cancel()
            event.ignore()
            return
        self._drop_estimate()
        self._timer.stop()
        super().closeEvent(event)

    def _form(self) -> QFormLayout:
        self.browse_button = QPushButton("&Browse…")
        self.browse_button.clicked.connect(self._browse)
        place = QHBoxLayout()
        place.setSpacing(10)
        place.addWidget(self.path_edit, 1)
        place.addWidget(self.browse_button)
        form = QFormLayout()
        form.setVerticalSpacing(8)
        form.setHorizontalSpacing(16)
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for text, box, says in (
            (FORMAT, self.format_box, self._format_says),
            (MADE_FOR, self.target_box, self._target_says),
            (DETAIL, self.detail_box, self.detail_says),
        ):
            form.addRow(text, box)
            form.addRow("", says)
        form.addRow(FILE, place)
        label = form.labelForField(place)
        if isinstance(label, QLabel):
            label.setBuddy(self.path_edit)
        return form

    def _buttons(self) -> QHBoxLayout:
        self.export_button = QPushButton(EXPORT)
        self.export_button.setProperty("role", "primary")
        self.export_button.setDefault(True)
        self.export_button.clicked.connect(self.begin)
        self.folder_button = QPushButton("Open folder")
        self.folder_button.clicked.connect(self._open_folder)
        self.folder_button.hide()
        self.close_button = QPushButton(CLOSE)
        self.close_button.clicked.connect(self.reject)
        row = QHBoxLayout()
        row.addStretch()
        for button in (self.folder_button, self.close_button, self.export_button):
            row.addWidget(button)
        return row

    def _begin_estimate(self) -> None:
        if not self._model.counts.faces:
            self.export_button.setEnabled(False)
            self._tell(EMPTY)
            return
        try:
            self._estimate = self._model.ladder()
        except Fault as fault:
            self.detail_says.setText(str(fault))
            return
        self._describe()
        self._timer.start()

    def _drop_estimate(self) -> None:
        if self._estimate is not None:
            self._estimate.cancel()
            self._estimate = None
            self._describe()

    def _poll(self) -> None:
        if self._estimate is not None:
            self._poll_estimate(self._estimate)
        if self._task is not None:
            self._poll_export(self._task)
        if self._estimate is None and self._task is None:
            self._timer.stop()

    def _poll_estimate(self, estimate: TaskPort[tuple[Rung, ...]]) -> None:
        news = estimate.poll()
        if not news.is_over:
            return
        self._estimate = None
        if news.fault is not None:
            self.detail_says.setText(f"{news.fault.says} {news.fault.remedy}".strip())
        if news.result is not None:
            self._rungs = news.result
            self._fill_details()
            self._describe()

    def _poll_export(self, task: TaskPort[str]) -> None:
        news = task.poll()
        if news.progress is not None:
            self._tell(self._pace.sentence(news.progress))
            self._bar.setRange(0, news.progress.total if news.progress.total > 1 else 0)
            self._bar.setValue(news.progress.done)
        if not news.is_over:
            return
        self._task = None
        self._set_busy(False)
        self._may_replace = None
        if news.fault is not None:
            self._tell(f"{news.fault.says} {news.fault.remedy}".strip(), is_warning=True)
        elif news.result is not None:
            ExportDialog.last_folder = self.path.parent
            self._tell(news.result)
            self.folder_button.show()
            self.folder_button.setFocus()
        else:
            self._tell(STOPPED)

    def _set_busy(self, busy: bool) -> None:
        for widget in (
            self.format_box,
            self.target_box,
            self.detail_box,
            self.path_edit,
            self.browse_button,
            self.export_button,
        ):
            widget.setEnabled(not busy)
        self.export_button.setText(EXPORT)
        self._bar.setRange(0, 0)
        self._bar.setVisible(busy)
        self.folder_button.hide()
        self.close_button.setText(CANCEL if busy else CLOSE)

    def _tell(self, sentence: str, is_warning: bool = False) -> None:
        self.says.setText(sentence)
        self.says.setVisible(bool(sentence))
        self.says.setProperty("role", "warn" if is_warning else "")
        # A role that changes is only looked at again when asked for.
        self.says.style().unpolish(self.says)
        self.says.style().polish(self.says)
        self._make_room()

    def _make_room(self) -> None:
        """Grow to what wrapped text needs: a window does not do that by itself."""
        layout = self.layout()
        if layout is not None and self.isVisible():
            layout.activate()
            self.setMinimumHeight(layout.totalHeightForWidth(self.width()))

    def showEvent(self, event: QShowEvent) -> None:
        """Have room for all text from the start."""
        super().showEvent(event)
        self._make_room()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Wrapped text needs another height at another width."""
        super().resizeEvent(event)
        self._make_room()

    def _fill_details(self) -> None:
        chosen: Rung | None = self.detail_box.currentData()
        self.detail_box.blockSignals(True)
        self.detail_box.clear()
        self.detail_box.addItem(AS_IT_IS, None)
        faces = self._model.counts.faces
        # A rung that would reduce nothing is the surface as it is under another name.
        for rung in self._rungs:
            if rung.faces < faces or rung.texture_px < self._texture_px():
                self.detail_box.addItem(rung.title, rung)
                if chosen is not None and rung.name == chosen.name:
                    self.detail_box.setCurrentIndex(self.detail_box.count() - 1)
        self.detail_box.blockSignals(False)

    def _format_changed(self) -> None:
        choice: Choice = self.format_box.currentData()
        typed = Path(self.path_edit.text())
        if typed.name:
            self.path_edit.setText(str(self._with_ending(typed, choice.name)))
        self._describe()

    def _with_ending(self, path: Path, ending: str) -> Path:
        endings = {f".{self.format_box.itemData(i).name}" for i in range(self.format_box.count())}
        stem = path.stem if path.suffix.lower() in endings else path.name
        return path.with_name(f"{stem}.{ending}")

    def _path_changed(self) -> None:
        self._may_replace = None
        if self._task is None:
            self.export_button.setText(EXPORT)
            self._tell("")

    def _describe(self) -> None:
        file_format: Choice = self.format_box.currentData()
        target: Choice = self.target_box.currentData()
        self._format_says.setText(file_format.remark)
        self._target_says.setText(target.remark)
        rung: Rung | None = self.detail_box.currentData()
        self.detail_says.setText(self._detail_in_words(file_format.name, rung))
        self.size_says.setText(
            size_in_file(self._model.counts.size_m, file_format.unit_m or target.unit_m)
        )
        self._make_room()

    def _detail_in_words(self, format_name: str, rung: Rung | None) -> str:
        whole = self._rungs[-1] if self._rungs else None
        faces = self._model.counts.faces if rung is None else rung.faces
        texture_px = self._texture_px() if rung is None else rung.texture_px
        words = [f"{faces:,} triangles"]
        if texture_px:
            words.append(f"texture {texture_px} × {texture_px}")
        # The finest rung keeps everything, and so tells what the surface as it is would weigh.
        weigher = rung or whole
        if weigher is not None and format_name in weigher.megabytes and weigher.faces == faces:
            words.append(f"about {_megabytes(weigher.megabytes[format_name])}")
        elif self._estimate is not None:
            words.append(ESTIMATING)
        return " · ".join(words)

    def _texture_px(self) -> int:
        surface = self._model.surface
        return max(surface.texture.shape[:2]) if isinstance(surface, TexturedMesh) else 0

    def _browse(self) -> None:
        chosen, _ = QFileDialog.getSaveFileName(
            self,
            "Export to",
            self.path_edit.text(),
            options=QFileDialog.Option.DontConfirmOverwrite,
        )
        if chosen:
            self.path_edit.setText(chosen)

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.path.parent)))


def size_in_file(size_m: tuple[float, float, float], unit_m: float | None) -> str:
    """Return the size in metres, and in the unit of the file where that is another."""
    words = " × ".join(f"{edge:.2f}" for edge in size_m) + " m"
    if unit_m is None or unit_m == 1.0:
        return f"Size: {words}"
    unit = UNIT_NAMES.get(unit_m, f"× {unit_m:g} m")
    inside = " × ".join(f"{edge / unit_m:,.0f}" for edge in size_m)
    return f"Size: {words}; {inside} {unit} in the file"


def _megabytes(megabytes: float) -> str:
    return f"{megabytes:.1f} MB" if megabytes >= 0.1 else f"{1000 * megabytes:.0f} kB"


def _box(name: str, choices: tuple[Choice, ...]) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    for choice in choices:
        box.addItem(choice.title, choice)
    return box


def _remark() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    label.setProperty("role", "small")
    return label
