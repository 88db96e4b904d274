"""A fuser with a helper: sand that is heaped up by someone who thinks about it for a while."""

import os
import sys
import threading
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from app.fuser import FuserStats
from engine.core.faults import BadInput
from engine.core.frames import PoseUpdate
from engine.core.news import Progress
from engine.core.surface import Mesh
from tests.app.fakes import CELL_M, FakeFuser


@dataclass(frozen=True, slots=True)
class Note:
    """Nothing to answer."""

    index: int


@dataclass(frozen=True, slots=True)
class Ask:
    """How high is the sand in this cell?"""

    key: int
    values: np.ndarray


@dataclass(frozen=True, slots=True)
class Heap:
    """So high."""

    key: int
    height_m: float


class Thinker:
    """Answers by what it was asked and told before, so that a changed order is seen."""

    def __init__(self, before=lambda message: None):
        self.before = before
        self.threads = set()
        self.niceness = None
        self.heard = 0

    def handle(self, message):
        self.threads.add(threading.current_thread().name)
        if sys.platform == "linux":
            self.niceness = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        self.before(message)
        self.heard += 1
        if isinstance(message, Note):
            return None
        return Heap(message.key, float(message.values.mean()) + 0.01 * (self.heard % 7))


class HelpedFuser(FakeFuser):
    """Asks about the cell below the camera at every frame; what it is answered shows at once."""

    settles = True

    def __init__(self, before_think=lambda message: None, **options):
        super().__init__(**options)
        self.helper = self.thinker = Thinker(before_think)
        self.asked, self.answers = deque(), deque()
        self.heights = {}
        self.rooms, self.pressures, self.orders = [], [], []
        self.revision = self.heaped = 0

    @property
    def has_work(self):
        return bool(self.answers or self.asked)

    def add(self, frame):
        self.pressures.append(self.pressure)
        changed = super().add(frame)
        x, y, _ = frame.T_world_cam.translation / CELL_M
        nearest = min(changed, key=lambda p: abs(p.vertices[:, :2] / CELL_M - [x, y]).sum())
        self.asked += [Note(frame.index), Ask(nearest.key, frame.depth_m)]
        return self._numbered(changed)

    def idle(self, budget_s):
        if not self.answers:
            return []
        heap = self.answers.popleft()
        self.heights[heap.key] = heap.height_m
        self.heaped += 1
        return self._numbered([self.patches[heap.key]])

    def take_messages(self, room):
        self.rooms.append(room)
        return [self.asked.popleft() for _ in range(min(room, len(self.asked)))]

    def give_result(self, result):
        assert threading.current_thread().name in self.threads
        self.answers.append(result)

    def lose_helper(self):
        self.helper = None
        self.asked.clear()

    def update(self, update):
        if not update.T_world_cam.keys() <= set(self.added):
            raise BadInput("There is no such frame.", "Name others.")
        self.orders.append((update.reason, len(self.added)))

    def undo(self, seconds):
        self.orders.append((seconds, len(self.added)))
        self.answers.append(Heap(next(iter(self.patches)), -seconds))
        return PoseUpdate({self.added[-1]: None}, "taken back")

    def stats(self):
        return FuserStats(chunks_refined=len(self.heights), chunks_waiting=len(self.asked))

    def finish(self):
        while self.answers:
            self.idle(1.0)
            yield Progress("heap", 0)
        self.patches = {key: self._heaped(patch) for key, patch in self.patches.items()}
        return (yield from super().finish())

    def _heaped(self, patch):
        height = np.float32([0, 0, self.heights.get(patch.key, 0.0)])
        return replace(patch, vertices=patch.vertices + height)

    def _numbered(self, patches):
        self.revision += 1
        return [replace(self._heaped(patch), revision=self.revision) for patch in patches]


class PlainRecorder:
    """Remembers the numbers of frames; may fail at one, or at its end."""

    def __init__(self, fails_at=None, error=None, before=lambda frame: None, end_error=None):
        self.fails_at, self.error, self.end_error = fails_at, error, end_error
        self.before = before
        self.kept, self.threads = [], set()
        self.closed = 0

    def add(self, frame):
        self.threads.add(threading.current_thread().name)
        self.before(frame)
        if frame.index == self.fails_at:
            raise self.error
        self.kept.append(frame.index)

    def move(self, update):
        self.threads.add(threading.current_thread().name)
        self.kept.append(update)

    def close(self):
        self.closed += 1
        if self.end_error is not None:
            raise self.end_error


def same_mesh(one: Mesh, other: Mesh) -> bool:
    return all(
        np.array_equal(getattr(one, part), getattr(other, part))
        for part in ("vertices", "faces", "colors")
    )
