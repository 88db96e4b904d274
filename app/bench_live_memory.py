"""Memory over a long replay: the same walk again and again, each time in another place."""

import math
from collections.abc import Sequence

import numpy as np

from app.bench_live_drive import Sample, driven
from app.bench_live_kit import Figures, Kit
from app.bench_live_sets import RATE_HZ
from app.diagnostics import peak_rss_mb

# The lowest that settings allow; a room or two fill them.
CEILINGS_MB = {"volume": 64, "features": 64, "keyframes": 16, "history": 16}
APART_M = 20.0
# Long enough for everything to be full, unless somebody asks for an hour.
MINUTES = 1 / 3
ROWS = 60


def memory(kit: Kit, minutes: float) -> Figures:
    """Return memory over time of this process, which must be a fresh one, and its peak.

    Every round of the walk lies beside the one before, so that nothing is scanned twice and what
    does not fit has to leave. It is played by a camera's clock.
    """
    settings = kit.with_settings(
        volume={"memory_mb": CEILINGS_MB["volume"]},
        refine={
            "features_mb": CEILINGS_MB["features"],
            "keyframes_mb": CEILINGS_MB["keyframes"],
        },
        history={"memory_mb": CEILINGS_MB["history"]},
    )
    name = "tour10"
    rounds = math.ceil(60 * minutes * RATE_HZ / len(kit.tapes[name].kept))
    source = kit.camera(name, rounds=rounds, apart_m=APART_M)
    with driven(source, kit.maker("sensor", settings)) as run:
        rows = run.rows
        figures = run.figures()
    most_mb = max(row.scan_mb for row in rows)
    return {
        "peak_rss_mb": peak_rss_mb(),
        "ceilings_mb": CEILINGS_MB,
        "ceiling_mb": sum(CEILINGS_MB.values()),
        "scan_mb_max": most_mb,
        "over_ceiling_mb": max(0.0, most_mb - sum(CEILINGS_MB.values())),
        "on_disk_mb_end": rows[-1].on_disk_mb,
        "rss_growth_mb": _late_growth_mb(rows),
        "frames": figures["frames"],
        "seconds": figures["seconds"],
        "over_time": [
            {
                "second": round(row.second, 1),
                "rss_mb": round(row.resident_mb, 1),
                "scan_mb": round(row.scan_mb, 1),
                "on_disk_mb": round(row.on_disk_mb, 1),
            }
            for row in _some(rows)
        ],
        "faults": figures["faults"],
    }


def _late_growth_mb(rows: Sequence[Sample]) -> float:
    """Return how much more was resident in the last quarter than in the third, by their medians."""
    quarter = max(1, len(rows) // 4)
    resident = [row.resident_mb for row in rows]
    return float(np.median(resident[-quarter:]) - np.median(resident[-2 * quarter : -quarter]))


def _some(rows: Sequence[Sample]) -> Sequence[Sample]:
    return rows[:: max(1, math.ceil(len(rows) / ROWS))]
