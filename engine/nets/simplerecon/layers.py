"""The residual block of the cost-volume encoder and the decoder."""

from torch import Tensor, nn
from torch.nn import functional as F

# Trap: 0.2 everywhere in the 2D networks, while the reduction MLP has 0.01.
SLOPE = 0.2


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; biases, no normalisation."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.downsample = shortcut(inputs, outputs, stride)

    def forward(self, feat_bchw: Tensor) -> Tensor:
        """Return features of the block's width, at 1/stride of the size."""
        changed = self.conv2(F.leaky_relu(self.conv1(feat_bchw), SLOPE))
        return F.leaky_relu(changed + self.downsample(feat_bchw), SLOPE)


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Return what brings a block's input to the shape of its output."""
    if stride > 1:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1))
    if inputs != outputs:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 1))
    return nn.Identity()
