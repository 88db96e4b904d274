"""Small networks on single points: image features, surface, occupancy (paper section 3.3)."""

from torch import nn

from engine.nets.finerecon.layers import Residual, norm


def point_mlp(width: int, blocks: int) -> nn.Sequential:
    """Return residual blocks over (b, width, n), each point on its own."""
    return nn.Sequential(*[Residual(1, width, kernel=1) for _ in range(blocks)])


def predictor(wide_in: int, width: int, blocks: int) -> nn.Sequential:
    """Return the network from features (b, wide_in, n) to logits (b, 1, n)."""
    return nn.Sequential(
        nn.Conv1d(wide_in, width, 1), *point_mlp(width, blocks), nn.Conv1d(width, 1, 1)
    )


class Fusion(nn.Module):
    """The batch norm that follows the mean over views.

    It comes after the mean, so what no view has seen holds the norm of zero, not zero.
    """

    def __init__(self, axes: int, width: int) -> None:
        super().__init__()
        self.bn = norm(axes, width)
