"""A scripted user before the real window, with a fake source, fuser and exporter behind it."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QMessageBox

from app.jobs import Task
from app.scan import ScanController
from engine.core.faults import BadInput, CannotWrite
from engine.core.news import FaultNews, Progress, ScanState
from tests.app.fakes import FakeFuser, FakeSource
from ui.ports import Choice
from ui.window import MainWindow

WAIT_MS = 15_000


class FakeStudio:
    """Opens the sand hills whatever is asked for, and writes a line of text as a mesh."""

    demo = "synthetic:hills"
    formats = (Choice("glb", "glTF", "Everything."), Choice("stl", "STL", "Shape only."))
    targets = (Choice("finescan", "As scanned", "Metres."), Choice("print", "Print", "mm."))

    def __init__(self, source=None, open_fault=None, export_fault=None, pace_s=0.02):
        self.source = source or FakeSource(count=60)
        self.open_fault = open_fault
        self.export_fault = export_fault
        self.pace_s = pace_s
        self.opened = []
        self.exports = []
        self.hold_export = False
        self.tasks = []
        self.scans = []
        self.make_fuser = FakeFuser

    def open(self, spec):
        self.opened.append(spec)

        def job():
            yield Progress("Looking", 0)
            if self.open_fault:
                raise self.open_fault
            scan = ScanController(
                self.source, lambda info: self.make_fuser(lambda frame: time.sleep(self.pace_s))
            )
            self.scans.append(scan)
            return scan

        return self._kept(Task("open", job(), ScanController.abort))

    def export(self, mesh, path, format_name, target_name):
        def job():
            yield Progress("write", 0, 2)
            while self.hold_export:
                yield Progress("write", 1, 2)
                time.sleep(0.005)
            if self.export_fault:
                raise self.export_fault
            path.write_text(f"{len(mesh.faces)} faces")
            self.exports.append((path, format_name, target_name, len(mesh.faces)))
            return f"Wrote {path.name}."

        return self._kept(Task("export", job()))

    def _kept(self, task):
        self.tasks.append(task)
        return task

    def close(self):
        for task in self.tasks:
            task.cancel()
            assert task.join(5)
        assert not [name for scan in self.scans for name in scan.abort()]


@pytest.fixture
def window_of(qtbot, monkeypatch):
    made = []

    def make(studio):
        window = MainWindow(studio)
        qtbot.addWidget(window)
        made.append((window, studio))
        window.show()
        window.activateWindow()
        assert QTest.qWaitForWindowActive(window, WAIT_MS)
        return window

    yield make
    monkeypatch.setattr(
        QMessageBox, "question", lambda *given: QMessageBox.StandardButton.Yes, raising=True
    )
    for window, studio in made:
        window.close()
        studio.close()


def open_demo(qtbot, window):
    QTest.mouseClick(window.start.demo_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.scan is not None, timeout=WAIT_MS)
    return window.scan


def state_is(qtbot, scan, state):
    qtbot.waitUntil(lambda: scan.state_text() == state, timeout=WAIT_MS)


def press_space(window):
    QTest.keyClick(window, Qt.Key.Key_Space)


def picture_of(widget, path):
    """Return a screenshot (h, w, 3) and keep it as a file."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    assert image.save(str(path))
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3)


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
    qtbot.waitUntil(lambda: dialog.says.text().startswith("Write ·"), timeout=WAIT_MS)
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
        qtbot.waitUntil(lambda s=scan: s.view.pages.uploaded_vertices() > 0, timeout=WAIT_MS)
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
