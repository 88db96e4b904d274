"""Which views and which box of a world FineRecon learns from, and at which places it is asked."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.nets.finerecon.crop import Crop
from engine.training.data import Sample

TURN_DEG = 180.0
TILT_DEG = 3.0
# Half of the places lie so near to a surface, for the rest of space is mostly empty.
SURFACE_SPREAD_M = 0.04
SURFACE_SHARE = 0.5
# A box is centred so far, as a share of its half sides, from a surface that some view sees.
OFF_CENTRE = 0.5


@dataclass(frozen=True, slots=True)
class SomeViews:
    """A sample with some of its views; `estimated` is None where nobody estimated their depth."""

    pictures: Tensor
    depth: Tensor
    K: Tensor
    T_world_cam: Tensor
    estimated: Tensor | None
    whole: Sample

    def distance(self, points_bn3: Tensor) -> Tensor:
        """Return the exact distance (b, n) of world points to the surface, negative in matter."""
        return self.whole.distance(points_bn3)


def some_views(sample: Sample, count: int | None, dice: torch.Generator) -> Sample:
    """Return so many of the views in their order, others each time: scans begin with few.

    None, or as many as there are, gives the sample itself.
    """
    views = sample.pictures.shape[1]
    if count is None or count >= views:
        return sample
    device = sample.pictures.device
    taken = torch.randperm(views, generator=dice, device=device)[:count].sort().values
    estimated: Tensor | None = getattr(sample, "estimated", None)
    return SomeViews(
        sample.pictures[:, taken],
        sample.depth[:, taken],
        sample.K[:, taken],
        sample.T_world_cam[:, taken],
        None if estimated is None else estimated[:, taken],
        sample,
    )


def placed(
    sample: Sample, dims: tuple[int, int, int], voxel_m: float, dice: torch.Generator
) -> Crop:
    """Return a turned box about a surface for every world."""
    device = sample.pictures.device
    b = len(sample.pictures)
    unit = torch.rand(b, 5, generator=dice, device=device) * 2 - 1
    turn = unit[:, 0] * math.radians(TURN_DEG)
    tilt = unit[:, 1] * math.radians(TILT_DEG)
    zero, one = torch.zeros_like(turn), torch.ones_like(turn)
    R_z = _rows([turn.cos(), -turn.sin(), zero], [turn.sin(), turn.cos(), zero], [zero, zero, one])
    R_x = _rows([one, zero, zero], [zero, tilt.cos(), -tilt.sin()], [zero, tilt.sin(), tilt.cos()])
    half = torch.tensor(dims, device=device) * (voxel_m / 2)
    middle = seen_points(sample, 1, dice)[:, 0]
    return Crop(middle + OFF_CENTRE * half * unit[:, 2:], R_z @ R_x, dims)


def queries(
    sample: Sample, crop: Crop, voxel_m: float, count: int, dice: torch.Generator
) -> Tensor:
    """Return places (b, count, 3): some near surfaces, the others anywhere in the box.

    Those near surfaces may lie outside the box; there no voxel is trusted, and nothing is asked.
    """
    device = sample.pictures.device
    b, near = len(sample.pictures), round(SURFACE_SHARE * count)
    on = seen_points(sample, near, dice)
    on = on + SURFACE_SPREAD_M * torch.randn(on.shape, generator=dice, device=device)
    side_m = torch.tensor(crop.dims, device=device) * voxel_m
    inside = (torch.rand(b, count - near, 3, generator=dice, device=device) - 0.5) * side_m
    anywhere = inside @ crop.rotation_b33.mT + crop.center_b3[:, None]
    return torch.cat([on, anywhere], 1)


def seen_points(sample: Sample, count: int, dice: torch.Generator) -> Tensor:
    """Return world points (b, count, 3) behind pixels of any view."""
    b, v, h, w = sample.depth.shape
    device = sample.depth.device
    pick = torch.randint(v * h * w, (b, count), generator=dice, device=device)
    depth = sample.depth.flatten(1).gather(1, pick)
    view, pixel = pick // (h * w), pick % (h * w)
    which = torch.arange(b, device=device)[:, None], view
    pixels = torch.stack([pixel % w + 0.5, pixel // w + 0.5, torch.ones_like(depth)], -1)
    rays = (torch.linalg.inv(sample.K)[which] @ pixels[..., None])[..., 0]
    T = sample.T_world_cam[which]
    points: Tensor = (T[..., :3, :3] @ (rays * depth[..., None])[..., None])[..., 0] + T[..., :3, 3]
    return points


def vertical_slice(crop: Crop, voxel_m: float, steps: int) -> Tensor:
    """Return places (1, steps * steps, 3) of an upright plane through the first box, x slowest."""
    device = crop.center_b3.device
    place = (torch.arange(steps, device=device) + 0.5) / steps - 0.5
    x, z = torch.meshgrid(
        place * crop.dims[0] * voxel_m, place * crop.dims[2] * voxel_m, indexing="ij"
    )
    local = torch.stack([x, torch.zeros_like(x), z], -1).reshape(1, -1, 3)
    return local @ crop.rotation_b33[:1].mT + crop.center_b3[:1, None]


def _rows(*rows: list[Tensor]) -> Tensor:
    return torch.stack([torch.stack(row, -1) for row in rows], -2)
