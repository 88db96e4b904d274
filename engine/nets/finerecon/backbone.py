"""The first stages of EfficientNetV2-S (arXiv 2104.00298), with torchvision's arithmetic.

Padding is symmetric, activations are SiLU, residual branches are dropped per sample.
"""

import torch
from torch import Tensor, nn

from engine.nets.finerecon.config import FineReconConfig, StageConfig, squeezed

# torchvision's value for this backbone; batch norm is 1e-5 everywhere else in FineRecon.
BACKBONE_EPS = 1e-3


def conv_norm_act(
    wide_in: int, wide_out: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True
) -> nn.Sequential:
    """Return convolution without bias, batch norm and, if asked, SiLU."""
    conv = nn.Conv2d(
        wide_in, wide_out, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    parts = [conv, nn.BatchNorm2d(wide_out, eps=BACKBONE_EPS)]
    return nn.Sequential(*parts, nn.SiLU()) if act else nn.Sequential(*parts)


class SqueezeExcite(nn.Module):
    """Scales channels by a gate computed from their means over the picture."""

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, squeezed, 1)
        self.fc2 = nn.Conv2d(squeezed, width, 1)

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return the gated features."""
        mean = x_bchw.mean((2, 3), keepdim=True)
        gate = torch.sigmoid(self.fc2(nn.functional.silu(self.fc1(mean))))
        return x_bchw * gate


class Block(nn.Module):
    """A chain of convolutions whose input is added when stride and width allow."""

    def __init__(self, block: nn.Sequential, is_residual: bool, drop: float) -> None:
        super().__init__()
        self.block = block
        self.is_residual = is_residual
        self.drop = drop

    def forward(self, x_bchw: Tensor) -> Tensor:
        """Return the features after this block."""
        y: Tensor = self.block(x_bchw)
        if not self.is_residual:
            return y
        if self.training and self.drop > 0:
            # Stochastic depth: whole branches vanish, the others grow to keep the mean.
            keep = torch.full_like(y[:, :1, :1, :1], 1 - self.drop)
            y = y * (torch.bernoulli(keep) / (1 - self.drop))
        return x_bchw + y


def fused(wide_in: int, stage: StageConfig, stride: int, drop: float) -> Block:
    """Return a block whose expanding convolution is a full 3x3 one."""
    hidden = wide_in * stage.expansion
    if stage.expansion == 1:
        parts = [conv_norm_act(wide_in, stage.width, 3, stride)]
    else:
        parts = [
            conv_norm_act(wide_in, hidden, 3, stride),
            conv_norm_act(hidden, stage.width, 1, act=False),
        ]
    return Block(nn.Sequential(*parts), stride == 1 and wide_in == stage.width, drop)


def inverted(wide_in: int, stage: StageConfig, stride: int, drop: float, squeeze: int) -> Block:
    """Return an inverted bottleneck: expand, depthwise 3x3, squeeze-excite, project."""
    hidden = wide_in * stage.expansion
    parts = nn.Sequential(
        conv_norm_act(wide_in, hidden, 1),
        conv_norm_act(hidden, hidden, 3, stride, groups=hidden),
        SqueezeExcite(hidden, squeezed(wide_in, squeeze)),
        conv_norm_act(hidden, stage.width, 1, act=False),
    )
    return Block(parts, stride == 1 and wide_in == stage.width, drop)


def stages(config: FineReconConfig) -> list[nn.Sequential]:
    """Return the stem and the four stages; blocks are numbered through for stochastic depth."""
    made = [nn.Sequential(), nn.Sequential(), nn.Sequential(), nn.Sequential()]
    wide_in, index = config.backbone_stem, 0
    for k, stage in enumerate(config.backbone_stages):
        for number in range(stage.blocks):
            stride = 2 if number == 0 and k > 0 else 1
            drop = config.block_drop_step * index
            if k < 3:
                block = fused(wide_in, stage, stride, drop)
            else:
                block = inverted(wide_in, stage, stride, drop, config.backbone_squeeze)
            made[k].append(block)
            wide_in, index = stage.width, index + 1
    return [conv_norm_act(3, config.backbone_stem, 3, stride=2), *made]
