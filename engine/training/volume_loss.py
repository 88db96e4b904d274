"""What the cost volume itself should say: which plane is the right one.

Through it, matching features learn from every pixel in the first step; through the decoder alone
they learn late.
"""

from torch import Tensor
from torch.nn import functional as F

from engine.nets.simplerecon import geometry
from engine.nets.simplerecon.confidence import plane_places


def volume_loss(cost_bdhw: Tensor, truth_b1hw: Tensor, planes_m: Tensor) -> Tensor:
    """Return the cross entropy between the volume, as logits, and the two planes around the truth.

    Truth may be larger than the volume, and is NaN where it is unknown; beyond the first and the
    last plane nothing is asked.
    """
    with geometry.exact(cost_bdhw):
        size = cost_bdhw.shape[-2:]
        truth = F.interpolate(truth_b1hw, size=size, mode="nearest")
        known_bhw = (truth > planes_m[0]) & (truth < planes_m[-1])
        known_bhw = known_bhw.squeeze(1)
        place_n = plane_places(truth.squeeze(1)[known_bhw].log(), planes_m)
        logs_nd = geometry.wide(cost_bdhw).movedim(1, -1)[known_bhw].log_softmax(-1)
        below = place_n.floor().clamp(0, len(planes_m) - 2).long()
        share = place_n - below
        low = logs_nd.gather(1, below[:, None]).squeeze(1)
        high = logs_nd.gather(1, below[:, None] + 1).squeeze(1)
        total = ((1 - share) * low + share * high).sum()
        return -total / known_bhw.sum().clamp_min(1)
