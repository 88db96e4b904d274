"""Depth fused into the signed distances and the occupancy that the network is trained to predict.

Positive in front of the surface, in units of the truncation distance; NaN where nothing is known.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool3d

from engine.core.news import Job, Progress
from engine.recon.bounds import MAX_DEPTH_M
from engine.recon.lattice import Lattice
from engine.recon.views import DepthView

MARGIN_VOX = 2
# Nearer to the surface than this share of the truncation, a voxel is occupied.
NEAR = 0.999
BELOW_EVERYTHING = -1.0


@dataclass(frozen=True, slots=True)
class Truth:
    """What the depth pictures say about every voxel; all (x, y, z).

    Attributes:
        tsdf: float32 in -1..1, NaN unknown, -1 in columns along z that nothing saw.
        weight: int32 number of pictures.
        occupied: float32 0 or 1, NaN unknown.
    """

    tsdf: Tensor
    weight: Tensor
    occupied: Tensor


def fuse_truth(
    views: Iterable[DepthView],
    lattice: Lattice,
    margin_vox: int = MARGIN_VOX,
    max_depth_m: float = MAX_DEPTH_M,
) -> Job[Truth]:
    """Return the job that averages all depth pictures, each with weight 1."""
    total, weight = torch.zeros(lattice.dims), torch.zeros(lattice.dims, dtype=torch.int32)
    for number, view in enumerate(views):
        yield Progress("truth", number)
        _add(view, lattice, margin_vox * lattice.voxel_m, max_depth_m, total, weight)
    tsdf = torch.where(weight > 0, total / weight, torch.nan)
    # The columns are those of a world whose z points up: nothing was ever seen at their height.
    unseen = (weight == 0).all(dim=2, keepdim=True).expand_as(tsdf)
    tsdf = torch.where(unseen, BELOW_EVERYTHING, tsdf)
    return Truth(tsdf, weight, occupancy(tsdf))


def occupancy(tsdf: Tensor) -> Tensor:
    """Return 1 near the surface and one voxel round about, 0 elsewhere, NaN where unknown."""
    near = torch.where(tsdf.isnan(), torch.nan, (tsdf.abs() < NEAR).float())
    grown = max_pool3d(near.nan_to_num(0.0)[None, None], 3, stride=1, padding=1)[0, 0]
    return torch.where(grown == 1, 1.0, near)


def _add(
    view: DepthView,
    lattice: Lattice,
    margin_m: float,
    max_depth_m: float,
    total: Tensor,
    weight: Tensor,
) -> None:
    depth = torch.where(view.depth_hw <= max_depth_m, view.depth_hw, 0.0)
    box = _frustum_box(view, depth, lattice)
    part_total, part_weight = total[box], weight[box]
    index = torch.meshgrid(*(torch.arange(side.start, side.stop) for side in box), indexing="ij")
    points = lattice.points_at(torch.stack(index, dim=-1).reshape(-1, 3))
    T = view.T_cam_world
    a, b, z = ((points @ T[:3, :3].T + T[:3, 3]) @ view.K.T).unbind(dim=1)
    height, width = depth.shape
    # Half-way pixels go to the even neighbour.
    u, v = torch.round(a / z), torch.round(b / z)
    inside = (z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    pixel = torch.where(inside, v * width + u, 0.0).long()
    measured = depth.reshape(-1)[pixel]
    ahead = measured - z
    counts = (inside & (measured > 0) & (ahead >= -margin_m)).reshape(part_total.shape)
    value = (ahead / margin_m).clamp(max=1.0).reshape(part_total.shape)
    part_total += torch.where(counts, value, 0.0)
    part_weight += counts


def _frustum_box(view: DepthView, depth: Tensor, lattice: Lattice) -> tuple[slice, slice, slice]:
    """Return the voxels inside the axis-aligned box round what the picture can see.

    Unknown pixels count as depth 0, so the box usually reaches back to the camera; what lies in
    front of the nearest depth is left out only where a picture has no hole.
    """
    height, width = depth.shape
    corners = torch.tensor(
        [[u, v, 1.0] for u in (0, width) for v in (0, height)], dtype=torch.float64
    )
    rays = corners @ torch.linalg.inv(view.K.double()).T
    points_cam = torch.cat([rays * depth.min().double(), rays * depth.max().double()])
    T = view.T_cam_world.double()
    points = (points_cam - T[:3, 3]) @ T[:3, :3]
    origin = torch.tensor(lattice.origin_m, dtype=torch.float64)
    low = torch.ceil((points.amin(dim=0) - origin) / lattice.voxel_m).long().tolist()
    high = torch.floor((points.amax(dim=0) - origin) / lattice.voxel_m).long().tolist()
    sides = [
        slice(start := min(max(lo, 0), n), max(start, min(hi + 1, n)))
        for lo, hi, n in zip(low, high, lattice.dims, strict=True)
    ]
    return sides[0], sides[1], sides[2]
