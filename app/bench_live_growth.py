"""Whether a keyframe costs more because the scan has grown."""

import time
from dataclasses import replace
from itertools import count

import numpy as np

from app.bench_live_kit import Figures, Kit, Report
from app.fuser import Fuser
from app.lockstep import catch_up
from engine.core.arrays import F64
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.news import Progress
from engine.core.poses import Pose

# The walk that is repeated beside the large room lies this far from it.
ASIDE_M = 60.0
# Two views show as much surface when their areas differ by no more than this.
ALIKE = 0.1
FEWEST_PAIRS = 5


def growth(kit: Kit, on_progress: Report) -> Figures:
    """Return what a keyframe costs in processor time, in a small room and late in a large one.

    A camera in a large room sees more surface at once, which costs more however short the scan
    is. So `growth_ratio` compares pairs of views, one from each room, that show as much surface
    within reach (their areas differ by at most 10 %). `rooms_ratio` is that of the plain medians,
    and `same_walk_ratio` compares the very same walk, once in an empty scan and once beside the
    large room in the scan that already holds it.

    Raises:
        BadInput: no views of the two rooms are alike.
    """
    info = kit.source("tour10").describe()
    make = kit.maker("sensor")
    reach_m = kit.settings.depth.max_m

    numbers = count()

    def costs(fuser: Fuser, name: str, aside_m: float = 0.0) -> tuple[F64, F64]:
        source = kit.source(name)
        ms, areas = [], []
        for done, frame in enumerate(source.frames()):
            assert frame.T_world_cam is not None
            moved = Pose.from_parts(np.eye(3), [aside_m, 0.0, 0.0]) @ frame.T_world_cam
            # Numbers name frames for the whole scan, and here it is made of several tapes.
            ms.append(_cost_ms(fuser, replace(frame, index=next(numbers), T_world_cam=moved)))
            areas.append(_area_m2(frame, reach_m))
            on_progress(Progress(f"growth {name}", done, len(source)))
        return np.array(ms), np.array(areas)

    small = make(info)
    small.lose_helper()
    small_ms, small_m2 = costs(small, "tour10")
    small.close()
    large = make(info)
    large.lose_helper()
    costs(large, "fill160")
    large_ms, large_m2 = costs(large, "late160")
    again_ms, _ = costs(large, "tour10", ASIDE_M)
    stats = large.stats()
    large.close()
    # The first half warms up, and fills the small room.
    half = len(small_ms) // 2
    pairs = _alike(small_m2[half:], large_m2)
    ratios = [large_ms[j] / small_ms[half + i] for i, j in pairs]
    if len(ratios) < FEWEST_PAIRS:
        raise BadInput("No views of the small and the large room show as much surface.")
    return {
        "growth_ratio": float(np.median(ratios)),
        "pairs": len(ratios),
        "rooms_ratio": float(np.median(large_ms) / np.median(small_ms[half:])),
        "same_walk_ratio": float(np.median(again_ms) / np.median(small_ms)),
        "small_ms_p50": float(np.median(small_ms[half:])),
        "large_ms_p50": float(np.median(large_ms)),
        "small_view_m2": float(np.median(small_m2[half:])),
        "large_view_m2": float(np.median(large_m2)),
        "large_scan_mb": stats.memory_mb,
        "large_keyframes": stats.keyframes,
    }


def _cost_ms(fuser: Fuser, frame: Frame) -> float:
    """Return the processor milliseconds of a frame and of what its draft still owes."""
    started = time.process_time()
    fuser.add(frame)
    catch_up(fuser)
    return 1e3 * (time.process_time() - started)


def _area_m2(frame: Frame, reach_m: float) -> float:
    """Return the area across the line of sight of all surface a frame's depth shows."""
    assert frame.depth_m is not None
    assert frame.depth_intrinsics is not None
    seen = frame.depth_m[(frame.depth_m > 0) & (frame.depth_m <= reach_m)].astype(np.float64)
    return float((seen**2).sum() / (frame.depth_intrinsics.fx * frame.depth_intrinsics.fy))


def _alike(small_m2: F64, large_m2: F64) -> list[tuple[int, int]]:
    """Return for every late view the small room's most alike one, where there is one."""
    pairs = []
    for j, area in enumerate(large_m2):
        i = int(np.argmin(np.abs(small_m2 - area)))
        if abs(small_m2[i] - area) <= ALIKE * area:
            pairs.append((i, j))
    return pairs
