"""Photographs of painted planes, whose depth is known exactly."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from engine.core.camera import Intrinsics
from engine.core.frames import Photo
from engine.core.poses import Pose

CAMERA = Intrinsics(160, 120, 140.0, 140.0, 80.0, 60.0)


@dataclass(frozen=True)
class Painted:
    """A plane `normal . p = distance_m`, painted at random; `half_m` cuts a square out of it."""

    normal: tuple[float, float, float] = (0.0, 0.0, 1.0)
    distance_m: float = 1.5
    half_m: float = np.inf
    seed: int = 0
    texel_m: float = 0.02


def look(planes: list[Painted], T_world_cam: Pose, camera: Intrinsics = CAMERA) -> Photo:
    """Return what a camera sees of the planes; the nearest hides the others."""
    grey, _ = _render(planes, T_world_cam, camera)
    color = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    return Photo(color, camera, T_world_cam)


def depth_of(planes: list[Painted], T_world_cam: Pose, camera: Intrinsics) -> np.ndarray:
    """Return the exact depth (h, w); infinite where there is nothing."""
    return _render(planes, T_world_cam, camera)[1]


def _render(planes, T_world_cam, camera):
    rays = camera.directions() @ T_world_cam.rotation.T
    eye = T_world_cam.translation
    grey = np.zeros(rays.shape[:2])
    depth = np.full(rays.shape[:2], np.inf)
    for plane in planes:
        normal = np.array(plane.normal) / np.linalg.norm(plane.normal)
        with np.errstate(divide="ignore", invalid="ignore"):
            t = (plane.distance_m - normal @ eye) / (rays @ normal)
        points = eye + np.where(np.isfinite(t), t, -1)[..., None] * rays
        hit = (t > 0) & (t < depth) & (np.abs(points[..., :2]) < plane.half_m).all(axis=-1)
        depth[hit] = t[hit]
        grey[hit] = _paint(points, plane)[hit]
    return grey, depth


def _paint(points, plane):
    rng = np.random.default_rng(plane.seed)
    canvas = ndimage.gaussian_filter(rng.uniform(0, 255, (256, 256)), 1, mode="wrap")
    canvas = (canvas - canvas.mean()) / canvas.std() * 45 + 128
    where = [points[..., 1] / plane.texel_m, points[..., 0] / plane.texel_m]
    return np.clip(ndimage.map_coordinates(canvas, where, order=1, mode="grid-wrap"), 0, 255)


def beside(x_m: float, y_m: float = 0.0, z_m: float = 0.0, turn_rad: float = 0.0) -> Pose:
    """Return a camera moved and turned about its vertical axis."""
    return Pose.from_parts(Pose.exp([0, turn_rad, 0, 0, 0, 0]).rotation, [x_m, y_m, z_m])
