"""Colours as other cameras and lights would give them."""

import torch
from torch import Tensor

# Of red, green and blue in brightness (ITU-R BT.601).
LUMA = (0.299, 0.587, 0.114)


def jittered(rgb_x3hw: Tensor, amount: float, draws: tuple[int, ...]) -> Tensor:
    """Return pictures 0..1 with brightness, contrast, saturation and hue changed, in this order.

    Each changes by up to `amount`: three factors, and a turn of the hue by a share of the circle.
    `draws` are the leading axes that each get their own; others share.
    """
    lead = rgb_x3hw.dim() - 3

    def factor() -> Tensor:
        shape = (*draws, *([1] * (lead - len(draws))), 1, 1, 1)
        return (torch.rand(shape, device=rgb_x3hw.device) * 2 - 1) * amount

    rgb = (rgb_x3hw * (1 + factor())).clamp(0, 1)
    middle = grey(rgb).mean((-1, -2), keepdim=True)
    rgb = (middle + (rgb - middle) * (1 + factor())).clamp(0, 1)
    light = grey(rgb)
    rgb = (light + (rgb - light) * (1 + factor())).clamp(0, 1)
    return turned(rgb, factor())


def grey(rgb_x3hw: Tensor) -> Tensor:
    """Return brightness (..., 1, h, w)."""
    weights = rgb_x3hw.new_tensor(LUMA)[:, None, None]
    return (rgb_x3hw * weights).sum(-3, keepdim=True)


def turned(rgb_x3hw: Tensor, share_x111: Tensor) -> Tensor:
    """Return pictures whose colours are turned about the grey axis by a share of the circle.

    A rotation by Rodrigues' formula: brightness as the mean of the three colours is kept.
    """
    angle = share_x111 * (2 * torch.pi)
    cosine, sine = angle.cos(), angle.sin()
    red, green, blue = (rgb_x3hw[..., c : c + 1, :, :] for c in range(3))
    mean = (red + green + blue) / 3
    # The cross product with the grey axis (1, 1, 1) / sqrt(3).
    across = torch.cat([blue - green, red - blue, green - red], dim=-3) / 3**0.5
    moved: Tensor = mean + (rgb_x3hw - mean) * cosine + across * sine
    return moved.clamp(0, 1)
