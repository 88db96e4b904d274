"""Progress in words: what is being done, how much of it, how long it will take."""

from time import monotonic

from engine.core.news import Progress
from ui.words import STAGES, named

# Before this, a guess at the rest would be wild.
PATIENCE_S = 3.0


class Pace:
    """Watches the steps of one job and guesses when the current stage ends."""

    def __init__(self) -> None:
        self._stage = ""
        self._start_s = 0.0
        self._start_done = 0

    def sentence(self, progress: Progress, now_s: float | None = None) -> str:
        """Return the stage, its share in percent, and the time it will take, where known."""
        now = monotonic() if now_s is None else now_s
        if progress.stage != self._stage:
            self._stage, self._start_s, self._start_done = progress.stage, now, progress.done
        name = named(progress.stage, STAGES)
        # Nothing done of one step says no more than that it runs.
        if progress.total <= 1:
            return f"{name} …"
        share = f"{name} · {100 * progress.done // progress.total} %"
        done, spent_s = progress.done - self._start_done, now - self._start_s
        if done <= 0 or spent_s < PATIENCE_S:
            return share
        left_s = spent_s / done * (progress.total - progress.done)
        return f"{share} · {_in_words(left_s)} left"


def _in_words(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min"
