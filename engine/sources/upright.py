"""Which way is up in a file's world."""

from collections.abc import Sequence

import cv2
import numpy as np

from engine.core.arrays import F32, F64
from engine.core.camera import Intrinsics
from engine.core.poses import Pose

# People hold cameras level to within this; floors and ceilings outside it would be walls.
_CONE_COS = np.cos(np.deg2rad(35.0))
_ROUNDS_DEG = (20.0, 10.0, 5.0, 3.0)
_LEAST_SHARE = 0.03
# Looking to both sides by some 8 degrees; and far less tilt than that.
_LEAST_YAW = 0.02
_LEVEL = 0.2


def turn_upright(up: F64) -> Pose:
    """Return the rotation that takes a direction (3,) to +Z.

    Directions along an axis of the file give exact zeros and ones, so no coordinate is rounded.
    """
    unit = np.asarray(up, np.float64) / np.linalg.norm(up)
    axis = int(np.argmax(np.abs(unit)))
    if np.delete(np.abs(unit), axis).max() < 1e-9:
        return Pose.from_parts(_quarter_turn(axis, np.sign(unit[axis])), np.zeros(3))
    # The shortest turn: about the line at right angles to both.
    normal = np.cross(unit, (0.0, 0.0, 1.0))
    sine = np.linalg.norm(normal)
    turn, _ = cv2.Rodrigues(normal / sine * np.arctan2(sine, unit[2]))
    return Pose.from_parts(turn, np.zeros(3))


def _quarter_turn(axis: int, sign: float) -> F64:
    """Return the rotation taking sign * axis to z, built from zeros and ones only."""
    if axis == 2:
        return np.diag([1.0, sign, sign])
    rotation = np.zeros((3, 3))
    rotation[2, axis] = sign
    # The other horizontal axis of the file stays; the file's z lies down beside it.
    kept = 1 - axis
    rotation[kept, kept] = 1.0
    rotation[axis, 2] = -sign
    return rotation


def estimate_up(T_world_cams: F64, normals_world: F64) -> tuple[F64, str]:
    """Return the up direction (3,) of a hand-held walk (n, 4, 4), and how it was found.

    How the camera was held is the first guess; the floor and ceiling among the surface normals
    (m, 3) refine it when there are enough.
    """
    up, how = _held_up(T_world_cams)
    if len(normals_world) == 0:
        return up, how
    level = normals_world[np.abs(normals_world @ up) > _CONE_COS]
    # A floor sees the guess from below or above alike: fold both onto one side.
    level = level * np.sign(level @ up)[:, None]
    found = _densest(level, len(normals_world))
    if found is None:
        return up, how
    return found, "was estimated from floor-like surfaces near the camera's upright"


def _held_up(T_world_cams: F64) -> tuple[F64, str]:
    """Return the guess from the camera alone, and how it was found.

    People look up and down more than they tilt a camera sideways, so the direction at right
    angles to all the cameras' right axes is up, once the camera has looked to several sides.
    """
    mean = -T_world_cams[:, :3, 1].mean(axis=0)
    if np.linalg.norm(mean) < 1e-6:
        return np.array([0.0, 0.0, 1.0]), "could not be found and is taken as the file's z axis"
    mean /= np.linalg.norm(mean)
    right = T_world_cams[:, :3, 0]
    spread, axes = np.linalg.eigh(right.T @ right / len(right))
    axis = axes[:, 0] * np.sign(axes[:, 0] @ mean)
    if spread[1] > _LEAST_YAW and spread[0] < _LEVEL * spread[1] and axis @ mean > _CONE_COS:
        return axis, "was estimated from the level of the camera"
    return mean, "was estimated from how the camera was held"


def _densest(level: F64, total: int) -> F64 | None:
    """Return the direction most of the near-level normals share, None when too few do."""
    best, votes = None, 0
    seeds = level[:: max(1, len(level) // 64)]
    for seed in seeds:
        count = int(np.count_nonzero(level @ seed > np.cos(np.deg2rad(6.0))))
        if count > votes:
            best, votes = seed, count
    if best is None or votes < max(50, _LEAST_SHARE * total):
        return None
    direction: F64 = best
    for degrees in _ROUNDS_DEG:
        near = level[level @ direction > np.cos(np.deg2rad(degrees))]
        if len(near):
            direction = near.mean(axis=0) / np.linalg.norm(near.mean(axis=0))
    return direction


def surface_normals(views: Sequence[tuple[F32, Intrinsics, Pose]]) -> F64:
    """Return world normals (n, 3) on a coarse lattice of depth views (depth_m, camera, pose)."""
    found = []
    for depth_m, camera, T_world_depth in views:
        step = max(2, camera.width // 80)
        smooth = cv2.medianBlur(depth_m, 5)
        depth = smooth[step // 2 :: step, step // 2 :: step].astype(np.float64)
        rays = camera.directions()[step // 2 :: step, step // 2 :: step]
        points = rays * depth[..., None]
        right = points[:-1, 1:] - points[:-1, :-1]
        down = points[1:, :-1] - points[:-1, :-1]
        here = depth[:-1, :-1]
        flat = (here > 0) & (depth[:-1, 1:] > 0) & (depth[1:, :-1] > 0)
        for along in (right, down):
            flat &= np.abs(along[..., 2]) < 0.1 * here
        normals = np.cross(down[flat], right[flat])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        found.append(normals @ T_world_depth.rotation.T)
    return np.concatenate(found) if found else np.zeros((0, 3))
