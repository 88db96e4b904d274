"""The program's own window driven by a program: for the benchmark of it and for its pictures."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from PySide6.QtCore import QEventLoop, QTimer

from app.host.studio import HostedStudio
from app.preferences import HOME_VARIABLE
from engine.core.faults import Fault
from ui.window import MainWindow

SIZE_PX = (1280, 800)
LOOK_MS = 30


@contextmanager
def window_of(maker: str, size_px: tuple[int, int] = SIZE_PX) -> Iterator[MainWindow]:
    """Give the window of a studio made by "module:callable"; nothing of the user's is touched."""
    with tempfile.TemporaryDirectory(prefix="finescan-", ignore_cleanup_errors=True) as folder:
        before = os.environ.get(HOME_VARIABLE)
        os.environ[HOME_VARIABLE] = folder
        studio = HostedStudio(maker)
        main = MainWindow(studio)
        try:
            main.resize(*size_px)
            main.move(0, 0)
            main.show()
            main.activateWindow()
            yield main
        finally:
            if main.scan is not None:
                # Else closing would ask what is to become of it.
                main.scan.port.abort()
            main.model = None
            main.close()
            main.deleteLater()
            studio.close()
            if before is None:
                del os.environ[HOME_VARIABLE]
            else:
                os.environ[HOME_VARIABLE] = before


def wait(main: MainWindow, done: Callable[[], bool], limit_s: float) -> None:
    """Let the window live until something is so.

    Raises:
        Fault: it is not so in time; what the screen says is told.
    """
    loop, timer, end_s = QEventLoop(), QTimer(), monotonic() + limit_s

    def look() -> None:
        if done() or monotonic() > end_s:
            loop.quit()

    timer.timeout.connect(look)
    timer.start(LOOK_MS)
    loop.exec()
    timer.stop()
    if not done():
        says = " ".join(main.toasts.sentences())
        raise Fault(f"The window did not come to what was waited for. {says}".strip())


def rest(main: MainWindow, seconds: float) -> None:
    """Let the window live for so long."""
    end_s = monotonic() + seconds
    wait(main, lambda: monotonic() >= end_s, seconds + 60)
