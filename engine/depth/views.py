"""Which photographs help most to find the depth of another."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F64
from engine.core.camera import Intrinsics
from engine.core.frames import Photo
from engine.core.poses import Pose
from engine.depth.keyframes import pose_distance

# Overlap is judged on so many points across and down, at one depth typical of rooms.
GRID = (9, 7)
TYPICAL_DEPTH_M = 1.8


@dataclass(frozen=True, slots=True)
class ViewRule:
    """What makes a good source; distances are combined pose distances, metres and radians.

    Sources that stand still add nothing, those far away see something else, and several from one
    spot say the same thing twice.
    """

    min_translation_m: float = 0.05
    max_distance: float = 0.7
    best_distance: float = 0.35
    min_overlap: float = 0.5
    spacing: float = 0.2


def choose_sources(
    reference: Photo, candidates: Iterable[Photo], count: int, rule: ViewRule = ViewRule()
) -> list[Photo]:
    """Return at most `count` candidates, best first; none when nobody moved or all moved away."""
    points_cam = overlap_points(reference.intrinsics)
    ranked = []
    for order, photo in enumerate(candidates):
        T_src_ref = photo.T_world_cam.inverse @ reference.T_world_cam
        distance, _, metres = pose_distance(T_src_ref.matrix)
        if metres < rule.min_translation_m or distance > rule.max_distance:
            continue
        _, inside = photo.intrinsics.project(T_src_ref.apply(points_cam))
        if inside.mean() >= rule.min_overlap:
            ranked.append((abs(distance - rule.best_distance), order, photo))
    chosen: list[Photo] = []
    for _, _, photo in sorted(ranked, key=lambda entry: entry[:2]):
        if all(_apart(photo.T_world_cam, other.T_world_cam) > rule.spacing for other in chosen):
            chosen.append(photo)
        if len(chosen) == count:
            break
    return chosen


def overlap_points(camera: Intrinsics) -> F64:
    """Return a grid of points (n, 3) across the picture at a typical depth, camera frame."""
    u = (np.arange(GRID[0]) + 0.5) / GRID[0] * camera.width
    v = (np.arange(GRID[1]) + 0.5) / GRID[1] * camera.height
    grid_u, grid_v = np.meshgrid(u, v)
    rays = [(grid_u - camera.cx) / camera.fx, (grid_v - camera.cy) / camera.fy]
    return TYPICAL_DEPTH_M * np.stack([*rays, np.ones_like(grid_u)], axis=-1).reshape(-1, 3)


def _apart(T_world_a: Pose, T_world_b: Pose) -> float:
    return pose_distance((T_world_a.inverse @ T_world_b).matrix)[0]
