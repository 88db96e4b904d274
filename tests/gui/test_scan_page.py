"""Undo and the read-outs of the scan page, as a user meets them."""

import threading
from dataclasses import replace

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from app.fuser import FuserStats
from engine.core.news import ChannelNews, ScanStats, StageNews
from tests.app.fakes import FakeFuser, FakeSource
from tests.gui.user import WAIT_MS, FakeStudio, open_demo, picture_of, press_space, state_is
from ui.views.details import MINUTE_COLUMN, Details


class Forgetful(FakeFuser):
    """Takes everything back, one cell at a time and no sooner than it may."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.leaving = []
        self.undone_s = []
        self.may_go_on = threading.Event()

    def undo(self, seconds):
        self.undone_s.append(seconds)
        self.leaving = list(self.patches)
        return len(self.leaving)

    @property
    def has_work(self):
        return bool(self.leaving) and self.may_go_on.is_set()

    def idle(self, budget_s):
        gone = self.patches.pop(self.leaving.pop())
        nothing = np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32)
        return [replace(gone, vertices=nothing[0], faces=nothing[1], colors=None)]

    def stats(self):
        return FuserStats(moves_waiting=len(self.leaving), chunks_waiting=12)


class ForgetfulStudio(FakeStudio):
    """Keeps the fusers it made."""

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.fusers = []

        def make(before_add):
            self.fusers.append(Forgetful(before_add))
            return self.fusers[-1]

        self.make_fuser = make


def paused_with_surface(qtbot, window):
    scan = open_demo(qtbot, window)
    press_space(window)
    qtbot.waitUntil(lambda: scan.view.triangles > 1000, timeout=WAIT_MS)
    press_space(window)
    state_is(qtbot, scan, "Paused")
    return scan


def undo_by_key(window, scan):
    QTest.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)


def undo_by_button(window, scan):
    QTest.mouseClick(scan.undo_button, Qt.MouseButton.LeftButton)


def test_undo_takes_surface_off_the_screen_and_says_how_far_it_is(qtbot, window_of):
    studio = ForgetfulStudio(FakeSource(count=10_000))
    window = window_of(studio)
    scan = paused_with_surface(qtbot, window)
    qtbot.waitUntil(lambda: scan.beside_text() == "Refining: 12 places left", timeout=WAIT_MS)
    fuser = studio.fusers[0]
    undo_by_key(window, scan)
    qtbot.waitUntil(lambda: scan.beside_text().startswith("Moving "), timeout=WAIT_MS)
    assert scan.beside_text() == f"Moving {len(fuser.leaving)} frames"
    assert scan.view.triangles > 1000
    fuser.may_go_on.set()
    qtbot.waitUntil(lambda: scan.view.triangles == 0, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: scan.beside_text() == "Refining: 12 places left", timeout=WAIT_MS)
    undo_by_button(window, scan)
    qtbot.waitUntil(lambda: fuser.undone_s == [5, 5], timeout=WAIT_MS)
    assert scan.state_text() == "Paused"
    assert window.toasts.sentences() == []


def test_undo_is_offered_while_there_is_something_to_undo(qtbot, window_of):
    window = window_of(FakeStudio(pace_s=0))
    scan = open_demo(qtbot, window)
    button = scan.undo_button
    assert button.accessibleName() == "Undo the last 5 seconds"
    assert "press again for more" in button.toolTip()
    assert button.isVisible()
    assert not button.isEnabled()
    press_space(window)
    state_is(qtbot, scan, "Done")
    assert not button.isVisible()


def test_a_scan_that_cannot_undo_says_so_and_goes_on(qtbot, window_of):
    window = window_of(FakeStudio(FakeSource(count=10_000)))
    scan = open_demo(qtbot, window)
    undo_by_key(window, scan)
    assert window.toasts.sentences() == ["Cannot undo a scan that is ready."]
    press_space(window)
    state_is(qtbot, scan, "Scanning")
    assert scan.undo_button.isEnabled()
    undo_by_button(window, scan)
    qtbot.waitUntil(lambda: len(window.toasts.sentences()) == 2, timeout=WAIT_MS)
    assert "cannot take frames back" in window.toasts.sentences()[1]
    assert scan.state_text() == "Scanning"


def test_from_the_first_page_to_the_mesh_without_a_mouse(qtbot, window_of):
    window = window_of(FakeStudio(FakeSource(count=10_000), has_model=True))
    assert window.start.demo_button.hasFocus()
    QTest.keyClick(window.start.demo_button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: window.scan is not None, timeout=WAIT_MS)
    scan = window.scan
    press_space(window)
    state_is(qtbot, scan, "Scanning")
    qtbot.waitUntil(lambda: scan.view.triangles > 1000, timeout=WAIT_MS)
    QTest.keyClick(window, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.review is not None, timeout=WAIT_MS)
    QTest.keyClick(window, Qt.Key.Key_E, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.dialog is not None, timeout=WAIT_MS)
    QTest.keyClick(window.dialog, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: window.dialog is None, timeout=WAIT_MS)
    QTest.keyClick(window, Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: window.review is None, timeout=WAIT_MS)
    assert window.scan is None


def words_of(details):
    table = details.table
    return [
        [table.item(row, column).text() for column in range(table.columnCount())]
        for row in range(table.rowCount())
    ]


def test_details_follow_the_scan_while_they_are_open_and_only_then(qtbot, window_of):
    window = window_of(FakeStudio(FakeSource(count=10_000)))
    scan = open_demo(qtbot, window)
    press_space(window)
    qtbot.waitUntil(lambda: scan.view.triangles > 1000, timeout=WAIT_MS)
    assert scan.details.table.rowCount() == 0
    QTest.mouseClick(scan.details_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(
        lambda: any(row[0] == "Frame, in all" for row in words_of(scan.details)), timeout=WAIT_MS
    )
    qtbot.waitUntil(
        lambda: ["Frames", "2 / 2", "0", "0"] in words_of(scan.details), timeout=WAIT_MS
    )
    before = words_of(scan.details)
    qtbot.waitUntil(lambda: words_of(scan.details)[1] != before[1], timeout=WAIT_MS)
    QTest.keyClick(window, Qt.Key.Key_D)
    assert not scan.details.isVisible()
    closed = words_of(scan.details)
    used = scan.port.last_stats.frames_used
    qtbot.waitUntil(lambda: scan.port.last_stats.frames_used > used + 20, timeout=WAIT_MS)
    assert words_of(scan.details) == closed


STAGES = tuple(StageNews(f"step {number}", 9, 10.0, 40.0) for number in range(12))
CHANNELS = tuple(ChannelNews(f"channel {number}", 1, 8, 9, 0, 0) for number in range(6))


def test_a_low_window_scrolls_through_the_details(qtbot, dressed):
    details = Details()
    details.resize(details.width(), 300)
    details.show()
    qtbot.waitExposed(details)
    details.show_stats(ScanStats(stages=STAGES, channels=CHANNELS), 4.0)
    bar = details.table.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 0, timeout=WAIT_MS)
    bar.setValue(bar.maximum())
    # A step more than before must not throw the reader back.
    details.show_stats(ScanStats(stages=(*STAGES, STAGES[0]), channels=CHANNELS), 4.0)
    qtbot.waitUntil(lambda: bar.value() > 0, timeout=WAIT_MS)
    assert words_of(details)[-1][0] == "Channel 5"
    assert all(len(set(row)) > 1 for row in words_of(details))
    details.close()
    details.deleteLater()


def test_the_last_minute_is_drawn_in_its_row(qtbot, dressed, tmp_path):
    details = Details()
    details.resize(details.width(), 700)
    details.show()
    qtbot.waitExposed(details)
    details.show_stats(ScanStats(stages=STAGES[:2]), 4.0)
    shot = picture_of(details.table, tmp_path / "details.png").astype(int)
    accent = np.array([0x4C, 0xC2, 0xD9])
    rows, columns = np.nonzero(np.abs(shot - accent).max(axis=2) < 30)
    room = details.table.visualRect(details.table.model().index(10, MINUTE_COLUMN))
    assert (room.left() <= columns).all()
    # One bar a step, a quarter as high as the p95's.
    assert len(set(rows)) >= 4
    details.close()
    details.deleteLater()
