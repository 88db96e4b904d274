"""Measuring on the review page, by mouse and by keyboard, on things whose size is known."""

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from engine.core.edits import Crop, Level
from engine.core.poses import Pose
from tests.gui.review_pages import UP, Noted, WatchedView, idle, pages, press
from tests.gui.user import WAIT_MS
from tests.ui.test_measure import FACES, POINTS, click_near, joined, mesh_of, sheet
from ui.gl.picking import Hit
from ui.units import Units
from ui.views import review


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(review, "best_view", WatchedView)


@pytest.fixture
def page_of(qtbot, dressed, watched):
    yield from pages(qtbot)


@pytest.fixture
def real_page_of(qtbot, dressed):
    yield from pages(qtbot)


def measured_edge(page):
    for x in (-0.5, 0.5):
        page.view.picked.emit(
            Hit(np.asarray(click_near((x, 0.3, 0.2), (0.012, 0.015)), np.float32), UP, 0)
        )


def test_a_known_edge_of_a_metre_is_measured_by_clicks(qtbot, page_of):
    page = page_of(Noted(mesh_of(POINTS, FACES)))
    page.toggle_measure()
    measure = page.open_tool
    measured_edge(page)
    assert measure.measured[0].metres == pytest.approx(1.0, abs=0.01)
    assert measure.caught.text() == "Caught a corner."
    text = measure.list.item(0).text()
    assert text.startswith("1. Distance: ")
    assert text.endswith(" m")
    assert page.view.marks[0].text == text.replace("Distance: ", "")
    page.set_units(Units.IMPERIAL)
    assert measure.list.item(0).text() == "1. Distance: 3' 3 3/8\""
    assert page.view.marks[0].text == "1. 3' 3 3/8\""
    press(measure.copy_button)
    assert QGuiApplication.clipboard().text() == "1. Distance: 3' 3 3/8\""
    measured_edge(page)
    measure.list.setCurrentRow(0)
    press(measure.delete_button)
    assert len(measure.measured) == measure.list.count() == 1
    press(measure.clear_button)
    assert page.view.marks == ()


def test_surfaces_areas_and_boxes_are_measured(qtbot, page_of):
    page = page_of(Noted(mesh_of(POINTS, FACES)))
    page.toggle_measure()
    measure = page.open_tool

    def choose(kind):
        measure.kind_box.setCurrentIndex(measure.kind_box.findData(kind))

    choose("surfaces")
    for z in (0.2, -0.2):
        page.view.picked.emit(Hit(np.array([0.1, 0.1, z], np.float32), UP * np.sign(z), 0))
    assert measure.measured[-1].metres == pytest.approx(0.4, abs=0.002)
    choose("flat")
    page.view.picked.emit(Hit(np.array([0.1, 0.1, 0.2], np.float32), UP, 0))
    assert measure.measured[-1].square_metres == pytest.approx(0.6, rel=0.02)
    choose("outline")
    for x, y in ((-0.5, -0.3), (0.5, -0.3), (0.5, 0.3)):
        page.view.picked.emit(
            Hit(np.asarray(click_near((x, y, 0.2), (0.01, 0.01)), np.float32), UP, 0)
        )
    press(measure.close_button)
    assert measure.measured[-1].square_metres == pytest.approx(0.3, rel=0.02)
    choose("box")
    assert not page.view.is_picking
    press(measure.box_button)
    assert measure.measured[-1].size_m == pytest.approx((1.0, 0.6, 0.4), abs=0.02)
    page.view.picked.emit(Hit(np.array([9, 9, 9], np.float32), UP, 0))
    choose("flat")
    page.view.picked.emit(Hit(np.array([9, 9, 9], np.float32), UP, 0))
    assert "Nothing flat" in page.faults[-1].says
    assert len(measure.measured) == 4


def test_measurements_go_when_the_surface_turns_but_stay_when_it_is_cropped(qtbot, page_of):
    page = page_of(Noted(mesh_of(POINTS, FACES)))
    page.toggle_measure()
    measure = page.open_tool
    measured_edge(page)
    page.desk.apply("", Crop(Pose.identity(), (2.0, 2.0, 0.3)))
    idle(qtbot, page)
    assert len(measure.measured) == 1
    page.desk.apply("", Level())
    idle(qtbot, page)
    assert measure.measured == []
    assert "turned" in page.says.text()


