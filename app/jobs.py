"""Long jobs on threads of their own: opening a recording, writing a file."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from engine.core.faults import Fault
from engine.core.news import FaultNews, Job, Progress
from engine.runtime.channels import Latest
from engine.runtime.progress import run_job
from engine.runtime.worker import Crew, StopToken
from ui.ports import TaskNews

T = TypeVar("T")


class Task(Generic[T]):
    """One long job, running from the moment it is made; a `TaskPort` for the window."""

    def __init__(self, name: str, job: Job[T], discard: Callable[[T], object] | None = None):
        """Start the job; `discard` lets go of a result that came after it was cancelled."""
        self._job = job
        self._discard = discard
        self._progress = Latest[Progress]()
        self._lock = threading.Lock()
        self._end: TaskNews[T] | None = None
        self._crew = Crew(self._failed)
        self._worker = self._crew.spawn(name, self._run)

    def poll(self) -> TaskNews[T]:
        """Return how the job stands; never waits."""
        with self._lock:
            if self._end is not None:
                return self._end
        if self._worker.join(0):
            # Ended without result or fault: it was cancelled. Look once more, as both may have
            # come between the two questions.
            with self._lock:
                return self._end or TaskNews(is_over=True)
        steps = self._progress.take()
        return TaskNews(progress=steps[-1] if steps else None)

    @property
    def is_cancelled(self) -> bool:
        """Whether it was asked to stop; it may not have yet."""
        return self._crew.stop.is_set

    def cancel(self) -> None:
        """Have the job stop at its next step."""
        self._crew.stop.set()

    def join(self, timeout_s: float) -> bool:
        """Return whether the job has ended, waiting for it so long."""
        return not self._crew.join(timeout_s)

    def _run(self, stop: StopToken) -> None:
        result = run_job(self._job, self._progress.put, lambda: stop.is_set)
        if not stop.is_set:
            with self._lock:
                self._end = TaskNews(is_over=True, result=result)
        elif self._discard is not None:
            self._discard(result)

    def _failed(self, worker: str, fault: Fault) -> None:
        with self._lock:
            self._end = TaskNews(
                is_over=True, fault=FaultNews(fault.says, fault.remedy, fault.severity.value)
            )
