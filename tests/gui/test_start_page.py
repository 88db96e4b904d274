"""The first page: cameras, scans on disk, recordings, the demo room."""

import time
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton

from engine.core.faults import BadInput, CannotWrite
from engine.core.news import FaultNews, Progress
from tests.gui.pages import fits, heard, letters, shown, tab_walk
from tests.gui.user import WAIT_MS, FakeStudio, scan_card
from ui.ports import CameraCard
from ui.views.start import StartView
from ui.widgets.picture import Picture

YES = QMessageBox.StandardButton.Yes
NO = QMessageBox.StandardButton.No


@pytest.fixture
def start_of(dressed, monkeypatch):
    """Show start pages of studios, filled by default; they end with the test."""

    def not_expected(*given):
        raise AssertionError(f"The page asks: {given[1]}")

    monkeypatch.setattr(QMessageBox, "question", not_expected)
    open_ones = []

    def make(studio, is_filled=True, size=(1100, 700)):
        context = shown(StartView(studio), studio, size)
        open_ones.append(context)
        view = context.__enter__()
        if is_filled:
            view.refresh()
            wait_filled(view)
        return view

    yield make
    for context in open_ones:
        context.__exit__(None, None, None)


def wait_filled(view):
    until(lambda: view.scans._looking is None and view.cameras._looking is None)


def until(holds):
    end_s = time.monotonic() + WAIT_MS / 1000
    while not holds():
        assert time.monotonic() < end_s, "It never came about."
        QApplication.processEvents()
        time.sleep(0.005)


def three_scans():
    return (
        scan_card("first", title="First"),
        scan_card("torn", "recoverable", title="Torn", remark="412 frames are safe."),
        scan_card("broken", "damaged", title="Broken", remark="Its journal cannot be read."),
    )


def tiles(view):
    return view.scans.grid.cards


def test_the_page_is_there_before_anything_was_found(start_of):
    studio = FakeStudio(scan_cards=three_scans())
    studio.held |= {"scans", "cameras"}
    view = start_of(studio, is_filled=False)
    view.refresh()
    QTest.qWait(150)
    assert view.scans.note.isVisible()
    assert view.scans.note.text() == "Looking for scans …"
    assert tiles(view) == []
    chosen = heard(view.chosen)
    QTest.mouseClick(view.demo_button, Qt.MouseButton.LeftButton)
    assert chosen == ["synthetic:hills"]
    studio.held.clear()
    wait_filled(view)
    assert [tile.scan.title for tile in tiles(view)] == ["First", "Torn", "Broken"]
    assert not view.scans.note.isVisible()


def test_a_first_time_user_reads_what_to_do(start_of):
    view = start_of(FakeStudio(camera_cards=()))
    assert view.scans.note.text().startswith("None yet.")
    assert view.cameras.note.text().startswith("No camera was found.")
    assert not view.scans.offer.isVisible()
    assert view.demo_button.property("role") == "primary"


def test_a_scan_says_what_it_is(start_of):
    picture = np.zeros((50, 80, 3), np.uint8)
    picture[..., 0] = 200
    scan = scan_card("hall", title="Hall", thumbnail=picture, megabytes=34.2)
    view = start_of(FakeStudio(scan_cards=[scan]))
    (tile,) = tiles(view)
    assert tile.accessibleName() == "Hall, 1 hour ago, 34 MB"
    shot = tile.findChild(Picture).grab().toImage()
    assert shot.pixelColor(shot.width() // 2, shot.height() // 2).getRgb()[:3] == (200, 0, 0)


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Space])
def test_pressing_a_card_opens_what_it_stands_for(start_of, key):
    view = start_of(FakeStudio(scan_cards=three_scans()))
    chosen, models, faults = heard(view.chosen), heard(view.chose_model), heard(view.faulted)
    for tile in tiles(view):
        tile.setFocus()
        QTest.keyClick(tile, key)
    assert models == [Path("first")]
    assert chosen == ["torn"]
    assert faults == [
        FaultNews("“Broken” cannot be opened.", "Its journal cannot be read.", "degrade")
    ]


