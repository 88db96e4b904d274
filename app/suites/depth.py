"""Depth estimators side by side over the references of one recording or world."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.news import Progress
from engine.depth.base import DepthEstimator, DepthMap
from engine.evaluation.depth_protocol import Case
from engine.evaluation.suite_depth import (
    Group,
    JudgedPicture,
    confidence_table,
    depth_group,
    judge_picture,
    range_group,
)
from engine.evaluation.suite_sheet import Cells, depth_cells


class Timed:
    """A `DepthEstimator` on one torch thread that counts the processor's time of its calls.

    The very first call, which compiles and fills caches, is made twice and counted once.
    """

    def __init__(self, estimator: DepthEstimator) -> None:
        """Take over the estimator."""
        self._estimator = estimator
        self._is_warm = False
        self._calls = 0
        self._cpu_s = 0.0
        self.source_count = estimator.source_count

    def estimate(self, reference: Photo, sources: Sequence[Photo]) -> DepthMap:
        """Return the estimator's depth of the reference."""
        with _one_thread():
            if not self._is_warm:
                self._estimator.estimate(reference, sources)
                self._is_warm = True
            started = time.process_time()
            found = self._estimator.estimate(reference, sources)
            self._cpu_s += time.process_time() - started
        self._calls += 1
        return found

    def take_cpu_s(self) -> float:
        """Return the seconds a call since this was last asked, of all threads together."""
        mean_s = self._cpu_s / max(self._calls, 1)
        self._calls, self._cpu_s = 0, 0.0
        return mean_s


@dataclass(frozen=True, slots=True)
class Contestants:
    """The estimator under test, and the plane sweep; the same object where that is under test."""

    name: str
    ours: Timed
    sweep: Timed


@dataclass(slots=True)
class JudgedDepth:
    """Both estimators over the references of one recording or world."""

    ours: list[JudgedPicture] = field(default_factory=list)
    sweep: list[JudgedPicture] = field(default_factory=list)
    cells: list[Cells] = field(default_factory=list)
    cpu_s: tuple[float, float] = (0.0, 0.0)

    def groups(self) -> dict[str, Any]:
        """Return `depth`, `plane_sweep`, `absrel_by_range_m` of both, `confidence`, `pictures`."""
        ranges: dict[str, Group] = {
            "depth": range_group(self.ours),
            "plane_sweep": range_group(self.sweep),
        }
        return {
            "pictures": len(self.ours),
            "depth": depth_group(self.ours, self.cpu_s[0]),
            "plane_sweep": depth_group(self.sweep, self.cpu_s[1]),
            "absrel_by_range_m": ranges,
            "confidence": confidence_table([self.ours]),
        }


def judge_cases(
    name: str,
    cases: Iterable[Case],
    contestants: Contestants,
    on_progress: Callable[[Progress], object],
    total: int,
    show_every: int,
) -> JudgedDepth:
    """Return how both estimators do on the references; every so many-th is also drawn.

    Raises:
        BadInput: there is no reference, or an estimator cannot use one.
    """
    ours, sweep = contestants.ours, contestants.sweep
    judged = JudgedDepth()
    # What was estimated before, for a surface, is no part of this.
    for contestant in (ours, sweep):
        contestant.take_cpu_s()
    for number, case in enumerate(cases):
        on_progress(Progress(f"{name}: depth", number, total))
        found = ours.estimate(case.reference, case.sources)
        swept = found if sweep is ours else sweep.estimate(case.reference, case.sources)
        judged.ours.append(judge_picture(found, case.true_m, case.true_camera))
        judged.sweep.append(judge_picture(swept, case.true_m, case.true_camera))
        if number % show_every == 0:
            judged.cells.append(depth_cells(case, found, swept))
    if not judged.ours:
        raise BadInput(
            f"{name} has no picture with another one of the same place beside it.",
            "The camera must move by 5 cm or more between pictures that overlap.",
        )
    cpu_s = ours.take_cpu_s()
    judged.cpu_s = (cpu_s, cpu_s if sweep is ours else sweep.take_cpu_s())
    return judged


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch's threads from waiting for each other, which would count as work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
