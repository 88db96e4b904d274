"""Looks over a fuser's shoulder: when a frame's surface is handed out, and what each step took."""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from app.fuser import Fuser, FuserStats, Helper, Keepsakes
from engine.core.faults import Fault
from engine.core.frames import Frame, PoseUpdate
from engine.core.news import Job, Progress
from engine.core.surface import Grade, Mesh, MeshPatch, TexturedMesh
from engine.runtime.meters import Meters


class Log:
    """What happened to every frame; written by the scan's threads and by whoever polls.

    A frame's draft is shown when every patch it changed was handed out, or a newer one of the same
    cell. A cell is refined when a patch of a higher grade than draft is handed out for the first
    time; that is counted from the first frame that showed its surface.
    """

    def __init__(self, left_s: Mapping[int, float]) -> None:
        """Start empty; `left_s` tells when frames left the source."""
        self.drafts: list[tuple[float, float]] = []
        self.refined_ms: list[float] = []
        self.keyframe_ms: list[float] = []
        self.keyframe_cpu_ms: list[float] = []
        self.frame_ms: list[float] = []
        self.chunk_ms: list[float] = []
        self.fused: list[int] = []
        self.last_s = 0.0
        self.update_s: float | None = None
        self.absorbed_s: float | None = None
        self._left_s = left_s
        self._lock = threading.Lock()
        # By cell: patches on their way, as (revision, frame); by frame: how many are.
        self._under_way: dict[int, list[tuple[int, int]]] = {}
        self._owed: dict[int, int] = {}
        self._unmeshed: list[int] = []
        self._seen_s: dict[int, float] = {}
        self._refined: set[int] = set()

    def added(
        self,
        index: int,
        patches: Sequence[MeshPatch],
        took_ms: float,
        cpu_ms: float,
        is_keyframe: bool,
        is_fused: bool = True,
    ) -> None:
        """A frame was taken and changed these patches; by the clock, and in processor time.

        One that was fused without a patch is shown with the next that has some.
        """
        with self._lock:
            self.last_s = time.perf_counter()
            self.fused.append(index)
            (self.keyframe_ms if is_keyframe else self.frame_ms).append(took_ms)
            if is_keyframe:
                self.keyframe_cpu_ms.append(cpu_ms)
            if is_fused:
                self._unmeshed.append(index)
            self._hand_out(patches)

    def meshed(self, patches: Sequence[MeshPatch]) -> None:
        """Patches came between two frames: what was not shown yet is among them."""
        with self._lock:
            self._hand_out(patches)

    def shown(self, patches: Sequence[MeshPatch]) -> None:
        """These patches were handed out now."""
        now_s = time.perf_counter()
        with self._lock:
            for patch in patches:
                waiting = self._under_way.pop(patch.key, [])
                later = [entry for entry in waiting if entry[0] > patch.revision]
                if later:
                    self._under_way[patch.key] = later
                for _, index in waiting[: len(waiting) - len(later)]:
                    self._settle(index, now_s)
                if patch.grade > Grade.DRAFT and patch.key not in self._refined:
                    self._refined.add(patch.key)
                    if patch.key in self._seen_s:
                        self.refined_ms.append(1e3 * (now_s - self._seen_s[patch.key]))

    @property
    def draft_ms(self) -> list[float]:
        """Milliseconds from the source to the screen of every frame shown."""
        return [ms for _, ms in self.drafts]

    def moving(self, waiting: int) -> None:
        """So many frames wait to be moved, since now or still."""
        now_s = time.perf_counter()
        if self.update_s is None:
            self.update_s = now_s
        if waiting == 0 and self.absorbed_s is None:
            self.absorbed_s = now_s

    @property
    def never_shown(self) -> int:
        """How many frames still wait for a patch."""
        with self._lock:
            return len(self._owed)

    @property
    def refined_share(self) -> float:
        """The share of the cells seen that were refined."""
        with self._lock:
            seen = len(self._seen_s)
            return len(self._refined & self._seen_s.keys()) / seen if seen else 0.0

    def _hand_out(self, patches: Sequence[MeshPatch]) -> None:
        if not patches:
            return
        frames, self._unmeshed = self._unmeshed, []
        for index in frames:
            self._owed[index] = len(patches)
            for patch in patches:
                self._under_way.setdefault(patch.key, []).append((patch.revision, index))
                if len(patch.faces):
                    self._seen_s.setdefault(patch.key, self._left_s[index])

    def _settle(self, index: int, now_s: float) -> None:
        self._owed[index] -= 1
        if not self._owed[index]:
            del self._owed[index]
            left_s = self._left_s[index]
            self.drafts.append((left_s, 1e3 * (now_s - left_s)))


