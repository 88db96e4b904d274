"""The program with its window: the one module of the program itself that knows Qt."""

import gc
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

from app.crash import CrashKeeper, crash_folder, nothing_silent
from app.hard_crash import reports_of_crashes, traced
from app.host.studio import HostedStudio
from app.preferences import PreferencesFile, config_folder
from engine.core.faults import Fault, MissingPart
from engine.core.news import FaultNews
from ui import theme
from ui.logbook import Logbook
from ui.window import MainWindow

HEARTBEAT_MS = 200
REPORTED = FaultNews(
    "Something failed, and a report of it was written.",
    "Please send it with a word on what you did. It holds no pictures and no surfaces.",
    "degrade",
)
ENDED_HARD = FaultNews(
    "Finescan ended abruptly last time, and a report of it was written.",
    "Please send it with a word on what you did. Unfinished scans are offered on the start page.",
    "degrade",
)
NOT_REPORTED = FaultNews(
    "Something failed, and no report of it could be written.",
    "The log says what it was (Ctrl+L).",
    "degrade",
)


def main(source: str | None) -> int:
    """Show the window until it is closed; a source, if given, is opened at once.

    Raises:
        MissingPart: there is no screen to show it on.
    """
    check_screen()
    # First, as the engine takes longest to be ready; the window does not wait for it.
    with traced(crash_folder()), closing(HostedStudio()) as studio:
        program, logbook = application(), Logbook()
        window = MainWindow(studio, logbook=logbook)
        with _nothing_lost(window, logbook), _nothing_silent(window):
            window.show()
            for report in reports_of_crashes(crash_folder()):
                window.told.emit(ENDED_HARD, _way_to(window, report))
            if source is not None:
                window.open(source)
            # Python hears Ctrl-C only while it runs, and Qt's loop is not Python.
            heartbeat = QTimer(window)
            heartbeat.timeout.connect(lambda: None)
            heartbeat.start(HEARTBEAT_MS)
            # All that was imported stays. Looking for garbage in it again and again would hold the
            # window up for 30 ms each time.
            gc.freeze()
            return program.exec()


def check_screen() -> None:
    """Return if there is a screen to open windows on.

    Raises:
        MissingPart: there is none. Qt would end the whole process when it finds out.
    """
    if sys.platform == "linux" and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        raise MissingPart(
            "There is no screen to open a window on.",
            "Use `run_scanner.py scan SOURCE --out DIR`, which needs none.",
        )


def application() -> QApplication:
    """Return Qt's application, dressed; there can be one in a process."""
    # Without it, a second 3D view in this process would find the first one's shaders missing.
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    program = QApplication(sys.argv[:1])
    program.setApplicationName("Finescan")
    # Read here too: the engine is not ready yet, and the first picture should look like the rest.
    kept = PreferencesFile(config_folder()).now
    theme.apply(program, kept.theme, kept.text_scale)
    return program


@contextmanager
def _nothing_lost(window: MainWindow, logbook: Logbook) -> Iterator[None]:
    """Have the log shown in the window, and crash reports made of errors in it."""

    def written(path: Path | None) -> None:
        if path is None:
            window.told.emit(NOT_REPORTED, None)
        else:
            window.told.emit(REPORTED, _way_to(window, path))

    keeper = CrashKeeper(crash_folder(), logbook.lines, written, _preferences)
    root = logging.getLogger()
    before = root.level
    for handler in root.handlers:
        # What the log on disk held so far it goes on to hold, and no more.
        handler.setLevel(max(handler.level, before))
    root.setLevel(logging.INFO)
    root.addHandler(logbook)
    root.addHandler(keeper)
    try:
        yield
    finally:
        root.removeHandler(keeper)
        root.removeHandler(logbook)
        root.setLevel(before)


def _way_to(window: MainWindow, report: Path) -> tuple[str, Callable[[], None]]:
    return "Open folder", partial(window.show_folder, report.parent)


def _preferences() -> dict[str, Any]:
    return PreferencesFile(config_folder()).now.model_dump(mode="json")


@contextmanager
def _nothing_silent(window: MainWindow) -> Iterator[None]:
    """Turn errors that nobody caught into entries of the log and notes in the window."""

    def tell(error: BaseException) -> None:
        if isinstance(error, Fault):
            news = FaultNews(error.says, error.remedy, error.severity.value)
        else:
            news = FaultNews(
                f"Something in the window failed: {type(error).__name__}: {error}",
                "The scan goes on. Please report this with the log.",
                "degrade",
            )
        window.told.emit(news, None)

    with nothing_silent(tell, window.close):
        yield
