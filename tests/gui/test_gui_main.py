"""The program's own entry, as a user starts it."""

import subprocess
import sys
from pathlib import Path

import pytest

from app import gui
from engine.core.faults import BadInput, MissingPart
from ui.window import MainWindow

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys
from PySide6.QtCore import QTimer
import app.gui
from ui.window import MainWindow
shown = MainWindow.show
def show(window):
    shown(window)
    def look():
        if window.toasts.sentences():
            print(window.toasts.sentences()[0])
            window.close()
        else:
            QTimer.singleShot(50, look)
    QTimer.singleShot(50, look)
MainWindow.show = show
sys.exit(app.gui.main("there-is-no-such-recording"))
"""


def test_the_program_opens_explains_and_closes():
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    assert "there-is-no-such-recording" in ran.stdout
    assert "Traceback" not in ran.stderr


def test_without_a_screen_there_is_advice_instead_of_an_abort(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(MissingPart, match="scan SOURCE"):
        gui.main(None)


class NoStudio:
    demo, formats, targets = "", (), ()


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ZeroDivisionError("inside a slot"), "ZeroDivisionError: inside a slot"),
        (BadInput("That is wrong.", "Do this."), "That is wrong."),
    ],
)
def test_nothing_that_fails_in_the_window_is_silent(qtbot, error, says):
    window = MainWindow(NoStudio())
    qtbot.addWidget(window)
    before = sys.excepthook
    with gui._nothing_silent(window):
        sys.excepthook(type(error), error, None)
    assert sys.excepthook is before
    [sentence] = window.toasts.sentences()
    assert says in sentence
