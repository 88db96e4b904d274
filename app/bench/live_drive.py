"""Runs a scan of a tape as the window would, and returns what was measured on the way."""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil

from app.bench.live_tape import MISSED, TapeSource
from app.bench.live_watch import Log, Watched, percentiles
from app.fuser import Fuser
from app.scan import ScanController
from engine.core.news import ScanNews, ScanState, ScanStats
from engine.core.surface import Mesh, MeshPatch, TexturedMesh
from engine.sources.base import SourceInfo

# As often as a screen is drawn: nothing is shown sooner than that.
POLL_S = 1 / 60
SAMPLE_S = 0.5
MB = 2**20

MakeFuser = Callable[[SourceInfo], Fuser]


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory at one moment: the process's, what the scan says it takes, and what is on disk."""

    second: float
    resident_mb: float
    scan_mb: float
    on_disk_mb: float


@dataclass(slots=True)
class Run:
    """A scan that was driven to the end of its tape.

    Attributes:
        seconds: from the first frame's leaving the source until the last one was fused.
        taking_s: until the last one that was taken had left it; what waits then is bounded.
        stats: the last counters.
        patches: what was on the screen at the end, by cell.
        rows: memory over time.
        faults: what went wrong, in sentences.
        busy_elsewhere: share of the processors that other programs took meanwhile.
        fuser: what made it all; there until the run is left.
        result: what finishing made.
    """

    source: TapeSource
    log: Log
    seconds: float = 0.0
    taking_s: float = 0.0
    stats: ScanStats = field(default_factory=ScanStats)
    patches: dict[int, MeshPatch] = field(default_factory=dict)
    rows: list[Sample] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    busy_elsewhere: float = 0.0
    fuser: Fuser | None = None
    result: Mesh | TexturedMesh | None = None

    def figures(self) -> dict[str, Any]:
        """Return speed, latency and losses."""
        stats, log = self.stats, self.log
        missed = self.source.skipped.get(MISSED, 0)
        taken = len(self.source) - missed - stats.dropped
        return {
            "frames": len(self.source),
            "seconds": self.seconds,
            "input_hz": (taken - 1) / self.taking_s,
            "frames_fused": stats.frames_used,
            "keyframes": stats.keyframes,
            "keyframes_per_second": stats.keyframes / self.seconds,
            "keyframes_thinned": stats.keyframes_thinned,
            "keyframes_dropped": stats.dropped + missed,
            "frames_never_shown": log.never_shown,
            **percentiles("draft_ms", log.draft_ms),
            **percentiles("refined_ms", log.refined_ms),
            "refined_share": log.refined_share,
            **percentiles("keyframe_ms", log.keyframe_ms),
            # Of all threads meanwhile: only where nothing is refined is it the keyframe's alone.
            **percentiles("keyframe_cpu_ms", log.keyframe_cpu_ms),
            **percentiles("frame_ms", log.frame_ms),
            **percentiles("refine_chunk_ms", log.chunk_ms),
            "chunks_refined": stats.chunks_refined,
            "chunks_waiting": stats.chunks_waiting,
            "stages": {
                stage.name: {
                    "count": stage.count, "ms_p50": stage.median_ms, "ms_p95": stage.p95_ms
                }
                for stage in stats.stages
            },
            "channels": {
                channel.name: {
                    "offered": channel.offered, "dropped": channel.dropped, "merged": channel.merged
                }
                for channel in stats.channels
            },
            "busy_elsewhere": self.busy_elsewhere,
            "faults": self.faults,
        }  # fmt: skip


@contextmanager
def driven(
    source: TapeSource,
    make: MakeFuser,
    *,
    refines: bool = True,
    finishes: bool = False,
    on_frame: Callable[[int], object] = lambda _: None,
    act: Callable[[ScanController, Run], object] = lambda controller, run: None,
) -> Iterator[Run]:
    """Run a scan to the end of its tape and give what was measured while the fuser is still there.

    `act` may command the controller after every look at the news.

    Raises:
        Fault: the scan failed.
    """
    log, made = Log(source.left_s), []

    def watched(info: SourceInfo) -> Watched:
        made.append(make(info))
        return Watched(made[0], log, refines=refines, finishes=finishes)

    # As the engine does once it is warm: a search of all that was imported takes four frames' time.
    gc.freeze()
    controller = ScanController(source, watched)
    run = Run(source, log)
    before = _busy_s()
    begun_s = time.perf_counter()
    try:
        controller.start()
        while True:
            news = controller.poll()
            _take_in(run, news, time.perf_counter() - begun_s)
            if news.state is ScanState.DONE:
                break
            if controller.failure is not None:
                raise controller.failure
            on_frame(run.stats.frames_read)
            act(controller, run)
            time.sleep(POLL_S)
        left_s = source.left_s.values()
        run.seconds, run.taking_s = log.last_s - min(left_s), max(left_s) - min(left_s)
        own_s, all_s, there_s = (now - then for now, then in zip(_busy_s(), before, strict=True))
        run.busy_elsewhere = max(0.0, (all_s - own_s) / there_s)
        run.fuser, run.result = made[0], controller.result
        yield run
    finally:
        controller.abort()


def _busy_s() -> tuple[float, float, float]:
    """Return processor seconds so far: this process's, everybody's, and all there were."""
    times = psutil.cpu_times()
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    # What guests take is counted among the users' already.
    all_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return time.process_time(), all_s - idle_s, all_s


def _take_in(run: Run, news: ScanNews, now_s: float) -> None:
    run.log.shown(news.patches)
    run.patches |= {patch.key: patch for patch in news.patches}
    run.stats = news.stats or run.stats
    run.faults += [fault.says for fault in news.faults]
    if not run.rows or now_s - run.rows[-1].second >= SAMPLE_S:
        resident_mb = psutil.Process().memory_info().rss / MB
        run.rows.append(Sample(now_s, resident_mb, run.stats.memory_mb, run.stats.on_disk_mb))
