"""What the cameras of a recording saw: their depth pictures, and which points these cover."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F32, F64, Bool
from engine.core.camera import Intrinsics, lift
from engine.core.frames import Frame
from engine.core.grid import pack
from engine.core.poses import Pose
from engine.kernels.raster import MeshScene


@dataclass(frozen=True, slots=True)
class View:
    """A depth picture of the reference: (h, w) float32 metres along the axis, 0 unknown."""

    camera: Intrinsics
    T_world_cam: Pose
    depth_m: F32

    def points(self) -> F64:
        """Return the world point (n, 3) behind every known pixel."""
        return lift(self.depth_m, self.camera, self.T_world_cam)

    def sees(self, points_world: F64, slack_m: float) -> Bool:
        """Return whether each point (n, 3) is in the picture and not hidden deeper than the slack.

        Pixels of unknown depth see nothing.
        """
        points_cam = self.T_world_cam.inverse.apply(points_world)
        pixels, inside = self.camera.project(points_cam)
        u = np.where(inside, pixels[:, 0], 0).astype(np.int64)
        v = np.where(inside, pixels[:, 1], 0).astype(np.int64)
        depth = self.depth_m[v, u]
        return np.asarray(inside & (depth > 0) & (points_cam[:, 2] <= depth + slack_m))


def views_of_frames(frames: Iterable[Frame], max_m: float) -> tuple[View, ...]:
    """Return a view for every frame with depth and pose; depth beyond `max_m` is unknown.

    Only the first segment counts: after a jump of the pose, frames may lie elsewhere.
    """
    views = []
    segment: int | None = None
    for frame in frames:
        if frame.depth_m is None or frame.depth_intrinsics is None or frame.T_world_depth is None:
            continue
        segment = frame.segment if segment is None else segment
        if frame.segment == segment:
            depth = np.where(frame.depth_m <= max_m, frame.depth_m, 0).astype(np.float32)
            views.append(View(frame.depth_intrinsics, frame.T_world_depth, depth))
    return tuple(views)


def views_of_scene(
    scene: MeshScene, camera: Intrinsics, poses: Sequence[Pose], max_m: float
) -> tuple[View, ...]:
    """Return what cameras at these poses see of a mesh; depth beyond `max_m` is unknown."""
    depths = (scene.render(camera, pose).depth_m for pose in poses)
    return tuple(
        View(camera, pose, np.where(depth <= max_m, depth, 0).astype(np.float32))
        for pose, depth in zip(poses, depths, strict=True)
    )


def seen_by_any(views: Sequence[View], points_world: F64, slack_m: float) -> Bool:
    """Return whether each point (n, 3) is seen by at least one view."""
    seen = np.zeros(len(points_world), np.bool_)
    for view in views:
        rest = np.flatnonzero(~seen)
        seen[rest] = view.sees(points_world[rest], slack_m)
    return seen


def pick_one_a_cell(points: F64, cell_m: float) -> F64:
    """Return the first point in every occupied cell of a grid, (n, 3), in a fixed order."""
    cells = np.floor(points / cell_m).astype(np.int64)
    return points[np.unique(pack(cells), return_index=True)[1]]
