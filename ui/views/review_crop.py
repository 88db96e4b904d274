"""Crop: a box in the view, by its handles or by numbers; what is outside goes."""

import numpy as np
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QHBoxLayout, QLabel, QWidget

from engine.core.edits import Crop
from engine.core.poses import Pose
from ui.units import size_in_words, volume_in_words
from ui.views.review_desk import Desk, shape_of
from ui.views.review_tool import MARGIN_PX, LengthField, Tool

HINT = "Drag the handles of the box, or type. What is dimmed goes when you apply."
CROPPING = "Cutting off what is outside the box."
SMALLEST_M = 0.01
AXIS_NAMES = ("X", "Y", "Up")


class CropTool(Tool):
    """Keeps what lies in a box that may be turned about the upright axis."""

    title = "Crop"
    purpose = "Keep only what lies in a box (B)"

    def __init__(self, desk: Desk, parent: QWidget) -> None:
        """Show a box round everything once opened."""
        super().__init__(desk, parent)
        self._pose = Pose.identity()
        self.words(HINT)
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(6)
        for column, text in enumerate(("Middle", "Size"), start=1):
            label = QLabel(text, self)
            label.setProperty("role", "small")
            grid.addWidget(label, 0, column)
        self.middle = [LengthField(f"Middle of the box, {axis}", self) for axis in AXIS_NAMES]
        self.size_fields = [
            LengthField(f"Size of the box, {axis}", self, SMALLEST_M) for axis in AXIS_NAMES
        ]
        for row, axis in enumerate(AXIS_NAMES, start=1):
            grid.addWidget(QLabel(axis, self), row, 0)
            grid.addWidget(self.middle[row - 1], row, 1)
            grid.addWidget(self.size_fields[row - 1], row, 2)
        self.turn = QDoubleSpinBox(self)
        self.turn.setAccessibleName("Turn the box about the upright axis, degrees")
        self.turn.setRange(-180, 180)
        self.turn.setWrapping(True)
        self.turn.setSingleStep(5)
        self.turn.setDecimals(1)
        self.turn.setSuffix("°")
        self.turn.lineEdit().setTextMargins(MARGIN_PX, 0, 0, 0)
        self.turn.setKeyboardTracking(False)
        grid.addWidget(QLabel("Turn", self), 4, 0)
        grid.addWidget(self.turn, 4, 1)
        self.column.addLayout(grid)
        self.says = self.words("", "small")
        self.apply_button = self.button("Apply", self.apply, "primary")
        self.reset_button = self.button("Reset", self.reset)
        row_of_buttons = QHBoxLayout()
        row_of_buttons.addWidget(self.apply_button)
        row_of_buttons.addWidget(self.reset_button)
        row_of_buttons.addStretch()
        self.column.addLayout(row_of_buttons)
        for field in (*self.middle, *self.size_fields):
            field.edited.connect(self._typed)
        self.turn.valueChanged.connect(self._typed)
        desk.view.box_changed.connect(self._dragged)
        desk.changed.connect(self._fit)
        self._is_open = False

    @property
    def size_m(self) -> tuple[float, float, float]:
        """Edges of the box along its own axes."""
        x, y, z = (field.metres for field in self.size_fields)
        return x, y, z

    @property
    def T_world_box(self) -> Pose:
        """Middle and axes of the box."""
        return self._pose

    def open_up(self) -> None:
        """Show the box."""
        self._is_open = True
        self.reset()

    def put_away(self) -> None:
        """Take the box away."""
        self._is_open = False
        self.desk.view.set_box(None)

    def reset(self) -> None:
        """Put the box round everything again."""
        mesh = shape_of(self.desk.model.surface)
        if mesh.is_empty:
            return
        low, high = (corner.astype(np.float64) for corner in mesh.bounds_m())
        self._pose = Pose.from_parts(np.eye(3), (low + high) / 2)
        self._show(np.maximum(high - low, SMALLEST_M))
        self._draw()

    def apply(self) -> None:
        """Cut off what is outside."""
        self.desk.apply(CROPPING, Crop(self._pose, self.size_m))

    def refresh(self) -> None:
        """Say sizes in the chosen units."""
        for field in (*self.middle, *self.size_fields):
            field.show_units(self.desk.units)
        self.apply_button.setEnabled(not self.desk.is_busy)
        self._say()

    def _fit(self) -> None:
        if self._is_open:
            self.reset()

    def _typed(self) -> None:
        turn = np.radians(self.turn.value())
        rotation = np.array(
            [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
        )
        self._pose = Pose.from_parts(rotation, [field.metres for field in self.middle])
        self._draw()
        self._say()

    def _dragged(self, T_world_box: Pose, size_m: tuple[float, float, float]) -> None:
        if self._is_open:
            self._pose = T_world_box
            self._show(np.maximum(size_m, SMALLEST_M))

    def _show(self, size_m: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
        for field, value in zip(self.middle, self._pose.translation, strict=True):
            field.show_metres(float(value))
        for field, value in zip(self.size_fields, size_m, strict=True):
            field.show_metres(float(value))
        was = self.turn.blockSignals(True)
        self.turn.setValue(float(np.degrees(np.arctan2(*self._pose.rotation[[1, 0], 0]))))
        self.turn.blockSignals(was)
        self._say()

    def _draw(self) -> None:
        if self._is_open:
            self.desk.view.set_box(self._pose, self.size_m)

    def _say(self) -> None:
        x, y, z = self.size_m
        size, units = size_in_words(self.size_m, self.desk.units), self.desk.units
        self.says.setText(f"{size}, {volume_in_words(x * y * z, units)}")
