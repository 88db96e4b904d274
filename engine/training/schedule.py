"""How the learning rate goes up and down, and how averages follow the weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

# What is left of the learning rate at the end.
LEAST_SHARE = 0.01
DROP = 0.1


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate at every step.

    It rises evenly over `warmup` steps. Then it follows half a cosine down to a hundredth at
    `steps`, or, where `drops` are given, falls to a tenth at each of them, as published.
    """

    peak: float
    steps: int
    warmup: int
    drops: tuple[int, ...] = ()

    def at(self, step: int) -> float:
        """Return the learning rate of a step, the first being 0."""
        if step < self.warmup:
            return self.peak * (step + 1) / self.warmup
        if self.drops:
            return self.peak * DROP ** sum(step >= drop for drop in self.drops)
        share = min(1.0, (step - self.warmup) / max(1, self.steps - self.warmup))
        falling = 0.5 * (1 + math.cos(math.pi * share))
        return self.peak * (LEAST_SHARE + (1 - LEAST_SHARE) * falling)


class Average:
    """An exponential average of a network's weights, which is what is judged and shipped.

    Its memory grows with the steps taken, so that the random beginning is soon forgotten.
    """

    def __init__(self, network: nn.Module, longest: float = 0.999) -> None:
        """Begin with the network's own weights; `longest` is the share kept in the long run."""
        self.longest = longest
        self.tensors = {name: value.detach().clone() for name, value in _state(network).items()}

    @torch.no_grad()
    def follow(self, network: nn.Module, step: int) -> None:
        """Move towards the network's weights after a step, the first being 0."""
        keep = min(self.longest, (1 + step) / (10 + step))
        ours, theirs = [], []
        for name, value in _state(network).items():
            if value.is_floating_point():
                ours.append(self.tensors[name])
                theirs.append(value.detach())
            else:
                self.tensors[name].copy_(value)
        torch._foreach_lerp_(ours, theirs, 1 - keep)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take the averages that were saved."""
        for name, value in self.tensors.items():
            value.copy_(tensors[name])


def _state(network: nn.Module) -> dict[str, Tensor]:
    return dict(network.state_dict())
