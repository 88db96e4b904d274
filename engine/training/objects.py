"""Objects for GTR that are drawn while it learns, and kept on disk where that pays."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from engine.synth.bank import Bank, build_bank
from engine.synth.thing import Thing
from engine.synth.thing_views import (
    ThingViews,
    draw_views,
    held_out_views,
    learned_cameras,
    learned_thing,
)
from engine.training import store

THING = "thing_"
# Depth is kept in steps of this many to the unit, normals of this many.
DEPTH_STEPS, NORMAL_STEPS = 2048, 127


@dataclass(frozen=True, slots=True)
class ObjectSample:
    """Posed views of b objects in the box [-1, 1]^3, +Y up, cameras x right, y down, z forward.

    Attributes:
        pictures: (b, v, 3, h, w) sRGB in [0, 1] over white.
        depth: (b, v, h, w) along the axis, 0 where there is no object.
        normal: (b, v, 3, h, w) in the box's axes, 0 likewise.
        K: (b, v, 3, 3) pixels counted from the picture's corner, centres at halves.
        T_world_cam: (b, v, 4, 4).
        things: the objects.
        index: of the batch, or -1.
    """

    pictures: Tensor
    depth: Tensor
    normal: Tensor
    K: Tensor
    T_world_cam: Tensor
    things: tuple[Thing, ...]
    index: int = -1

    def distance(self, points_bn3: Tensor) -> Tensor:
        """Return the distance (b, n) of points to their objects, negative in matter."""
        each = zip(self.things, points_bn3, strict=True)
        return torch.stack([thing.distance(points) for thing, points in each])


class TrainingObjects:
    """Makes batches of objects by their index; `held_out` are the objects that judge."""

    def __init__(
        self,
        device: torch.device,
        seed: int,
        batch: int,
        views: int,
        size_px: int,
        textures: Path | None = None,
        kept: int | None = None,
        folder: Path | None = None,
    ) -> None:
        """Paint the pictures that objects wear; photographs need the folder `textures`.

        Of `kept` batches the objects are drawn once, into `folder`, and come again.

        Raises:
            BadInput: a folder without `index.csv`, or a picture that cannot be read.
        """
        self.device, self._seed = device, seed
        self._batch, self._views, self._size_px = batch, views, size_px
        self._kept, self._folder = kept, folder
        self._bank = build_bank(device, textures)

    def batch(self, index: int) -> ObjectSample:
        """Return the samples of an index, the same whenever asked."""
        numbers = [index * self._batch + slot for slot in range(self._batch)]
        return joined([self._object(number) for number in numbers], index)

    def held_out(self, number: int, bank: Bank) -> ObjectSample:
        """Return one object that no batch ever shows: its inputs, then as many that judge."""
        thing, views = held_out_views(number, self._size_px, bank)
        return joined([_moved(thing, views, self.device)], -1)

    def _object(self, number: int) -> tuple[Thing, ThingViews]:
        if self._kept is None or self._folder is None:
            return self._drawn(number)
        number %= self._kept * self._batch
        path = self._folder / f"object-{number:06d}.safetensors"
        if not path.is_file():
            keep(*self._drawn(number), path)
        return _moved(*read(path), self.device)

    def _drawn(self, number: int) -> tuple[Thing, ThingViews]:
        thing, dice = learned_thing(self._seed, number, self._bank)
        K, T = learned_cameras(dice, self._views, self._size_px)
        thing, K, T = thing.to(self.device), K.to(self.device), T.to(self.device)
        return thing, draw_views(thing, self._bank, K, T, self._size_px, dice)


def joined(some: Sequence[tuple[Thing, ThingViews]], index: int) -> ObjectSample:
    """Return several objects as one batch."""
    views = [each for _, each in some]
    stacks = {f.name: torch.stack([getattr(v, f.name) for v in views]) for f in fields(ThingViews)}
    return ObjectSample(things=tuple(thing for thing, _ in some), index=index, **stacks)


def _moved(thing: Thing, views: ThingViews, device: torch.device) -> tuple[Thing, ThingViews]:
    there = ThingViews(*(getattr(views, f.name).to(device) for f in fields(ThingViews)))
    return thing.to(device), there


def keep(thing: Thing, views: ThingViews, path: Path) -> None:
    """Write an object, whole or not at all.

    Raises:
        CannotWrite: no room or no permission.
    """
    tensors = {
        "pictures": (views.pictures * 255).round().to(torch.uint8),
        "depth": (views.depth * DEPTH_STEPS).round().to(torch.int16),
        "normal": (views.normal * NORMAL_STEPS).round().to(torch.int8),
        "K": views.K,
        "T_world_cam": views.T_world_cam,
    } | {THING + f.name: getattr(thing, f.name) for f in fields(Thing)}
    store.write(tensors, path)


def read(path: Path) -> tuple[Thing, ThingViews]:
    """Return an object that `keep` wrote.

    Raises:
        BadInput: it is damaged.
    """
    return store.read(path, _object)


def _object(tensors: store.Tensors) -> tuple[Thing, ThingViews]:
    thing = Thing(**{f.name: tensors[THING + f.name] for f in fields(Thing)})
    views = ThingViews(
        tensors["pictures"].float() / 255,
        tensors["depth"].float() / DEPTH_STEPS,
        torch.nn.functional.normalize(tensors["normal"].float(), dim=1),
        tensors["K"],
        tensors["T_world_cam"],
    )
    return thing, views
