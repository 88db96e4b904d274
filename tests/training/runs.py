"""A tiny recipe for the loop: a few numbers that are learned, with chance and statistics in it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.training.loop import News, train
from engine.training.parallel import Team
from engine.training.recipe import Judged, Plan
from engine.training.run import Slice
from engine.training.schedule import Schedule

ALONE = Team(0, 1, torch.device("cpu"))


class Line:
    """Learns a line through noisy points; batch norm and dropout make resuming hard."""

    network_name = "line"

    def __init__(self, steps: int = 40, width: int = 8, poison: int | None = None) -> None:
        self.config: dict[str, Any] = {"width": width}
        self.plan = Plan(Schedule(1e-2, steps, 5), 1e-4, 1.0, 20, 16)
        self.poison = poison
        self.asked: list[int] = []

    def build(self) -> nn.Module:
        width = int(self.config["width"])
        return nn.Sequential(
            nn.Linear(1, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(0.1),
            nn.Linear(width, 1),
        )  # fmt: skip

    def prepare(self) -> None:
        self.held_out = self.batch(10**6)

    def batch(self, index: int) -> tuple[Tensor, Tensor]:
        self.asked.append(index)
        x = torch.rand(16, 1, generator=torch.Generator().manual_seed(index))
        return x, 3 * x - 1

    def loss(self, network: nn.Module, batch: tuple[Tensor, Tensor]) -> Mapping[str, Tensor]:
        x, y = batch
        loss = ((network(x + 0.01 * torch.randn_like(x)) - y) ** 2).mean()
        if self.poison is not None and self.asked[-1] >= self.poison:
            loss = loss * torch.nan
        return {"loss": loss}

    def judge(self, network: nn.Module) -> Judged:
        x, y = self.held_out
        error = float((network(x) - y).abs().mean())
        return Judged({"error": error}, np.zeros((4, 4, 3), np.uint8))


def go(recipe: Line, folder: Path, until: int | None = None, **how: Any) -> list[News]:
    """Return all news of a sitting; with `until` the wish to go on ends at that step."""
    return list(sitting(recipe, folder, until, **how))


def sitting(recipe: Line, folder: Path, until: int | None = None, **how: Any) -> Iterator[News]:
    slice_ = Slice(folder, "line", **how)
    slice_.check()
    start = len(recipe.asked)

    def is_wanted() -> bool:
        trained = [index for index in recipe.asked[start:] if index < 10**6]
        return until is None or len(trained) < until

    return train(recipe, slice_, ALONE, is_wanted)
