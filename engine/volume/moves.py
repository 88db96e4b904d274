"""Frames of the volume move or leave, a few at a time."""

import math
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from engine.core.arrays import Bool
from engine.core.faults import BadInput, Fault, Severity
from engine.core.frames import PoseUpdate
from engine.core.poses import RIGID_TOLERANCE, Pose
from engine.volume.history import FramesSettled, History
from engine.volume.pool import OutOfRoom
from engine.volume.volume import Volume

NAMED_AT_MOST = 5
SETTLED = "Fused too long ago to be moved"
UNREADABLE = "Not moved, because they cannot be read back"
STUCK = "Not moved, for lack of room"
LOST = "Left out of the scan, for lack of room at the new place"


class NotMoved(Fault):
    """Frames did not go where a pose update wants them; the sentence names them."""

    severity = Severity.DEGRADE


class Keyframes(Protocol):
    """What else was made of frames and follows them; frames it never heard of are passed over."""

    def move(self, index: int, T_world_cam: Pose) -> None:
        """A frame stands elsewhere now."""
        ...

    def drop(self, index: int) -> None:
        """A frame left the scan."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What becomes of a pose update.

    Attributes:
        queued: frames that will move or leave.
        settled: frames that stay, because they were fused too long ago.
        unknown: indices of no fused frame.
    """

    queued: int
    settled: tuple[int, ...]
    unknown: tuple[int, ...]


class Moves:
    """Applies pose updates to the volume, to what is kept of frames, and to keyframes.

    Belongs to the thread that owns all three. A frame moves as a whole or not at all, whatever
    fails: either it is in the volume, in the history and among the keyframes at one and the same
    pose, or it is in none of them.
    """

    def __init__(
        self, volume: Volume, history: History, keyframes: Keyframes | None = None
    ) -> None:
        """Start with nothing to do."""
        self._volume = volume
        self._history = history
        self._keyframes = keyframes
        self._waiting: dict[int, Pose | None] = {}
        self._failed: defaultdict[str, list[int]] = defaultdict(list)
        self._causes: dict[str, Fault] = {}

    @property
    def waiting(self) -> int:
        """How many frames have yet to move or leave."""
        return len(self._waiting)

    @property
    def leaving(self) -> list[int]:
        """Which frames have yet to leave."""
        return [index for index, pose in self._waiting.items() if pose is None]

    def take(self, update: PoseUpdate) -> Taken:
        """Queue an update; it replaces what waits for the same frames.

        A frame that is about to leave leaves: a pose for it counts as one for an unknown frame,
        as it would a moment later.

        Raises:
            BadInput: a pose is not rigid or holds NaN; nothing of the update is queued.
        """
        _check(update)
        queued, settled, unknown = 0, [], []
        for index, pose in update.T_world_cam.items():
            if self._history.is_settled(index):
                settled.append(index)
            elif index not in self._history or (pose is not None and self._leaves(index)):
                unknown.append(index)
            else:
                self._waiting[index] = pose
                queued += 1
        self._failed[SETTLED] += settled
        return Taken(queued, tuple(settled), tuple(unknown))

    def undo(self, seconds: float) -> int:
        """Queue the removal of the newest so many seconds; return how many frames will leave.

        Frames that are leaving already do not count as the newest, so undoing twice goes back
        twice as far.

        Raises:
            BadInput: not a positive time.
        """
        if not 0 < seconds < math.inf:
            raise BadInput(
                f"The last {seconds:g} seconds cannot be undone.", "Give a time above 0."
            )
        staying = [index for index in self._history.indices() if not self._leaves(index)]
        if not staying:
            return 0
        start_ns = max(map(self._history.t_ns, staying)) - round(seconds * 1e9)
        newer = [index for index in self._history.since(start_ns) if not self._leaves(index)]
        gone = dict.fromkeys([*newer, *self._history.settled_since(start_ns)])
        return self.take(PoseUpdate(gone, f"the last {seconds:g} s undone")).queued

    def work(self, budget_s: float) -> int:
        """Move waiting frames, at least one; return how many were dealt with.

        Ends before a frame that would not fit in what is left of the budget, were it to take as
        long as the one before. Frames that cannot be moved are told by `take_faults`.
        """
        start_s = before_s = time.perf_counter()
        dealt_with = 0
        while self._waiting:
            index = next(iter(self._waiting))
            self._move(index, self._waiting.pop(index))
            dealt_with += 1
            now_s = time.perf_counter()
            if (now_s - start_s) + (now_s - before_s) > budget_s:
                break
            before_s = now_s
        return dealt_with

    def take_faults(self) -> list[Fault]:
        """Return what went wrong since the last call, one fault for each kind of failure."""
        faults: list[Fault] = []
        for what, indices in self._failed.items():
            if indices:
                cause = self._causes.get(what)
                faults.append(_fault(sorted(set(indices)), what, cause))
        self._failed.clear()
        self._causes.clear()
        return faults

    def _leaves(self, index: int) -> bool:
        return index in self._waiting and self._waiting[index] is None

    def _move(self, index: int, pose: Pose | None) -> None:
        try:
            frame = self._history.frame(index)
        except FramesSettled as fault:
            self._fail(index, UNREADABLE, fault)
            return
        if frame is None:  # settled while it waited
            self._fail(index, SETTLED)
            return
        if pose == frame.T_world_cam:
            return
        try:
            self._volume.subtract(frame)
        except OutOfRoom as fault:
            self._fail(index, STUCK, fault)
            return
        is_back = False
        try:
            if pose is not None:
                self._volume.add(replace(frame, T_world_cam=pose))
                self._history.replace_pose(index, pose)
                is_back = True
        except OutOfRoom as fault:
            self._fail(index, LOST, fault)
        finally:
            # Whatever failed: what is not in the volume may not be in the history either.
            if not is_back:
                self._forget(index)
        if pose is not None and is_back and self._keyframes is not None:
            self._keyframes.move(index, pose)

    def _forget(self, index: int) -> None:
        self._history.remove(index)
        if self._keyframes is not None:
            self._keyframes.drop(index)

    def _fail(self, index: int, what: str, cause: Fault | None = None) -> None:
        self._failed[what].append(index)
        if cause is not None:
            self._causes[what] = cause


def _check(update: PoseUpdate) -> None:
    """Refuse an update unless all its poses are rigid; all at once, as a loop moves thousands."""
    posed = [(index, pose) for index, pose in update.T_world_cam.items() if pose is not None]
    if not posed:
        return
    matrices = np.stack([pose.matrix for _, pose in posed])
    is_good: Bool = np.asarray(np.isfinite(matrices).all(axis=(1, 2)))
    rotations = np.where(is_good[:, None, None], matrices[:, :3, :3], 0)
    skewed = np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max(axis=(1, 2))
    is_good &= (skewed < RIGID_TOLERANCE) & (np.linalg.det(rotations) > 0)
    if not is_good.all():
        raise BadInput(
            f"The new pose of frame {posed[int(np.argmin(is_good))][0]} holds NaN or is not rigid.",
            "The whole update was left aside; nothing moved.",
        )


def _fault(indices: list[int], what: str, cause: Fault | None) -> NotMoved:
    named = ", ".join(map(str, indices[:NAMED_AT_MOST]))
    if len(indices) > NAMED_AT_MOST:
        named += f" and {len(indices) - NAMED_AT_MOST} more"
    says = f"{what}: {'frame' if len(indices) == 1 else 'frames'} {named}."
    if cause is None:
        return NotMoved(says, "Give fused frames more memory or disk before the next scan.")
    return NotMoved(f"{says} {cause.says}", cause.remedy)
