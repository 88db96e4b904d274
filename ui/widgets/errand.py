"""Asks now and then how a task stands, so that no page ever waits for one."""

from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from ui.ports import TaskPort

POLL_MS = 50


class Errand(QObject):
    """Watches one task until it is over and tells what came of it, once.

    `done` carries the result, `failed` a FaultNews, `progressed` a Progress; `stopped` says that
    the task was cancelled.
    """

    progressed = Signal(object)
    done = Signal(object)
    failed = Signal(object)
    stopped = Signal()

    def __init__(self, task: TaskPort[Any], parent: QObject) -> None:
        """Watch from now on; the task runs already."""
        super().__init__(parent)
        self._task = task
        self._is_cancelled = False
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._timer.start()

    def cancel(self) -> None:
        """Ask the task to stop; `stopped` or another signal tells when it has."""
        self._is_cancelled = True
        self._task.cancel()

    def drop(self) -> None:
        """Ask the task to stop and say nothing more about it."""
        self._task.cancel()
        self._end()

    def leave(self) -> None:
        """Let the task run to its end and say nothing more about it."""
        self._end()

    def _poll(self) -> None:
        news = self._task.poll()
        if news.progress is not None:
            self.progressed.emit(news.progress)
        if not news.is_over:
            return
        self._end()
        if news.fault is not None:
            self.failed.emit(news.fault)
        elif news.result is None and self._is_cancelled:
            self.stopped.emit()
        else:
            # Some tasks have nothing to return.
            self.done.emit(news.result)

    def _end(self) -> None:
        self._timer.stop()
        self.deleteLater()