def test_a_click_counts_where_the_button_is_let_go(start_of):
    view = start_of(FakeStudio(scan_cards=three_scans()))
    models = heard(view.chose_model)
    tile = tiles(view)[0]
    QTest.mousePress(tile, Qt.MouseButton.LeftButton)
    QTest.mouseRelease(tile, Qt.MouseButton.LeftButton, pos=QPoint(-50, -50))
    assert models == []
    QTest.mouseClick(tile, Qt.MouseButton.LeftButton)
    assert models == [Path("first")]


def test_arrow_keys_go_among_the_cards(start_of):
    scans = [scan_card(f"scan {i}", title=f"Scan {i}") for i in range(10)]
    view = start_of(FakeStudio(scan_cards=scans))
    cards = tiles(view)
    # Let the layout settle: only then is it known how far the page can scroll.
    QTest.qWait(50)
    columns = sum(card.y() == cards[0].y() for card in cards)
    assert 2 <= columns < 6
    cards[0].setFocus()
    route = (
        (Qt.Key.Key_Right, 1),
        (Qt.Key.Key_Down, 1 + columns),
        (Qt.Key.Key_Left, columns),
        (Qt.Key.Key_Up, 0),
        (Qt.Key.Key_Up, 0),
        (Qt.Key.Key_Left, 0),
    )
    for key, place in route:
        QTest.keyClick(QApplication.focusWidget(), key)
        assert QApplication.focusWidget() is cards[place]
    for _ in range(5):
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Down)
    last = QApplication.focusWidget()
    assert cards.index(last) + columns >= len(cards)
    # The page scrolled along.
    assert last.visibleRegion().boundingRect().height() == last.height()


def test_tab_goes_through_the_page_from_top_to_bottom(start_of):
    view = start_of(FakeStudio(scan_cards=three_scans()))
    view.refresh()
    wait_filled(view)
    walk = tab_walk(view)
    names = [stop.accessibleName() or stop.text() for stop in walk]
    start = names.index("Scan an object")
    assert [name.partition(",")[0] for name in names[start:] + names[:start]] == [
        "Scan an object", "Check a camera", "Settings", "Networks",
        "Recover", "Later",
        "Look for cameras again",
        "Practice camera: Ready. A made-up room",
        "Intel RealSense: Not usable. Its library is missing: pip install pyrealsense2.",
        "Try the demo room", "Open folder…", "Open file…",
        "First", "Torn", "Broken",
    ]  # fmt: skip


def test_cards_fill_the_width_there_is(start_of):
    scans = [scan_card(f"scan {i}") for i in range(10)]
    view = start_of(FakeStudio(scan_cards=scans), size=(1200, 700))
    grid = view.scans.grid

    def count_columns():
        QTest.qWait(30)
        first = grid.cards[0]
        in_row = [card for card in grid.cards if card.y() == first.y()]
        assert all(card.width() == first.width() for card in grid.cards)
        assert 0 <= grid.width() - in_row[-1].geometry().right() - 1 < len(in_row)
        assert grid.height() == max(card.geometry().bottom() for card in grid.cards) + 1
        return len(in_row)

    wide = count_columns()
    view.resize(700, 700)
    assert 1 < count_columns() < wide


def test_a_scan_cut_short_is_offered_until_it_is_put_off(start_of):
    view = start_of(FakeStudio(scan_cards=three_scans()))
    chosen, offer = heard(view.chosen), view.scans.offer
    assert offer.isVisible()
    assert offer.accessibleName() == "“Torn” was cut short 1 hour ago. 412 frames are safe."
    QTest.mouseClick(offer.recover_button, Qt.MouseButton.LeftButton)
    assert chosen == ["torn"]
    QTest.mouseClick(offer.later_button, Qt.MouseButton.LeftButton)
    assert not offer.isVisible()
    view.refresh()
    wait_filled(view)
    assert not offer.isVisible()
    assert len(tiles(view)) == 3


