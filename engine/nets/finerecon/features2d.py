"""Image features at stride 4: backbone, three laterals, their sum (paper section 3.1)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.finerecon.backbone import stages
from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.layers import Residual, conv_norm

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
# Enlarging by corners would stretch the coarse maps against the fine one.
ALIGN_CORNERS = False


def normalise(images_bchw: Tensor) -> Tensor:
    """Return pictures with values 0..1 as the backbone was trained to see them."""
    pairs = zip(IMAGE_MEAN, IMAGE_STD, strict=True)
    return torch.stack([(images_bchw[:, c] - m) / s for c, (m, s) in enumerate(pairs)], dim=1)


def enlarge(x_bchw: Tensor, factor: int) -> Tensor:
    """Return the map, `factor` times as large, bilinearly."""
    return F.interpolate(x_bchw, scale_factor=factor, mode="bilinear", align_corners=ALIGN_CORNERS)


class Features2d(nn.Module):
    """The network that turns a picture into features a quarter its size.

    The published system calls it a feature pyramid, but there is only one sum, at stride 4.
    """

    def __init__(self, config: FineReconConfig) -> None:
        super().__init__()
        stem, *parts = stages(config)
        widths = [stage.width for stage in config.backbone_stages[1:]]
        out = config.image_feature_dim
        self.conv0 = nn.Sequential(stem, parts[0], parts[1])
        self.conv1 = parts[2]
        self.conv2 = parts[3]
        self.out0 = conv_norm(2, widths[0], out, kernel=3)
        self.out1 = conv_norm(2, widths[1], out, kernel=3)
        self.out2 = conv_norm(2, widths[2], out, kernel=3)
        self.out3 = Residual(2, out, kernel=3)

    def forward(self, images_bchw: Tensor) -> Tensor:
        """Return features (b, c, h/4, w/4) of pictures 0..1 whose sides are multiples of 16."""
        x4 = self.conv0(normalise(images_bchw))
        x8 = self.conv1(x4)
        x16 = self.conv2(x8)
        total = self.out0(x4) + enlarge(self.out1(x8), 2) + enlarge(self.out2(x16), 4)
        features: Tensor = self.out3(total)
        return features
