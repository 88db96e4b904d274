"""Reading three feature planes at points of the box [-1, 1]^3."""

from torch import Tensor
from torch.nn import functional as F

# The coordinate along the width and the one along the height of planes 0, 1 and 2.
PLANE_AXES = ((0, 1), (0, 2), (1, 2))
# False: +-1 is the outer edge of the outer texel, not its centre.
ALIGN_CORNERS = False
# Points outside the box read its nearest border.
PADDING = "border"


def sample_planes(triplane: Tensor, points: Tensor) -> Tensor:
    """Return the bilinear values (..., n, c, 3) of planes (..., 3, c, h, w) at points (..., n, 3).

    Leading dimensions, if any, are equal. Differentiable in both arguments.
    """
    grid = points[..., PLANE_AXES].movedim(-2, -3)
    values = F.grid_sample(
        triplane.flatten(0, -4),
        grid.flatten(0, -3).unsqueeze(1),
        mode="bilinear",
        padding_mode=PADDING,
        align_corners=ALIGN_CORNERS,
    )
    return values.reshape(*triplane.shape[:-2], -1).movedim(-1, -3).transpose(-1, -2)


def interleave(values: Tensor) -> Tensor:
    """Return (..., n, 3 c) features of values (..., n, c, 3).

    Entry 3 c + p is channel c of plane p.
    """
    return values.flatten(-2)
