"""The engine's side of the talk with the window, on one thread that owns all of it.

Studio, scans and tasks have threads of their own, and commands to them return at once; so does
asking them for news. What arrives comes through one inbox: messages of the window, lines to log.
"""

import logging
import socket
import threading
from collections.abc import Iterator
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

from app.host.feeds import ModelFeed, ScanFeed
from app.host.wire import Gone, send
from app.host.words import (
    Abort,
    Bye,
    Call,
    Cancel,
    LetGo,
    Logged,
    Order,
    Ready,
    ScanHandle,
    Taken,
    TaskTold,
)
from engine.core.faults import Fault
from engine.core.news import FaultNews
from engine.runtime.net import Net
from ui.ports import ModelPort, ScanPort, StudioPort, TaskNews, TaskPort

TICK_S = 1 / 60

log = logging.getLogger(__name__)


class Desk:
    """Obeys messages, and tells what is new about sixty times a second while anything runs."""

    def __init__(self, way: socket.socket, inbox: "SimpleQueue[Any]", studio: StudioPort) -> None:
        """Prepare; `serve` does the work."""
        self._way = way
        self._inbox = inbox
        self._studio = studio
        self._numbers = count(1)
        self._tasks: dict[int, tuple[TaskPort[Any], Call]] = {}
        self._scans: dict[int, ScanFeed] = {}
        self._models: dict[int, ModelFeed] = {}

    def serve(self) -> None:
        """Work until the window says goodbye, then stop what still runs.

        Raises:
            Gone: the window is not there any more.
        """
        send(self._way, Ready())
        try:
            is_flowing = False
            while True:
                for message in self._messages(0 if is_flowing else TICK_S):
                    if isinstance(message, Bye):
                        return
                    with Net(partial(self._failed, message), _is_the_end):
                        self._obey(message)
                is_flowing = self._tell()
        finally:
            self._studio.close()

    def _messages(self, patience_s: float) -> Iterator[Any]:
        """Yield what came, waiting for the first so long, or for ever while nothing runs."""
        is_idle = not self._tasks and all(feed.is_over for feed in self._scans.values())
        try:
            yield self._inbox.get(timeout=None if is_idle else patience_s)
            while True:
                yield self._inbox.get_nowait()
        except Empty:
            return

    def _obey(self, message: Any) -> None:
        match message:
            case Logged():
                send(self._way, message)
            case Call():
                self._begin(message)
            case Cancel(number):
                if number in self._tasks:
                    self._tasks[number][0].cancel()
            case Order(number, name, given):
                if number in self._scans:
                    feed = self._scans[number]
                    feed.obey(partial(getattr(feed.scan, name), *given))
            case Taken(number, total_bytes):
                if number in self._scans:
                    self._scans[number].taken(total_bytes)
            case Abort(number):
                if number in self._scans:
                    self._abort(self._scans.pop(number).scan)
            case LetGo(number):
                if number in self._models:
                    self._models.pop(number).model.close()

    def _begin(self, call: Call) -> None:
        if call.model is not None and call.model not in self._models:
            return self._refuse(call, "This model was closed.", "Open the scan again.")
        target = self._studio if call.model is None else self._models[call.model].model
        try:
            self._tasks[call.task] = getattr(target, call.method)(*call.given), call
        except Fault as fault:
            self._refuse(call, fault.says, fault.remedy, fault.severity.value)
        return None

    def _failed(self, message: Any, error: BaseException) -> None:
        """Have one message fail, not the engine, over an error that nobody foresaw."""
        log.error("At %r", message, exc_info=error)
        says = f"The engine could not do this: {type(error).__name__}: {error}."
        remedy = "Please report this with the log."
        if isinstance(message, Call):
            self._refuse(message, says, remedy)
        elif isinstance(message, Order):
            self._scans[message.scan].refuse(FaultNews(says, remedy, "stop"))

    def _refuse(self, call: Call, says: str, remedy: str, severity: str = "stop") -> None:
        fault = FaultNews(says, remedy, severity)
        send(self._way, TaskTold(call.task, TaskNews(is_over=True, fault=fault)))

    def _abort(self, scan: ScanPort) -> None:
        # It waits for the scan's threads and logs those that do not end.
        threading.Thread(target=scan.abort, name="abort", daemon=True).start()

    def _tell(self) -> bool:
        """Send all news; return whether more patches may follow at once."""
        for number, (task, call) in list(self._tasks.items()):
            self._tell_task(number, task.poll(), call)
        is_flowing = False
        for feed in list(self._scans.values()):
            if feed.is_over:
                continue
            told = feed.next(self._keep_model)
            if told is not None:
                send(self._way, told)
                is_flowing |= bool(told.news.patches)
        return is_flowing

    def _tell_task(self, number: int, news: TaskNews[Any], call: Call) -> None:
        if not news.is_over:
            if news.progress is not None:
                send(self._way, TaskTold(number, news))
            return
        del self._tasks[number]
        if news.result is not None:
            result = self._crossing(call.method, news.result)
            news = TaskNews(is_over=True, progress=news.progress, result=result)
        changed = None
        if call.model in self._models:
            changed = self._models[call.model].handle()
        send(self._way, TaskTold(number, news, changed))

    def _crossing(self, method: str, result: Any) -> Any:
        """Return what stands for the result in the window's process."""
        if method == "open":
            return self._keep_scan(result)
        if method == "open_model":
            return self._keep_model(result).handle()
        return result

    def _keep_scan(self, scan: ScanPort) -> ScanHandle:
        number = next(self._numbers)
        feed = self._scans[number] = ScanFeed(number, scan)
        return feed.handle

    def _keep_model(self, model: ModelPort) -> ModelFeed:
        number = next(self._numbers)
        feed = self._models[number] = ModelFeed(number, model)
        return feed


def _is_the_end(error: BaseException) -> bool:
    """Return whether the window is gone, or the program is told to end."""
    return isinstance(error, Gone) or not isinstance(error, Exception)
