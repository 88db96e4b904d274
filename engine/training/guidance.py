"""Depth as a network would have estimated it: what FineRecon is guided by while it learns.

True depth is made wrong in the ways that estimates are: whole pictures too far or too near, smooth
waves over regions, steps blurred at edges, and holes where an estimate would not be believed.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

SHRINK = 2
# Standard deviation of waves in log depth, and how many of them fit across a picture.
WAVES = ((0.02, 4), (0.015, 16))
BLUR_PX = 5
HOLES = 0.12
HOLE_CELLS = 8
# As published: half of the views are too far or too near by up to a tenth, all by the same factor
# wherever the picture is used.
SCALED_SHARE = 0.5
SCALE = 0.1


def estimated(depth_bvhw: Tensor, dice: torch.Generator, is_scaled: bool) -> Tensor:
    """Return such depth (b, v, h / 2, w / 2), 0 unknown; whole pictures are scaled if asked."""
    depth = depth_bvhw[..., ::SHRINK, ::SHRINK]
    b, v, h, w = depth.shape

    def noise(cells: int) -> Tensor:
        values = torch.randn(b * v, 1, cells, cells, generator=dice, device=depth.device)
        return F.interpolate(values, size=(h, w), mode="bicubic").reshape(b, v, h, w)

    blurred = F.avg_pool2d(
        depth.flatten(0, 1)[:, None], BLUR_PX, 1, BLUR_PX // 2, count_include_pad=False
    ).reshape(depth.shape)
    # Half of the places are blurred, in regions.
    wrong = torch.where(noise(HOLE_CELLS) > 0, blurred, depth)
    for size, cells in WAVES:
        wrong = wrong * torch.exp(size * noise(cells))
    if is_scaled:
        unit = torch.rand(2, b, v, 1, 1, generator=dice, device=depth.device)
        factor = 1 + SCALE * (2 * unit[0] - 1)
        wrong = torch.where(unit[1] < SCALED_SHARE, wrong * factor, wrong)
    # So many standard deviations leave the share of holes that is wanted.
    limit = float(torch.special.ndtri(torch.tensor(1 - HOLES)))
    is_known = (depth > 0) & (noise(HOLE_CELLS) < limit)
    return torch.where(is_known, wrong, 0)
