"""How far a volume that was trained as logits over planes speaks for the result."""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.nets.simplerecon import geometry
from engine.nets.simplerecon.model import DepthPrediction

# Planes to either side of the result that still speak for it.
SUPPORT_PLANES = 1.5


def confidence(predicted: DepthPrediction, planes_m: Tensor) -> Tensor:
    """Return the probability (b, 1, h, w) near the result, at the volume's size.

    Means something only where the volume had a loss of its own; the published one had none.
    """
    with geometry.exact(predicted.volume.cost_bdhw):
        share_bdhw = geometry.wide(predicted.volume.cost_bdhw).softmax(1)
        log_depth = F.interpolate(
            predicted.log_depths[0], size=share_bdhw.shape[-2:], mode="nearest"
        )
        place = plane_places(log_depth, planes_m)
        number = torch.arange(len(planes_m), device=place.device)[:, None, None]
        return (share_bdhw * ((number - place).abs() < SUPPORT_PLANES)).sum(1, keepdim=True)


def plane_places(log_depth: Tensor, planes_m: Tensor) -> Tensor:
    """Return log depths as numbers of planes with fractions; planes are even in log depth."""
    logs = planes_m.log()
    return (log_depth - logs[0]) / (logs[1] - logs[0])