def test_deleting_asks_and_the_next_card_gets_the_keyboard(start_of, monkeypatch):
    studio = FakeStudio(scan_cards=three_scans())
    view = start_of(studio)
    asked, answer = [], [NO]

    def question(*given):
        asked.append(given[2])
        # The careful answer is the one that Enter gives.
        assert given[4] is NO
        return answer[0]

    monkeypatch.setattr(QMessageBox, "question", question)
    tiles(view)[1].setFocus()
    QTest.keyClick(tiles(view)[1], Qt.Key.Key_Delete)
    assert asked == ["“Torn” (12 MB) will be deleted from disk for good."]
    assert studio.deleted == []
    answer[0] = YES
    QTest.keyClick(tiles(view)[1], Qt.Key.Key_Delete)
    until(lambda: len(tiles(view)) == 2)
    assert studio.deleted == [Path("torn")]
    assert QApplication.focusWidget() is tiles(view)[1]
    assert tiles(view)[1].scan.title == "Broken"
    assert not view.scans.offer.isVisible()


def test_the_menu_of_a_card_opens_and_deletes(start_of, monkeypatch):
    view = start_of(FakeStudio(scan_cards=three_scans()))
    chosen, asked = heard(view.chosen), []
    monkeypatch.setattr(QMessageBox, "question", lambda *given: asked.append(given[1]) or NO)
    menu = tiles(view)[1].menu()
    assert [action.text() for action in menu.actions()] == ["Recover", "Delete…"]
    for action in menu.actions():
        action.trigger()
    assert chosen == ["torn"]
    assert asked == ["Delete this scan?"]


def test_a_scan_that_cannot_be_deleted_says_why(start_of, monkeypatch):
    studio = FakeStudio(scan_cards=three_scans())
    studio.faults["delete_scan"] = CannotWrite("The folder is in use.", "Close it elsewhere.")
    view = start_of(studio)
    faults = heard(view.faulted)
    monkeypatch.setattr(QMessageBox, "question", lambda *given: YES)
    QTest.keyClick(tiles(view)[0], Qt.Key.Key_Delete)
    until(lambda: faults != [])
    assert faults == [FaultNews("The folder is in use.", "Close it elsewhere.", "stop")]
    assert len(tiles(view)) == 3


def test_looking_that_fails_is_told_where_things_would_be(start_of):
    studio = FakeStudio(scan_cards=three_scans())
    studio.faults |= {
        "scans": BadInput("The folder cannot be read.", "Check its permissions."),
        "cameras": BadInput("USB does not answer."),
    }
    view = start_of(studio)
    assert view.scans.note.text() == (
        "Your scans cannot be shown. The folder cannot be read. Check its permissions."
    )
    assert view.cameras.note.text() == "Cameras cannot be looked for. USB does not answer."
    assert view.cameras.again_button.isEnabled()
    studio.faults.clear()
    view.refresh()
    wait_filled(view)
    assert len(tiles(view)) == 3
    assert not view.scans.note.isVisible()


def test_a_camera_that_cannot_be_used_says_why_and_comes_last(start_of):
    cameras = (
        CameraCard("", "RealSense", False, "Its library is missing."),
        CameraCard("synthetic:live", "Practice camera", True, "A made-up room."),
    )
    view = start_of(FakeStudio(camera_cards=cameras))
    chosen, faults = heard(view.chosen), heard(view.faulted)
    good, bad = view.cameras.grid.cards
    assert good.accessibleName() == "Practice camera: Ready. A made-up room."
    assert bad.accessibleName() == "RealSense: Not usable. Its library is missing."
    for tile in (good, bad):
        QTest.mouseClick(tile, Qt.MouseButton.LeftButton)
    assert chosen == ["synthetic:live"]
    assert faults == [
        FaultNews("“RealSense” cannot be used.", "Its library is missing.", "degrade")
    ]


