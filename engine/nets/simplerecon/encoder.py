"""The image prior: EfficientNetV2-S as ported from TensorFlow (Tan and Le 2021).

Names of the entries are those of timm's `tf_efficientnetv2_s`.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.simplerecon.config import SimpleReconConfig

# Trap: TensorFlow's epsilon, not torch's 1e-5.
BATCH_NORM_EPS = 1e-3
SQUEEZE_SHARE = 0.25
STRIDES = (1, 2, 2, 2, 1, 2)
# Results are taken after these stages, strides 2 to 32.
TAPS = (0, 1, 2, 4, 5)


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the zeros before and after an axis so that ceil(size / stride) outputs come out.

    Trap: TensorFlow puts the odd zero after; an even axis under a 3x3 stride-2 kernel gets (0, 1),
    where torch's symmetric padding would be (1, 1).
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's "SAME" padding, no bias."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, feat_bchw: Tensor) -> Tensor:
        """Return features of ceil(size / stride)."""
        height, width = feat_bchw.shape[-2:]
        rows = same_padding(height, self.kernel_size[0], self.stride[0])
        columns = same_padding(width, self.kernel_size[1], self.stride[1])
        return super().forward(F.pad(feat_bchw, (*columns, *rows)))


def batch_norm(width: int) -> nn.BatchNorm2d:
    """Return the batch norm of this encoder."""
    return nn.BatchNorm2d(width, eps=BATCH_NORM_EPS)


class ConvBlock(nn.Module):
    """One 3x3 convolution, normalised and activated; summed with its input where shapes allow."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: float) -> None:
        super().__init__()
        del expansion  # Nothing to widen: the stages share one signature.
        self.is_residual = stride == 1 and inputs == outputs
        self.conv = SameConv2d(inputs, outputs, 3, stride)
        self.bn1 = batch_norm(outputs)

    def forward(self, feat_bchw: Tensor) -> Tensor:
        """Return features of the block's width."""
        changed = F.silu(self.bn1(self.conv(feat_bchw)))
        return changed + feat_bchw if self.is_residual else changed


class FusedBlock(nn.Module):
    """Fused MBConv: a widening 3x3 convolution, then a linear 1x1."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: float) -> None:
        super().__init__()
        inner = round(inputs * expansion)
        self.is_residual = stride == 1 and inputs == outputs
        self.conv_exp = SameConv2d(inputs, inner, 3, stride)
        self.bn1 = batch_norm(inner)
        self.conv_pwl = SameConv2d(inner, outputs, 1)
        self.bn2 = batch_norm(outputs)

    def forward(self, feat_bchw: Tensor) -> Tensor:
        """Return features of the block's width."""
        inner = F.silu(self.bn1(self.conv_exp(feat_bchw)))
        changed: Tensor = self.bn2(self.conv_pwl(inner))
        return changed + feat_bchw if self.is_residual else changed


class SqueezeExcite(nn.Module):
    """Scales every channel by a gate computed from all channels' means."""

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(width, squeezed, 1)
        self.conv_expand = nn.Conv2d(squeezed, width, 1)

    def forward(self, feat_bchw: Tensor) -> Tensor:
        """Return the gated features."""
        mean = feat_bchw.mean((2, 3), keepdim=True)
        return feat_bchw * torch.sigmoid(self.conv_expand(F.silu(self.conv_reduce(mean))))


class MBConvBlock(nn.Module):
    """MBConv: widen 1x1, depthwise 3x3, squeeze and excite, linear 1x1."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: float) -> None:
        super().__init__()
        inner = round(inputs * expansion)
        self.is_residual = stride == 1 and inputs == outputs
        self.conv_pw = SameConv2d(inputs, inner, 1)
        self.bn1 = batch_norm(inner)
        self.conv_dw = SameConv2d(inner, inner, 3, stride, groups=inner)
        self.bn2 = batch_norm(inner)
        self.se = SqueezeExcite(inner, max(1, round(inputs * SQUEEZE_SHARE)))
        self.conv_pwl = SameConv2d(inner, outputs, 1)
        self.bn3 = batch_norm(outputs)

    def forward(self, feat_bchw: Tensor) -> Tensor:
        """Return features of the block's width."""
        inner = F.silu(self.bn1(self.conv_pw(feat_bchw)))
        inner = self.se(F.silu(self.bn2(self.conv_dw(inner))))
        changed: Tensor = self.bn3(self.conv_pwl(inner))
        return changed + feat_bchw if self.is_residual else changed


KINDS = (ConvBlock, FusedBlock, FusedBlock, MBConvBlock, MBConvBlock, MBConvBlock)


class ImageEncoder(nn.Module):
    """Five levels of image features, strides 2 to 32."""

    def __init__(self, config: SimpleReconConfig) -> None:
        super().__init__()
        self.conv_stem = SameConv2d(3, config.encoder_stem, 3, 2)
        self.bn1 = batch_norm(config.encoder_stem)
        stages = zip(
            KINDS,
            STRIDES,
            pairwise((config.encoder_stem, *config.encoder_widths)),
            config.encoder_repeats,
            config.encoder_expansions,
            strict=True,
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                kind(inputs, outputs, stride, expansion),
                *(kind(outputs, outputs, 1, expansion) for _ in range(repeats - 1)),
            )
            for kind, stride, (inputs, outputs), repeats, expansion in stages
        )

    def forward(self, image_b3hw: Tensor) -> tuple[Tensor, ...]:
        """Return the five levels, finest first."""
        feat_bchw = F.silu(self.bn1(self.conv_stem(image_b3hw)))
        stages = []
        for stage in self.blocks:
            feat_bchw = stage(feat_bchw)
            stages.append(feat_bchw)
        return tuple(stages[tap] for tap in TAPS)
