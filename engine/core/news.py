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


class Tracking(Enum):
    """How well it is known where the camera is."""

    WAITING = "waiting"
    GOOD = "good"
    WEAK = "weak"
    LOST = "lost"


class Cause(Enum):
    """What makes tracking or depth poor; each has one cure."""

    NO_POSE = "no pose"
    TOO_FAST = "too fast"
    TURNING_TOO_FAST = "turning too fast"
    TOO_DARK = "too dark"
    BLURRED = "blurred"
    LITTLE_TEXTURE = "little texture"
    TOO_NEAR = "too near"
    TOO_FAR = "too far"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class TrackHealth:
    """How a frame suits scanning.

    Attributes:
        causes: what is wrong, worst first; empty when nothing is.
        speed_m_s: of the camera, of late; None when unknown.
        turn_deg_s: likewise.
        distance_m: middle distance of what the camera sees; None without depth.
        depth_share: share of the picture whose depth is known, 0 to 1; None without depth.
        margin: how far from being lost, 0 is lost and 1 could not be better.
    """

    state: Tracking
    causes: tuple[Cause, ...] = ()
    speed_m_s: float | None = None
    turn_deg_s: float | None = None
    distance_m: float | None = None
    depth_share: float | None = None
    margin: float = 1.0


@dataclass(frozen=True, slots=True)
class TrackView:
    """Where the camera is now: the small message that never waits behind meshes.

    Attributes:
        index: frame number.
        t_ns: time stamp of the frame.
        T_world_cam: pose of the camera, or None when unknown.
        preview: (h, w, 3) uint8 RGB picture, already small, or None.
        health: how the frame suits scanning; None when nobody looked.
    """

    index: int
    t_ns: int
    T_world_cam: Pose | None
    preview: U8 | None
    health: TrackHealth | None = None


@dataclass(frozen=True, slots=True)
class ChannelNews:
    """How a channel between two steps fares: what waits in it, and what it lost."""

    name: str
    waiting: int
    limit: int
    offered: int
    dropped: int
    merged: int
    waiting_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StageNews:
    """How long one step has taken of late, in milliseconds."""

    name: str
    count: int
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class ScanStats:
    """Counters of a running scan.

    Attributes:
        frames_read: frames the source gave.
        frames_used: frames that were fused.
        frames_total: frames of a recording, 0 when unknown.
        dropped: frames lost because something was too slow or broken.
        faces: triangles on the screen.
        on_disk_mb: what of the volume had to leave memory.
        frames_per_second: fused, of late.
        keyframes: frames that the network reads.
        keyframes_thinned: keyframes not made because those before were not done yet.
        chunks_refined: times a chunk's surface came from the network.
        chunks_waiting: chunks that changed since the network last saw them.
        moves_waiting: frames whose new pose has not reached the volume yet.
        memory_mb: what volume and features take in memory.
        disk_free_mb: what is left on the disk the scan goes to, or None when unknown.
        channels: every channel of the scan.
        stages: every step of the scan.
    """

    frames_read: int = 0
    frames_used: int = 0
    frames_total: int = 0
    dropped: int = 0
    faces: int = 0
    on_disk_mb: float = 0.0
    frames_per_second: float = 0.0
    keyframes: int = 0
    keyframes_thinned: int = 0
    chunks_refined: int = 0
    chunks_waiting: int = 0
    moves_waiting: int = 0
    memory_mb: float = 0.0
    disk_free_mb: float | None = None
    channels: tuple[ChannelNews, ...] = ()
    stages: tuple[StageNews, ...] = ()


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
