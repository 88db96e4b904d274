"""A short walk in the painted box as a parsed recording, with everything a test may want wrong."""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np

from engine.core.camera import Intrinsics
from engine.core.poses import Pose
from engine.sources.conventions import as_written
from engine.sources.raw import Convention, RawFrame, RawRecording
from tests.sources.boxroom import depth_in_box, look

SMALL = Intrinsics(160, 120, 131.0, 131.0, 80.0, 60.0)
CV = Convention("c2w", "cv")


def walk(count: int = 12) -> list[Pose]:
    """Return poses that turn, step sideways and nod, so that no two conventions agree."""
    return [
        look(
            0.3 + 0.05 * k,
            (0.05 * k - 0.4, 0.3 - 0.04 * k, 1.2 + 0.02 * k),
            0.15 + 0.2 * np.sin(0.5 * k),
        )
        for k in range(count)
    ]


def speckled(camera: Intrinsics, T_world_cam: Pose, depth_m: np.ndarray) -> np.ndarray:
    """Return walls (h, w, 3) with blotches of many sizes, which features hold on to."""
    points = T_world_cam.apply(camera.directions() * depth_m[..., None].astype(np.float64))
    picture = np.zeros(depth_m.shape, np.float64)
    for size, weight in ((0.35, 0.5), (0.15, 0.3), (0.07, 0.2)):
        cells = np.floor(points / size).astype(np.int64)
        mixed = (cells @ np.array([73856093, 19349663, 83492791])) % 1021
        picture += weight * mixed / 1021
    return np.repeat(cv2.GaussianBlur(picture * 255, (3, 3), 0)[..., None], 3, -1).astype(np.uint8)


def still(picture: np.ndarray) -> Callable[[], np.ndarray]:
    """Return a loader that hands out a fresh copy, as a file would."""
    return partial(np.array, picture)


def recording(
    poses: list[Pose] | None = None,
    *,
    actual: Convention = CV,
    declared: Convention = CV,
    camera: Intrinsics = SMALL,
    has_color: bool = True,
    has_depth: bool = True,
    depth_factor: float = 1.0,
    step_ns: int = 33_000_000,
    T_file_world: Pose | None = None,
    up: tuple[float, float, float] | None = (0.0, 0.0, 1.0),
) -> RawRecording:
    """Return the walk as a file in `actual` convention would hold it, declared as `declared`."""
    into_file = T_file_world or Pose.identity()
    frames = []
    for number, pose in enumerate(walk() if poses is None else poses):
        depth_m = depth_in_box(camera, pose)
        color = speckled(camera, pose, depth_m)
        frames.append(
            RawFrame(
                t_ns=number * step_ns,
                name=f"frame {number}",
                pose=as_written((into_file @ pose).matrix, actual),
                color=still(color) if has_color else None,
                depth=still(depth_m * np.float32(depth_factor)) if has_depth else None,
                color_camera=camera if has_color else None,
                depth_camera=None if has_color else camera,
            )
        )
    return RawRecording("walk", "test", tuple(frames), declared, up)
