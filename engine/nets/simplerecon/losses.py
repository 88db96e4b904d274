"""The training losses of the depth network (Sayed 2022, section 3.4)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.simplerecon import geometry

VALID_M = (0.001, 10.0)
PYRAMID_LEVELS = 4
SCALE_INVARIANT_SHARE = 0.85
MULTI_VIEW_WEIGHT = 0.2
# A source's surface may be this much nearer than the reference's point before it counts as hidden.
HIDDEN_RATIO = 1.05
# Nearer predictions do not count in the (only logged) inverse-depth term.
INVERSE_FROM_M = 0.1
SMOOTHING = (5, 2.0)


class Losses(NamedTuple):
    """`loss` is what training follows; all but the first four of the rest are only logged."""

    loss: Tensor
    ms_loss: Tensor
    grad_loss: Tensor
    normals_loss: Tensor
    mv_loss: Tensor
    si_loss: Tensor
    abs_loss: Tensor
    inv_abs_loss: Tensor
    log_l1_loss: Tensor


def valid_depth(depth_m: Tensor) -> Tensor:
    """Return ground truth with NaN where it is unknown or out of range."""
    nearest, farthest = VALID_M
    return torch.where((depth_m > nearest) & (depth_m < farthest), depth_m, torch.nan)


class Normals(nn.Module):
    """Surface normals of smoothed depth, camera frame."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.backproject = geometry.Backprojector(height, width)

    def forward(self, depth_b1hw: Tensor, K_b33: Tensor) -> Tensor:
        """Return unit normals (b, 3, h, w), pointing away from the camera; NaN near NaN."""
        height, width = depth_b1hw.shape[-2:]
        smooth = _filtered(depth_b1hw, _gaussian(*SMOOTHING), "reflect")
        rays_b3hw = self.backproject(K_b33, height, width).unflatten(-1, (height, width))
        gradients = spatial_gradient(rays_b3hw * smooth)
        return F.normalize(torch.linalg.cross(gradients[:, :, 0], gradients[:, :, 1], dim=1), dim=1)


