"""A source and a fuser with known behaviour: a camera that circles over hills of coloured sand."""

import threading

import numpy as np

from app.fuser import FramesOnly
from engine.core.camera import Intrinsics
from engine.core.faults import Fault, Severity
from engine.core.frames import Frame
from engine.core.grid import pack
from engine.core.news import Progress
from engine.core.poses import Pose
from engine.core.surface import Mesh, MeshPatch
from engine.runtime.meters import Meters
from engine.sources.base import SourceInfo

CELL_M = 0.32
CELLS = 12
STEPS = 8
CAMERA = Intrinsics(64, 48, 60, 60, 32, 24)


class Unplugged(Fault):
    severity = Severity.PAUSE


def height_m(x, y):
    return 0.25 * np.sin(1.7 * x) * np.cos(1.3 * y) + 0.05 * np.sin(9 * x + 4 * y)


def patch_at(cell_x, cell_y, revision):
    """One brick of the hills; its key is the cell at height zero."""
    ticks = np.linspace(0, CELL_M, STEPS + 1)
    x, y = np.meshgrid(cell_x * CELL_M + ticks, cell_y * CELL_M + ticks)
    vertices = np.stack([x, y, height_m(x, y)], axis=-1).reshape(-1, 3).astype(np.float32)
    corner = np.arange(STEPS)[:, None] * (STEPS + 1) + np.arange(STEPS)
    a, b, c, d = corner, corner + 1, corner + STEPS + 1, corner + STEPS + 2
    faces = np.concatenate(
        [np.stack([a, b, d], -1).reshape(-1, 3), np.stack([a, d, c], -1).reshape(-1, 3)]
    ).astype(np.int32)
    tone = np.clip((vertices[:, 2] + 0.3) / 0.6, 0, 1)[:, None]
    colors = (np.array([60, 90, 60]) * (1 - tone) + np.array([230, 200, 150]) * tone).astype(
        np.uint8
    )
    key = int(pack(np.array([[cell_x, cell_y, 0]]))[0])
    return MeshPatch(key, revision, vertices, faces, colors)


def pose_at(index, count):
    angle = 2 * np.pi * index / count
    eye = np.array([1.2 * np.cos(angle), 1.2 * np.sin(angle), 1.4])
    forward = np.array([0.35 * np.cos(angle), 0.35 * np.sin(angle), 0.0]) - eye * [0, 0, 1]
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    return Pose.from_parts(np.stack([right, np.cross(forward, right), forward], axis=1), eye)


def frame_at(index, count):
    row, column = np.mgrid[0 : CAMERA.height, 0 : CAMERA.width]
    color = np.stack([column * 4, row * 5, np.full_like(row, 90)], axis=-1).astype(np.uint8)
    depth = np.full((CAMERA.height, CAMERA.width), 1.5, np.float32)
    depth[:8] = 0
    return Frame(
        index,
        index * 33_000_000,
        CAMERA,
        color=color,
        depth_m=depth,
        depth_intrinsics=CAMERA,
        T_world_cam=pose_at(index, count),
    )


class FakeSource:
    """Delivers `count` frames; may fail at one, and waits at a gate when given one."""

    def __init__(self, count=24, fails_at=None, error=None, is_live=False, gate=None, total=None):
        self.skipped = {}
        self.count = count
        self.fails_at = fails_at
        self.error = error
        self.is_live = is_live
        self.gate = gate
        self.next_index = 0
        self.closed = 0
        self.closed_on = None

    def describe(self):
        total = None if self.is_live else self.count
        return SourceInfo("sand hills", "fake", total, True, True, True, is_live=self.is_live)

    def frames(self):
        start = self.next_index if self.is_live else 0
        for index in range(start, self.count):
            self.next_index = index + 1
            if index == self.fails_at:
                self.fails_at = None
                raise self.error
            if self.gate is not None:
                self.gate()
            yield frame_at(index, self.count)

    def close(self):
        self.closed += 1
        self.closed_on = threading.current_thread().name

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class FakeFuser(FramesOnly):
    """Uncovers two columns of hills around the camera with every frame."""

    reach_cells = 3.5

    def __init__(self, before_add=lambda frame: None, finish_steps=3, error=None):
        self.before_add = before_add
        self.finish_steps = finish_steps
        self.error = error
        self.added = []
        self.threads = {threading.current_thread().name}
        self.patches = {}
        self.is_closed = False
        self.on_disk_mb = 0.0
        self.meters = Meters()

    def add(self, frame):
        self.before_add(frame)
        self.threads.add(threading.current_thread().name)
        self.added.append(frame.index)
        x, y, _ = frame.T_world_cam.translation / CELL_M
        changed = []
        for cell_x in range(-CELLS, CELLS):
            for cell_y in range(-CELLS, CELLS):
                if np.hypot(cell_x + 0.5 - x, cell_y + 0.5 - y) < self.reach_cells:
                    changed.append(patch_at(cell_x, cell_y, frame.index))
        self.patches |= {patch.key: patch for patch in changed}
        return changed

    def close(self):
        self.is_closed = True

    def finish(self):
        self.threads.add(threading.current_thread().name)
        for step in range(self.finish_steps):
            yield Progress("weld", step, self.finish_steps)
        if self.error is not None:
            raise self.error
        starts = np.cumsum([0, *(len(p.vertices) for p in self.patches.values())])
        return Mesh(
            np.concatenate([p.vertices for p in self.patches.values()]),
            np.concatenate(
                [p.faces + s for p, s in zip(self.patches.values(), starts, strict=False)]
            ).astype(np.int32),
            np.concatenate([p.colors for p in self.patches.values()]),
        )
