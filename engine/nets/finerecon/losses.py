"""What training minimises (paper equations 5 and 6, masked as in the published system)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.nets.finerecon.model import CropResult

OCCUPIED = 0.5


class Losses(NamedTuple):
    """The two terms and their sum."""

    total: Tensor
    tsdf: Tensor
    bce: Tensor


def log_transform(x: Tensor) -> Tensor:
    """Return sign(x) ln(|x| + 1), which weighs errors near the surface more."""
    return torch.sign(x) * torch.log1p(x.abs())


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean where the mask holds, 0 where it holds nowhere."""
    return torch.where(mask, values, 0).sum() / mask.sum().clamp(min=1)


def losses(result: CropResult, gt_tsdf_bn: Tensor, gt_occ_bn: Tensor) -> Losses:
    """Return the losses at the query points; NaN in a target means unknown.

    Occupancy is learned wherever enough views see the voxel; distance only where the target is
    occupied and some view sees the point itself.
    """
    occ_known = ~gt_occ_bn.isnan() & result.is_trusted_bn
    occ_target = torch.where(occ_known, gt_occ_bn, 0)
    bce = F.binary_cross_entropy_with_logits(result.occ_logits_bn, occ_target, reduction="none")

    near = (gt_occ_bn > OCCUPIED) & ~gt_tsdf_bn.isnan()
    near = near & result.is_trusted_bn & result.is_seen_bn
    tsdf_target = torch.where(near, gt_tsdf_bn, 0)
    error = log_transform(result.tsdf_logits_bn.tanh()) - log_transform(tsdf_target)

    tsdf_loss, bce_loss = masked_mean(error.abs(), near), masked_mean(bce, occ_known)
    return Losses(tsdf_loss + bce_loss, tsdf_loss, bce_loss)
