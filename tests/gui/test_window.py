"""A scripted user before the real window, with a fake source, fuser and exporter behind it."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from engine.core.edits import Level
from engine.core.faults import BadInput, CannotWrite
from engine.core.news import ScanState
from tests.app.fakes import FakeFuser, FakeSource
from tests.gui.conftest import harmful
from tests.gui.user import (
    WAIT_MS,
    FakeStudio,
    open_demo,
    picture_of,
    press_space,
    scan_card,
    state_is,
)
from ui import theme
from ui.gl.modes import ColorMode
from ui.pages import Page

CONTROL = Qt.KeyboardModifier.ControlModifier


def reviewed(qtbot, window):
    """Scan the demo to its end and return the review of it."""
    open_demo(qtbot, window)
    press_space(window)
    qtbot.waitUntil(lambda: window.review is not None, timeout=WAIT_MS)
    return window.review


def exports(qtbot, window):
    """Press Export and return the dialog."""
    QTest.keyClick(window, Qt.Key.Key_E, CONTROL)
    qtbot.waitUntil(lambda: window.dialog is not None, timeout=WAIT_MS)
    return window.dialog


def test_a_user_scans_pauses_finishes_and_exports(qtbot, window_of, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    studio = FakeStudio(FakeSource(count=100), has_model=True)
    window = window_of(studio)
    scan = open_demo(qtbot, window)
    assert studio.opened == ["synthetic:hills"]
    assert scan.state_text() == "Ready"

    press_space(window)
    state_is(qtbot, scan, "Scanning")
    qtbot.waitUntil(lambda: scan.view.triangles > 1000, timeout=WAIT_MS)

    press_space(window)
    state_is(qtbot, scan, "Paused")
    qtbot.wait(200)
    used = scan.port.last_stats.frames_used
    shot = picture_of(window, tmp_path / "paused.png")
    qtbot.wait(200)
    assert scan.port.last_stats.frames_used == used < 100

    # The 3D view shows more than background, floor lines and camera: sand has many tones.
    at = scan.view.mapTo(window, scan.view.rect().topLeft()).x()
    view = shot[:, at : at + scan.view.width()]
    assert len(np.unique(view.reshape(-1, 3), axis=0)) > 500

    press_space(window)
    state_is(qtbot, scan, "Scanning")
    QTest.mouseClick(scan.finish_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.review is not None, timeout=WAIT_MS)
    assert window.scan is None
    assert window.pages.shown is window.review
    faces = studio.models[0].counts.faces
    qtbot.waitUntil(lambda: window.review.view.triangles == faces, timeout=WAIT_MS)

    dialog = exports(qtbot, window)
    dialog.path_edit.setText(str(tmp_path / "hills.glb"))
    dialog.begin()
    qtbot.waitUntil(lambda: studio.models[0].exports != [], timeout=WAIT_MS)
    path, kind, target, _, faces = studio.models[0].exports[0]
    assert (path, kind, target) == (tmp_path / "hills.glb", "glb", "finescan")
    assert path.read_text() == f"{faces} faces"
    qtbot.waitUntil(lambda: dialog.says.text() == "Wrote hills.glb.", timeout=WAIT_MS)
    dialog.reject()
    qtbot.waitUntil(lambda: window.dialog is None, timeout=WAIT_MS)


def test_a_dropped_folder_is_opened_from_any_page(qtbot, window_of, tmp_path):
    studio = FakeStudio()
    window = window_of(studio)
    window.pages.go(Page.SETTINGS)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    at, copy = QPointF(9, 9), Qt.DropAction.CopyAction
    rest = (data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    comes = QDragEnterEvent(at.toPoint(), copy, *rest)
    window.dragEnterEvent(comes)
    assert comes.isAccepted()
    window.dropEvent(QDropEvent(at, copy, *rest))
    qtbot.waitUntil(lambda: window.scan is not None, timeout=WAIT_MS)
    assert [Path(spec) for spec in studio.opened] == [tmp_path]
    # The next choice begins where this one was.
    assert window.start.folder == tmp_path.parent
    assert studio.kept_preferences["last_folder"] == str(tmp_path.parent)


def test_a_source_that_cannot_be_opened_is_explained(qtbot, window_of):
    window = window_of(FakeStudio(open_fault=BadInput("The folder is empty.", "Choose another.")))
    QTest.mouseClick(window.start.demo_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.toasts.sentences() != [], timeout=WAIT_MS)
    assert window.toasts.sentences() == ["The folder is empty."]
    assert window.toasts.isVisible()
    assert window.scan is None
    assert window.start.demo_button.isEnabled()


def test_opening_can_be_given_up(qtbot, window_of):
    studio = FakeStudio()
    studio.held.add("open")
    window = window_of(studio)
    window.open("something long")
    window.start.gave_up.emit()
    qtbot.waitUntil(window.start.demo_button.isEnabled, timeout=WAIT_MS)
    assert window.scan is None
    studio.held.clear()
    window.open("something else")
    qtbot.waitUntil(lambda: window.scan is not None, timeout=WAIT_MS)


def test_a_source_that_fails_midway_can_still_be_finished(qtbot, window_of):
    fault = BadInput("The disk went away.", "Copy it first.")
    studio = FakeStudio(FakeSource(fails_at=20, error=fault), pace_s=0, has_model=True)
    window = window_of(studio)
    scan = open_demo(qtbot, window)
    press_space(window)
    state_is(qtbot, scan, "Paused")
    assert window.toasts.sentences() == ["The disk went away."]
    press_space(window)
    qtbot.waitUntil(lambda: len(window.toasts.sentences()) == 2, timeout=WAIT_MS)
    assert scan.state_text() == "Paused"
    QTest.mouseClick(scan.finish_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.review is not None, timeout=WAIT_MS)


def test_without_opengl_everything_but_the_view_works(qtbot, window_of, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for room in ("ui.views.scan", "ui.views.review", "ui.window"):
        monkeypatch.setattr(f"{room}.opengl_works", lambda: False)
    studio = FakeStudio(pace_s=0, has_model=True)
    window = window_of(studio)
    [sentence] = window.toasts.sentences()
    assert "OpenGL" in sentence
    scan = open_demo(qtbot, window)
    assert "OpenGL" in scan.view.text()
    for key in (Qt.Key.Key_R, Qt.Key.Key_F, Qt.Key.Key_C, Qt.Key.Key_3):
        QTest.keyClick(window, key)
    review = reviewed_after(qtbot, window)
    for key in (Qt.Key.Key_W, Qt.Key.Key_B, Qt.Key.Key_M, Qt.Key.Key_R, Qt.Key.Key_2):
        QTest.keyClick(window, key)
    assert window.pages.shown is review
    dialog = exports(qtbot, window)
    dialog.begin()
    qtbot.waitUntil(lambda: studio.models[0].exports != [], timeout=WAIT_MS)
    qtbot.waitUntil(lambda: dialog.says.text().startswith("Wrote"), timeout=WAIT_MS)
    dialog.reject()


def reviewed_after(qtbot, window):
    press_space(window)
    qtbot.waitUntil(lambda: window.review is not None, timeout=WAIT_MS)
    return window.review


def test_the_failure_of_an_export_is_told(qtbot, window_of, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    studio = FakeStudio(pace_s=0, has_model=True)
    studio.export_fault = CannotWrite("The disk is full.", "Free some.")
    window = window_of(studio)
    reviewed(qtbot, window)
    dialog = exports(qtbot, window)
    dialog.begin()
    qtbot.waitUntil(lambda: "The disk is full." in dialog.says.text(), timeout=WAIT_MS)
    assert not list(tmp_path.glob("*.glb"))
    dialog.reject()


def test_exporting_without_a_surface_says_why_nothing_happens(qtbot, window_of):
    window = window_of(FakeStudio())
    QTest.keyClick(window, Qt.Key.Key_E, CONTROL)
    assert window.toasts.sentences() == ["There is no finished surface to export."]


@pytest.mark.parametrize(
    ("answer", "closes", "state"),
    [
        ("keep", False, ScanState.SCANNING),
        ("discard", True, ScanState.ABORTED),
    ],
)
def test_closing_during_a_scan_asks_first(qtbot, window_of, monkeypatch, answer, closes, state):
    asked = []

    def answers(parent, title, question, offered):
        asked.append([one.name for one in offered])
        return answer

    monkeypatch.setattr("ui.window.ask", answers)
    window = window_of(FakeStudio(FakeSource(count=10_000)))
    monkeypatch.setattr("ui.window.ask", answers)
    scan = open_demo(qtbot, window)
    press_space(window)
    state_is(qtbot, scan, "Scanning")
    port = scan.port
    assert window.close() is closes
    assert asked == [["keep", "finish", "discard"]]
    assert port.state is state


def test_a_scan_can_be_finished_instead_of_thrown_away(qtbot, window_of, monkeypatch):
    window = window_of(FakeStudio(FakeSource(count=10_000), has_model=True))
    monkeypatch.setattr("ui.window.ask", lambda *given: "finish")
    scan = open_demo(qtbot, window)
    press_space(window)
    state_is(qtbot, scan, "Scanning")
    QTest.keyClick(window, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: window.review is not None, timeout=WAIT_MS)
    assert window.isVisible()


def test_escape_stops_a_scan_after_asking(qtbot, window_of, monkeypatch):
    window = window_of(FakeStudio(FakeSource(count=10_000)))
    QTest.keyClick(window, Qt.Key.Key_Escape)
    scan = open_demo(qtbot, window)
    port = scan.port
    # Nothing was scanned yet, so there is nothing to ask about.
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert window.scan is scan
    press_space(window)
    state_is(qtbot, scan, "Scanning")
    monkeypatch.setattr("ui.window.ask", harmful)
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert window.scan is None
    assert port.state is ScanState.ABORTED
    assert window.pages.shown is window.start


def test_closing_does_not_wait_for_a_step_that_holds_on(qtbot, window_of, monkeypatch):
    held, go = threading.Event(), threading.Event()

    class Stubborn(FakeFuser):
        def finish(self):
            held.set()
            go.wait(WAIT_MS / 1000)
            yield from super().finish()

    studio = FakeStudio(FakeSource(count=2), pace_s=0)
    studio.make_fuser = Stubborn
    window = window_of(studio)
    monkeypatch.setattr("ui.window.ask", harmful)
    scan = open_demo(qtbot, window)
    port = scan.port
    press_space(window)
    qtbot.waitUntil(held.is_set, timeout=WAIT_MS)
    assert window.close()
    assert port.state is ScanState.ABORTED
    assert port.abort(0) == ("map",)
    go.set()
    assert port.abort() == ()


def test_notes_about_one_recording_go_when_another_is_opened(qtbot, window_of):
    studio = FakeStudio(open_fault=BadInput("The folder is empty."))
    window = window_of(studio)
    window.open("first")
    qtbot.waitUntil(lambda: window.toasts.sentences() != [], timeout=WAIT_MS)
    studio.open_fault = None
    window.open("second")
    assert window.toasts.sentences() == []
    qtbot.waitUntil(lambda: window.scan is not None, timeout=WAIT_MS)


def test_one_scan_after_another(qtbot, window_of):
    studio = FakeStudio(pace_s=0, has_model=True)
    window = window_of(studio)
    for number in range(2):
        studio.source = FakeSource(count=10)
        review = reviewed(qtbot, window)
        # Drawn in every window, not only in the first one of the process.
        faces = studio.models[number].counts.faces
        qtbot.waitUntil(lambda f=faces, v=review.view: v.triangles == f, timeout=WAIT_MS)
        review.asked_close.emit()
        assert window.review is None
        assert studio.models[number].closed
        assert window.pages.shown is window.start


def test_a_finished_scan_is_opened_from_the_first_page_and_from_the_menu(qtbot, window_of):
    cards = (scan_card("one"), scan_card("two", "recoverable"), scan_card("three", "damaged"))
    studio = FakeStudio(scan_cards=cards)
    window = window_of(studio)
    window.start.chose_model.emit(Path("one"))
    qtbot.waitUntil(lambda: window.review is not None, timeout=WAIT_MS)
    assert window.model.title == "one"
    window.show_start()

    menu = window.commands.menus.menu("&File")
    menu.aboutToShow.emit()
    recent = window.commands.recent
    qtbot.waitUntil(lambda: len(recent.actions()) == 2, timeout=WAIT_MS)
    recent.actions()[1].trigger()
    qtbot.waitUntil(lambda: window.scan is not None, timeout=WAIT_MS)
    assert studio.opened == ["two"]


def test_changes_are_not_lost_without_asking(qtbot, window_of, monkeypatch):
    window = window_of(FakeStudio(pace_s=0, has_model=True))
    review = reviewed(qtbot, window)
    task = window.model.apply(Level())
    assert task.join(5)
    monkeypatch.setattr("ui.window.ask", lambda parent, title, question, answers: answers[0].name)
    assert not window.close()
    assert window.review is review
    QTest.keyClick(window, Qt.Key.Key_S, CONTROL)
    qtbot.waitUntil(lambda: window.model.saved == 1, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: review.is_saved, timeout=WAIT_MS)
    assert window.close()


def test_pages_beside_a_scan_let_it_go_on(qtbot, window_of):
    studio = FakeStudio(FakeSource(count=200), has_model=True, pace_s=0.01)
    window = window_of(studio)
    scan = open_demo(qtbot, window)
    press_space(window)
    state_is(qtbot, scan, "Scanning")
    for page in (Page.SETTINGS, Page.MODELS, Page.OBJECT, Page.CALIBRATION, Page.START):
        window.pages.actions_by_page[page].trigger()
        assert window.pages.shown is window.pages.widget(page)
        assert scan.port.state is ScanState.SCANNING
        # Space is for scanning only while the scan is on the screen.
        assert not window.commands.menus.action("toggle").isEnabled()
    window.pages.go(Page.SETTINGS)
    window.pages.shown.asked_back.emit()
    assert window.pages.shown is scan
    window.pages.go(Page.MODELS)
    # It ends while something else is on the screen, which it does not push aside.
    qtbot.waitUntil(lambda: window.review is not None, timeout=WAIT_MS)
    assert window.pages.shown is window.pages.widget(Page.MODELS)
    [button] = window.toasts.buttons()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert window.pages.shown is window.review


def test_pages_are_reached_by_their_keys(qtbot, window_of):
    window = window_of(FakeStudio())
    for number, page in enumerate(Page, start=1):
        QTest.keyClick(window, Qt.Key(Qt.Key.Key_0 + number), CONTROL)
        expected = page if page not in (Page.SCAN, Page.REVIEW) else Page.START
        assert window.pages.shown is window.pages.widget(expected)


def test_keys_reach_the_page_that_is_shown(qtbot, window_of):
    window = window_of(FakeStudio(pace_s=0, has_model=True))
    review = reviewed(qtbot, window)
    chosen = []
    review.bar.mode_chosen.connect(chosen.append)
    QTest.keyClick(window, Qt.Key.Key_3)
    assert chosen == [ColorMode.CONFIDENCE]
    QTest.keyClick(window, Qt.Key.Key_B)
    assert review.open_tool is review.tools["Crop"]
    QTest.keyClick(window, Qt.Key.Key_M)
    assert review.open_tool is review.tools["Measure"]
    task = window.model.apply(Level())
    assert task.join(5)
    QTest.keyClick(window, Qt.Key.Key_Z, CONTROL)
    qtbot.waitUntil(review.redo_button.isEnabled, timeout=WAIT_MS)
    assert window.model.done == ()
    QTest.keyClick(window, Qt.Key.Key_Z, CONTROL | Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: window.model.done == ("Level.",), timeout=WAIT_MS)
    assert not window.commands.menus.action("finish").isEnabled()


def test_no_two_commands_share_a_key(qtbot, window_of):
    window = window_of(FakeStudio())
    keys = [
        key.toString()
        for action in window.findChildren(type(window.commands.menus.action("undo")))
        for key in action.shortcuts()
    ]
    assert len(keys) > 30
    assert sorted(keys) == sorted(set(keys))


def test_the_theme_is_remembered_and_shown_at_once(qtbot, window_of):
    studio = FakeStudio()
    studio.kept_preferences["theme"] = "light"
    window = window_of(studio)
    qtbot.waitUntil(lambda: theme.current() is theme.LIGHT, timeout=WAIT_MS)
    window.look.choose_theme("dark")
    assert theme.current() is theme.DARK
    qtbot.waitUntil(lambda: studio.kept_preferences["theme"] == "dark", timeout=WAIT_MS)


def test_an_old_answer_does_not_undo_a_new_choice(qtbot, window_of):
    studio = FakeStudio()
    studio.held.add("preferences")
    window = window_of(studio)
    window.look.choose_theme("light")
    assert theme.current() is theme.LIGHT
    studio.kept_preferences["theme"] = "dark"
    studio.held.clear()
    qtbot.waitUntil(lambda: all(t.poll().is_over for t in studio.tasks), timeout=WAIT_MS)
    qtbot.wait(150)
    assert theme.current() is theme.LIGHT
    window.look.choose_theme("dark")


def test_text_grows_and_shrinks(qtbot, window_of):
    studio = FakeStudio()
    window = window_of(studio)
    qtbot.waitUntil(lambda: window.look.theme_name == "dark", timeout=WAIT_MS)
    before = window.start.demo_button.fontMetrics().height()
    for _ in range(9):
        window.look.step_text(1)
    QApplication.processEvents()
    assert window.start.demo_button.fontMetrics().height() > 1.8 * before
    window.look.step_text(0)
    QApplication.processEvents()
    assert window.start.demo_button.fontMetrics().height() == before
    qtbot.waitUntil(lambda: studio.kept_preferences["text_scale"] == 1.0, timeout=WAIT_MS)


def test_a_picture_of_the_window_is_kept(qtbot, window_of, tmp_path, monkeypatch):
    monkeypatch.setattr("ui.commands._pictures", lambda: tmp_path / "deep" / "down")
    window = window_of(FakeStudio())
    for _ in range(2):
        window.commands.screenshot()
    assert len(list((tmp_path / "deep" / "down").glob("*.png"))) == 2
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("ui.commands._pictures", lambda: tmp_path / "file" / "pictures")
    window.commands.screenshot()
    assert "could not be saved" in window.toasts.sentences()[-1]


def test_an_exception_in_a_slot_leaves_the_window_as_it_was(qtbot, window_of):
    window = window_of(FakeStudio())

    def fail():
        raise ZeroDivisionError("in a slot")

    window.start.asked_settings.connect(fail)
    with qtbot.captureExceptions() as caught:
        window.start.asked_settings.emit()
    assert [str(error) for _, error, _ in caught] == ["in a slot"]
    assert window.isVisible()
    assert window.pages.shown is window.pages.widget(Page.SETTINGS)


class Guesser(FakeFuser):
    """Hills of which nobody measured what lies on the far side of x = 0."""

    def add(self, frame):
        return [replace(p, is_observed=p.vertices[:, 0] > 0) for p in super().add(frame)]


def seen(window, scan, path):
    """Return how many pixels of the view are tinted blue-violet, and how many are sand."""
    shot = picture_of(window, path).astype(int)
    at = scan.view.mapTo(window, scan.view.rect().topLeft()).x()
    red, green, blue = np.moveaxis(shot[:, at : at + scan.view.width()], 2, 0)
    return (blue - np.maximum(red, green) > 40).sum(), (np.maximum(red, green) - blue > 25).sum()


def test_guessed_surface_is_tinted_and_hidden_with_the_keyboard_alone(qtbot, window_of, tmp_path):
    studio = FakeStudio(FakeSource(count=300))
    studio.make_fuser = Guesser
    window = window_of(studio)
    scan = open_demo(qtbot, window)
    box = scan.guessed_box
    assert box.accessibleName() == "Guessed surface"
    assert "no depth was measured" in box.toolTip()
    press_space(window)
    qtbot.waitUntil(lambda: scan.view.triangles > 9_000, timeout=WAIT_MS)
    press_space(window)
    state_is(qtbot, scan, "Paused")
    QTest.keyClick(window, Qt.Key.Key_G, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(box.hasFocus, timeout=WAIT_MS)
    picture = tmp_path / "view.png"
    tinted, sand = seen(window, scan, picture)
    assert tinted < 200
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert box.currentText() == "Tint"
    qtbot.waitUntil(lambda: seen(window, scan, picture)[0] > 2000, timeout=WAIT_MS)
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert box.currentText() == "Hide"
    qtbot.waitUntil(lambda: seen(window, scan, picture)[0] < 200, timeout=WAIT_MS)
    assert seen(window, scan, picture)[1] < 0.95 * sand