class Watched:
    """A fuser that tells a log what it does, and else does what the one it wraps does."""

    def __init__(self, inner: Fuser, log: Log, *, refines: bool, finishes: bool) -> None:
        """Wrap a fuser; where it may not refine it has no helper, and may leave out finishing."""
        self.inner = inner
        self._log = log
        self._finishes = finishes
        if not refines:
            inner.lose_helper()
        self._helper = None if inner.helper is None else _WatchedHelper(inner.helper, log)

    @property
    def pressure(self) -> float:
        """As of the one inside."""
        return self.inner.pressure

    @pressure.setter
    def pressure(self, pressure: float) -> None:
        self.inner.pressure = pressure

    @property
    def meters(self) -> Meters:
        """As of the one inside."""
        return self.inner.meters

    @meters.setter
    def meters(self, meters: Meters) -> None:
        self.inner.meters = meters

    @property
    def helper(self) -> Helper | None:
        """The helper, watched too; none once it was lost."""
        return None if self.inner.helper is None else self._helper

    @property
    def settles(self) -> bool:
        """As of the one inside."""
        return self.inner.settles

    @property
    def has_work(self) -> bool:
        """As of the one inside."""
        return self.inner.has_work

    @property
    def on_disk_mb(self) -> float:
        """As of the one inside."""
        return self.inner.on_disk_mb

    def add(self, frame: Frame) -> list[MeshPatch]:
        """Fuse a frame, timed."""
        before = self.inner.stats()
        started, busy = time.perf_counter(), time.process_time()
        patches = self.inner.add(frame)
        took_ms = 1e3 * (time.perf_counter() - started)
        cpu_ms = 1e3 * (time.process_time() - busy)
        now = self.inner.stats()
        is_keyframe, is_fused = now.keyframes > before.keyframes, now.fused > before.fused
        self._log.added(frame.index, patches, took_ms, cpu_ms, is_keyframe, is_fused)
        return patches

    def idle(self, budget_s: float) -> list[MeshPatch]:
        """As the one inside; notes when all corrections are absorbed."""
        patches = self.inner.idle(budget_s)
        self._log.meshed(patches)
        if self._log.update_s is not None:
            self._log.moving(self.inner.stats().moves_waiting)
        return patches

    def take_faults(self) -> list[Fault]:
        """As the one inside."""
        return self.inner.take_faults()

    def take_messages(self, room: int) -> Sequence[Any]:
        """As the one inside."""
        return self.inner.take_messages(room)

    def give_result(self, result: Any) -> None:
        """As the one inside."""
        self.inner.give_result(result)

    def lose_helper(self) -> None:
        """As the one inside."""
        self.inner.lose_helper()

    def update(self, update: PoseUpdate) -> None:
        """As the one inside; notes when a correction begins."""
        self.inner.update(update)
        self._log.moving(self.inner.stats().moves_waiting)

    def undo(self, seconds: float) -> PoseUpdate:
        """As the one inside."""
        return self.inner.undo(seconds)

    def stats(self) -> FuserStats:
        """As the one inside."""
        return self.inner.stats()

    def finish(self) -> Job[Mesh | TexturedMesh]:
        """Return the job of finishing, or of making an empty mesh where that is left out."""
        if self._finishes:
            return (yield from self.inner.finish())
        yield Progress("unfinished", 0)
        return Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))

    def keepsakes(self) -> Keepsakes:
        """As the one inside."""
        return self.inner.keepsakes()

    def close(self) -> None:
        """As the one inside."""
        self.inner.close()


class _WatchedHelper:
    """Times every message that is answered: those are the chunks."""

    def __init__(self, inner: Helper, log: Log) -> None:
        self._inner, self._log = inner, log

    def handle(self, message: Any) -> Any | None:
        started = time.perf_counter()
        answer = self._inner.handle(message)
        if answer is not None:
            self._log.chunk_ms.append(1e3 * (time.perf_counter() - started))
        return answer


def percentiles(name: str, values: Sequence[float]) -> dict[str, float | int | None]:
    """Return `name_p50`, `name_p95` and `name_count`; the first two None without a value."""
    if not values:
        return {f"{name}_p50": None, f"{name}_p95": None, f"{name}_count": 0}
    middle, high = np.percentile(values, [50, 95])
    return {f"{name}_p50": float(middle), f"{name}_p95": float(high), f"{name}_count": len(values)}