class MultiViewLoss(nn.Module):
    """Predicted depth held against the sources' ground truth."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.backproject = geometry.Backprojector(height, width)
        self.project = geometry.Projector()

    def forward(
        self, depth_b1hw: Tensor, truth_bv1hw: Tensor, K_bv33: Tensor, T_world_cam_bv44: Tensor
    ) -> Tensor:
        """Return the mean over sources of the mean error in log depth.

        Views start with the reference; truth is NaN where unknown. Trap: NaN when one source has
        no valid pixel, since only pixels are skipped, never sources.
        """
        height, width = depth_b1hw.shape[-2:]
        T_world_ref = T_world_cam_bv44[:, 0]
        rays_b3n = self.backproject(K_bv33[:, 0], height, width)
        points_world = geometry.transform(T_world_ref, rays_b3n * depth_b1hw.flatten(2))
        truth_world = geometry.transform(T_world_ref, rays_b3n * truth_bv1hw[:, 0].flatten(2))
        matrices = geometry.camera_matrix(K_bv33[:, 1:], geometry.inverse(T_world_cam_bv44[:, 1:]))
        terms = []
        for v in range(matrices.shape[1]):
            pixels, z_truth = self.project(geometry.transform(matrices[:, v], truth_world))
            _, z = self.project(geometry.transform(matrices[:, v], points_world))
            # Unknown pixels lie nowhere: sent outside, where sampling gives 0.
            pixels = torch.nan_to_num(pixels, nan=-2.0 * (height + width))
            there = geometry.sample(truth_bv1hw[:, v + 1], pixels, "nearest").squeeze(1)
            # A prediction behind the source has no logarithm: skipped like an invalid pixel.
            valid = (z_truth > 0) & (z_truth < HIDDEN_RATIO * there) & (there > 0) & (z > 0)
            terms.append((there[valid].log() - z[valid].log()).abs().mean())
        return torch.stack(terms).mean()


def all_losses(
    log_depths: tuple[Tensor, ...],
    truth_bv1hw: Tensor,
    K_bv33: Tensor,
    T_world_cam_bv44: Tensor,
    normals: Normals,
    multi_view: MultiViewLoss,
) -> Losses:
    """Return every term.

    Args:
        log_depths: the decoder's results, finest first.
        truth_bv1hw: ground truth of reference and sources, NaN unknown, sized as the finest.
        K_bv33: cameras of that size.
        T_world_cam_bv44: their poses.
        normals: of the network.
        multi_view: of the network.
    """
    with geometry.exact(truth_bv1hw):
        log_depths = tuple(geometry.wide(log_depth) for log_depth in log_depths)
        truth = truth_bv1hw[:, 0]
        known = torch.isfinite(truth)
        depth = log_depths[0].exp()
        ms = multi_scale_loss(log_depths, truth)
        grad = gradient_loss(depth, truth)
        normal = normals_loss(normals(depth, K_bv33[:, 0]), normals(truth, K_bv33[:, 0]))
        mv = multi_view(depth, truth_bv1hw, K_bv33, T_world_cam_bv44)
        error = truth[known].log() - log_depths[0][known]
        return Losses(
            loss=ms + grad + normal + MULTI_VIEW_WEIGHT * mv,
            ms_loss=ms,
            grad_loss=grad,
            normals_loss=normal,
            mv_loss=mv,
            si_loss=scale_invariant_loss(error),
            abs_loss=(truth[known] - depth[known]).abs().mean(),
            inv_abs_loss=inverse_loss(depth[known], truth[known]),
            log_l1_loss=error.abs().mean(),
        )


def multi_scale_loss(log_depths: tuple[Tensor, ...], truth_b1hw: Tensor) -> Tensor:
    """Return the error in log depth, halved from scale to scale."""
    known = torch.isfinite(truth_b1hw)
    log_truth = truth_b1hw[known].log()
    total = log_truth.new_zeros(())
    for scale, log_depth in enumerate(log_depths):
        resized = F.interpolate(log_depth, size=truth_b1hw.shape[-2:], mode="nearest")
        total = total + (log_truth - resized[known]).abs().mean() / 2**scale
    return total


def gradient_loss(depth_b1hw: Tensor, truth_b1hw: Tensor) -> Tensor:
    """Return the error of depth gradients, summed over a pyramid.

    A level that holes leave no whole neighbourhood adds nothing.
    """
    total = depth_b1hw.new_zeros(())
    for level in range(PYRAMID_LEVELS):
        if level:
            depth_b1hw, truth_b1hw = _halved(depth_b1hw), _halved(truth_b1hw)
        wanted = spatial_gradient(truth_b1hw)
        known = torch.isfinite(wanted)
        error = (spatial_gradient(depth_b1hw)[known] - wanted[known]).abs().mean()
        # The mean of nothing is no number; a depth that is none shows in every other term.
        total = total + error.nan_to_num(0.0)
    return total


def normals_loss(normals_b3hw: Tensor, truth_b3hw: Tensor) -> Tensor:
    """Return half of one minus the cosine, over pixels where both normals exist."""
    known = (torch.isfinite(normals_b3hw) & torch.isfinite(truth_b3hw)).all(1)
    # Picked before they are multiplied: what is multiplied by NaN has a gradient of NaN.
    ours, wanted = normals_b3hw.movedim(1, -1)[known], truth_b3hw.movedim(1, -1)[known]
    return (0.5 * (1 - (ours * wanted).sum(-1))).mean()


def inverse_loss(depth_n: Tensor, truth_n: Tensor) -> Tensor:
    """Return the error of inverse depth; predictions nearer than 0.1 m are left out."""
    kept = depth_n > INVERSE_FROM_M
    return (1 / truth_n[kept] - 1 / depth_n[kept]).abs().mean()


def scale_invariant_loss(error_n: Tensor) -> Tensor:
    """Return the scale-invariant error in log depth (Eigen 2014), its root taken."""
    return torch.sqrt((error_n**2).mean() - SCALE_INVARIANT_SHARE * error_n.mean() ** 2)


def spatial_gradient(values_bchw: Tensor) -> Tensor:
    """Return normalised Sobel gradients (b, c, 2, h, w): along x, then along y."""
    row = values_bchw.new_tensor([1.0, 2.0, 1.0])
    step = values_bchw.new_tensor([-1.0, 0.0, 1.0])
    kernels = torch.stack([torch.outer(row, step), torch.outer(step, row)]) / 8
    return torch.stack([_filtered(values_bchw, kernel, "replicate") for kernel in kernels], dim=2)


def _filtered(values_bchw: Tensor, kernel_kk: Tensor, border: str) -> Tensor:
    """Return values filtered channel by channel."""
    pad = kernel_kk.shape[0] // 2
    channels = values_bchw.shape[1]
    weights = kernel_kk.to(values_bchw).expand(channels, 1, -1, -1)
    return F.conv2d(F.pad(values_bchw, (pad,) * 4, mode=border), weights, groups=channels)


def _gaussian(size: int, sigma: float) -> Tensor:
    offsets = torch.arange(size, dtype=torch.float32) - size // 2
    row = torch.exp(-(offsets**2) / (2 * sigma**2))
    return torch.outer(row, row) / row.sum() ** 2


def _halved(values_b1hw: Tensor) -> Tensor:
    """Return every second pixel of blurred values; what lies outside is zero."""
    row = values_b1hw.new_tensor([1.0, 2.0, 1.0]) / 4
    kernel_kk = torch.outer(row, row)[None, None]
    return F.conv2d(values_b1hw, kernel_kk, stride=2, padding=1)
