"""Measure: points, surfaces, areas and boxes, in metres or feet."""

import numpy as np
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QWidget,
)

from engine.core.arrays import F64
from engine.core.faults import BadInput
from engine.core.news import FaultNews
from engine.core.poses import Pose
from engine.core.surface import Mesh
from ui.gl.marks import Mark
from ui.gl.picking import Hit
from ui.measure import (
    Measurement,
    Snapped,
    area_of_plane,
    area_of_polygon,
    between,
    box_of,
    distance,
    plane_at,
    snap,
)
from ui.planes import Plane
from ui.views.review_aim import Aim
from ui.views.review_desk import Desk, shape_of
from ui.views.review_tool import STRAIGHT, Tool

POINTS, SURFACES, FLAT, OUTLINE, BOX = "points", "surfaces", "flat", "outline", "box"
KINDS = {
    POINTS: ("Point to point", "Click two points: {} of 2."),
    SURFACES: ("Surface to surface", "Click two flat surfaces: {} of 2."),
    FLAT: ("Area of a surface", "Click a flat surface."),
    OUTLINE: ("Area by corners", "Click its corners in turn, then Close: {} so far."),
    BOX: ("Box round everything", "Press the button."),
}
BY_KEYBOARD = "By keyboard: arrow keys move the cross in the view, Enter places a point."
SNAP = "Catch edges and corners"
CAUGHT = {"corner": "Caught a corner.", "edge": "Caught an edge.", "surface": ""}
CLEARED = "The surface was turned, so its measurements were taken away."
COPIED = "Copied."


def caught(mesh: Mesh, hit: Hit, aim: Aim) -> Snapped:
    """Return the corner or edge a click meant: that of the thing in front, if it has as good."""
    kinds = ("surface", "edge", "corner")
    behind = snap(mesh, hit.point_m, aim.reach_m)
    if aim.in_front is None:
        return behind
    before = snap(mesh, aim.in_front.point_m, aim.reach_m)
    is_as_good = kinds.index(before.kind) >= max(kinds.index(behind.kind), 1)
    return before if is_as_good else behind


