"""What the loop asks of a recipe."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.training.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Plan:
    """How a network is trained.

    Attributes:
        schedule: the learning rate.
        weight_decay: of AdamW; 0 makes it Adam.
        longest_gradient: gradients are shortened to this norm.
        validate_every: steps between looks at the held-out worlds.
        batch: samples a step, in each process.
    """

    schedule: Schedule
    weight_decay: float
    longest_gradient: float
    validate_every: int
    batch: int

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        plan = asdict(self)
        plan["schedule"]["drops"] = list(self.schedule.drops)
        return plan


class Judged(NamedTuple):
    """What held-out worlds say: numbers by name, and a contact sheet (h, w, 3)."""

    metrics: dict[str, float]
    sheet: NDArray[np.uint8]


class Recipe(Protocol):
    """A network, what it learns from, and what is minimised.

    Attributes:
        network_name: name of the network class, as weight files call it.
        config: its configuration as plain JSON; a checkpoint of another one is refused.
        plan: how it is trained.
    """

    network_name: str
    config: dict[str, Any]
    plan: Plan

    def build(self) -> nn.Module:
        """Return the network with new weights, on the CPU."""
        ...

    def prepare(self) -> None:
        """Draw what `judge` looks at, before batches are asked for by another thread."""
        ...

    def batch(self, index: int) -> Any:
        """Return the samples of an index, the same whenever asked."""
        ...

    def loss(self, network: nn.Module, batch: Any) -> Mapping[str, Tensor]:
        """Return the terms; what is called "loss" is minimised.

        Chance is drawn from torch's own generators, which the loop sets for every step.
        """
        ...

    def judge(self, network: nn.Module) -> Judged:
        """Return how a network in evaluation mode does on held-out worlds."""
        ...
