"""A world: placed solids, what they are made of, and the lamps that light them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.core.arrays import F64
from engine.synth.materials import Material
from engine.synth.shapes import Kind, Shape, Solids


@dataclass(frozen=True, slots=True)
class Part:
    """One solid in place.

    Attributes:
        shape: what it is.
        T_world_obj: (4, 4) float64 rigid pose.
        material: what it is made of.
        instance: the thing it belongs to: 1.. within a world, shared by all parts of a chair.
        shift: moves the repeating picture, so that two boards do not look cut from one place.
    """

    shape: Shape
    T_world_obj: F64
    material: Material
    instance: int
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Light:
    """A lamp or a window: a small bright spot in free space.

    Attributes:
        position_m: (x, y, z).
        power: RGB, linear; what a facing surface one metre away receives.
        axis: main direction; zero for a bulb that shines every way.
        radius_m: size, which softens highlights and the fall-off near by.
    """

    position_m: tuple[float, float, float]
    power: tuple[float, float, float]
    axis: tuple[float, float, float] = (0.0, 0.0, 0.0)
    radius_m: float = 0.15


class World:
    """A scene whose surface is known exactly; never changes once built."""

    def __init__(
        self,
        parts: Sequence[Part],
        lights: Sequence[Light],
        names: Mapping[int, str],
        bounds_m: tuple[F64, F64],
        focus_m: tuple[float, float, float] | None = None,
    ) -> None:
        """Keep everything; `focus_m` is what an orbiting camera looks at, None in a room."""
        self.parts = tuple(parts)
        self.lights = tuple(lights)
        self.names = dict(names)
        self.bounds_m = bounds_m
        self.focus_m = focus_m
        self.solids = Solids.build([p.shape for p in parts], [p.T_world_obj for p in parts])

    @overload
    def distance(self, points: Tensor) -> Tensor: ...
    @overload
    def distance(self, points: NDArray[np.floating]) -> NDArray[np.floating]: ...
    def distance(self, points: Tensor | NDArray[np.floating]) -> Tensor | NDArray[np.floating]:
        """Return metres (...) from world points (..., 3) to the nearest surface.

        Positive in free space, where the value is exact to float32 rounding; negative inside
        matter and beyond the walls, where it is a bound that is exact within a few centimetres
        of any surface not shared by two solids. Tensors stay on their device.
        """
        if isinstance(points, Tensor):
            solids = self.solids.to(points.device)
            return solids.distance(points.reshape(-1, 3)).reshape(points.shape[:-1])
        flat = torch.from_numpy(np.ascontiguousarray(points.reshape(-1, 3), np.float32))
        found = self.solids.distance(flat).numpy().reshape(points.shape[:-1])
        return found.astype(points.dtype)

    def area_m2(self) -> float:
        """Return the floor area of the bounds."""
        low, high = self.bounds_m
        return float((high[0] - low[0]) * (high[1] - low[1]))

    def count(self, kind: Kind) -> int:
        """Return how many solids of a kind there are."""
        return int((self.solids.kind == int(kind)).sum())
