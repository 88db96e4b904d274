"""Whether a keyframe costs more because the scan has grown."""

import time
from dataclasses import replace
from itertools import count

import numpy as np

from app.bench_live_kit import Figures, Kit, Report
from app.fuser import Fuser
from app.lockstep import catch_up
from engine.core.arrays import F64
from engine.core.frames import Frame
from engine.core.news import Progress

SMALL, FILL, WALK = "tour10", "fill160", "late160"


def growth(kit: Kit, on_progress: Report) -> Figures:
    """Return what a keyframe costs in processor time, in a small scan and in a large one.

    A camera in a large room sees more surface at once, which costs more however short the scan
    is. So `growth_ratio` compares the very same walk through a part of the large room: in a scan
    that holds that part alone, and in one that holds all of the room. `rooms_ratio` compares the
    large room in the large scan with the small room, content and all; `rooms_ratio_a_m2` does so
    for each square metre of surface in view.
    """
    small_ms, small_m2, _ = _costs(kit, [SMALL], on_progress)
    alone_ms, _, _ = _costs(kit, [WALK, WALK], on_progress)
    large_ms, large_m2, large = _costs(kit, [FILL, WALK, WALK], on_progress)
    # The first half warms up, and fills the small room.
    half = len(small_ms) // 2
    return {
        "growth_ratio": float(np.median(large_ms / alone_ms)),
        "rooms_ratio": float(np.median(large_ms) / np.median(small_ms[half:])),
        "rooms_ratio_a_m2": float(
            np.median(large_ms / large_m2) / np.median(small_ms[half:] / small_m2[half:])
        ),
        "small_ms_p50": float(np.median(small_ms[half:])),
        "alone_ms_p50": float(np.median(alone_ms)),
        "large_ms_p50": float(np.median(large_ms)),
        "small_view_m2": float(np.median(small_m2[half:])),
        "large_view_m2": float(np.median(large_m2)),
        **large,
    }


def _costs(kit: Kit, names: list[str], on_progress: Report) -> tuple[F64, F64, Figures]:
    """Return milliseconds and square metres of every view of the last tape, and the scan's size."""
    fuser = kit.maker("sensor")(kit.source(names[0]).describe())
    fuser.lose_helper()
    # Numbers name frames for the whole scan, and here it is made of several tapes.
    numbers = count()
    ms: list[float] = []
    areas: list[float] = []
    for name in names:
        ms.clear()
        areas.clear()
        source = kit.source(name)
        for done, frame in enumerate(source.frames()):
            ms.append(_cost_ms(fuser, replace(frame, index=next(numbers))))
            areas.append(_area_m2(frame, kit.settings.depth.max_m))
            on_progress(Progress(f"growth {name}", done, len(source)))
    stats = fuser.stats()
    size = {
        "large_scan_mb": stats.memory_mb,
        "large_on_disk_mb": fuser.on_disk_mb,
        "large_keyframes": stats.keyframes,
    }
    fuser.close()
    return np.array(ms), np.array(areas), size


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
