"""Batches kept on disk, so that the rays of a sample are cast once and it is learned from often.

On a processor, drawing a sample takes longer than learning from it. What is kept is everything but
chance that is drawn anew whenever a batch is learned from: colours, mirroring, depth's errors.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.synth import packed as at
from engine.synth.packed import Packed
from engine.training import store
from engine.training.data import Sample, Worlds

WORLD = "world_"
# Depth (b, v, h, w) of a sample's views as an estimator sees it, metres, 0 unknown.
DepthOf = Callable[[Sample], Tensor]


@dataclass(frozen=True, slots=True)
class KeptSample:
    """A sample read back: `Sample` with depth to a thousandth, and worlds where they were kept.

    `estimated` is what somebody who did not know the depth made of the pictures, if it was kept.
    """

    pictures: Tensor
    depth: Tensor
    K: Tensor
    T_world_cam: Tensor
    worlds: Packed | None
    estimated: Tensor | None = None

    def distance(self, points_bn3: Tensor) -> Tensor:
        """Return the exact distance (b, n) of world points to the surface, negative in matter.

        Raises:
            BadInput: what was kept is a recording, of which nobody knows the exact surface.
        """
        if self.worlds is None:
            raise BadInput(
                "These samples come from a recording: no exact distances are known.",
                "Learn surfaces from made-up worlds.",
            )
        return at.distance(self.worlds, points_bn3)


class KeptWorlds:
    """`Worlds` of which the first `count` batches are drawn once and then read from a folder."""

    def __init__(
        self,
        worlds: Worlds,
        folder: Path,
        count: int,
        depth_of: DepthOf | None = None,
        device: torch.device = store.CPU,
    ) -> None:
        """Keep batches in a folder of this recipe's own; those that lie there are used.

        Walks are kept with what `depth_of` makes of them.
        """
        self._worlds = worlds
        self._folder = folder
        self._count = count
        self._depth_of = depth_of
        self._device = device

    def batch(self, index: int) -> Sample:
        """Return the samples of an index; from `count` on they come again."""
        return self._kept("depth", index % self._count, self._worlds.batch)

    def walk(self, index: int) -> Sample:
        """Return samples whose views follow each other, likewise."""
        return self._kept("walk", index % self._count, self._worlds.walk, self._depth_of)

    def held_out(self, number: int) -> Sample:
        """Return one sample of a world that no batch ever shows."""
        return self._worlds.held_out(number)

    def held_out_walk(self, number: int, frames: int) -> Sample:
        """Return one sample of such a world: so many views along a walk; also kept."""

        def draw(number: int) -> Sample:
            return self._worlds.held_out_walk(number, frames)

        return self._kept(f"held-out-{frames}-walk", number, draw, self._depth_of)

    def _kept(
        self,
        kind: str,
        index: int,
        draw: Callable[[int], Sample],
        depth_of: DepthOf | None = None,
    ) -> Sample:
        path = self._folder / f"{kind}-{index:06d}.safetensors"
        if not path.is_file():
            sample = draw(index)
            keep(sample, path, None if depth_of is None else depth_of(sample))
        return read(path, self._device)


def keep(sample: Sample, path: Path, estimated: Tensor | None = None) -> None:
    """Write a sample, whole or not at all, and with it what an estimator made of it.

    Raises:
        CannotWrite: no room or no permission.
    """
    tensors = {
        "pictures": (sample.pictures * 255).round().clamp(0, 255).to(torch.uint8),
        "depth": sample.depth.half(),
        "K": sample.K,
        "T_world_cam": sample.T_world_cam,
    }
    if estimated is not None:
        tensors["estimated"] = estimated.half()
    worlds = getattr(sample, "worlds", None)
    if worlds is not None:
        tensors |= {WORLD + f.name: getattr(worlds, f.name) for f in fields(Packed)}
    store.write(tensors, path)


def read(path: Path, device: torch.device = store.CPU) -> KeptSample:
    """Return a sample that `keep` wrote.

    Raises:
        BadInput: it is damaged.
    """
    return store.read(path, _sample, device)


def _sample(tensors: store.Tensors) -> KeptSample:
    worlds = {n.removeprefix(WORLD): t for n, t in tensors.items() if n.startswith(WORLD)}
    estimated = tensors.get("estimated")
    return KeptSample(
        tensors["pictures"].float() / 255,
        tensors["depth"].float(),
        tensors["K"],
        tensors["T_world_cam"],
        Packed(**worlds) if worlds else None,
        None if estimated is None else estimated.float(),
    )
