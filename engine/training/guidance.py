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
# Samples whose depth stays as an estimator found it.
AS_FOUND = 0.5
# Samples among the others whose holes are closed.
CLOSED = 0.5


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


def improved(found_bvhw: Tensor, true_bvhw: Tensor, dice: torch.Generator) -> Tensor:
    """Return depth that other estimators would have found: half of the samples stay as they are.

    The others are moved towards the truth, and in half of those holes are closed by `estimated`
    depth: who learns from one estimator is guided by its successors. Sizes may differ; then the
    truth is read at the nearest pixel.
    """
    h, w = found_bvhw.shape[-2:]
    true = F.interpolate(true_bvhw, size=(h, w), mode="nearest")
    other = F.interpolate(estimated(true_bvhw, dice, False), size=(h, w), mode="nearest")
    share = torch.rand(3, len(found_bvhw), 1, 1, 1, generator=dice, device=found_bvhw.device)
    is_better = share[0] >= AS_FOUND
    kept = torch.where(is_better, share[1], 1.0)
    nothing = torch.where(is_better & (share[2] < CLOSED), other, 0.0)
    return torch.where(found_bvhw > 0, true + kept * (found_bvhw - true), nothing)
