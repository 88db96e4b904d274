"""The program with its window; the only file here that knows Qt."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import TracebackType

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

from app.build import make_fuser
from app.method import Method
from app.studio import Studio
from app.warmup import WarmUp
from engine.core.faults import Fault, MissingPart
from engine.core.news import FaultNews
from engine.core.settings import preset
from engine.sources.detect import open_source
from ui import theme
from ui.window import MainWindow

HEARTBEAT_MS = 200

log = logging.getLogger(__name__)


def main(source: str | None) -> int:
    """Show the window until it is closed; a source, if given, is opened at once.

    Raises:
        MissingPart: there is no screen to show it on.
    """
    _check_screen()
    # Without it, a second 3D view in this process would find the first one's shaders missing.
    QApplication.setAttribute(Qt.ApplicationAttribute.AA_ShareOpenGLContexts)
    application = QApplication(sys.argv[:1])
    application.setApplicationName("Finescan")
    theme.apply(application)
    warm_up = WarmUp()
    fuser = partial(make_fuser, method=Method())
    studio = Studio(preset("medium"), open_source, fuser, warm_up.wait)
    window = MainWindow(studio)
    window.show()
    if source is not None:
        window.open(source)
    # Python hears Ctrl-C only while it runs, and Qt's loop is not Python.
    heartbeat = QTimer(window)
    heartbeat.timeout.connect(lambda: None)
    heartbeat.start(HEARTBEAT_MS)
    try:
        with _nothing_silent(window):
            return application.exec()
    finally:
        studio.close()
        warm_up.stop()


def _check_screen() -> None:
    # Qt ends the whole process when it finds no screen, so ask before it does.
    if sys.platform == "linux" and not any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        raise MissingPart(
            "There is no screen to open a window on.",
            "Use `run_scanner.py scan SOURCE --out DIR`, which needs none.",
        )


@contextmanager
def _nothing_silent(window: MainWindow) -> Iterator[None]:
    """Turn errors nobody caught on the window's thread into a log entry and a note."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, where: TracebackType | None) -> None:
        if isinstance(error, KeyboardInterrupt):
            window.close()
            return
        log.error("In the window", exc_info=(kind, error, where))
        if isinstance(error, Fault):
            news = FaultNews(error.says, error.remedy, error.severity.value)
        else:
            news = FaultNews(
                f"Something in the window failed: {kind.__name__}: {error}",
                "The scan goes on. Please report this with the log.",
                "degrade",
            )
        window.toasts.show_fault(news)

    sys.excepthook = hook
    try:
        yield
    finally:
        sys.excepthook = before
