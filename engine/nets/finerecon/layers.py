"""Convolution blocks shared by the 2D, 3D and point parts."""

from torch import Tensor, nn
from torch.nn import functional as F

# Inside a block the published network has a leaky ReLU of slope 1, which is no activation at all.
# An ordinary slope loads without complaint and gives other numbers.
HIDDEN = nn.Identity
# After the addition of a residual block.
JOIN_SLOPE = 0.01
NORM_EPS = 1e-5

CONVS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


def norm(axes: int, width: int) -> nn.Module:
    """Return a batch norm for so many spatial axes."""
    return NORMS[axes](width, eps=NORM_EPS)


def conv_norm(axes: int, wide_in: int, wide_out: int, kernel: int) -> nn.Sequential:
    """Return convolution without bias, batch norm, and the activation that is none."""
    conv = CONVS[axes](wide_in, wide_out, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, norm(axes, wide_out), HIDDEN())


class ConvNorm(nn.Module):
    """`conv_norm` under the name `net`."""

    def __init__(self, axes: int, wide_in: int, wide_out: int, kernel: int) -> None:
        super().__init__()
        self.net = conv_norm(axes, wide_in, wide_out, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Return (b, wide_out, ...) of the size of the input."""
        y: Tensor = self.net(x)
        return y


class Residual(nn.Module):
    """Two convolutions with batch norms, the input added, then a leaky ReLU."""

    def __init__(self, axes: int, width: int, kernel: int) -> None:
        super().__init__()
        conv = CONVS[axes](width, width, kernel, padding=kernel // 2, bias=False)
        self.net = nn.Sequential(*conv_norm(axes, width, width, kernel), conv, norm(axes, width))

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of `x`."""
        return F.leaky_relu(x + self.net(x), JOIN_SLOPE)
