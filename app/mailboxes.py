"""The channels of one scan: who writes to whom, how much may wait, what is lost when it is full."""

from dataclasses import dataclass
from typing import Any

from engine.core.faults import Fault, Severity
from engine.core.frames import Frame, PoseUpdate
from engine.core.news import ChannelNews, FaultNews, Progress, ScanStats, StageNews, TrackView
from engine.core.surface import MeshPatch
from engine.runtime.bell import Bell
from engine.runtime.channels import Bounded, KeyedLatest, Latest, Overflow
from engine.runtime.meters import Meters
from engine.runtime.sizes import bytes_of

# A recording waits anyway. A camera does not: as many frames bridge a keyframe that takes long.
FRAMES_AHEAD = 2
LIVE_FRAMES_AHEAD = 8
PATCHES_LIMIT_BYTES = 256 << 20
RECORD_LIMIT_BYTES = 256 << 20
# Small records of these channels are many, large ones few: the bytes are what counts.
RECORD_LIMIT = 4096
REFINE_LIMIT, REFINE_LIMIT_BYTES = 32, 512 << 20
RESULTS_LIMIT, RESULTS_LIMIT_BYTES = 32, 256 << 20
COMMANDS_LIMIT = 32
FAULTS_KEPT = 256


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back what was scanned in the last so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Command:
    """What to do to the scan once the frames that were offered before it have been dealt with."""

    what: PoseUpdate | Undo
    after_frames: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the helper says to one message; None when there is nothing to say."""

    result: Any


class Mailboxes:
    """Channels between the threads of a scan, and from them to whoever watches.

    Frames and what is recorded of them: a camera's are dropped when there is no room, a recording
    waits. Patches likewise wait for the window, or are refused.
    """

    def __init__(self, is_live: bool) -> None:
        """Start with everything empty."""
        shed = Overflow.REFUSE if is_live else Overflow.WAIT
        self.frames: Latest[Frame] | Bounded[Frame] = (
            Latest(LIVE_FRAMES_AHEAD) if is_live else Bounded(FRAMES_AHEAD)
        )
        self.patches = KeyedLatest[MeshPatch](PATCHES_LIMIT_BYTES, bytes_of, shed)
        self.refine = Bounded[Any](REFINE_LIMIT, REFINE_LIMIT_BYTES, bytes_of)
        self.results = Bounded[Answer](RESULTS_LIMIT, RESULTS_LIMIT_BYTES, bytes_of)
        self.record = Bounded[Frame | PoseUpdate](RECORD_LIMIT, RECORD_LIMIT_BYTES, bytes_of, shed)
        self.commands = Bounded[Command](COMMANDS_LIMIT, overflow=Overflow.REFUSE)
        self.track = Latest[TrackView]()
        self.stats = Latest[ScanStats]()
        self.progress = Latest[Progress]()
        self.faults = Latest[FaultNews](FAULTS_KEPT)
        # The map waits for all of these at once.
        self.bell = Bell()
        self.frames.ring(self.bell)
        self.results.ring(self.bell)
        self.commands.ring(self.bell)

    def close_entrance(self) -> None:
        """Let nothing more in; what is inside goes its way.

        The record stays open for the corrections that commands inside may bring: whoever obeys
        them closes it.
        """
        self.frames.close()
        self.commands.close()

    def drop_all(self) -> None:
        """Let nothing more through, except to the record: what was read is safe there."""
        self.frames.close(discard=True)
        self.record.close()
        self.commands.close(discard=True)
        self.patches.close(discard=True)
        self.refine.close(discard=True)
        self.results.close(discard=True)

    def tell(self, fault: Fault, severity: Severity | None = None, remedy: str = "") -> None:
        """Pass on a fault, with another severity or remedy where the scan knows better."""
        news = FaultNews(fault.says, remedy or fault.remedy, (severity or fault.severity).value)
        self.faults.put(news)

    def news(self) -> tuple[ChannelNews, ...]:
        """Return how every channel fares."""
        named = {
            "frames": self.frames,
            "patches": self.patches,
            "refine": self.refine,
            "results": self.results,
            "record": self.record,
            "commands": self.commands,
        }
        return tuple(_news(name, channel) for name, channel in named.items())


def stage_news(*meters: Meters) -> tuple[StageNews, ...]:
    """Return every stage of all meters, in the order they first ran."""
    return tuple(
        StageNews(name, timing.count, timing.median_ms, timing.p95_ms)
        for one in meters
        for name, timing in one.timings().items()
    )


def _news(name: str, channel: Latest[Any] | Bounded[Any] | KeyedLatest[Any]) -> ChannelNews:
    now = channel.counters()
    return ChannelNews(
        name,
        now.waiting,
        channel.limit,
        now.offered,
        now.dropped,
        now.merged,
        now.waiting_bytes,
    )
