"""Whether a keyframe costs more because the scan has grown."""

import time
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from app.bench.live_kit import Figures, Kit, Report
from app.lockstep import catch_up
from engine.core.frames import Frame
from engine.core.news import Progress

ROOM, FILL, WALK = "tour10", "fill160", "late160"
# Sixteen rooms of 10 m2 side by side make a flat of 160 m2; none reaches into the next.
ROOMS, APART_M = 16, 6.0
# The other rooms are walked through in steps so many times as long.
STRIDE = 4


def growth(kit: Kit, on_progress: Report) -> Figures:
    """Return what a keyframe costs in processor time, in small scans and in large ones.

    `growth_ratio` compares a room of 10 m2 scanned alone with the same room in a flat of 160 m2
    that is made of sixteen such. In one hall of 160 m2 a camera sees far more surface at once,
    which costs more however short the scan is: `hall_ratio` compares a keyframe there with one in
    the room alone, `hall_part_ratio` with the same one in a scan of that part of the hall alone.
    All are taken frame by frame in turn, as processors are not equally fast all the time.
    """
    room, flat = Scan(kit, ROOM), Scan(kit, ROOM)
    part, hall = Scan(kit, WALK), Scan(kit, WALK)
    frames = kit.frames(ROOM)
    first, rest = frames[: len(frames) // 2], frames[len(frames) // 2 :]
    # What comes first warms up, fills the rooms, and sees all of the walks once.
    for scan in (flat, room):
        scan.walk(ROOM, on_progress)
        scan.take(first)
    flat.walk(ROOM, on_progress, STRIDE, rounds=ROOMS, apart_m=APART_M)
    part.walk(WALK, on_progress)
    hall.walk(FILL, on_progress)
    hall.walk(WALK, on_progress)
    rows = []
    steps = list(zip(rest, kit.frames(WALK), strict=False))
    for done, (near, far) in enumerate(steps):
        pairs = [(room, near), (flat, near), (part, far), (hall, far)]
        # Who comes after a large scan finds its own data out of the cache.
        for scan, frame in pairs if done % 2 else pairs[::-1]:
            scan.take([frame])
        rows.append([scan.last for scan, _ in pairs])
        on_progress(Progress("growth in turn", done, len(steps)))
    cost_ms, triangles = np.moveaxis(np.array(rows), -1, 0)
    room_ms, flat_ms, part_ms, hall_ms = cost_ms.T
    row: Figures = {
        "growth_ratio": float(np.median(flat_ms / room_ms)),
        "hall_ratio": float(np.median(hall_ms) / np.median(room_ms)),
        "hall_part_ratio": float(np.median(hall_ms / part_ms)),
    }
    scans = {"room": room, "flat": flat, "hall_part": part, "hall": hall}
    for number, (name, scan) in enumerate(scans.items()):
        stats = scan.fuser.stats()
        row[name] = {
            "keyframe_ms_p50": float(np.median(cost_ms[:, number])),
            "triangles_meshed_p50": float(np.median(triangles[:, number])),
            "scan_mb": stats.memory_mb,
            "on_disk_mb": scan.fuser.on_disk_mb,
            "keyframes": stats.keyframes,
        }
        scan.fuser.close()
    return row


class Scan:
    """A scan with sensor depth, without anybody who refines it.

    Attributes:
        last: processor milliseconds that the last frame took with all that its draft owed, and how
            many triangles were meshed for it: how much surface was in view.
    """

    def __init__(self, kit: Kit, name: str) -> None:
        """Begin a scan with the camera of a tape."""
        self.fuser = kit.maker("sensor")(kit.source(name).describe())
        self.fuser.lose_helper()
        self.last = 0.0, 0.0
        self._kit = kit
        self._count = 0

    def walk(self, name: str, on_progress: Report, stride: int = 1, **play: Any) -> None:
        """Take every so manieth frame of a tape."""
        source = self._kit.source(name, **play)
        for done, frame in enumerate(islice(source.frames(), None, None, stride)):
            self.take([frame])
            on_progress(Progress(f"growth {name}", done * stride, len(source)))

    def take(self, frames: Iterable[Frame]) -> None:
        """Take frames and all that their drafts owe."""
        for frame in frames:
            # Numbers name frames for the whole scan, and here it is made of several walks.
            numbered = replace(frame, index=self._count)
            self._count += 1
            started = time.process_time()
            patches = [*self.fuser.add(numbered), *catch_up(self.fuser)]
            cost_ms = 1e3 * (time.process_time() - started)
            self.last = cost_ms, float(sum(len(patch.faces) for patch in patches))