class MeasureTool(Tool):
    """Collects what was measured in a list and draws it into the view."""

    title = "Measure"
    purpose = "Measure distances, angles, areas and boxes (M)"

    def __init__(self, desk: Desk, parent: QWidget) -> None:
        """Begin with two points."""
        super().__init__(desk, parent)
        self.measured: list[Measurement] = []
        self._points: list[F64] = []
        self._planes: list[Plane] = []
        self._is_open = False
        self.kind_box = QComboBox(self)
        self.kind_box.setAccessibleName("What to measure")
        for kind, (name, _) in KINDS.items():
            self.kind_box.addItem(name, kind)
        self.column.addWidget(self.kind_box)
        self.says = self.words()
        self.caught = self.words("", "small")
        self.caught.hide()
        self.snap_check = QCheckBox(SNAP, self)
        self.snap_check.setChecked(True)
        self.column.addWidget(self.snap_check)
        self.close_button = self.button("Close the outline", self.finish)
        self.box_button = self.button("Measure the box", self.finish)
        self.again_button = self.button("Start again", self.begin)
        row = QHBoxLayout()
        for button in (self.close_button, self.box_button, self.again_button):
            row.addWidget(button)
        row.addStretch()
        self.column.addLayout(row)
        self.keyboard_hint = self.words(BY_KEYBOARD, "small")
        self.list = QListWidget(self)
        self.list.setAccessibleName("Measurements")
        self.list.setMinimumHeight(72)
        self.list.setMaximumHeight(120)
        self.list.setWordWrap(True)
        self.column.addWidget(self.list, 1)
        self.delete_button = self.button("Delete", self.delete)
        self.clear_button = self.button("Clear", self.clear)
        self.copy_button = self.button("Copy", self.copy)
        self.copy_button.setToolTip("Copies all measurements as text")
        tools = QHBoxLayout()
        tools.setSpacing(8)
        for button in (self.delete_button, self.clear_button, self.copy_button):
            tools.addWidget(button)
        self.column.addLayout(tools)
        self.kind_box.currentIndexChanged.connect(self.begin)
        self.list.currentRowChanged.connect(self._enable)
        desk.moved.connect(self._forget)
        self._enable()

    @property
    def kind(self) -> str:
        """What is being measured."""
        kind: str = self.kind_box.currentData()
        return kind

    def open_up(self) -> None:
        """Draw the measurements and wait for clicks."""
        self._is_open = True
        self.begin()

    def put_away(self) -> None:
        """Take the lines out of the view; the list stays."""
        self._is_open = False
        self.desk.set_picking(False)
        self.desk.view.set_marks(())

    def begin(self) -> None:
        """Start this measurement again."""
        self._points, self._planes = [], []
        self._tell_caught("")
        if self._is_open:
            self.desk.set_picking(self.kind != BOX)
        self._show()

    def take(self, hit: Hit, aim: Aim = STRAIGHT) -> None:
        """Take a click on the surface."""
        mesh = shape_of(self.desk.model.surface)
        if self.kind in (POINTS, OUTLINE):
            found = Snapped(np.asarray(hit.point_m, np.float64), "surface")
            if self.snap_check.isChecked():
                found = caught(mesh, hit, aim)
            self._tell_caught(CAUGHT[found.kind])
            self._points.append(found.point_m)
        else:
            try:
                self._planes.append(plane_at(mesh, hit.point_m, hit.normal))
            except BadInput as fault:
                self._tell(fault)
                return
        is_whole = (
            (self.kind == POINTS and len(self._points) == 2)
            or (self.kind == SURFACES and len(self._planes) == 2)
            or self.kind == FLAT
        )
        if is_whole:
            self.finish()
        else:
            self._show()

    def finish(self) -> None:
        """Put what was clicked into the list."""
        try:
            measured = self._measure()
        except BadInput as fault:
            self._tell(fault)
            return
        caught = self.caught.text()
        self.measured.append(measured)
        self.begin()
        self._tell_caught(caught)
        self.list.setCurrentRow(len(self.measured) - 1)

    def delete(self) -> None:
        """Take the chosen measurement out of the list."""
        row = self.list.currentRow()
        if 0 <= row < len(self.measured):
            del self.measured[row]
            self._show()
            self.list.setCurrentRow(min(row, len(self.measured) - 1))

    def clear(self) -> None:
        """Take all out."""
        self.measured.clear()
        self.begin()

    def copy(self) -> None:
        """Put the list on the clipboard as text."""
        QGuiApplication.clipboard().setText("\n".join(self.sentences()))
        self.desk.said.emit(COPIED)

    def sentences(self) -> list[str]:
        """Return what was measured, a line each."""
        units = self.desk.units
        return [
            f"{i}. {each.title}: {each.in_words(units)}"
            for i, each in enumerate(self.measured, start=1)
        ]

    def refresh(self) -> None:
        """Say everything in the chosen units."""
        self._show()

    def _measure(self) -> Measurement:
        if self.kind == POINTS:
            return distance(*self._points)
        if self.kind == SURFACES:
            return between(*self._planes)
        if self.kind == FLAT:
            return area_of_plane(self._planes[0])
        if self.kind == OUTLINE:
            return area_of_polygon(self._points)
        low, high = shape_of(self.desk.model.surface).bounds_m()
        x, y, z = (float(edge) for edge in high - low)
        return box_of(Pose.from_parts(np.eye(3), (low + high) / 2), (x, y, z))

    def _tell(self, fault: BadInput) -> None:
        self.desk.faulted.emit(FaultNews(fault.says, fault.remedy, "degrade"))

    def _tell_caught(self, sentence: str) -> None:
        self.caught.setText(sentence)
        self.caught.setVisible(bool(sentence))

    def _forget(self) -> None:
        if self.measured:
            self.measured.clear()
            self.desk.said.emit(CLEARED)
        self.begin()

    def _show(self) -> None:
        placed = len(self._planes) if self.kind == SURFACES else len(self._points)
        self.says.setText(KINDS[self.kind][1].format(placed))
        row = self.list.currentRow()
        self.list.clear()
        for sentence in self.sentences():
            self.list.addItem(QListWidgetItem(sentence))
        self.list.setCurrentRow(row if row < len(self.measured) else len(self.measured) - 1)
        self._enable()
        if self._is_open:
            self.desk.view.set_marks(self._marks())

    def _marks(self) -> tuple[Mark, ...]:
        units = self.desk.units
        marks = [
            Mark(m.points_m.astype(np.float32), f"{i}. {m.in_words(units)}", m.closed)
            for i, m in enumerate(self.measured, start=1)
        ]
        if self._points:
            marks.append(Mark(np.array(self._points, np.float32), ""))
        marks += [Mark(plane.point_m.astype(np.float32)[None], "1st") for plane in self._planes]
        return tuple(marks)

    def _enable(self) -> None:
        self.close_button.setVisible(self.kind == OUTLINE)
        self.box_button.setVisible(self.kind == BOX)
        self.again_button.setVisible(self.kind in (POINTS, SURFACES, OUTLINE))
        self.again_button.setEnabled(bool(self._points or self._planes))
        self.close_button.setEnabled(len(self._points) >= 3)
        self.snap_check.setVisible(self.kind in (POINTS, OUTLINE))
        self.keyboard_hint.setVisible(self.kind != BOX)
        self.delete_button.setEnabled(self.list.currentRow() >= 0)
        self.clear_button.setEnabled(bool(self.measured))
        self.copy_button.setEnabled(bool(self.measured))
