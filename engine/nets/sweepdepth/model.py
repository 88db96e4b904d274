"""The network that corrects a plane sweep: what photographs say, where patches cannot.

A sweep with smoothness along paths is exact where there is texture and wrong on blank walls, on
gloss and beside edges. The network sees the picture, the sweep's plane of every pixel with its
costs, and the coarse volume; it chooses among the planes again (logits over planes at stride 4 that
begin as the sweep's own volume), carries the choice to stride 2 by weights of its own (Teed and
Deng 2020, section 3.3), and says where the sweep's own number is better and how sure it is.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.sweepdepth.config import LEVELS, SweepDepthConfig

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
RESULT_SHRINK = 2
# Probabilities are squared before their mean is taken: many small ones far off would move it.
SHARPNESS = 2.0
# Logits begin as the sweep's volume times this.
FIRST_TRUST = 12.0
# The last correction stays within so many planes.
LARGEST_OFFSET = 2.0
INPUTS = 6


class Swept(NamedTuple):
    """What is known of reference pictures before the network; h and w are multiples of 32.

    Attributes:
        picture_b3hw: colours 0..1.
        plane_bhw: the sweep's best plane, with a fraction.
        least_bhw: its cost.
        margin_bhw: how much more the best rival costs.
        volume_b2dhw: the coarse volume at stride 4, 0..1: costs, and how far off planes are.
    """

    picture_b3hw: Tensor
    plane_bhw: Tensor
    least_bhw: Tensor
    margin_bhw: Tensor
    volume_b2dhw: Tensor


class Corrected(NamedTuple):
    """What the network says.

    Attributes:
        plane_bhw: planes with fractions at stride 2.
        spread_bhw: the mean error to expect of it, in planes (scale of a Laplace distribution).
        coarse_bhw: planes with fractions at stride 4.
        logits_bdhw: of planes at stride 4.
    """

    plane_bhw: Tensor
    spread_bhw: Tensor
    coarse_bhw: Tensor
    logits_bdhw: Tensor


class Block(nn.Module):
    """Two normalised 3x3 convolutions and a shortcut (He 2016)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = _conv(inputs, outputs)
        self.second = nn.Sequential(
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        )
        self.short = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, feat_bchw: Tensor) -> Tensor:
        """Return features of the block's width."""
        return F.relu(self.second(self.first(feat_bchw)) + self.short(feat_bchw))


class SweepDepth(nn.Module):
    """A U-Net over the sweep's maps and volume; any size in multiples of 32."""

    def __init__(self, config: SweepDepthConfig) -> None:
        super().__init__()
        self.config = config
        widths = config.widths
        self.volume = _conv(2 * config.planes, config.volume_width, kernel=1)
        self.down, self.encode = nn.ModuleList(), nn.ModuleList()
        inputs = INPUTS
        for level, (width, count) in enumerate(zip(widths, config.blocks, strict=True)):
            self.down.append(_conv(inputs, width, stride=2))
            joined = width + config.volume_width * (level == 1)
            blocks = [Block(joined if n == 0 else width, width) for n in range(count)]
            self.encode.append(nn.Sequential(*blocks))
            inputs = width
        self.up, self.decode = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(LEVELS - 1)):
            self.up.append(_conv(widths[level + 1], widths[level], kernel=1))
            self.decode.append(
                nn.Sequential(
                    Block(2 * widths[level], widths[level]), Block(widths[level], widths[level])
                )
            )
        self.choose = nn.Conv2d(widths[1], config.planes, 3, 1, 1)
        self.trust = nn.Parameter(torch.tensor(FIRST_TRUST))
        self.carry = nn.Conv2d(widths[1], 9 * RESULT_SHRINK**2, 3, 1, 1)
        self.finish = nn.Conv2d(widths[0] + 2, 3, 3, 1, 1)
        for head in (self.choose, self.carry, self.finish):
            # So that the first answer is the sweep's own.
            nn.init.normal_(head.weight, std=1e-3)

    def forward(self, swept: Swept) -> Corrected:
        """Return planes and their spread."""
        half, quarter = self._features(swept)
        volume = swept.volume_b2dhw[:, 1]
        logits = self.choose(quarter).float() + self.trust * (1 - volume.float())
        coarse = expected_plane(logits)
        carried = upsampled(coarse, self.carry(quarter).float())
        swept_plane = swept.plane_bhw[:, ::RESULT_SHRINK, ::RESULT_SHRINK].float()
        # In hundredths, so that the last layer sees numbers of the size of its features.
        both = torch.stack([swept_plane, carried], 1)
        seen = torch.cat([half, (both / 100).to(half)], 1)
        gate, offset, spread = self.finish(seen).float().unbind(1)
        share = torch.sigmoid(gate)
        plane = share * swept_plane + (1 - share) * carried + LARGEST_OFFSET * torch.tanh(offset)
        return Corrected(plane, F.softplus(spread) + 0.02, coarse, logits)

    def _features(self, swept: Swept) -> tuple[Tensor, Tensor]:
        """Return features at strides 2 and 4."""
        planes = self.config.planes
        maps = torch.stack(
            [
                2 * swept.plane_bhw / planes - 1,
                swept.least_bhw / (1 + swept.least_bhw),
                swept.margin_bhw / (1 + swept.margin_bhw),
            ],
            1,
        )
        feat = torch.cat([normalised(swept.picture_b3hw), maps], 1)
        levels = []
        for level, (down, encode) in enumerate(zip(self.down, self.encode, strict=True)):
            feat = down(feat)
            if level == 1:
                feat = torch.cat([feat, self.volume(1 - swept.volume_b2dhw.flatten(1, 2))], 1)
            feat = encode(feat)
            levels.append(feat)
        above = [feat]
        for up, decode, skip in zip(self.up, self.decode, reversed(levels[:-1]), strict=True):
            wide = F.interpolate(up(above[-1]), scale_factor=2.0, mode="nearest")
            above.append(decode(torch.cat([wide, skip], 1)))
        return above[-1], above[-2]


def normalised(rgb_x3hw: Tensor) -> Tensor:
    """Return colours 0..1 as the network wants them."""
    mean, std = (
        torch.tensor(values, device=rgb_x3hw.device, dtype=rgb_x3hw.dtype)[:, None, None]
        for values in (IMAGE_MEAN, IMAGE_STD)
    )
    return (rgb_x3hw - mean) / std


def expected_plane(logits_bdhw: Tensor) -> Tensor:
    """Return the plane (b, h, w) expected from logits over planes."""
    share_bdhw = (SHARPNESS * logits_bdhw).softmax(1)
    number = torch.arange(share_bdhw.shape[1], device=share_bdhw.device, dtype=share_bdhw.dtype)
    return torch.einsum("bdhw,d->bhw", share_bdhw, number)


def upsampled(plane_bhw: Tensor, weights_bchw: Tensor) -> Tensor:
    """Return planes (b, 2h, 2w): each a weighted mean of the nine around it, weights softmaxed."""
    b, h, w = plane_bhw.shape
    side = RESULT_SHRINK
    share = weights_bchw.view(b, 9, side, side, h, w).softmax(1)
    around = F.pad(plane_bhw[:, None], (1, 1, 1, 1), mode="replicate")
    nine = torch.stack(
        [around[:, 0, dy : dy + h, dx : dx + w] for dy in range(3) for dx in range(3)], 1
    )
    mixed = torch.einsum("bkyxhw,bkhw->bhywx", share, nine)
    return mixed.reshape(b, side * h, side * w)


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Return a normalised convolution with an activation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
