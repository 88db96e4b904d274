"""Small analytic pictures for tests: a ball in front of a wall, seen from round about."""

import numpy as np

from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.poses import Pose

CAMERA = Intrinsics(160, 120, 140.0, 140.0, 80.0, 60.0)
BALL_CENTER = np.array([0.0, 0.0, 1.2])
BALL_RADIUS = 0.4
WALL_Y = 0.9


def look_at(eye: np.ndarray, target: np.ndarray) -> Pose:
    """Return T_world_cam of an upright camera at `eye` looking at `target`."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    return Pose.from_parts(np.stack([right, np.cross(forward, right), forward], axis=1), eye)


def ball_and_wall(index: int, angle: float, camera: Intrinsics = CAMERA) -> Frame:
    """Return an exact picture of the ball and the wall y = WALL_Y from an angle in radians."""
    around = np.array([1.5 * np.sin(angle), -1.5 * np.cos(angle), 0.3 * np.sin(3 * angle)])
    eye = BALL_CENTER + around
    T_world_cam = look_at(eye, BALL_CENTER)
    directions = camera.directions() @ T_world_cam.rotation.T
    with np.errstate(divide="ignore", invalid="ignore"):
        wall = np.where(directions[..., 1] > 0, (WALL_Y - eye[1]) / directions[..., 1], np.inf)
        a = (directions**2).sum(-1)
        half_b = directions @ (eye - BALL_CENTER)
        root = half_b**2 - a * (((eye - BALL_CENTER) ** 2).sum() - BALL_RADIUS**2)
        ball = np.where(root > 0, (-half_b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
    depth = np.minimum(wall, ball)
    depth = np.where(np.isfinite(depth) & (depth < 4), depth, 0).astype(np.float32)
    points = eye + directions * depth[..., None]
    color = (128 + 100 * np.sin(9 * points)).clip(0, 255).astype(np.uint8)
    return Frame(index, index * 33_000_000, camera, color, depth, camera, None, T_world_cam)


def orbit(count: int) -> list[Frame]:
    """Return `count` pictures from a third of a circle round the ball."""
    return [ball_and_wall(i, a) for i, a in enumerate(np.linspace(-1.0, 1.0, count))]
