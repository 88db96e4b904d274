"""The recipe of the network that corrects a plane sweep."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.layout import channels_last
from engine.nets.sweepdepth.losses import losses
from engine.nets.sweepdepth.model import SweepDepth, Swept
from engine.training import sheets
from engine.training.augment import jittered
from engine.training.data import Worlds
from engine.training.depth import METRICS, SHEET_ROWS, errors
from engine.training.recipe import Judged
from engine.training.store import Kept
from engine.training.sweepdepth_sizes import SweepDepthSize
from engine.training.sweeping import (
    TURNS,
    Sweeper,
    Task,
    packed,
    seen_from,
    sweep_by_torch,
    task,
    unpacked,
)

JITTER = 0.2
FLIP_CHANCE = 0.5


class SweepDepthRecipe:
    """Trains a SweepDepth."""

    network_name = "sweepdepth"

    def __init__(
        self,
        size: SweepDepthSize,
        worlds: Worlds,
        held_out: int,
        sweeper: Sweeper = sweep_by_torch,
        kept: Kept | None = None,
    ) -> None:
        """Learn from worlds; as many held-out ones judge. Swept batches may be kept."""
        self.plan = size.plan
        self.config: dict[str, Any] = size.network.as_dict()
        self._size = size
        self._worlds = worlds
        self._held_out_count = held_out
        self._held_out: list[tuple[Task, Tensor]] = []
        self._sweeper = sweeper
        self._kept = kept

    def build(self) -> nn.Module:
        """Return the network with new weights."""
        return channels_last(SweepDepth(self._size.network))

    def batch(self, index: int) -> Task:
        """Return the swept samples of an index."""
        if self._kept is None:
            return self._drawn(index)
        return self._kept.batch("swept", index, lambda at: packed(self._drawn(at)), unpacked)

    def loss(self, network: nn.Module, batch: Task) -> Mapping[str, Tensor]:
        """Return the terms; an augmented batch is what is learned from."""
        swept, truth = augmented(batch)
        with torch.autocast(truth.device.type, torch.bfloat16, enabled=self._size.is_half):
            said = network(swept)
        terms = losses(said, truth)
        named = terms._asdict()
        return {"loss": named.pop("total")} | named

    def prepare(self) -> None:
        """Draw the held-out pictures."""
        self._held_out = [self._judged(number) for number in range(self._held_out_count)]

    def judge(self, network: nn.Module) -> Judged:
        """Return mean errors over held-out pictures, every pixel, and some of them to look at."""
        scores: list[Tensor] = []
        rows: list[sheets.Picture] = []
        config = self._size.network
        for (swept, _), depth_bhw in self._held_out:
            said = network(swept)
            size = depth_bhw.shape[-2:]
            metres = config.near_m * torch.exp(config.step * said.plane_bhw)
            near, sure = (
                F.interpolate(each[:, None], size=size)[:, 0] for each in (metres, -said.spread_bhw)
            )
            scores += [errors(*part) for part in zip(near, depth_bhw, sure, strict=True)]
            if len(rows) < SHEET_ROWS:
                rows.append(sheets.depth_row(swept.picture_b3hw[0], depth_bhw[0], near[0]))
        means = torch.stack(scores).nanmean(dim=0).tolist()
        return Judged(dict(zip(METRICS, means, strict=True)), sheets.stacked(rows))

    def _drawn(self, index: int) -> Task:
        sample = self._worlds.batch(index // TURNS)
        return task(sample, index, self._sweeper, self._size.network)

    def _judged(self, number: int) -> tuple[Task, Tensor]:
        sample = self._worlds.held_out(number)
        reference = torch.zeros(len(sample.pictures), dtype=torch.long)
        most = torch.full_like(reference, sample.pictures.shape[1] - 1)
        made = seen_from(sample, reference, most, self._sweeper, self._size.network)
        return made, sample.depth[:, 0]


def augmented(batch: Task) -> Task:
    """Return a batch with other colours, half of the times mirrored.

    The sweep has seen the pictures as they were: its costs hardly know colour.
    """
    swept, truth = batch
    pictures = jittered(swept.picture_b3hw, JITTER, (len(truth),))
    changed = swept._replace(picture_b3hw=pictures)
    if torch.rand(()) < FLIP_CHANCE:
        return Task(Swept(*(each.flip(-1) for each in changed)), truth.flip(-1))
    return Task(changed, truth)
