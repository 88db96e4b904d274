"""The review page: the finished surface, tools to better it, and the way out as a file."""

from typing import Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent
from PySide6.QtWidgets import (
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from engine.core.faults import Fault
from engine.core.news import FaultNews, Progress
from engine.core.surface import TexturedMesh
from ui.gl.modes import ColorMode
from ui.gl.picking import Hit
from ui.gl.viewport import NoViewport, Viewport, best_view, opengl_works
from ui.pace import Pace
from ui.ports import ModelPort, StudioPort
from ui.theme import GAP_PX
from ui.units import Units, size_in_words
from ui.views.review_aim import Aim, aim
from ui.views.review_bar import ViewBar
from ui.views.review_compare import CompareTool
from ui.views.review_crop import CropTool
from ui.views.review_crosshair import Crosshair
from ui.views.review_desk import Desk
from ui.views.review_level import LevelTool
from ui.views.review_measure import MeasureTool
from ui.views.review_simplify import SimplifyTool
from ui.views.review_texture import TextureTool
from ui.views.review_tidy import TidyTool
from ui.views.review_tool import Tool, counted
from ui.widgets.labels import Elided

SIDE_PX = 356
TOOLS_A_ROW = 4
TOOLS = (CompareTool, CropTool, LevelTool, TidyTool, SimplifyTool, MeasureTool, TextureTool)
FLIP_KEY = Qt.Key.Key_X

WELCOME = "Turn the surface with the mouse. Choose a tool above, or export it as it is."
UNDO, REDO = "Undo", "Redo"
NOTHING_TO_UNDO = "Nothing to undo"
NOTHING_TO_REDO = "Nothing to redo"
UNDOING, REDOING, SAVING = "Undoing.", "Redoing.", "Saving."
EMPTY = "The surface is empty."


class _Side(QFrame):
    """The panel on the right: as wide as its parts need, and no wider."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "panel")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Expanding)

    def sizeHint(self) -> QSize:
        """Return the least width, but for wrapped text that would like to be wider."""
        return QSize(max(SIDE_PX, self.minimumSizeHint().width()), super().sizeHint().height())


class ReviewView(QWidget):
    """One finished surface.

    `faulted` passes on every fault; `asked_export` and `asked_close` tell what the user wants next.
    """

    faulted = Signal(object)
    asked_export = Signal()
    asked_close = Signal()

    def __init__(self, model: ModelPort, studio: StudioPort, parent: QWidget | None = None) -> None:
        """Show the surface and all of it, with no tool open."""
        super().__init__(parent)
        self.model = model
        self._pace = Pace()
        self._open: Tool | None = None
        self._saved_steps = model.done
        self.view = best_view(self) if opengl_works() else NoViewport(self)
        self.desk = Desk(model, self.view, self)
        self.bar = ViewBar(self)
        self.tools = {tool.title: tool(self.desk, self) for tool in TOOLS}
        self.tool_buttons: dict[str, QPushButton] = {}
        column = QVBoxLayout()
        column.setSpacing(0)
        column.addWidget(self.bar)
        column.addWidget(self.view, 1)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addLayout(column, 1)
        row.addWidget(self._side())
        self.crosshair = Crosshair(self.view, self.view.nudge)
        self._connect()
        self.view.show_result(model.surface)
        self.view.fit_view()
        self._refresh()
        self._say("")

    @property
    def open_tool(self) -> Tool | None:
        """The tool that is open."""
        return self._open

    @property
    def is_saved(self) -> bool:
        """Whether the surface was not changed since it was opened or saved."""
        return self.model.done == self._saved_steps

    def show_tool(self, title: str | None) -> None:
        """Open a tool by its title, in place of the one that is open; None opens none."""
        if self._open is not None:
            self.desk.set_picking(False)
            self._open.hide()
            self._open.put_away()
        self._open = self.tools.get(title) if title is not None else None
        for name, button in self.tool_buttons.items():
            button.setChecked(name == title)
        if self._open is not None:
            self._open.show()
            self._open.refresh()
            self._open.open_up()
        self._welcome.setVisible(self._open is None)
        # Large text makes tools wider. The panel is as wide as the widest needs: it cannot scroll
        # sideways, and should not change with every tool.
        needed = max(tool.minimumSizeHint().width() for tool in self.tools.values())
        self._area.setMinimumWidth(needed + self._area.verticalScrollBar().sizeHint().width() + 8)

    def toggle_crop(self) -> None:
        """Open the crop box, or put it away."""
        self._toggle(CropTool.title)

    def toggle_measure(self) -> None:
        """Begin to measure, with the keyboard in the view; or put the tool away."""
        self._toggle(MeasureTool.title)
        if self._open is not None:
            self.crosshair.begin()

    def toggle_wireframe(self) -> None:
        """Show the edges of the triangles, or no more."""
        self.bar.wireframe.toggle()

    def set_mode(self, mode: ColorMode) -> None:
        """Colour the surface by something."""
        self.bar.set_mode(mode)

    def set_units(self, units: Units) -> None:
        """Say lengths in these."""
        self.bar.units_box.setCurrentIndex(self.bar.units_box.findData(units))

    def undo(self) -> None:
        """Take the last edit back."""
        if self.model.done:
            self.desk.change(UNDOING, self.model.undo)

    def redo(self) -> None:
        """Make the edit again that was taken back last."""
        if self.model.undone:
            self.desk.change(REDOING, self.model.redo)

    def save(self) -> None:
        """Put the surface into the scan's folder."""
        steps = self.model.done

        def saved(says: str) -> None:
            self._saved_steps = steps
            self._say(says)

        self.desk.run(SAVING, self.model.save, saved)

    def snapshot(self) -> QImage:
        """Return what the view shows."""
        return self.view.snapshot()

    def shut(self) -> None:
        """Hear of nothing any more, and give back what the graphics card holds."""
        self.desk.shut()
        self.view.release()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Keys of the page, where no menu takes them."""
        key = Qt.Key(event.key())
        plain = event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.KeypadModifier,
        )
        actions = {
            Qt.Key.Key_W: self.toggle_wireframe,
            Qt.Key.Key_B: self.toggle_crop,
            Qt.Key.Key_M: self.toggle_measure,
            Qt.Key.Key_R: self.view.reset_view,
            Qt.Key.Key_F: self.view.fit_view,
        }
        number = key.value - Qt.Key.Key_1.value
        if plain and key is FLIP_KEY:
            self._flip(event, True)
        elif plain and key in actions:
            actions[key]()
        elif plain and 0 <= number < len(ColorMode):
            self.set_mode(list(ColorMode)[number])
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Show the chosen state again once the key is let go."""
        if Qt.Key(event.key()) is FLIP_KEY:
            self._flip(event, False)
        else:
            super().keyReleaseEvent(event)

    def _flip(self, event: QKeyEvent, is_down: bool) -> None:
        compare = self._open
        if event.isAutoRepeat() or not isinstance(compare, CompareTool):
            return
        if is_down:
            compare.flip()
        else:
            compare.flip_back()

    def _toggle(self, title: str) -> None:
        is_open = self._open is self.tools[title]
        self.show_tool(None if is_open else title)

    def _connect(self) -> None:
        self.desk.faulted.connect(self.faulted)
        self.desk.said.connect(self._say)
        self.desk.progressed.connect(self._show_progress)
        self.desk.changed.connect(self._refresh)
        self.desk.busy_changed.connect(self._refresh)
        self.desk.units_changed.connect(self._refresh)
        self.desk.picking_changed.connect(self.crosshair.set_wanted)
        self.view.picked.connect(self._picked)
        self.bar.mode_chosen.connect(self.view.set_mode)
        self.bar.wireframe_wanted.connect(self.view.set_wireframe)
        self.bar.units_chosen.connect(self.desk.set_units)
        self.bar.asked_fit.connect(self.view.fit_view)
        self.bar.asked_reset.connect(self.view.reset_view)

    def _picked(self, hit: Hit) -> None:
        if self._open is None or self.desk.is_busy:
            return
        how = Aim()
        if isinstance(self.view, Viewport):
            how = aim(self.view, self.crosshair.at_px, hit)
        try:
            self._open.take(hit, how)
        except Fault as fault:
            self.faulted.emit(FaultNews(fault.says, fault.remedy, fault.severity.value))

    def _side(self) -> QFrame:
        side = _Side(self)
        column = QVBoxLayout(side)
        column.setContentsMargins(GAP_PX, GAP_PX, GAP_PX, GAP_PX)
        column.setSpacing(10)
        column.addLayout(self._head(side))
        column.addLayout(self._tool_row(side))
        column.addWidget(self._tool_area(side), 1)
        column.addLayout(self._foot(side))
        return side

    def _head(self, side: QFrame) -> QHBoxLayout:
        title = Elided(self.model.title, "heading", side)
        self.undo_button = QPushButton(UNDO, side)
        self.undo_button.clicked.connect(self.undo)
        self.redo_button = QPushButton(REDO, side)
        self.redo_button.clicked.connect(self.redo)
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(title, 1)
        row.addWidget(self.undo_button)
        row.addWidget(self.redo_button)
        return row

    def _tool_row(self, side: QFrame) -> QGridLayout:
        grid = QGridLayout()
        grid.setSpacing(6)
        for number, (title, tool) in enumerate(self.tools.items()):
            button = QPushButton(title, side)
            button.setCheckable(True)
            # Seven of them share the width of the panel.
            button.setStyleSheet(
                "QPushButton, QPushButton:focus { padding: 7px 2px; }"
                "QPushButton:checked { border-width: 2px; }"
            )
            button.setToolTip(tool.purpose)
            button.setAccessibleDescription(tool.purpose)
            button.clicked.connect(lambda _, title=title: self._toggle(title))
            grid.addWidget(button, *divmod(number, TOOLS_A_ROW))
            grid.setColumnStretch(number % TOOLS_A_ROW, 1)
            self.tool_buttons[title] = button
        return grid

    def _tool_area(self, side: QFrame) -> QScrollArea:
        inside = QWidget(side)
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 4, 6, 4)
        self._welcome = QLabel(WELCOME, inside)
        self._welcome.setProperty("role", "muted")
        self._welcome.setWordWrap(True)
        column.addWidget(self._welcome)
        for tool in self.tools.values():
            tool.hide()
            column.addWidget(tool)
        column.addStretch(1)
        self._area = area = QScrollArea(side)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(inside)
        return area

    def _foot(self, side: QFrame) -> QVBoxLayout:
        self.says = QLabel("", side)
        self.says.setWordWrap(True)
        self._progress = QProgressBar(side)
        self._progress.setTextVisible(False)
        self._progress.setFixedHeight(8)
        self._progress.setAccessibleName("How far it is")
        self.cancel_button = QPushButton("Cancel", side)
        self.cancel_button.clicked.connect(self.desk.cancel)
        working = QHBoxLayout()
        working.addWidget(self._progress, 1)
        working.addWidget(self.cancel_button)
        self.counts = QLabel("", side)
        self.counts.setWordWrap(True)
        self.counts.setProperty("role", "small")
        self.counts.setAccessibleName("What the surface amounts to")
        self.save_button = QPushButton("Save", side)
        self.save_button.setToolTip("Puts the surface into the scan's folder (Ctrl+S)")
        self.save_button.clicked.connect(self.save)
        self.close_button = QPushButton("Close", side)
        self.close_button.clicked.connect(self.asked_close)
        self.export_button = QPushButton("Export…", side)
        self.export_button.setProperty("role", "primary")
        self.export_button.clicked.connect(self.asked_export)
        buttons = QHBoxLayout()
        buttons.setSpacing(8)
        buttons.addWidget(self.close_button)
        buttons.addWidget(self.save_button)
        buttons.addWidget(self.export_button, 1)
        column = QVBoxLayout()
        column.setSpacing(8)
        column.addWidget(self.says)
        column.addLayout(working)
        column.addWidget(self.counts)
        column.addLayout(buttons)
        return column

    def _say(self, sentence: str) -> None:
        self.says.setText(sentence)
        self.says.setVisible(bool(sentence))

    def _show_progress(self, progress: Progress) -> None:
        self._say(self._pace.sentence(progress))
        self._progress.setRange(0, progress.total if progress.total > 1 else 0)
        self._progress.setValue(min(progress.done, progress.total))

    def _refresh(self, *_: Any) -> None:
        busy, model = self.desk.is_busy, self.model
        self._progress.setVisible(busy)
        self.cancel_button.setVisible(busy)
        if not busy:
            self._progress.setRange(0, 0)
        for button, sentences, nothing, verb in (
            (self.undo_button, model.done, NOTHING_TO_UNDO, UNDO),
            (self.redo_button, model.undone, NOTHING_TO_REDO, REDO),
        ):
            button.setEnabled(bool(sentences) and not busy)
            tip = f"{verb}: {sentences[-1]}" if sentences else nothing
            button.setToolTip(tip)
            button.setAccessibleDescription(tip)
        for button in (self.save_button, self.export_button):
            button.setEnabled(not busy)
        self.counts.setText(self._counts_in_words())
        if self._open is not None:
            self._open.refresh()

    def _counts_in_words(self) -> str:
        counts, surface = self.model.counts, self.model.surface
        if not counts.faces:
            return EMPTY
        texture = "no texture"
        if isinstance(surface, TexturedMesh):
            texture = f"texture {surface.texture.shape[1]} px"
        first = " · ".join(
            (counted(counts.faces, "triangle"), counted(counts.pieces, "piece"), texture)
        )
        note = self.model.texture_note
        lines = [first, size_in_words(counts.size_m, self.desk.units), *([note] if note else [])]
        return "\n".join(lines)
