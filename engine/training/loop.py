"""The loop that all recipes share: steps, looks at held-out worlds, checkpoints, time."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from engine.training.feed import Feed
from engine.training.log import Table, write_png
from engine.training.parallel import Team
from engine.training.recipe import Recipe
from engine.training.run import Run, Slice

LOG_EVERY = 10
# A run that dies loses at most so much.
SAVE_EVERY_S = 120.0
# The end of a sitting may take longer than it did last time, and what came before `started`, such
# as importing torch, is part of it.
RESERVE, RESERVE_S = 1.3, 4.0


class News(NamedTuple):
    """Where a run is; `row` is the newest line of its log, `metrics` of held-out worlds."""

    step: int
    steps: int
    row: Mapping[str, float]
    metrics: Mapping[str, float]


def train(
    recipe: Recipe, sitting: Slice, team: Team, is_wanted: Callable[[], bool]
) -> Iterator[News]:
    """Train until the schedule ends, time is up or nobody wants more; yield news now and then.

    What is finished then is saved, as it is every two minutes. All processes of a team yield, but
    only the first one writes, and only it has anything to tell.

    Raises:
        BadInput: the folder holds something else than what was asked for.
        CannotWrite: no room or no permission.
        Fault: the loss is no number any more.
    """
    run = Run(recipe, sitting, team)
    desk = _Desk(run)
    if team.is_first:
        recipe.prepare()
    steps = recipe.plan.schedule.steps
    if not sitting.is_resumed:
        desk.save()
        # Shows where learning begins, how long a look takes, and that files can be written.
        desk.look()
        yield News(run.step, steps, {}, desk.metrics)
    first = run.step
    feed = Feed(recipe.batch, run.step * team.size + team.rank, team.size, team.device)
    window = _Window(feed, recipe.plan.batch * team.size)
    batches = iter(feed)
    try:
        while run.step < steps:
            is_enough = sitting.is_over(desk.reserve_s) or not is_wanted()
            if team.any(is_enough):
                break
            window.add(run.train_step(next(batches)))
            is_look = run.step % recipe.plan.validate_every == 0
            if run.step % LOG_EVERY and not is_look:
                continue
            row = window.row()
            run.trained_s += row["seconds"]
            desk.write(row)
            if is_look:
                desk.look()
            elif desk.is_save_due:
                desk.save()
            window = _Window(feed, recipe.plan.batch * team.size)
            yield News(run.step, steps, row, desk.metrics if is_look else {})
    finally:
        batches.close()
    if run.step > first and desk.looked_at != run.step:
        row = window.row() if run.step % LOG_EVERY else {}
        if row:
            run.trained_s += row["seconds"]
            desk.write(row)
        desk.look()
        yield News(run.step, steps, row, desk.metrics)
    team.wait()


class _Window:
    """Steps since the last line of the log."""

    def __init__(self, feed: Feed, samples: int) -> None:
        self._feed, self._samples = feed, samples
        self._started, self._waited_s = time.perf_counter(), feed.waited_s
        self._steps = 0
        self._rows: list[Mapping[str, float]] = []

    def add(self, row: Mapping[str, float] | None) -> None:
        """Take a step's numbers; None where it was skipped."""
        self._steps += 1
        if row is not None:
            self._rows.append(row)

    def row(self) -> dict[str, float]:
        """Return mean numbers, samples a second, and the share of time spent on waiting for data.

        While it waits for data, the device has nothing to learn from.
        """
        seconds = max(time.perf_counter() - self._started, 1e-9)
        names = self._rows[0] if self._rows else ()
        means = {name: sum(r[name] for r in self._rows) / len(self._rows) for name in names}
        return means | {
            "skipped": float(self._steps - len(self._rows)),
            "samples_per_s": self._steps * self._samples / seconds,
            "wait_share": (self._feed.waited_s - self._waited_s) / seconds,
            "seconds": seconds,
        }


@dataclass
class _Desk:
    """What the first process of a team writes, and how long that takes."""

    run: Run

    def __post_init__(self) -> None:
        folder = self.run.sitting.folder
        self.metrics: dict[str, float] = {}
        self.looked_at = -1
        self.reserve_s = RESERVE * self.run.reserve_s + RESERVE_S
        self._saved_at = time.monotonic()
        self._training = Table(folder / "log.csv")
        self._validation = Table(folder / "validation.csv")
        if self.run.team.is_first:
            for table in (self._training, self._validation):
                table.keep_until(self.run.step)

    @property
    def is_save_due(self) -> bool:
        """Whether dying now would lose too much."""
        return time.monotonic() - self._saved_at > SAVE_EVERY_S

    def write(self, row: Mapping[str, float]) -> None:
        """Add a line to the log; where every step was skipped there is nothing to say."""
        if self.run.team.is_first and "loss" in row:
            self._training.add({"step": self.run.step, **row})

    def look(self) -> None:
        """Judge the averaged weights, and save."""
        started = time.monotonic()
        if self.run.team.is_first:
            judged = self.run.judge()
            self.metrics = judged.metrics
            about = {"step": self.run.step, "minutes": self.run.trained_s / 60}
            self._validation.add({**about, **judged.metrics})
            write_png(self.run.sitting.folder / "sheet.png", judged.sheet)
        self.looked_at = self.run.step
        self.save()
        self.run.reserve_s = time.monotonic() - started
        self.reserve_s = RESERVE * self.run.reserve_s + RESERVE_S

    def save(self) -> None:
        """Write a checkpoint."""
        if self.run.team.is_first:
            self.run.save()
        self._saved_at = time.monotonic()
