"""What the details show, as rows of words; and how steps fared over the last minute."""

from collections import deque
from dataclasses import dataclass

from engine.core.news import ChannelNews, ScanStats, StageNews
from ui.words import CHANNELS, STEPS, named

MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what it is about, then up to three cells.

    Attributes:
        step: name of the step whose last minute belongs into the last cell, or empty.
        is_head: whether it names the columns of the rows below it.
    """

    name: str
    cells: tuple[str, ...] = ()
    step: str = ""
    is_head: bool = False


def rows_of(stats: ScanStats, tick_ms: float) -> list[Row]:
    """Return all rows: counters, then one for each step, then one for each channel.

    `tick_ms` is what ninety-nine of a hundred ticks of the window stayed below.
    """
    rows = [Row(name, (value,)) for name, value in _counters(stats, tick_ms)]
    if stats.stages:
        rows.append(Row("Step, ms", ("median", "p95", "last 60 s"), is_head=True))
        rows += [_step(stage) for stage in stats.stages]
    if stats.channels:
        rows.append(Row("Channel", ("waiting", "dropped", "merged"), is_head=True))
        rows += [_channel(channel) for channel in stats.channels]
    return rows


def _counters(stats: ScanStats, tick_ms: float) -> list[tuple[str, str]]:
    of_all = f" of {stats.frames_total:,}" if stats.frames_total else ""
    return [
        ("Frames read", f"{stats.frames_read:,}{of_all}"),
        ("Frames used", f"{stats.frames_used:,} · {stats.frames_per_second:.1f} a second"),
        ("Frames dropped", f"{stats.dropped:,}"),
        ("Frames to move", f"{stats.moves_waiting:,}"),
        ("Keyframes", f"{stats.keyframes:,} · {stats.keyframes_thinned:,} thinned out"),
        ("Triangles", f"{stats.faces:,}"),
        ("Places refined", f"{stats.chunks_refined:,} · {stats.chunks_waiting:,} waiting"),
        ("Memory", f"{stats.memory_mb:,.0f} MB · {stats.on_disk_mb:,.0f} MB on disk"),
        ("Disk left", _disk(stats.disk_free_mb)),
        ("Window tick, p99", f"{tick_ms:.1f} ms"),
    ]


def _disk(free_mb: float | None) -> str:
    return "unknown" if free_mb is None else f"{free_mb / 1000:,.1f} GB"


def _step(stage: StageNews) -> Row:
    times = _milliseconds(stage.median_ms), _milliseconds(stage.p95_ms)
    return Row(named(stage.name, STEPS), times, step=stage.name)


def _milliseconds(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _channel(channel: ChannelNews) -> Row:
    # A channel without a limit of items has one of bytes alone.
    limit = f" / {channel.limit:,}" if channel.limit else f" · {channel.waiting_bytes / 1e6:.0f} MB"
    cells = f"{channel.waiting:,}{limit}", f"{channel.dropped:,}", f"{channel.merged:,}"
    return Row(named(channel.name, CHANNELS), cells)


class LastMinute:
    """How long each step took, second by second."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._seconds: dict[str, deque[tuple[int, float, float]]] = {}
        self._now_s = 0

    def add(self, stages: tuple[StageNews, ...], now_s: float) -> None:
        """Keep the newest times of each second, and forget what is older than a minute."""
        self._now_s = int(now_s)
        for stage in stages:
            kept = self._seconds.setdefault(stage.name, deque(maxlen=MINUTE_S))
            if kept and kept[-1][0] == self._now_s:
                kept.pop()
            kept.append((self._now_s, stage.median_ms, stage.p95_ms))
        for kept in self._seconds.values():
            while kept and kept[0][0] <= self._now_s - MINUTE_S:
                kept.popleft()

    def bars(self, step: str) -> list[tuple[int, float, float]]:
        """Return (seconds ago, median, p95), both as shares of the tallest bar, oldest first."""
        kept = self._seconds.get(step, ())
        tallest = max((p95 for _, _, p95 in kept), default=0.0)
        if tallest <= 0:
            return []
        return [(self._now_s - s, median / tallest, p95 / tallest) for s, median, p95 in kept]
