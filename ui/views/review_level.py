"""Level: stand the surface on its floor."""

import numpy as np
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from engine.core.arrays import F64
from engine.core.edits import Level
from engine.core.faults import BadInput
from engine.core.news import FaultNews
from ui.gl.marks import Mark
from ui.gl.picking import Hit
from ui.measure import plane_at
from ui.views.review_aim import Aim
from ui.views.review_desk import Desk, shape_of
from ui.views.review_tool import STRAIGHT, Tool

HINT = "Afterwards the floor is level and lies at height zero."
FINDING = "Finding the floor."
LEVELLING = "Levelling."
CLICK_ONE = "Click the floor, or move the cross with the arrow keys and press Enter."
CLICK_THREE = "Click three points of the floor, far apart: {} of 3."
IN_LINE = FaultNews(
    "The three points lie on one line.", "Choose them far apart, like a triangle.", "degrade"
)
# Points nearer to one line than this share of their distance say nothing about a floor.
LEAST_SPREAD = 0.05


class LevelTool(Tool):
    """Finds the floor, or is shown it by one point or three."""

    title = "Level"
    purpose = "Make the floor level and put it at height zero"

    def __init__(self, desk: Desk, parent: QWidget) -> None:
        """Offer three ways."""
        super().__init__(desk, parent)
        self._needed = 0
        self._hits: list[Hit] = []
        self.words(HINT)
        self.find_button = self.button("Find the floor", self.find_floor, "primary")
        self.one_button = self.button("Click the floor", lambda: self._ask(1))
        self.three_button = self.button("Click three points", lambda: self._ask(3))
        for button in (self.find_button, self.one_button, self.three_button):
            row = QHBoxLayout()
            row.addWidget(button, 1)
            self.column.addLayout(row)
        for button in (self.one_button, self.three_button):
            button.setCheckable(True)
        self.says = self.words()

    def find_floor(self) -> None:
        """Have the floor found."""
        self._ask(0)
        self.desk.apply(FINDING, Level())

    def put_away(self) -> None:
        """Ask for no clicks any more."""
        self._ask(0)

    def refresh(self) -> None:
        """One thing at a time."""
        for button in self._buttons():
            button.setEnabled(not self.desk.is_busy)

    def take(self, hit: Hit, aim: Aim = STRAIGHT) -> None:
        """Take one point of the floor."""
        self._hits.append(hit)
        if len(self._hits) < self._needed:
            self._show_points()
            return
        hits = self._hits
        is_one = self._needed == 1
        self._ask(0)
        try:
            edit = self._by_one(hits[0]) if is_one else self._by_three(hits)
        except BadInput as fault:
            self.desk.faulted.emit(FaultNews(fault.says, fault.remedy, "degrade"))
            return
        if edit is None:
            self.desk.faulted.emit(IN_LINE)
        else:
            self.desk.apply(LEVELLING, edit)

    def _buttons(self) -> tuple[QPushButton, ...]:
        return self.find_button, self.one_button, self.three_button

    def _ask(self, points: int) -> None:
        # A second press on the same button takes the question back.
        self._needed = 0 if points == self._needed else points
        self._hits = []
        self.one_button.setChecked(self._needed == 1)
        self.three_button.setChecked(self._needed == 3)
        self.desk.set_picking(self._needed > 0)
        self._show_points()

    def _show_points(self) -> None:
        texts = {0: "", 1: CLICK_ONE, 3: CLICK_THREE.format(len(self._hits))}
        self.says.setText(texts[self._needed])
        points = [Mark(hit.point_m[None], str(i)) for i, hit in enumerate(self._hits, start=1)]
        self.desk.view.set_marks(tuple(points))

    def _by_one(self, hit: Hit) -> Level:
        plane = plane_at(shape_of(self.desk.model.surface), hit.point_m, hit.normal)
        return _level(plane.point_m, plane.normal)

    def _by_three(self, hits: list[Hit]) -> Level | None:
        a, b, c = (hit.point_m.astype(np.float64) for hit in hits)
        normal = np.cross(b - a, c - a)
        longest = max(float(np.linalg.norm(edge)) for edge in (b - a, c - b, a - c))
        if np.linalg.norm(normal) < LEAST_SPREAD * longest**2:
            return None
        # Up is where the floor can be seen from.
        if sum(float(normal @ hit.normal) for hit in hits) < 0:
            normal = -normal
        return _level((a + b + c) / 3, normal / np.linalg.norm(normal))


def _level(point_m: F64, normal: F64) -> Level:
    x, y, z = (float(value) for value in point_m)
    along_x, along_y, along_z = (float(value) for value in normal)
    return Level((x, y, z), (along_x, along_y, along_z))
