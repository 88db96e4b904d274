"""The matching encoder: the start of an anti-aliased ResNet-18 (He 2016; Zhang 2019)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.simplerecon.config import SimpleReconConfig

BINOMIAL = (1.0, 3.0, 3.0, 1.0)
SLOPE = 0.2
# Trap: the last convolution repeats the border, unlike all others of the network.
LAST_PADDING: Literal["zeros", "replicate"] = "replicate"


class BlurPool(nn.Module):
    """Binomial blur before every second pixel is taken (Zhang 2019, section 3).

    Trap: the border is mirrored, by one pixel left and above and two right and below.
    """

    filt: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        row = torch.tensor(BINOMIAL) / sum(BINOMIAL)
        self.register_buffer("filt", torch.outer(row, row).repeat(width, 1, 1, 1))

    def forward(self, feat_bchw: Tensor) -> Tensor:
        """Return features of half the size."""
        padded = F.pad(feat_bchw, (1, 2, 1, 2), mode="reflect")
        return F.conv2d(padded, self.filt.to(padded.dtype), stride=2, groups=self.filt.shape[0])


class ResidualBlock(nn.Module):
    """The basic block of ResNet: two normalised 3x3 convolutions and an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, feat_bchw: Tensor) -> Tensor:
        """Return features of the same shape."""
        changed = F.relu(self.bn1(self.conv1(feat_bchw)))
        return F.relu(self.bn2(self.conv2(changed)) + feat_bchw)


class MatchingEncoder(nn.Module):
    """Features to compare between views, stride 4.

    Trap: the instance norms have no weights and no running statistics, so that every picture is
    normalised by itself also in evaluation.
    """

    def __init__(self, config: SimpleReconConfig) -> None:
        super().__init__()
        stem, hidden = config.matching_stem, config.matching_hidden
        self.net = nn.Sequential(
            nn.Conv2d(3, stem, 7, 2, 3, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(),
            nn.Sequential(nn.MaxPool2d(2, 1), BlurPool(stem)),
            nn.Sequential(*(ResidualBlock(stem) for _ in range(config.matching_blocks))),
            nn.Conv2d(stem, hidden, 1),
            nn.InstanceNorm2d(hidden),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(hidden, config.matching_dims, 3, padding=1, padding_mode=LAST_PADDING),
            nn.InstanceNorm2d(config.matching_dims),
        )

    def forward(self, image_b3hw: Tensor) -> Tensor:
        """Return (b, matching_dims, h/4, w/4)."""
        feat_bchw: Tensor = self.net(image_b3hw)
        return feat_bchw
