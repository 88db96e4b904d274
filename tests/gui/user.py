"""A scripted user, and a program for the window to ask with fakes behind it."""

import time

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from app.jobs import Task
from app.scan import ScanController
from engine.core.news import Progress
from tests.app.fakes import FakeFuser, FakeSource
from ui.ports import Choice

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
