"""The window's end of the link: starts the engine's process, and passes on what it tells."""

import logging
import multiprocessing
import signal
import socket
import threading
import weakref
from contextlib import suppress
from dataclasses import replace
from itertools import count
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any

from app.host import child
from app.host.proxies import ModelProxy, TaskProxy
from app.host.scan import ScanProxy
from app.host.wire import Gone, receive, send
from app.host.words import (
    Abort,
    Bye,
    Call,
    LetGo,
    Logged,
    ModelHandle,
    Ready,
    ScanHandle,
    ScanTold,
    TaskTold,
)
from engine.core.news import FaultNews
from ui.ports import TaskNews

# Longer than the engine needs to give up on its own.
CLOSE_S = 20.0
# Its end of the socket closes a moment before the process is gone.
GRACE_S = 5.0
# As systems that know signals tell it.
KILLED = -9
REMEDY = (
    "What was recorded and finished so far is kept on disk. "
    "Open it again from the start page: the engine starts anew."
)

log = logging.getLogger(__name__)


class _NoStart(Exception):
    """The system refused another process, or this one is not far enough to have one."""


class Link:
    """One life of the engine's process.

    A thread starts it and reads what it says, another writes: nobody who calls here waits, except
    to close.
    """

    def __init__(self, factory: str) -> None:
        """Have the process started; its studio comes from the factory, named "module:callable"."""
        self._factory = factory
        self._here, self._there = socket.socketpair()
        self._outbox: SimpleQueue[Any] = SimpleQueue()
        self._numbers = count(1)
        self._is_ready = self._is_closing = False
        self._fault: FaultNews | None = None
        # Guards the fault and the tasks: none may be asked for after the end and never hear of it.
        self._lock = threading.Lock()
        self._tasks: dict[int, TaskProxy[Any]] = {}
        # Only what the window still holds.
        self._scans = weakref.WeakValueDictionary[int, ScanProxy]()
        self._models = weakref.WeakValueDictionary[int, ModelProxy]()
        self._process: BaseProcess | None = None
        self._reader = threading.Thread(target=self._read, name="engine-reader", daemon=True)
        self._writer = threading.Thread(target=self._write, name="engine-writer", daemon=True)
        self._reader.start()
        self._writer.start()

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone, or never came to be."""
        return self._fault is not None

    @property
    def pid(self) -> int | None:
        """The process, once it was started."""
        return None if self._process is None else self._process.pid

    def send(self, message: Any) -> None:
        """Have a message on its way; one to an engine that is gone is dropped."""
        self._outbox.put(message)

    def call(self, method: str, *given: Any, model: int | None = None) -> TaskProxy[Any]:
        """Begin a task; with an engine that is gone it is over at once, with the fault."""
        task = TaskProxy[Any](next(self._numbers), self, not self._is_ready)
        with self._lock:
            if self._fault is not None:
                task.told(TaskNews(is_over=True, fault=self._fault))
                return task
            self._tasks[task.number] = task
        self.send(Call(task.number, method, given, model))
        return task

    def close(self) -> None:
        """Have the engine end, and wait for it; one that hangs is killed."""
        self._is_closing = True
        self.send(Bye())
        if self._process is not None and not self._is_ready:
            # It holds nothing yet, and would hear of it only seconds later.
            self._process.terminate()
        self._reader.join(CLOSE_S)
        if self._process is not None and self._reader.is_alive():
            log.error("The engine did not end within %g s.", CLOSE_S)
            self._process.kill()
        self._reader.join()
        self._writer.join()

    def _read(self) -> None:
        says = "The window lost track of what the engine says."
        try:
            self._start()
            while True:
                self._hear(receive(self._here))
        except _NoStart as error:
            says = f"The engine could not be started: {error}."
        except Gone:
            says = self._epitaph()
        finally:
            # In any case: nobody may wait for an engine that nobody listens to.
            if self._process is not None:
                self._process.kill()
                self._process.join()
            self._end(says)

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        process = context.Process(
            target=child.main, args=(self._there, self._factory), name="engine", daemon=True
        )
        # With a copy of the engine's end left here, its death would go unnoticed.
        with self._there:
            try:
                process.start()
            except (OSError, RuntimeError) as error:
                raise _NoStart(error) from error
        self._process = process

    def _write(self) -> None:
        with self._here:
            while (message := self._outbox.get()) is not None:
                with suppress(Gone):
                    send(self._here, message)

    def _hear(self, message: Any) -> None:
        match message:
            case Ready():
                self._is_ready = True
            case TaskTold(number, news, changed):
                self._hear_task(number, news, changed)
            case ScanTold(number):
                scan = self._scans.get(number)
                if scan is not None:
                    handle = message.model
                    scan.told(message, None if handle is None else self._model_for(handle))
            case Logged(record):
                logger = logging.getLogger(record.name)
                if logger.isEnabledFor(record.levelno):
                    logger.handle(record)

    def _hear_task(self, number: int, news: TaskNews[Any], changed: ModelHandle | None) -> None:
        with self._lock:
            task = self._tasks.pop(number) if news.is_over else self._tasks[number]
        if changed is not None:
            model = self._models.get(changed.model)
            if model is not None:
                model.told(changed.view)
        if isinstance(news.result, ScanHandle):
            news = replace(news, result=self._scan_for(news.result))
        elif isinstance(news.result, ModelHandle):
            news = replace(news, result=self._model_for(news.result))
        task.told(news)

    def _scan_for(self, handle: ScanHandle) -> ScanProxy:
        scan = self._scans[handle.scan] = ScanProxy(handle, self)
        self._when_dropped(scan, Abort(handle.scan))
        return scan

    def _model_for(self, handle: ModelHandle) -> ModelProxy:
        model = self._models[handle.model] = ModelProxy(handle.model, self, handle.view)
        self._when_dropped(model, LetGo(handle.model))
        return model

    def _when_dropped(self, proxy: ScanProxy | ModelProxy, message: Any) -> None:
        """Have the engine let go of what nobody here holds any more."""
        weakref.finalize(proxy, self.send, message).atexit = False

    def _epitaph(self) -> str:
        assert self._process is not None
        self._process.join(GRACE_S)
        code = self._process.exitcode
        if self._is_closing:
            return "The engine was closed."
        if code == KILLED:
            return "The engine was stopped by the system; it may have run out of memory."
        cause = "" if code is None else f" ({_named(code)})"
        return f"The engine stopped unexpectedly{cause}."

    def _end(self, says: str) -> None:
        fault = FaultNews(says, REMEDY, "stop")
        if not self._is_closing:
            log.error("%s", says)
        with self._lock:
            self._fault = fault
            tasks = list(self._tasks.values())
            self._tasks.clear()
        for scan in list(self._scans.values()):
            scan.lost(fault)
        for task in tasks:
            task.told(TaskNews(is_over=True, fault=None if self._is_closing else fault))
        self._outbox.put(None)


def _named(code: int) -> str:
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
