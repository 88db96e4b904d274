"""Threads that end well: they can be told to stop, and a crash is never silent."""

import sys
import threading
import traceback
from collections.abc import Callable
from enum import Enum
from time import monotonic

from engine.core.faults import Cancelled, Fault
from engine.runtime.channels import Closed
from engine.runtime.net import Net


class Crashed(Fault):
    """A worker met an error nobody foresaw; the cause is chained."""


class WorkerState(Enum):
    """Where a worker is: ready -> running -> done or failed."""

    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class FaultPolicy(Enum):
    """Whom a worker's failure takes along."""

    STOP_ALL = "stop all"
    ALONE = "alone"


class StopToken:
    """Set once and for all; hooks wake whoever waits, usually by closing a channel."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._hooks: list[Callable[[], None]] = []

    @property
    def is_set(self) -> bool:
        """Whether stopping was asked for."""
        return self._event.is_set()

    def on_set(self, hook: Callable[[], None]) -> None:
        """Have the hook called once when the token is set; now, if it is already."""
        with self._lock:
            if not self.is_set:
                self._hooks.append(hook)
                return
        hook()

    def set(self) -> None:
        """Ask everyone to stop; a second time changes nothing."""
        with self._lock:
            self._event.set()
            hooks, self._hooks = self._hooks, []
        for hook in hooks:
            hook()


Body = Callable[[StopToken], None]


class Worker:
    """One thread that runs one body to its end.

    A body ends by returning, or by letting `Closed` or `Cancelled` through. Any other exception
    is a failure and goes to `on_fault`, on the worker's own thread.
    """

    def __init__(
        self, name: str, body: Body, stop: StopToken, on_fault: Callable[["Worker", Fault], None]
    ) -> None:
        """Prepare the thread without starting it."""
        self.name = name
        self.state = WorkerState.READY
        self._body = body
        self._stop = stop
        self._on_fault = on_fault
        # A camera driver that never returns must not keep the whole program from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Let the body run."""
        self.state = WorkerState.RUNNING
        self._thread.start()

    def join(self, timeout_s: float | None = None) -> bool:
        """Return whether the thread has ended, waiting for it so long; true if never started."""
        if self._thread.ident is None:
            return True
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def stack(self) -> str:
        """Return where the thread is now, for the log; empty when it is not running."""
        ident = self._thread.ident
        frame = None if ident is None else sys._current_frames().get(ident)  # noqa: SLF001 - the only way to another thread's stack
        return "" if frame is None else "".join(traceback.format_stack(frame))

    def _run(self) -> None:
        with Net(self._caught):
            self._body(self._stop)
            self.state = WorkerState.DONE

    def _caught(self, error: BaseException) -> None:
        if isinstance(error, Closed | Cancelled):
            self.state = WorkerState.DONE
            return
        self.state = WorkerState.FAILED
        if not isinstance(error, Fault):
            crash = Crashed(
                f"The {self.name} worker failed: {type(error).__name__}: {error}.",
                "Please report this with the log.",
            )
            crash.__cause__ = error
            error = crash
        self._on_fault(self, error)


class Crew:
    """Workers that share one stop token and report their failures to one place."""

    def __init__(self, on_fault: Callable[[str, Fault], None]) -> None:
        """Start without workers; `on_fault(worker name, fault)` runs on the failing thread."""
        self.stop = StopToken()
        self._on_fault = on_fault
        self._workers: list[Worker] = []

    def spawn(self, name: str, body: Body, policy: FaultPolicy = FaultPolicy.STOP_ALL) -> Worker:
        """Return a new worker, already running; by default its failure stops all others."""

        def failed(worker: Worker, fault: Fault) -> None:
            self._on_fault(worker.name, fault)
            if policy is FaultPolicy.STOP_ALL:
                self.stop.set()

        worker = Worker(name, body, self.stop, failed)
        self._workers.append(worker)
        worker.start()
        return worker

    def join(self, timeout_s: float) -> tuple[str, ...]:
        """Wait for all workers together; return the names of those that still run."""
        deadline = monotonic() + timeout_s
        return tuple(
            worker.name
            for worker in self._workers
            if not worker.join(max(0.0, deadline - monotonic()))
        )

    def stacks(self) -> str:
        """Return name and stack of every worker that still runs."""
        parts = [f"{worker.name}:\n{worker.stack()}" for worker in self._workers if worker.stack()]
        return "\n".join(parts)
