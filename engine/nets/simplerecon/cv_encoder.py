"""The cost-volume encoder: joins the volume and the image prior, level by level."""

import torch
from torch import Tensor, nn

from engine.nets.simplerecon.config import SimpleReconConfig
from engine.nets.simplerecon.layers import BasicBlock


class VolumeEncoder(nn.Module):
    """Four levels, strides 4 to 32, each fed by the level above and the encoder's own features."""

    def __init__(self, config: SimpleReconConfig) -> None:
        super().__init__()
        self.convs = nn.ModuleDict()
        inputs = config.planes
        joined = config.encoder_channels[1:]
        for level, (width, channels) in enumerate(zip(config.volume_widths, joined, strict=True)):
            self.convs[f"ds_conv_{level}"] = BasicBlock(inputs, width, stride=2 if level else 1)
            self.convs[f"conv_{level}"] = nn.Sequential(
                BasicBlock(width + channels, width), BasicBlock(width, width)
            )
            inputs = width

    def forward(self, volume_bdhw: Tensor, levels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return features at the sizes of `levels`, the encoder's results from stride 4 on."""
        feat_bchw, results = volume_bdhw, []
        for level, prior_bchw in enumerate(levels):
            reduced = self.convs[f"ds_conv_{level}"](feat_bchw)
            feat_bchw = self.convs[f"conv_{level}"](torch.cat([reduced, prior_bchw], dim=1))
            results.append(feat_bchw)
        return tuple(results)
