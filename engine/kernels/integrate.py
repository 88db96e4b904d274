"""What fusing a depth picture means: plain torch, slow and obvious. It defines what correct is.

The volume keeps sums, not means (Curless and Levoy 1996 in running-sum form), and keeps them as
integers: a measurement of weight w and signed distance s adds rint(64 w) to the weight and
rint(32768 w s / truncation) to the distance. Integer sums commute exactly, so the order of
keyframes does not matter and subtracting one leaves nothing behind, not even rounding.
A voxel holds 65,000 measurements of full weight before the sum could overflow.
"""

from dataclasses import dataclass

import numpy as np
import torch

from engine.core.arrays import F32, I16, I32, U8, Bool
from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.grid import BRICK_VOXELS
from engine.core.poses import Pose

WEIGHT_ONE = 64
TSDF_ONE = 32768
MAX_MEASUREMENTS = 65_000
# Colour is kept this close to the surface, in voxels: farther voxels never colour a vertex.
COLOR_BAND_VOX = 2.0
# What a refined sample holds at one truncation from the surface, and where there is no surface.
REFINED_ONE = 32767
ABSENT = -32768


@dataclass(frozen=True, slots=True)
class Layers:
    """The surface lattice of all bricks; slot first, then x, y, z.

    Attributes:
        tsdf: (capacity, 16, 16, 16) int32 sum of weighted distances, positive in free space.
        weight: (capacity, 16, 16, 16) int32 sum of weights.
        color: (capacity, 16, 16, 16, 4) int32 sums of weighted r, g, b and of their weight.
        refined: (capacity, 16, 16, 16) int16 what a network says in place of the sums: 0 nothing,
            `ABSENT` that no surface is here, else the distance in 1 / `REFINED_ONE` of its own
            truncation, positive in free space.
        is_refined: (capacity,) whether `refined` says anything in the brick.
    """

    tsdf: I32
    weight: I32
    color: I32
    refined: I16
    is_refined: Bool


@dataclass(frozen=True, slots=True)
class View:
    """One depth picture, and the photograph that colours it, ready for fusing."""

    depth_m: F32
    confidence: F32 | None
    depth_camera: Intrinsics
    T_depth_world: Pose
    color: U8 | None
    color_camera: Intrinsics
    T_cam_world: Pose

    @staticmethod
    def of(frame: Frame) -> "View":
        """Return the view of a frame that has depth and a pose."""
        assert frame.depth_m is not None
        assert frame.depth_intrinsics is not None
        assert frame.T_world_cam is not None
        assert frame.T_world_depth is not None
        return View(
            frame.depth_m,
            frame.confidence,
            frame.depth_intrinsics,
            frame.T_world_depth.inverse,
            frame.color,
            frame.intrinsics,
            frame.T_world_cam.inverse,
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """Constants of one volume: voxel edge and truncation in metres, and how weight falls off."""

    voxel_m: float
    truncation_m: float
    inverse_square: bool

    @property
    def near(self) -> float:
        """What |tsdf| / weight stays below nearer than `COLOR_BAND_VOX` to a measured surface."""
        return COLOR_BAND_VOX * self.voxel_m / self.truncation_m * (TSDF_ONE / WEIGHT_ONE)


def integrate(
    layers: Layers, slots: I32, cells: I32, view: View, rule: Rule, sign: int = 1
) -> None:
    """Add (sign 1) or take back (sign -1) one view in the bricks given by slot and cell (n, 3).

    Every voxel is projected into the depth picture; the nearest pixel's depth minus the voxel's
    is its signed distance, cut at the truncation. Voxels farther than that behind the surface
    are unknown to this view. Free space in front is known, up to the whole brick.
    """
    depth = torch.from_numpy(np.array(view.depth_m))
    tsdf, weight, color = (
        torch.from_numpy(layer) for layer in (layers.tsdf, layers.weight, layers.color)
    )
    local = torch.stack(torch.meshgrid(*[torch.arange(BRICK_VOXELS)] * 3, indexing="ij"), dim=-1)
    for slot, cell in zip(slots.tolist(), cells.tolist(), strict=True):
        points = (local + torch.tensor(cell) * BRICK_VOXELS).double() * rule.voxel_m
        z, row, column, seen = _project(points, view.T_depth_world, view.depth_camera)
        measured = torch.where(seen, depth[row, column], 0.0)
        sdf = measured - z
        known = (measured > 0) & (sdf >= -rule.truncation_m)
        w = torch.ones_like(z)
        if rule.inverse_square:
            w = (1 / measured.clamp(min=1e-6) ** 2).clamp(max=1)
        if view.confidence is not None:
            w = w * torch.from_numpy(np.array(view.confidence))[row, column]
        w = torch.round(w * WEIGHT_ONE).clamp(min=1) * known
        unit = (sdf / rule.truncation_m).clamp(max=1)
        weight[slot] += sign * w.int()
        tsdf[slot] += sign * torch.round(w * unit * (TSDF_ONE / WEIGHT_ONE)).int()
        if view.color is not None:
            _, row, column, seen = _project(points, view.T_cam_world, view.color_camera)
            near = known & seen & (sdf.abs() <= COLOR_BAND_VOX * rule.voxel_m)
            rgb = torch.from_numpy(np.array(view.color))[row, column].int()
            rgb1 = torch.cat([rgb, torch.ones_like(rgb[..., :1])], dim=-1)
            color[slot] += sign * (rgb1 * (w * near).int()[..., None])


def _project(
    points: torch.Tensor, T_cam_world: Pose, camera: Intrinsics
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return depth, row, column (0 where out of view) and whether each point is in view."""
    matrix = torch.from_numpy(np.array(T_cam_world.matrix))
    local = points @ matrix[:3, :3].T + matrix[:3, 3]
    z = local[..., 2]
    safe = z.clamp(min=1e-6)
    column = torch.floor(camera.fx * local[..., 0] / safe + camera.cx)
    row = torch.floor(camera.fy * local[..., 1] / safe + camera.cy)
    seen = (z > 1e-3) & (column >= 0) & (column < camera.width) & (row >= 0) & (row < camera.height)
    zero = torch.zeros_like(z)
    return z, torch.where(seen, row, zero).long(), torch.where(seen, column, zero).long(), seen
