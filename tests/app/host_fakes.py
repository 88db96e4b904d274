"""A studio that a child process makes by name, of sand hills."""

import logging
import os
import signal
import time

import numpy as np

from app.jobs import Task
from engine.core.faults import BadInput
from engine.core.news import Progress
from engine.core.surface import Mesh, TexturedMesh
from tests.app.fakes import FakeFuser, FakeSource, patch_at
from tests.gui.fake_model import FakeModel

log = logging.getLogger(__name__)


class FloodFuser(FakeFuser):
    """Uncovers eighty-two by eighty-two bricks with every frame: 18 MB."""

    def add(self, frame):
        patches = [patch_at(x, y, frame.index) for x in range(-41, 41) for y in range(-41, 41)]
        self.patches |= {patch.key: patch for patch in patches}
        return patches


class Studio:
    """What a spec says is what happens."""

    def __init__(self):
        self.scans_made = []
        self.tasks = []

    def open(self, spec):
        return self._begin(self._opened(spec), lambda scan: scan.abort())

    def _opened(self, spec):
        yield Progress("Looking", 0)
        match spec:
            case "never":
                while True:
                    yield Progress("Looking", 1, 2)
                    time.sleep(0.005)
            case "missing":
                raise BadInput("There is no such recording.", "Choose another.")
            case "crash":
                os._exit(7)
            case "log":
                log.info("opened %s", spec)
        # Costs seconds, so only who wants a scan waits for it.
        from tests.app.host_scan import ScanWithModel

        source = FakeSource(count=2 if spec == "flood" else 40)
        if spec == "live":
            source = FakeSource(count=100_000, is_live=True, gate=lambda: time.sleep(0.002))
        if spec == "broken":
            source = FakeSource(count=40, fails_at=9, error=BadInput("It is torn.", "Finish."))

        def fuser(info):
            return FloodFuser() if spec == "flood" else FakeFuser(lambda frame: time.sleep(0.002))

        scan = ScanWithModel(source, fuser, spec)
        self.scans_made.append(scan)
        return scan

    def scans(self):
        """Say how many scans are still being made, in place of cards."""

        def job():
            yield Progress("count", 0)
            return tuple(scan.state.value for scan in self.scans_made)

        return self._begin(job())

    def weights(self):
        raise ZeroDivisionError("nobody foresaw this")

    def settings(self):
        raise BadInput("No settings here.", "Go on without.")

    def cameras(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def open_model(self, path):
        def job():
            yield Progress("read", 0)
            return FakeModel(big_result(int(path.name)))

        return self._begin(job())

    def close(self):
        for task in self.tasks:
            task.cancel()
            task.join(5)
        for scan in self.scans_made:
            scan.abort()

    def _begin(self, job, discard=None):
        self.tasks.append(Task("task", job, discard))
        return self.tasks[-1]


def big_result(faces, texture_px=4096):
    side = int(np.ceil(np.sqrt(faces / 2)))
    x, y = np.meshgrid(np.arange(side + 1), np.arange(side + 1))
    vertices = np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3).astype(np.float32)
    corner = (np.arange(side)[:, None] * (side + 1) + np.arange(side)).reshape(-1)
    a, b, c, d = corner, corner + 1, corner + side + 1, corner + side + 2
    triangles = np.concatenate([np.stack([a, b, d], -1), np.stack([a, d, c], -1)])[:faces]
    colors = np.full(vertices.shape, 99, np.uint8)
    mesh = Mesh(vertices, triangles.astype(np.int32), colors)
    uv = (vertices[:, :2] / side).astype(np.float32)
    texture = np.zeros((texture_px, texture_px, 3), np.uint8)
    texture[::2] = 200
    return TexturedMesh(mesh, uv, texture)


def make():
    return Studio()


def fail():
    raise RuntimeError("no engine today")
