"""What the correcting network is taught by: the right plane, and how wrong it expects to be."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.nets.simplerecon.losses import gradient_loss
from engine.nets.sweepdepth.model import RESULT_SHRINK, Corrected

CHOICE_WEIGHT, COARSE_WEIGHT, SPREAD_WEIGHT, GRADIENT_WEIGHT = 0.5, 0.5, 0.5, 0.3
# Errors count in full up to so many planes, about 15 % of the depth, and as a logarithm from
# there: a pixel that nobody can know must not outweigh hundreds that can be made better.
FAR_OFF = 3.0


class Losses(NamedTuple):
    """`total` is what training follows; errors are mean absolute planes."""

    total: Tensor
    plane: Tensor
    coarse: Tensor
    choice: Tensor
    spread: Tensor
    gradient: Tensor


def losses(said: Corrected, truth_bhw: Tensor) -> Losses:
    """Return the terms; truth has the pictures' size, in planes, NaN unknown."""
    half = truth_bhw[:, ::RESULT_SHRINK, ::RESULT_SHRINK]
    quarter = half[:, ::2, ::2]
    known = torch.isfinite(half)
    error = (said.plane_bhw - half)[known].abs()
    plane = damped(error).mean()
    # Laplace's negative log likelihood, of errors that the spread may not make smaller.
    spread_n = said.spread_bhw[known]
    spread = (error.detach() / spread_n + spread_n.log()).mean()
    there = torch.isfinite(quarter)
    coarse = damped((said.coarse_bhw - quarter)[there].abs()).mean()
    choice = cross_entropy(said.logits_bdhw, quarter)
    gradient = gradient_loss(said.plane_bhw[:, None], half[:, None])
    total = (
        plane
        + COARSE_WEIGHT * coarse
        + CHOICE_WEIGHT * choice
        + SPREAD_WEIGHT * spread
        + GRADIENT_WEIGHT * gradient
    )
    return Losses(total, error.mean(), coarse, choice, spread, gradient)


def damped(error_n: Tensor) -> Tensor:
    """Return errors that grow slower beyond `FAR_OFF` planes; smooth there."""
    over = (error_n / FAR_OFF).clamp_min(1.0)
    return error_n.clamp_max(FAR_OFF) + FAR_OFF * over.log()


def cross_entropy(logits_bdhw: Tensor, truth_bhw: Tensor) -> Tensor:
    """Return that between logits and the two planes around the truth."""
    last = logits_bdhw.shape[1] - 1
    known = torch.isfinite(truth_bhw) & (truth_bhw >= 0) & (truth_bhw <= last)
    logs_nd = F.log_softmax(logits_bdhw.movedim(1, -1)[known], -1)
    place_n = truth_bhw[known]
    below = place_n.floor().clamp(0, last - 1).long()
    share = place_n - below
    low, high = (logs_nd.gather(1, (below + k)[:, None]).squeeze(1) for k in (0, 1))
    return -((1 - share) * low + share * high).sum() / known.sum().clamp_min(1)
