"""The 3D network over the feature volume (paper section 3.2 and supplement)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.layers import ConvNorm, Residual

# Twice halved: every axis, and every chunk origin, is a multiple of this.
MULTIPLE = 4
# The blocks called conv1x1 look at 3x3x3 voxels; only the stem's first convolution is 1x1x1.
KERNEL = 3
STEM_KERNEL = 1


def halve(x_bcxyz: Tensor) -> Tensor:
    """Return the largest value of every 2x2x2 voxels."""
    return F.max_pool3d(x_bcxyz, 2)


def double(x_bcxyz: Tensor) -> Tensor:
    """Return every voxel eight times."""
    return F.interpolate(x_bcxyz, scale_factor=2, mode="nearest")


def residuals(width: int, blocks: int) -> list[Residual]:
    """Return so many residual blocks."""
    return [Residual(3, width, KERNEL) for _ in range(blocks)]


class UNet3d(nn.Module):
    """Two resolutions below full, with concatenated skips, the last one from the input itself."""

    def __init__(self, config: FineReconConfig) -> None:
        super().__init__()
        w0, w1, w2 = config.unet_widths
        u1, u2, u3 = config.unet_up_widths
        n, wide_in = config.unet_blocks, config.volume_channels
        self.stem = nn.Sequential(ConvNorm(3, wide_in, w0, STEM_KERNEL), Residual(3, w0, KERNEL))
        self.conv1x1_1 = ConvNorm(3, w0, w1, KERNEL)
        self.down1 = nn.Sequential(*residuals(w1, n))
        self.conv1x1_2 = ConvNorm(3, w1, w2, KERNEL)
        self.down2 = nn.Sequential(*residuals(w2, n))
        self.up1 = nn.Sequential(ConvNorm(3, w2 + w1, u1, KERNEL), *residuals(u1, n))
        self.up2 = nn.Sequential(ConvNorm(3, u1 + w0, u2, KERNEL), *residuals(u2, n))
        self.up3 = nn.Sequential(ConvNorm(3, u2 + wide_in, u3, KERNEL), *residuals(u3, n))

    def forward(self, x_bcxyz: Tensor) -> Tensor:
        """Return voxel features of the size of the input, whose axes are multiples of 4."""
        x0 = self.stem(x_bcxyz)
        x1 = self.down1(halve(self.conv1x1_1(x0)))
        x2 = self.down2(halve(self.conv1x1_2(x1)))
        y = self.up1(torch.cat([double(x2), x1], dim=1))
        y = self.up2(torch.cat([double(y), x0], dim=1))
        features: Tensor = self.up3(torch.cat([y, x_bcxyz], dim=1))
        return features


def reach_voxels(config: FineReconConfig) -> int:
    """Return how far, in voxels, an output can see: 52 for the released network.

    A 3x3x3 convolution reaches one voxel of its own resolution; halving and doubling once at each
    level adds up to the size of a lowest voxel less one.
    """
    path = 2 * config.unet_blocks
    full = 2 + 1 + 2 * (1 + path)
    half = path + 1 + (1 + path)
    quarter = path
    return full + 2 * half + 4 * quarter + (MULTIPLE - 1)
