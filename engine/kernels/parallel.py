"""Compiled kernels over slices of work, on a few threads that release the interpreter lock."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

Result = TypeVar("Result")


@lru_cache(maxsize=1)
def workers() -> int:
    """Return how many threads share a kernel: the processors this process may use, at most 8."""
    return max(1, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4))


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    # Our own pool and not numba's: two of numba's three threading layers abort the process when
    # kernels are started from two threads at once, as a running scan does.
    return ThreadPoolExecutor(workers(), thread_name_prefix="kernel")


def over_slices(
    kernel: Callable[[int, int], Result], count: int, min_slice: int = 8
) -> list[Result]:
    """Call `kernel(start, stop)` for slices that cover `range(count)`; results in order.

    There are four slices a thread, since neighbouring items differ in cost.
    """
    if count == 0:
        return []
    step = max(min_slice, -(-count // (4 * workers())))
    starts = range(0, count, step)
    if len(starts) == 1 or workers() == 1:
        return [kernel(start, min(start + step, count)) for start in starts]
    calls = [_pool().submit(kernel, start, min(start + step, count)) for start in starts]
    return [call.result() for call in calls]
