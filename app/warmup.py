"""Compiles the kernels in a process of its own, before a scan in the window needs them.

numba compiles on first use and holds the interpreter lock while it does: a window in the same
process would stand still for that long. What it compiled stays on disk, so a child process can do
the waiting; on later starts it finds everything done and ends at once.
"""

import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from app.build import make_fuser
from app.lockstep import catch_up
from app.method import Method
from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.news import Job, Progress
from engine.core.poses import Pose
from engine.core.settings import Settings, TextureSettings
from engine.runtime.progress import run_job
from engine.sources.base import SourceInfo

ROOT = Path(__file__).resolve().parents[1]
POLL_S = 0.1
STOP_S = 5.0

log = logging.getLogger(__name__)


class WarmUp:
    """The child process; start it early, wait for it before fusing."""

    def __init__(self) -> None:
        """Start the child."""
        self._child = subprocess.Popen(
            [sys.executable, "-m", "app.warmup"],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> Job[None]:
        """Return the job of waiting until everything is compiled.

        A child that fails is no fault of the scan: the kernels are then compiled when needed.
        """
        while self._child.poll() is None:
            yield Progress("Preparing, the first start takes longer", 0)
            time.sleep(POLL_S)
        if self._child.returncode:
            log.warning("Warming up failed with exit code %d.", self._child.returncode)

    def stop(self) -> None:
        """End the child, finished or not."""
        self._child.terminate()
        try:
            self._child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def main() -> None:
    """Take tiny scans through every step, from the first frame to the texture."""
    info = SourceInfo("warm-up", "warm-up", None, has_color=True, has_depth=True, has_poses=True)
    _scanned(info)
    # Without a sensor, depth comes from the photographs.
    _scanned(replace(info, has_depth=False))


def _scanned(info: SourceInfo) -> None:
    fuser = make_fuser(Settings(texture=TextureSettings(size_px=512)), info, method=Method())
    try:
        for frame in _wall(Intrinsics(160, 120, 140, 140, 80, 60)):
            fuser.add(frame)
        catch_up(fuser)
        run_job(fuser.finish(), lambda step: None, lambda: False)
    finally:
        fuser.close()


def _wall(camera: Intrinsics) -> Iterator[Frame]:
    """Yield three views of a speckled wall with a step in it, which photographs show as well."""
    row, column = np.mgrid[0 : camera.height, 0 : camera.width]
    near = column < camera.width // 2
    depth = np.where(near, 1.2, 1.68)
    speckles = np.random.default_rng(0).integers(40, 216, (camera.height, 2 * camera.width))
    for index in range(3):
        # By 0.12 m a point at 1.2 m moves 14 pixels, one at 1.68 m 10.
        color = speckles[row, column + np.where(near, 14, 10) * index]
        yield Frame(
            index,
            index,
            camera,
            color=np.repeat(color.astype(np.uint8)[..., None], 3, axis=2),
            depth_m=depth.astype(np.float32),
            depth_intrinsics=camera,
            T_world_cam=Pose.from_parts(np.eye(3), [0.12 * index, 0, 0]),
        )


if __name__ == "__main__":
    main()
