"""Windows on a virtual screen; without any screen these tests are skipped."""

import os
import sys
import threading

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox

from tests.gui.user import WAIT_MS
from ui import theme
from ui.gl.viewport import Viewport
from ui.views.export import ExportDialog
from ui.window import MainWindow


def _why_not():
    if sys.platform != "linux":
        return ""
    if os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb":
        return "needs the xcb platform: the others draw no 3D here"
    if not os.environ.get("DISPLAY"):
        return "no screen: run under xvfb-run"
    return ""


def pytest_collection_modifyitems(items):
    why = _why_not()
    for item in items:
        if item.path.parent.name == "gui":
            item.add_marker("gui")
            if why:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def qapp_cls():
    # Must be set before the application exists, and this is asked for just before that.
    QCoreApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    return QApplication


@pytest.fixture(scope="session")
def dressed(qapp):
    theme.apply(qapp)
    return qapp


@pytest.fixture(autouse=True)
def nothing_left_behind(dressed, capfd, qtlog):
    """Fail a test that leaves windows, timers or threads, or whose drawing failed."""
    threads = set(threading.enumerate())
    widgets = set(dressed.topLevelWidgets())
    yield
    dressed.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    dressed.processEvents()
    left = set(dressed.topLevelWidgets()) - widgets
    assert not [w for w in left if w.isVisible()]
    assert not [
        timer for widget in left for timer in widget.findChildren(QTimer) if timer.isActive()
    ]
    assert set(threading.enumerate()) == threads
    assert not [r.message for r in qtlog.records if "OpenGL" in r.message]
    # pyqtgraph prints what goes wrong while painting and carries on.
    out, err = capfd.readouterr()
    assert "Error while drawing" not in out + err


def harmful(parent, title, question, answers):
    """Answer a question of the window so that what is left is lost."""
    return answers[-1].name


@pytest.fixture
def view(qtbot, dressed):
    """A small 3D view on the screen."""
    widget = Viewport()
    qtbot.addWidget(widget)
    widget.resize(400, 300)
    widget.show()
    qtbot.waitExposed(widget)
    yield widget
    widget.release()


@pytest.fixture
def window_of(dressed, monkeypatch):
    """Make windows for studios; they and their scans end with the test."""

    def not_expected(*given):
        # A real one would wait for a user for ever.
        raise AssertionError(f"The window asks: {given[1]}")

    monkeypatch.setattr(QMessageBox, "question", not_expected)
    monkeypatch.setattr("ui.window.ask", not_expected)
    # Where the test before wrote to.
    monkeypatch.setattr(ExportDialog, "last_folder", None)
    # Not given to qtbot: it would close them before the answer below is set, and wait for a user.
    made = []

    def make(studio):
        window = MainWindow(studio)
        made.append((window, studio))
        window.show()
        window.activateWindow()
        assert QTest.qWaitForWindowActive(window, WAIT_MS)
        return window

    yield make
    yes = QMessageBox.StandardButton.Yes
    monkeypatch.setattr(QMessageBox, "question", lambda *given: yes)
    monkeypatch.setattr("ui.window.ask", harmful)
    for window, studio in made:
        window.close()
        window.deleteLater()
        studio.close()
