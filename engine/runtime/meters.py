"""How long each stage takes, in bounded memory."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, perf_counter

import numpy as np


@dataclass(frozen=True, slots=True)
class Timing:
    """One stage so far; percentiles are those of its most recent runs.

    Attributes:
        count: runs since the start.
        total_s: time of all runs together.
        median_ms: half of the recent runs were quicker.
        p95_ms: nineteen of twenty recent runs were quicker.
        worst_ms: slowest run since the start.
    """

    count: int
    total_s: float
    median_ms: float
    p95_ms: float
    worst_ms: float


class _Stage:
    def __init__(self, window: int) -> None:
        self.recent_s: deque[float] = deque(maxlen=window)
        self.count = 0
        self.total_s = 0.0
        self.worst_s = 0.0


class Meters:
    """Timings by stage name; any thread may record, any thread may read."""

    def __init__(self, window: int = 512) -> None:
        """Start empty; percentiles look back over the last `window` runs of a stage."""
        self._window = window
        self._stages: dict[str, _Stage] = {}
        self._lock = threading.Lock()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Record how long the block takes, also when it raises."""
        start = perf_counter()
        try:
            yield
        finally:
            self.record(name, perf_counter() - start)

    def record(self, name: str, seconds: float) -> None:
        """Count one run of a stage."""
        with self._lock:
            stage = self._stages.setdefault(name, _Stage(self._window))
            stage.recent_s.append(seconds)
            stage.count += 1
            stage.total_s += seconds
            stage.worst_s = max(stage.worst_s, seconds)

    def timings(self) -> dict[str, Timing]:
        """Return every stage so far, in the order they first ran."""
        with self._lock:
            return {name: _timing(stage) for name, stage in self._stages.items()}


class Rate:
    """Events per second over the last few seconds; belongs to one thread."""

    def __init__(self, window_s: float = 2.0) -> None:
        """Start without events."""
        self._window_s = window_s
        self._times_s: deque[float] = deque(maxlen=512)

    def tick(self, now_s: float | None = None) -> float:
        """Count one event and return the rate; zero until there are two to compare."""
        now = monotonic() if now_s is None else now_s
        self._times_s.append(now)
        while now - self._times_s[0] > self._window_s and len(self._times_s) > 2:
            self._times_s.popleft()
        span = now - self._times_s[0]
        return (len(self._times_s) - 1) / span if span > 0 else 0.0


def _timing(stage: _Stage) -> Timing:
    recent_ms = np.array(stage.recent_s) * 1000
    median, p95 = np.percentile(recent_ms, [50, 95])
    return Timing(stage.count, stage.total_s, float(median), float(p95), stage.worst_s * 1000)