def test_a_metre_is_measured_with_the_keyboard_alone(qtbot, page_of):
    page = page_of(Noted(mesh_of(POINTS, FACES)))
    cross = page.crosshair
    QTest.keyClick(page, Qt.Key.Key_M)
    qtbot.waitUntil(lambda: cross.is_seen, timeout=WAIT_MS)
    shift = Qt.KeyboardModifier.ShiftModifier

    def go(key, times, modifier=Qt.KeyboardModifier.NoModifier):
        for _ in range(times):
            QTest.keyClick(cross, key, modifier)

    # 100 pixels are a metre: about half a metre left and 0.3 m up is the corner, then 0.99 m right.
    go(Qt.Key.Key_Left, 1, shift)
    go(Qt.Key.Key_Left, 6)
    go(Qt.Key.Key_Up, 10)
    QTest.keyClick(cross, Qt.Key.Key_Return)
    go(Qt.Key.Key_Right, 3, shift)
    go(Qt.Key.Key_Right, 3)
    QTest.keyClick(cross, Qt.Key.Key_Return)
    measure = page.open_tool
    assert len(measure.measured) == 1
    assert measure.measured[0].metres == pytest.approx(1.0, abs=0.01)
    QTest.keyClick(cross, Qt.Key.Key_M)
    assert not cross.isVisible()
    assert page.view.hasFocus()


def test_the_cross_stays_in_the_view_and_gives_way_to_the_mouse(qtbot, page_of):
    page = page_of()
    cross = page.crosshair
    assert not cross.isVisible()
    page.toggle_measure()
    qtbot.waitUntil(lambda: cross.is_seen, timeout=WAIT_MS)
    cross.move_by(10_000, 10_000)
    assert page.view.rect().contains(cross.geometry().center())
    QTest.keyClick(cross, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier)
    assert page.view.nudges == [(-5.0, 0.0, 1.0)]
    at = QPoint(120, 130)
    QTest.mouseClick(page.view, Qt.MouseButton.LeftButton, pos=at)
    assert not cross.is_seen
    assert cross.geometry().center() == at
    page.view.setFocus()
    qtbot.waitUntil(cross.hasFocus, timeout=WAIT_MS)
    QTest.keyClick(cross, Qt.Key.Key_Up)
    assert cross.is_seen


@pytest.mark.parametrize("by_keyboard", [False, True])
def test_a_metre_is_measured_in_the_real_view(qtbot, real_page_of, by_keyboard):
    page = real_page_of(Noted(mesh_of(POINTS, FACES)))
    page.view.nudge(20, 10)
    view, cross = page.view, page.crosshair
    qtbot.waitUntil(lambda: view.triangles == len(FACES), timeout=WAIT_MS)
    page.toggle_measure()
    qtbot.waitUntil(lambda: cross.is_seen, timeout=WAIT_MS)
    for x in (-0.5, 0.5):
        corner = click_near((x, 0.3, 0.2), (0.01, 0.01))
        (px, py) = np.round(view.lens().places(corner[None])[0][0]).astype(int)
        if by_keyboard:
            at = cross.geometry().center()
            for way, back, gap in (
                (Qt.Key.Key_Right, Qt.Key.Key_Left, px - at.x()),
                (Qt.Key.Key_Down, Qt.Key.Key_Up, py - at.y()),
            ):
                for _ in range(abs(gap) // 3):
                    QTest.keyClick(cross, way if gap > 0 else back)
            QTest.keyClick(cross, Qt.Key.Key_Return)
        else:
            QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(int(px), int(py)))
    measured = page.open_tool.measured
    assert len(measured) == 1
    assert measured[0].metres == pytest.approx(1.0, abs=0.01)


def test_a_click_that_misses_the_outline_by_some_pixels_still_means_the_corner(qtbot, real_page_of):
    floor = sheet((-2, -2, -1.5), (4, 0, 0), (0, 4, 0), 0.1)
    page = real_page_of(Noted(mesh_of(*joined([(POINTS, FACES), floor]))))
    view = page.view
    view.nudge(0, 20)
    qtbot.waitUntil(lambda: view.triangles == len(page.model.surface.faces), timeout=WAIT_MS)
    page.toggle_measure()
    middle = view.lens().places(np.array([[0.0, 0.0, 0.2]]))[0][0]
    for x in (-0.5, 0.5):
        at = view.lens().places(np.array([[x, -0.3, 0.2]]))[0][0]
        at = np.round(at + 5 * (at - middle) / np.linalg.norm(at - middle)).astype(int)
        hit = view.pick(QPoint(int(at[0]), int(at[1])).toPointF())
        assert hit.point_m[2] < -1
        QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(int(at[0]), int(at[1])))
    [measured] = page.open_tool.measured
    assert measured.metres == pytest.approx(1.0, abs=0.01)
    page.open_tool.snap_check.setChecked(False)
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=QPoint(int(at[0]), int(at[1])))
    assert page.open_tool.caught.text() == ""
