"""The program's own entry, as a user starts it."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import gui
from app.preferences import HOME_VARIABLE
from engine.core.faults import BadInput, MissingPart
from tests.gui.user import FakeStudio
from ui.logbook import Logbook

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


def test_the_program_opens_explains_and_closes(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        env={**os.environ, HOME_VARIABLE: str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert "there-is-no-such-recording" in ran.stdout
    assert "Traceback" not in ran.stderr


def test_without_a_screen_there_is_advice_instead_of_an_abort(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(MissingPart, match="scan SOURCE"):
        gui.main(None)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ZeroDivisionError("inside a slot"), "ZeroDivisionError: inside a slot"),
        (BadInput("That is wrong.", "Do this."), "That is wrong."),
    ],
)
def test_nothing_that_fails_in_the_window_is_silent(window_of, error, says):
    window = window_of(FakeStudio())
    before = sys.excepthook
    with gui._nothing_silent(window):
        sys.excepthook(type(error), error, None)
    assert sys.excepthook is before
    [sentence] = window.toasts.sentences()
    assert says in sentence


def test_the_log_is_in_the_window_and_a_traceback_makes_a_report(
    window_of, qtbot, tmp_path, monkeypatch
):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    root = logging.getLogger()
    before = root.level, list(root.handlers)
    window, logbook = window_of(FakeStudio()), Logbook()
    with gui._nothing_lost(window, logbook):
        logging.getLogger("engine").info("A quiet word.")
        # As the engine's process sends it: the traceback is in the text.
        logging.getLogger("engine").error("At work\nTraceback (most recent call last):\n  Oh no")
        qtbot.waitUntil(lambda: gui.REPORTED.says in window.toasts.sentences())
    assert (root.level, list(root.handlers)) == before
    assert "A quiet word." in logbook.lines()[0]
    assert len(list((tmp_path / "crashes").glob("*.zip"))) == 1
    assert [button.text() for button in window.toasts.buttons()] == ["Open folder"]
