"""Reading a volume between its voxels; always float32, also under autocast.

Volumes are stored x, y, z. Voxel i is centred at origin + i * voxel_m.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.nets.finerecon.projection import exact


def lattice(dims: tuple[int, int, int], origin_3: Tensor, voxel_m: float) -> Tensor:
    """Return the centres (x*y*z, 3) of a grid's voxels, z fastest."""
    steps = [torch.arange(n, device=origin_3.device, dtype=torch.float32) for n in dims]
    index_n3 = torch.stack(torch.meshgrid(*steps, indexing="ij"), -1).reshape(-1, 3)
    return index_n3 * voxel_m + origin_3


def sampler_order(xyz: Tensor) -> Tensor:
    """Return the last axis reversed: the sampler wants the volume's last axis first."""
    return xyz.flip(-1)


def read(
    volume_cxyz: Tensor, points_n3: Tensor, origin_3: Tensor, voxel_m: float, mode: str
) -> Tensor:
    """Return values (c, n) at points in the grid's frame, zero outside."""
    with exact(points_n3):
        size_m = points_n3.new_tensor(volume_cxyz.shape[1:], dtype=torch.float32) * voxel_m
        corner = origin_3.float() - voxel_m / 2
        place_n3 = sampler_order(2 * (points_n3.float() - corner) / size_m - 1)
        found = F.grid_sample(
            volume_cxyz[None].float(),
            place_n3[None, None, None],
            mode=mode,
            padding_mode="zeros",
            align_corners=False,
        )
        return found[0, :, 0, 0]


def read_trilinear(
    volume_cxyz: Tensor, points_n3: Tensor, origin_3: Tensor, voxel_m: float
) -> Tensor:
    """Return values (c, n) between the eight voxels around each point, zero outside."""
    return read(volume_cxyz, points_n3, origin_3, voxel_m, "bilinear")


def read_nearest(
    volume_cxyz: Tensor, points_n3: Tensor, origin_3: Tensor, voxel_m: float
) -> Tensor:
    """Return values (c, n) of the voxel each point lies in, zero outside."""
    return read(volume_cxyz, points_n3, origin_3, voxel_m, "nearest")
