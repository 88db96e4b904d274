"""The depth decoder in the shape of U-Net++ (Zhou 2018): a triangle of joined resolutions."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.simplerecon.config import LEVELS, SimpleReconConfig
from engine.nets.simplerecon.layers import BasicBlock

# Trap: bilinear without aligned corners, and after the block, not before it.
UPSAMPLING = "bilinear"


def upsample(feat_bchw: Tensor) -> Tensor:
    """Return features of twice the size."""
    return F.interpolate(feat_bchw, scale_factor=2, mode=UPSAMPLING, align_corners=False)


class DepthDecoder(nn.Module):
    """Log depth at strides 2, 4, 8 and 16 from five levels of features.

    Node X[i][j] of row i (stride 2^(i+1)) and column j joins the node to its left, the one below
    that, and the one below itself.
    """

    def __init__(self, config: SimpleReconConfig) -> None:
        super().__init__()
        self.convs = nn.ModuleDict()
        widths = config.decoder_widths
        # Channels of the previous column, row by row.
        column = [config.encoder_channels[0], *config.volume_widths]
        for j in range(1, LEVELS + 1):
            for i in range(LEVELS - j, -1, -1):
                width, parts = widths[i], 2
                self.convs[f"diag_conv_{i + 1}{j - 1}"] = BasicBlock(column[i + 1], width)
                self.convs[f"right_conv_{i}{j - 1}"] = BasicBlock(column[i], width)
                if i + j < LEVELS:
                    self.convs[f"up_conv_{i + 1}{j}"] = BasicBlock(widths[i + 1], width)
                    parts = 3
                block = nn.Sequential(BasicBlock(parts * width, width))
                block.add_module("conv_0", BasicBlock(width, width))
                self.convs[f"in_conv_{i}{j}"] = block
                if j == 1:
                    self.convs[f"output_{i}"] = nn.Sequential(
                        BasicBlock(width, width) if i else nn.Identity(), nn.Conv2d(width, 1, 1)
                    )
            column = list(widths[: LEVELS + 1 - j])

    def forward(self, levels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return (b, 1, h, w) log depth, finest first, from features at strides 2 to 32."""
        column, outputs = list(levels), []
        for j in range(1, LEVELS + 1):
            following: list[Tensor] = []
            for i in range(LEVELS - j, -1, -1):
                parts = [
                    self.convs[f"right_conv_{i}{j - 1}"](column[i]),
                    upsample(self.convs[f"diag_conv_{i + 1}{j - 1}"](column[i + 1])),
                ]
                if i + j < LEVELS:
                    parts.append(upsample(self.convs[f"up_conv_{i + 1}{j}"](following[0])))
                following.insert(0, self.convs[f"in_conv_{i}{j}"](torch.cat(parts, dim=1)))
            column = following
            outputs.append(self.convs[f"output_{LEVELS - j}"](column[-1]))
        return tuple(reversed(outputs))
