"""What a depth camera would measure of rendered views, for whole batches on the device.

The model of `sensors`, whose reasons hold here too, in tensors of fixed shape: noise that grows
with the square of the distance, blotches, holes at edges, at grazing angles and on shiny things.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.synth.shade_many import Seen

MIN_M, MAX_M = 0.3, 5.0
EDGE_RATIO = 0.04
SHINY = 0.55
BLOTCH_PX = 4


def sensor_depth(seen: Seen, dice: torch.Generator) -> Tensor:
    """Return measured depth (w, c, h, w), 0 where the camera gives up; `dice` on the device."""
    true = seen.depth_m
    device, shape = true.device, true.shape

    def normal() -> Tensor:
        return torch.randn(shape, generator=dice, device=device)

    def uniform() -> Tensor:
        return torch.rand(shape, generator=dice, device=device)

    far = F.max_pool2d(true, 3, 1, 1)
    near = -F.max_pool2d(-torch.where(true > 0, true, 1e3), 3, 1, 1)
    edge = ((far + near - 2 * true).abs() > EDGE_RATIO * near) & (near < 1e3)
    flying = edge & (uniform() < 0.3)
    z = torch.where(flying, near + (far - near) * uniform(), true)
    coarse = torch.randn(
        (*shape[:2], shape[2] // BLOTCH_PX + 1, shape[3] // BLOTCH_PX + 1),
        generator=dice,
        device=device,
    )
    blotch = F.interpolate(coarse, size=shape[2:], mode="bilinear")
    spread = 0.0012 + 0.0019 * (z - 0.4) ** 2
    measured = z + spread * (0.85 * normal() + 0.75 * blotch)
    lost = (edge & (uniform() < 0.3)) | (uniform() < 0.002)
    lost = lost | (uniform() < ((0.3 - seen.facing) / 0.2).clamp(0, 1))
    shine = (seen.gloss - SHINY).clamp(min=0)
    lost = lost | ((shine > 0) & (blotch > 1.5 - 5 * shine))
    lost = lost | (z <= 0) | (measured < MIN_M) | (measured > MAX_M)
    return torch.where(lost, 0.0, measured)
