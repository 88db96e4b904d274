"""All that leaves a running engine: frozen, numpy only, picklable."""

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from engine.core.arrays import U8
from engine.core.poses import Pose
from engine.core.surface import MeshPatch

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long job is: `done` of `total` steps of `stage`; total 0 when unknown."""

    stage: str
    done: int
    total: int = 0


# A long job yields its progress and returns its result. Every yield is also the place where it
# may be stopped: whoever drives the generator simply closes it.
Job = Generator[Progress, None, Result]


@dataclass(frozen=True, slots=True)
class TrackView:
    """Where the camera is now: the small message that never waits behind meshes.

    Attributes:
        index: frame number.
        t_ns: time stamp of the frame.
        T_world_cam: pose of the camera, or None when unknown.
        preview: (h, w, 3) uint8 RGB picture, already small, or None.
    """

    index: int
    t_ns: int
    T_world_cam: Pose | None
    preview: U8 | None


@dataclass(frozen=True, slots=True)
class ScanStats:
    """Counters of a running scan; `on_disk_mb` of the volume had to leave memory."""

    frames_read: int = 0
    frames_used: int = 0
    frames_total: int = 0
    dropped: int = 0
    faces: int = 0
    on_disk_mb: float = 0.0
    frames_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class FaultNews:
    """A fault as the window shows it."""

    says: str
    remedy: str
    severity: str


class ScanState(Enum):
    """Where a scan is; `app.scan.ScanController` states which follows which."""

    READY = "ready"
    SCANNING = "scanning"
    PAUSED = "paused"
    FINISHING = "finishing"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class ScanNews:
    """All that a running scan has to tell at one moment; None and empty where nothing is new.

    Attributes:
        state: where the scan is now.
        track: newest position of the camera.
        patches: surface that changed, each replacing what its cell showed.
        stats: newest counters.
        faults: what went wrong, oldest first, none left out.
        progress: newest step of finishing.
    """

    state: ScanState
    track: TrackView | None = None
    patches: tuple[MeshPatch, ...] = ()
    stats: ScanStats | None = None
    faults: tuple[FaultNews, ...] = ()
    progress: Progress | None = None
