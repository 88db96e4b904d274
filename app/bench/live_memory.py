"""Memory over a long replay: the same walk again and again, each time in another place."""

import math
from collections.abc import Sequence

import numpy as np

from app.bench.live_drive import Sample, driven
from app.bench.live_kit import Figures, Kit
from app.diagnostics import peak_rss_mb
from app.live import LivePipeline

# The lowest that settings allow; one room fills them, so what lies in the other has to leave.
CEILINGS_MB = {"volume": 64, "features": 64, "keyframes": 16, "history": 16}
PLACES, APART_M = 2, 20.0
# Every frame of this tape is a keyframe: more of them than any hand makes at 30 Hz.
RATE_HZ = 10.0
# There, to the other place, and back, unless somebody asks for an hour.
MINUTES = 2 / 3
ROWS = 60


def memory(kit: Kit, minutes: float) -> Figures:
    """Return memory over time of this process, which must be a fresh one, and its peak.

    The walk is repeated in two places in turn: what lies in the other one has to leave memory, and
    comes back with the camera. It is played by a camera's clock.
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
    source = kit.source(name, rate_hz=RATE_HZ, rounds=rounds, apart_m=APART_M, places=PLACES)
    with driven(source, kit.maker("sensor", settings)) as run:
        rows = run.rows
        figures = run.figures()
        assert isinstance(run.fuser, LivePipeline)
        away = _away(run.fuser)
    most_mb = max(row.scan_mb for row in rows)
    return {
        "peak_rss_mb": peak_rss_mb(),
        "ceilings_mb": CEILINGS_MB,
        "ceiling_mb": sum(CEILINGS_MB.values()),
        "scan_mb_max": most_mb,
        "over_ceiling_mb": max(0.0, most_mb - sum(CEILINGS_MB.values())),
        **away,
        "rss_growth_mb": _late_growth_mb(rows),
        "rounds": rounds,
        "frames": figures["frames"],
        "frames_dropped": figures["keyframes_dropped"],
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


def _away(fuser: LivePipeline) -> Figures:
    """Return what is on disk at the end, and how much came back from there on the way."""
    features, history = fuser.recon.lattice, fuser.history
    return {
        "on_disk_mb": {
            "volume": fuser.volume.on_disk_mb,
            "features": features.on_disk_mb,
            "keyframes": fuser.recon.on_disk_mb - features.on_disk_mb,
            "history": 0.0 if history is None else history.on_disk_mb,
        },
        "bricks_returned": fuser.volume.pool.returned,
        "blocks_returned": features.returned,
    }


def _late_growth_mb(rows: Sequence[Sample]) -> float:
    """Return how much more was resident in the last quarter than in the third, by their medians."""
    quarter = max(1, len(rows) // 4)
    resident = [row.resident_mb for row in rows]
    return float(np.median(resident[-quarter:]) - np.median(resident[-2 * quarter : -quarter]))


def _some(rows: Sequence[Sample]) -> Sequence[Sample]:
    return rows[:: max(1, math.ceil(len(rows) / ROWS))]
