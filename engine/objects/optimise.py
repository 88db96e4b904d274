"""How GTR's weights are moved: AdamW in groups, linear warm-up, then a cosine."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

Group = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rates as shares of their peak; the defaults are those of per-object refinement.

    Training's own were `warmup=5000, total=300_000`.
    """

    warmup: int = 1
    total: int = 500
    floor: float = 0.05

    def share(self, step: int) -> float:
        """Return the share of the peak at a step, counted from 0, which itself stands still."""
        if step < self.warmup:
            return step / self.warmup
        turn = math.pi * (step - self.warmup) / (self.total - self.warmup)
        return (1 - self.floor) * (1 + math.cos(turn)) / 2 + self.floor


@dataclass(frozen=True, slots=True)
class AdamwSettings:
    """What both stages and refinement share."""

    peak_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.05
    max_gradient_norm: float = 1.0


def groups(module: nn.Module, settings: AdamwSettings) -> list[Group]:
    """Return the module's parameters as two groups: those that decay, those that do not.

    Biases and the weights of LayerNorms do not; everything else does, learnt planes included.
    """
    still = {id(p) for p in _without_decay(module)}
    decaying = [p for p in module.parameters() if id(p) not in still]
    resting = [p for p in module.parameters() if id(p) in still]
    return [
        {"params": decaying, "weight_decay": settings.weight_decay, "lr": settings.peak_rate},
        {"params": resting, "weight_decay": 0.0, "lr": settings.peak_rate},
    ]


def _without_decay(module: nn.Module) -> Iterable[Tensor]:
    for part in module.modules():
        for name, parameter in part.named_parameters(recurse=False):
            if name == "bias" or isinstance(part, nn.LayerNorm):
                yield parameter
