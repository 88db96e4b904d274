"""A review page in a window of its own, before a view and a model that take notes."""

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMainWindow

from tests.gui.fake_model import FakeModel
from tests.gui.user import WAIT_MS, FakeStudio
from ui.gl.no_viewport import NoViewport
from ui.gl.picking import Hit
from ui.views.review import ReviewView

UP = np.array([0, 0, 1.0], np.float32)


class WatchedView(NoViewport):
    """Draws nothing and notes what it is asked to draw."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self.shown = []
        self.box = None
        self.marks = ()
        self.modes = []
        self.wireframe = False
        self.is_picking = False
        self.nudges = []
        self.fits = 0

    def show_result(self, result):
        self.shown.append(result)

    def set_box(self, T_world_box, size_m=(1.0, 1.0, 1.0)):
        self.box = None if T_world_box is None else (T_world_box, size_m)

    def set_marks(self, marks):
        self.marks = marks

    def set_mode(self, mode):
        self.modes.append(mode)

    def set_wireframe(self, wanted):
        self.wireframe = wanted

    def set_picking(self, wanted):
        self.is_picking = wanted

    def nudge(self, d_azimuth_deg, d_elevation_deg, zoom=1.0):
        self.nudges.append((d_azimuth_deg, d_elevation_deg, zoom))

    def fit_view(self):
        self.fits += 1

    def mousePressEvent(self, event):
        # As the real view: a click hits what lies under it. Here a floor, 100 pixels a metre.
        if self.is_picking:
            at = event.position()
            x, y = (at.x() - self.width() / 2) / 100, (self.height() / 2 - at.y()) / 100
            self.picked.emit(Hit(np.array([x, y, 0.2], np.float32), UP, 0))


class Noted(FakeModel):
    """Notes the edits it is asked for."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.edits = []
        self.previews = []

    def apply(self, edit):
        self.edits.append(edit)
        return super().apply(edit)

    def preview(self, edit):
        self.previews.append(edit)
        return super().preview(edit)


def pages(qtbot):
    made = []

    def make(model=None):
        window = QMainWindow()
        window.resize(1100, 760)
        model = model or Noted()
        page = ReviewView(model, FakeStudio(), window)
        page.faults = []
        page.faulted.connect(page.faults.append)
        window.setCentralWidget(page)
        window.show()
        window.activateWindow()
        assert QTest.qWaitForWindowActive(window, WAIT_MS)
        made.append((window, page, model))
        return page

    yield make
    for window, page, model in made:
        model.hold = False
        page.shut()
        model.close()
        window.close()
        window.deleteLater()


def idle(qtbot, page):
    qtbot.waitUntil(lambda: page.desk.is_idle, timeout=WAIT_MS)


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
