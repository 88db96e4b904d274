"""Has the kernels compiled before a scan needs them, on a thread of the engine's process.

numba compiles on first use, which takes most of a minute; what it compiled stays on disk, and on
later starts is only loaded.
"""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

from app.host.words import PREPARING
from engine.core.faults import Fault
from engine.core.news import Job, Progress
from engine.runtime.worker import Crew, StopToken

POLL_S = 0.1
# Imported by the thread: that alone takes two seconds, and pictures can be shown without it.
SCANS = "app.host.warmup_scans"

log = logging.getLogger(__name__)


class WarmUp:
    """The thread that compiles; start it early, wait for it before fusing."""

    def __init__(self, then: Callable[[], None]) -> None:
        """Start the thread; it calls `then` when all went well."""
        self._may_go = threading.Event()
        self._may_go.set()

        def run(stop: StopToken) -> None:
            import_module(SCANS).main(self._may_go.wait)
            then()

        self._thread = Crew(_failed).spawn("warm-up", run)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Have it rest between two of its steps, for what somebody waits for just now."""
        self._may_go.clear()
        try:
            yield
        finally:
            self._may_go.set()

    def wait(self) -> Job[None]:
        """Return the job of waiting until everything is compiled.

        Failing is no fault of the scan: the kernels are then compiled when needed.
        """
        while not self._thread.join(POLL_S):
            yield Progress(PREPARING, 0)


def _failed(worker: str, fault: Fault) -> None:
    log.warning("Warming up failed: %s", fault, exc_info=fault)