def test_a_camera_plugged_in_later_is_found(start_of):
    studio = FakeStudio(camera_cards=())
    view = start_of(studio)
    studio.camera_cards = (CameraCard("usb:1", "Camera", True),)
    QTest.mouseClick(view.cameras.again_button, Qt.MouseButton.LeftButton)
    wait_filled(view)
    assert len(view.cameras.grid.cards) == 1
    # Looking again and finding the same leaves the cards alone.
    same = view.cameras.grid.cards[0]
    view.refresh()
    wait_filled(view)
    assert view.cameras.grid.cards[0] is same


def test_opening_holds_all_else_and_can_be_given_up(start_of):
    view = start_of(FakeStudio(scan_cards=three_scans()))
    given_up = heard(view.gave_up)
    before = tiles(view)[0]
    before.setFocus()
    view.set_opening("kitchen.zip")
    strip = view.opening
    assert strip.isVisible()
    assert strip.says.text() == "Opening kitchen.zip …"
    assert strip.cancel_button.hasFocus()
    assert not view.demo_button.isEnabled()
    assert not before.isEnabled()
    assert not view.acceptDrops()
    view.show_progress(Progress("Looking", 3, 4))
    assert strip.says.text() == "Looking · 75 %"
    QTest.keyClick(strip.cancel_button, Qt.Key.Key_Space)
    assert given_up == [None]
    view.set_opening(None)
    assert not strip.isVisible()
    assert view.demo_button.isEnabled()
    assert before.hasFocus()


def test_looking_anew_while_opening_does_not_take_the_keyboard(start_of):
    view = start_of(FakeStudio(scan_cards=three_scans()))
    tiles(view)[0].setFocus()
    view.set_opening("kitchen.zip")
    view.refresh()
    wait_filled(view)
    assert view.opening.cancel_button.hasFocus()
    view.set_opening(None)
    assert view.demo_button.isEnabled()


def test_many_scans_are_shown_once_asked_for(start_of):
    scans = [scan_card(f"scan {i}") for i in range(30)]
    view = start_of(FakeStudio(scan_cards=scans))
    assert len(tiles(view)) == 12
    assert view.scans.all_button.text() == "Show all 30"
    QTest.mouseClick(view.scans.all_button, Qt.MouseButton.LeftButton)
    assert len(tiles(view)) == 30
    assert not view.scans.all_button.isVisible()


@pytest.mark.parametrize(("names", "is_taken"), [(("a",), True), (("a", "b"), False)])
def test_one_file_or_folder_can_be_dropped_anywhere(start_of, tmp_path, names, is_taken):
    view = start_of(FakeStudio())
    chosen = heard(view.chosen)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / name)) for name in names])
    rest = (data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    event = QDragEnterEvent(QPoint(9, 9), Qt.DropAction.CopyAction, *rest)
    event.ignore()
    view.dragEnterEvent(event)
    assert event.isAccepted() is is_taken
    if is_taken:
        view.dropEvent(QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, *rest))
        assert [Path(spec) for spec in chosen] == [tmp_path / "a"]


def test_every_other_page_can_be_asked_for(start_of):
    view = start_of(FakeStudio())
    asked = {
        "Scan an object": heard(view.asked_object),
        "Check a camera": heard(view.asked_calibration),
        "Settings": heard(view.asked_settings),
        "Networks": heard(view.asked_models),
    }
    buttons = {made.text(): made for made in view.findChildren(QPushButton)}
    for text, heard_of in asked.items():
        QTest.mouseClick(buttons[text], Qt.MouseButton.LeftButton)
        assert heard_of == [None]


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_nothing_is_wider_than_a_small_window(start_of, dressed, scale):
    scans = [scan_card(f"{i}", title="A title that is long " * 4) for i in range(4)]
    cameras = [CameraCard("", "A camera of a long name", False, "It is not there. " * 9)]
    view = start_of(FakeStudio(scan_cards=scans, camera_cards=cameras), size=(860, 600))
    with letters(dressed, scale):
        assert fits(view._column)
        assert view.width() == 860
        # Side by side as long as letters are small.
        is_below = view._drop.parentWidget().y() + view._drop.y() > view.cameras.geometry().bottom()
        assert is_below is (scale == 2.0)
