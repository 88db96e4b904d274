"""Driving long jobs: generators that yield their progress and may be closed at every yield."""

from collections.abc import Callable
from typing import TypeVar

from engine.core.faults import Cancelled
from engine.core.news import Job, Progress

T = TypeVar("T")


def run_job(
    job: Job[T], on_progress: Callable[[Progress], object], is_cancelled: Callable[[], bool]
) -> T:
    """Return the job's result, having passed on every progress it yielded.

    The question whether to stop is asked before each step. The job is closed in any case, so its
    own clean-up has run when this returns or raises.

    Raises:
        Cancelled: `is_cancelled` said so.
    """
    try:
        while not is_cancelled():
            try:
                step = next(job)
            except StopIteration as end:
                result: T = end.value
                return result
            on_progress(step)
    finally:
        job.close()
    raise Cancelled("Stopped as asked.", "What was done before is kept.")
