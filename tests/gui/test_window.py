"""A scripted user before the real window, with a fake source, fuser and exporter behind it."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

from engine.core.faults import BadInput, CannotWrite
from engine.core.news import FaultNews, ScanState
from tests.app.fakes import FakeFuser, FakeSource
from tests.gui.user import WAIT_MS, FakeStudio, open_demo, picture_of, press_space, state_is


def test_a_user_scans_pauses_finishes_and_exports(qtbot, window_of, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    studio = FakeStudio(FakeSource(count=100))
    window = window_of(studio)
    scan = open_demo(qtbot, window)
    assert studio.opened == ["synthetic:hills"]
    assert scan.state_text() == "Ready"

    press_space(window)
    state_is(qtbot, scan, "Scanning")
    pages = scan.view.pages
    qtbot.waitUntil(lambda: pages.page_count >= 3, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: pages.uploaded_vertices() > 1000, timeout=WAIT_MS)

    press_space(window)
    state_is(qtbot, scan, "Paused")
    qtbot.wait(200)
    used = scan.port.last_stats.frames_used
    shot = picture_of(window, tmp_path / "paused.png")
    qtbot.wait(200)
    assert scan.port.last_stats.frames_used == used < 100

    # The 3D view shows more than background, floor lines and camera: sand has many tones.
    side = scan.view.mapTo(window, scan.view.rect().topLeft()).x()
    assert len(np.unique(shot[:, side:].reshape(-1, 3), axis=0)) > 500

    press_space(window)
    state_is(qtbot, scan, "Scanning")
    QTest.mouseClick(scan.finish_button, Qt.MouseButton.LeftButton)
    state_is(qtbot, scan, "Done")
    qtbot.waitUntil(lambda: not scan.bridge.is_running, timeout=WAIT_MS)
    assert pages.face_count == len(scan.port.result.faces)

    QTest.mouseClick(scan.export_button, Qt.MouseButton.LeftButton)
    dialog = window.dialog
    assert dialog.path_edit.text() == str(tmp_path / "sand-hills.glb")
    dialog.format_box.setCurrentIndex(1)
    assert dialog.path_edit.text() == str(tmp_path / "sand-hills.stl")
    dialog.target_box.setCurrentIndex(1)
    QTest.mouseClick(dialog.export_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: studio.exports != [], timeout=WAIT_MS)
    qtbot.waitUntil(lambda: dialog.says.text() == "Wrote sand-hills.stl.", timeout=WAIT_MS)
    assert studio.exports == [
        (tmp_path / "sand-hills.stl", "stl", "print", len(scan.port.result.faces))
    ]
    QTest.mouseClick(dialog.close_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.dialog is None, timeout=WAIT_MS)


def test_the_screen_shows_what_the_fuser_made(qtbot, window_of):
    window = window_of(FakeStudio(pace_s=0))
    scan = open_demo(qtbot, window)
    press_space(window)
    state_is(qtbot, scan, "Done")
    qtbot.waitUntil(lambda: not scan.bridge.is_running, timeout=WAIT_MS)
    assert scan.view.pages.face_count == len(scan.port.result.faces)


def test_a_dropped_folder_is_opened(qtbot, window_of, tmp_path):
    studio = FakeStudio()
    window = window_of(studio)
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path))])
    window.start.dropEvent(
        QDropEvent(
            QPointF(9, 9),
            Qt.DropAction.CopyAction,
            data,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
        )
    )
    qtbot.waitUntil(lambda: window.scan is not None, timeout=WAIT_MS)
    assert [Path(spec) for spec in studio.opened] == [tmp_path]


def test_a_source_that_cannot_be_opened_is_explained(qtbot, window_of):
    window = window_of(FakeStudio(open_fault=BadInput("The folder is empty.", "Choose another.")))
    QTest.mouseClick(window.start.demo_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.toasts.sentences() != [], timeout=WAIT_MS)
    assert window.toasts.sentences() == ["The folder is empty."]
    assert window.toasts.isVisible()
    assert window.scan is None
    assert window.start.demo_button.isEnabled()


def test_a_source_that_fails_midway_can_still_be_finished(qtbot, window_of):
    fault = BadInput("The disk went away.", "Copy it first.")
    window = window_of(FakeStudio(FakeSource(fails_at=20, error=fault), pace_s=0))
    scan = open_demo(qtbot, window)
    press_space(window)
    state_is(qtbot, scan, "Paused")
    assert window.toasts.sentences() == ["The disk went away."]
    assert not scan.record.isEnabled()
    press_space(window)
    qtbot.waitUntil(lambda: len(window.toasts.sentences()) == 2, timeout=WAIT_MS)
    assert scan.state_text() == "Paused"
    QTest.mouseClick(scan.finish_button, Qt.MouseButton.LeftButton)
    state_is(qtbot, scan, "Done")
    assert scan.export_button.isVisible()


def test_without_opengl_everything_but_the_view_works(qtbot, window_of, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for room in ("ui.views.scan", "ui.window"):
        monkeypatch.setattr(f"{room}.opengl_works", lambda: False)
    studio = FakeStudio(pace_s=0)
    window = window_of(studio)
    scan = open_demo(qtbot, window)
    assert "OpenGL" in scan.view.text()
    press_space(window)
    state_is(qtbot, scan, "Done")
    for key in (Qt.Key.Key_R, Qt.Key.Key_F, Qt.Key.Key_C):
        QTest.keyClick(window, key)
    window.export()
    window.dialog.begin()
    qtbot.waitUntil(lambda: studio.exports != [], timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.dialog.says.text().startswith("Wrote"), timeout=WAIT_MS)
    window.dialog.reject()


def test_an_export_can_be_cancelled_and_its_failure_is_told(
    qtbot, window_of, monkeypatch, tmp_path
):
    monkeypatch.setenv("HOME", str(tmp_path))
    studio = FakeStudio(pace_s=0, export_fault=CannotWrite("The disk is full.", "Free some."))
    window = window_of(studio)
    scan = open_demo(qtbot, window)
    press_space(window)
    state_is(qtbot, scan, "Done")
    window.export()
    dialog = window.dialog
    studio.hold_export = True
    dialog.begin()
    qtbot.waitUntil(lambda: dialog.says.text().startswith("Writing ·"), timeout=WAIT_MS)
    dialog.close()
    assert window.dialog is dialog
    qtbot.waitUntil(lambda: dialog.says.text().startswith("Stopped"), timeout=WAIT_MS)
    assert not list(tmp_path.glob("*.glb"))
    studio.hold_export = False
    dialog.begin()
    qtbot.waitUntil(lambda: dialog.says.text() == "The disk is full. Free some.", timeout=WAIT_MS)
    dialog.reject()


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_closing_during_a_scan_asks_first(qtbot, window_of, monkeypatch, answer):
    asked = []

    def question(*given):
        asked.append(given[1])
        return getattr(QMessageBox.StandardButton, answer)

    monkeypatch.setattr(QMessageBox, "question", question)
    window = window_of(FakeStudio(FakeSource(count=10_000)))
    scan = open_demo(qtbot, window)
    press_space(window)
    state_is(qtbot, scan, "Scanning")
    assert window.close() is (answer == "Yes")
    assert asked == ["Stop the scan?"]
    expected = ScanState.ABORTED if answer == "Yes" else ScanState.SCANNING
    assert scan.port.state is expected


def test_closing_does_not_wait_for_a_step_that_holds_on(qtbot, window_of, monkeypatch):
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *given: yes)
    held, go = threading.Event(), threading.Event()

    class Stubborn(FakeFuser):
        def finish(self):
            held.set()
            go.wait(WAIT_MS / 1000)
            yield from super().finish()

    studio = FakeStudio(FakeSource(count=2), pace_s=0)
    studio.make_fuser = Stubborn
    window = window_of(studio)
    scan = open_demo(qtbot, window)
    press_space(window)
    qtbot.waitUntil(held.is_set, timeout=WAIT_MS)
    assert window.close()
    assert scan.port.state is ScanState.ABORTED
    assert scan.port.abort(0) == ("map",)
    go.set()
    assert scan.port.abort() == ()


def test_notes_about_one_recording_go_when_another_is_opened(qtbot, window_of):
    studio = FakeStudio(open_fault=BadInput("The folder is empty."))
    window = window_of(studio)
    window.open("first")
    qtbot.waitUntil(lambda: window.toasts.sentences() != [], timeout=WAIT_MS)
    studio.open_fault = None
    window.open("second")
    assert window.toasts.sentences() == []
    qtbot.waitUntil(lambda: window.scan is not None, timeout=WAIT_MS)


def test_scanning_another_starts_afresh(qtbot, window_of):
    studio = FakeStudio(pace_s=0)
    window = window_of(studio)
    for _ in range(2):
        studio.source = FakeSource(count=10)
        scan = open_demo(qtbot, window)
        press_space(window)
        state_is(qtbot, scan, "Done")
        # Drawn in every window, not only in the first one of the process.
        result = scan.view.result_item
        qtbot.waitUntil(
            lambda r=result: r.vertexes is not None and r.m_vbo_position.isCreated(),
            timeout=WAIT_MS,
        )
        QTest.mouseClick(scan.another_button, Qt.MouseButton.LeftButton)
        assert window.scan is None
        assert window.start.isVisible()


def test_notes_do_not_repeat_and_can_be_closed(qtbot, window_of):
    window = window_of(FakeStudio())
    news = FaultNews("One frame was lost.", "", "degrade")
    for _ in range(3):
        window.toasts.show_fault(news)
    for i in range(6):
        window.toasts.show_fault(FaultNews(f"Number {i}.", "", "stop"))
    assert window.toasts.sentences() == [f"Number {i}." for i in range(2, 6)]


def test_the_buttons_have_names_for_screen_readers(qtbot, window_of):
    window = window_of(FakeStudio())
    scan = open_demo(qtbot, window)
    assert scan.record.accessibleName() == "Start"
    assert scan.view.gl.accessibleName()
    state = [w for w in scan.findChildren(type(scan._state)) if w.text() == "Ready"]
    assert state[0].fontMetrics().height() >= 24


class Guesser(FakeFuser):
    """Hills of which nobody measured what lies on the far side of x = 0."""

    def add(self, frame):
        return [replace(p, is_observed=p.vertices[:, 0] > 0) for p in super().add(frame)]


def test_guessed_surface_is_tinted_and_hidden_with_the_keyboard_alone(
    qtbot, window_of, tmp_path, monkeypatch
):
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *given: yes)
    studio = FakeStudio(FakeSource(count=300))
    studio.make_fuser = Guesser
    window = window_of(studio)
    scan = open_demo(qtbot, window)
    box = scan.guessed_box
    assert box.accessibleName() == "Guessed surface"
    assert "no depth was measured" in box.toolTip()
    press_space(window)
    pages = scan.view.pages
    qtbot.waitUntil(lambda: pages.face_count > 9_000, timeout=WAIT_MS)
    press_space(window)
    state_is(qtbot, scan, "Paused")
    QTest.keyClick(window, Qt.Key.Key_G, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(box.hasFocus, timeout=WAIT_MS)
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert box.currentText() == "Tint"
    qtbot.waitUntil(lambda: not pages.book.has_dirty, timeout=WAIT_MS)
    qtbot.wait(200)
    shot = picture_of(window, tmp_path / "tinted.png").astype(int)
    side = scan.view.mapTo(window, scan.view.rect().topLeft()).x()
    view = shot[:, side:]
    assert (view[..., 2] - view[..., :2].max(axis=2) > 40).sum() > 2000
    before = pages.face_count
    assert before > 9_000
    QTest.keyClick(box, Qt.Key.Key_Down)
    assert box.currentText() == "Hide"
    qtbot.waitUntil(lambda: 0 < pages.face_count < 0.95 * before, timeout=WAIT_MS)
