"""One scan, from the first frame to the finished mesh, on threads of its own."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from app.preview import preview
from engine.core.faults import BadInput, Fault, Severity
from engine.core.frames import Frame
from engine.core.news import (
    FaultNews,
    Job,
    Progress,
    ScanNews,
    ScanState,
    ScanStats,
    TrackView,
)
from engine.core.surface import Mesh, MeshPatch, TexturedMesh
from engine.runtime.channels import Bounded, KeyedLatest, Latest, Overflow
from engine.runtime.meters import Meters, Rate
from engine.runtime.progress import run_job
from engine.runtime.worker import Crashed, Crew, FaultPolicy, StopToken
from engine.sources.base import FrameSource, SourceInfo

PATCHES_LIMIT_BYTES = 256 << 20
FRAMES_AHEAD = 2
FAULTS_KEPT = 256
JOIN_S = 10.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class Fuser(Protocol):
    """Turns frames into surface; belongs to the thread that made it."""

    def add(self, frame: Frame) -> list[MeshPatch]:
        """Fuse one frame and return the patches that changed; no faces means an empty cell."""
        ...

    @property
    def on_disk_mb(self) -> float:
        """How much of the scan had to leave memory for the disk."""
        ...

    def finish(self) -> Job[Mesh | TexturedMesh]:
        """Return the job that makes the final mesh of everything added."""
        ...

    def close(self) -> None:
        """Let go of memory and files; calling twice is harmless."""
        ...


class NotNow(BadInput):
    """The command does not fit the state of the scan."""

    severity = Severity.IGNORE


def fuse(fuser: Fuser, frame: Frame) -> tuple[list[MeshPatch], Fault | None]:
    """Return what one frame changed, or the fault it met when the scan can go on without it.

    Raises:
        Fault: one that a scan cannot go on with.
    """
    try:
        return fuser.add(frame), None
    except Fault as fault:
        if fault.severity in (Severity.IGNORE, Severity.DEGRADE):
            return [], fault
        raise


@dataclass(slots=True)
class _MapCounts:
    """Counts kept by the map thread alone."""

    used: int = 0
    skipped: int = 0
    faces: int = 0


class ScanController:
    """Runs one scan; any thread may command it and ask for news.

        ready --start--> scanning <--pause, resume--> paused
        scanning or paused --finish, or the recording ends--> finishing --> done
        any --abort--> aborted;  fusing or finishing fails --> failed

    A source that fails leaves the scan paused with everything kept: `finish` still makes a mesh
    of it, and `resume` opens the source again if its fault was of the kind that asks for that.

    Threads: *capture* reads the source and closes it; *map* makes the fuser, fuses, and finishes.
    From live sources the oldest waiting frame is dropped; a recording waits for the map, and the
    map for whoever shows its patches, so call `poll` until the state is final, or `abort`.
    """

    def __init__(
        self,
        source: FrameSource,
        make_fuser: Callable[[SourceInfo], Fuser],
        title: str | None = None,
    ) -> None:
        """Prepare a scan; the source is open already and from now on belongs to the controller.

        The title is for people; without one, the source's name is used.
        """
        self.info = source.describe()
        self.title = title or self.info.name
        self.meters = Meters()
        self._source = source
        self._make_fuser = make_fuser
        self._changed = threading.Condition()
        self._state = ScanState.READY
        self._result: Mesh | TexturedMesh | None = None
        self._failure: Fault | None = None
        self._fuser: Fuser | None = None
        self._last_stats = ScanStats()
        live = self.info.is_live
        self._frames: Latest[Frame] | Bounded[Frame] = (
            Latest(FRAMES_AHEAD) if live else Bounded(FRAMES_AHEAD)
        )
        self._track = Latest[TrackView]()
        self._stats = Latest[ScanStats]()
        self._progress = Latest[Progress]()
        self._faults = Latest[FaultNews](FAULTS_KEPT)
        self._patches = KeyedLatest[MeshPatch](
            PATCHES_LIMIT_BYTES, _patch_bytes, Overflow.REFUSE if live else Overflow.WAIT
        )
        self._crew = Crew(self._failed)
        self._crew.stop.on_set(lambda: self._frames.close(discard=True))
        self._crew.stop.on_set(lambda: self._patches.close(discard=True))
        self._crew.stop.on_set(self._wake)

    @property
    def remarks(self) -> tuple[str, ...]:
        """One sentence for each thing about the source the user should look at."""
        return self.info.warnings

    @property
    def state(self) -> ScanState:
        """Where the scan is now."""
        return self._state

    @property
    def result(self) -> Mesh | TexturedMesh | None:
        """The finished mesh once the state is done, else None."""
        return self._result

    @property
    def last_stats(self) -> ScanStats:
        """The counters after the newest fused frame; unlike `poll`, asking changes nothing."""
        return self._last_stats

    @property
    def failure(self) -> Fault | None:
        """What paused the scan by failing, or failed it; None while all is well."""
        return self._failure

    @property
    def can_resume(self) -> bool:
        """Whether `resume` would be accepted."""
        fault = self._failure
        return self._state is ScanState.PAUSED and (
            fault is None or fault.severity is Severity.PAUSE
        )

    def start(self) -> None:
        """Begin to read and fuse.

        Raises:
            NotNow: it has begun already.
        """
        with self._changed:
            self._expect("start", ScanState.READY)
            self._state = ScanState.SCANNING
        self._crew.spawn("capture", self._capture, FaultPolicy.ALONE)
        self._crew.spawn("map", self._map)

    def pause(self) -> None:
        """Fuse no more frames until `resume`; a live camera keeps showing what it sees.

        Raises:
            NotNow: nothing is being scanned.
        """
        with self._changed:
            self._expect("pause", ScanState.SCANNING)
            self._state = ScanState.PAUSED

    def resume(self) -> None:
        """Go on after a pause; a source that had failed in a curable way is opened again.

        Raises:
            NotNow: the scan is not paused, or its source is gone for good.
        """
        with self._changed:
            self._expect("resume", ScanState.PAUSED)
            if not self.can_resume:
                raise NotNow(
                    "The source has failed and cannot go on.", "Press Finish: the scan is kept."
                )
            reopen = self._failure is not None
            self._failure = None
            self._state = ScanState.SCANNING
            self._changed.notify_all()
        if reopen:
            self._crew.spawn("capture", self._capture, FaultPolicy.ALONE)

    def finish(self) -> None:
        """Read no more; fuse what was read, then make the final mesh.

        Raises:
            NotNow: there is nothing to finish, or it is being finished.
        """
        with self._changed:
            self._expect("finish", ScanState.SCANNING, ScanState.PAUSED)
            self._enter_finishing()

    def abort(self, wait_s: float = JOIN_S) -> tuple[str, ...]:
        """Stop everything now and keep no result; return the names of threads that still run.

        A finished scan stays finished. Threads end at their next step; this waits so long for
        them and then logs where the rest is.
        """
        with self._changed:
            if self._state in (ScanState.READY, *_RUNNING):
                if self._state is ScanState.READY:
                    self._source.close()
                self._state = ScanState.ABORTED
        self._crew.stop.set()
        running = self._crew.join(wait_s)
        if running:
            log.warning("Still running after %g s:\n%s", wait_s, self._crew.stacks())
        elif self._fuser is not None:
            self._fuser.close()
        return running

    def poll(self, limit_bytes: int | None = None) -> ScanNews:
        """Return what is new since the last call, patches up to about so many bytes; never waits.

        Limit zero leaves patches where they are.
        """
        # State first: whoever sees a final state has then been given everything before it,
        # except patches beyond the limit.
        state = self._state
        patches = [] if limit_bytes == 0 else self._patches.take(limit_bytes)
        return ScanNews(
            state,
            _only(self._track.take()),
            tuple(patches),
            _only(self._stats.take()),
            tuple(self._faults.take()),
            _only(self._progress.take()),
        )

    def _capture(self, stop: StopToken) -> None:
        with self._source as source:
            for frame in source.frames():
                self._track.put(
                    TrackView(frame.index, frame.t_ns, frame.T_world_cam, preview(frame))
                )
                if self._is_wanted(stop):
                    self._frames.put(frame)
                if stop.is_set or self._frames.is_closed:
                    return
        with self._changed:
            if self._state in (ScanState.SCANNING, ScanState.PAUSED):
                self._enter_finishing()

    def _is_wanted(self, stop: StopToken) -> bool:
        """Return whether to fuse the frame at hand, waiting while a recording is paused."""
        with self._changed:
            if not self.info.is_live:
                self._changed.wait_for(lambda: stop.is_set or self._state is not ScanState.PAUSED)
            return self._state is ScanState.SCANNING

    def _map(self, stop: StopToken) -> None:
        self._fuser = fuser = self._make_fuser(self.info)
        try:
            self._fuse_all(fuser)
            result = run_job(fuser.finish(), self._progress.put, lambda: stop.is_set)
            with self._changed:
                if not stop.is_set:
                    self._result = result
                    self._state = ScanState.DONE
        finally:
            # Whoever asked to stop may no longer be waiting to clear up.
            if stop.is_set:
                fuser.close()

    def _fuse_all(self, fuser: Fuser) -> None:
        counts, rate = _MapCounts(), Rate()
        faces_of: dict[int, int] = {}
        for frame in self._frames:
            with self.meters.stage("fuse"):
                patches, fault = fuse(fuser, frame)
            if fault is None:
                counts.used += 1
            else:
                counts.skipped += 1
                self._tell(fault)
            for patch in patches:
                counts.faces += len(patch.faces) - faces_of.get(patch.key, 0)
                faces_of[patch.key] = len(patch.faces)
                self._patches.put(patch.key, patch)
            self._last_stats = self._stats_now(counts, rate.tick(), fuser.on_disk_mb)
            self._stats.put(self._last_stats)

    def _stats_now(self, counts: _MapCounts, per_second: float, on_disk_mb: float) -> ScanStats:
        frames = self._frames.counters()
        return ScanStats(
            frames_read=frames.offered,
            frames_used=counts.used,
            frames_total=self.info.frame_count or 0,
            dropped=frames.dropped + counts.skipped,
            faces=counts.faces,
            on_disk_mb=on_disk_mb,
            frames_per_second=per_second,
        )

    def _failed(self, worker: str, fault: Fault) -> None:
        # A foreseen fault explains itself; only a crash needs its traceback in the log.
        if isinstance(fault, Crashed):
            log.error("%s: %s", worker, fault, exc_info=fault)
        else:
            log.info("%s: %s", worker, fault)
        # Told first: whoever sees the new state finds the reason among the news.
        self._tell(fault)
        with self._changed:
            if worker == "capture" and self._state in (ScanState.SCANNING, ScanState.PAUSED):
                self._failure = fault
                self._state = ScanState.PAUSED
            elif worker == "map" and self._state in _RUNNING:
                self._failure = fault
                self._state = ScanState.FAILED

    def _tell(self, fault: Fault) -> None:
        self._faults.put(FaultNews(fault.says, fault.remedy, fault.severity.value))

    def _expect(self, command: str, *states: ScanState) -> None:
        if self._state not in states:
            raise NotNow(f"Cannot {command} a scan that is {self._state.value}.")

    def _enter_finishing(self) -> None:
        """Close the way in; the map drains what is there. The lock is held."""
        self._state = ScanState.FINISHING
        self._frames.close()
        self._changed.notify_all()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


_RUNNING = (ScanState.SCANNING, ScanState.PAUSED, ScanState.FINISHING)


def _patch_bytes(patch: MeshPatch) -> int:
    keys = 0 if patch.vertex_keys is None else patch.vertex_keys.nbytes
    return patch.vertices.nbytes + patch.faces.nbytes + patch.colors.nbytes + keys


def _only(items: list[T]) -> T | None:
    return items[0] if items else None
