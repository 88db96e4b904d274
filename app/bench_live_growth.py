"""Whether a keyframe costs more because the scan has grown."""

import time
from dataclasses import replace

import numpy as np

from app.bench_live_kit import Figures, Kit, Report
from app.lockstep import catch_up
from engine.core.frames import Frame
from engine.core.news import Progress

SMALL, FILL, WALK = "tour10", "fill160", "late160"


def growth(kit: Kit, on_progress: Report) -> Figures:
    """Return what a keyframe costs in processor time, in a small scan and in a large one.

    A camera in a large room sees more surface at once, which costs more however short the scan
    is. So `growth_ratio` compares the very same walk through a part of the large room: in a scan
    that holds that part alone, and in one that holds all of the room, frame by frame in turn, as
    processors are not equally fast all the time. `rooms_ratio` compares the large room in the
    large scan with the small room, content and all; `rooms_ratio_a_m2` does so for each square
    metre of surface in view.
    """
    small, alone, large = (Scan(kit, name) for name in (SMALL, WALK, WALK))
    # What comes first warms up, fills the rooms, and sees all of the walk once.
    small.walk(SMALL, on_progress, stop=len(kit.source(SMALL)) // 2)
    alone.walk(WALK, on_progress)
    large.walk(FILL, on_progress)
    large.walk(WALK, on_progress)
    steps = list(zip(kit.frames(SMALL)[small.count :], kit.frames(WALK), strict=False))
    rows = []
    for done, (near, far) in enumerate(steps):
        pairs = [(small, near), (alone, far), (large, far)]
        # Who comes after the large scan finds its own data out of the cache.
        pairs = pairs if done % 2 else pairs[::-1]
        cost_ms = {scan: scan.cost_ms(frame) for scan, frame in pairs}
        rows.append([cost_ms[scan] for scan in (small, alone, large)])
        on_progress(Progress("growth in turn", done, len(steps)))
    small_ms, alone_ms, large_ms = np.array(rows).T
    reach_m = kit.settings.depth.max_m
    small_m2 = np.array([_area_m2(near, reach_m) for near, _ in steps])
    large_m2 = np.array([_area_m2(far, reach_m) for _, far in steps])
    stats = large.fuser.stats()
    row = {
        "growth_ratio": float(np.median(large_ms / alone_ms)),
        "rooms_ratio": float(np.median(large_ms) / np.median(small_ms)),
        "rooms_ratio_a_m2": float(np.median(large_ms / large_m2) / np.median(small_ms / small_m2)),
        "small_ms_p50": float(np.median(small_ms)),
        "alone_ms_p50": float(np.median(alone_ms)),
        "large_ms_p50": float(np.median(large_ms)),
        "small_view_m2": float(np.median(small_m2)),
        "large_view_m2": float(np.median(large_m2)),
        "large_scan_mb": stats.memory_mb,
        "large_on_disk_mb": large.fuser.on_disk_mb,
        "large_keyframes": stats.keyframes,
    }
    for scan in (small, alone, large):
        scan.fuser.close()
    return row


class Scan:
    """A scan with sensor depth, without anybody who refines it."""

    def __init__(self, kit: Kit, name: str) -> None:
        """Begin a scan with the camera of a tape."""
        self.fuser = kit.maker("sensor")(kit.source(name).describe())
        self.fuser.lose_helper()
        self.count = 0
        self._kit = kit

    def walk(self, name: str, on_progress: Report, stop: int | None = None) -> None:
        """Take a tape, to its end or to a frame."""
        source = self._kit.source(name, stop=stop)
        for done, frame in enumerate(source.frames()):
            self.cost_ms(frame)
            on_progress(Progress(f"growth {name}", done, len(source)))

    def cost_ms(self, frame: Frame) -> float:
        """Take a frame; return the processor milliseconds of it and of what its draft owes."""
        # Numbers name frames for the whole scan, and here it is made of several tapes.
        numbered = replace(frame, index=self.count)
        self.count += 1
        started = time.process_time()
        self.fuser.add(numbered)
        catch_up(self.fuser)
        return 1e3 * (time.process_time() - started)


def _area_m2(frame: Frame, reach_m: float) -> float:
    """Return the area across the line of sight of all surface a frame's depth shows."""
    assert frame.depth_m is not None
    assert frame.depth_intrinsics is not None
    seen = frame.depth_m[(frame.depth_m > 0) & (frame.depth_m <= reach_m)].astype(np.float64)
    return float((seen**2).sum() / (frame.depth_intrinsics.fx * frame.depth_intrinsics.fy))
