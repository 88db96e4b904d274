"""Tiny scans through every step, so that all there is to compile or load has been."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from app.build import make_fuser
from app.lockstep import catch_up
from app.method import Method
from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.core.settings import Settings, TextureSettings
from engine.runtime.progress import run_job
from engine.sources.base import SourceInfo


def main(breathe: Callable[[], object]) -> None:
    """Take tiny scans through every step, from the first frame to the texture.

    Between two steps it breathes, which may take as long as it likes.
    """
    info = SourceInfo("warm-up", "warm-up", None, has_color=True, has_depth=True, has_poses=True)
    _scanned(info, breathe)
    # Without a sensor, depth comes from the photographs.
    _scanned(replace(info, has_depth=False), breathe)


def _scanned(info: SourceInfo, breathe: Callable[[], object]) -> None:
    breathe()
    fuser = make_fuser(Settings(texture=TextureSettings(size_px=512)), info, method=Method())
    try:
        for frame in _wall(Intrinsics(160, 120, 140, 140, 80, 60)):
            breathe()
            fuser.add(frame)
        breathe()
        catch_up(fuser)
        run_job(fuser.finish(), lambda step: breathe(), lambda: False)
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
