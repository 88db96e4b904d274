"""A piece of furniture before it stands anywhere, and how its parts are put together."""

import math
from dataclasses import dataclass, field

import numpy as np

from engine.core.arrays import F64
from engine.synth.materials import Material
from engine.synth.shapes import Shape
from engine.synth.world import Part


def rigid(
    at_m: tuple[float, float, float], turn_deg: tuple[float, float, float] = (0, 0, 0)
) -> F64:
    """Return the (4, 4) pose that turns about x, then y, then z, then moves."""
    a, b, c = (math.radians(t) for t in turn_deg)
    about_x = np.array([[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]])
    about_y = np.array([[math.cos(b), 0, math.sin(b)], [0, 1, 0], [-math.sin(b), 0, math.cos(b)]])
    about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
    pose = np.eye(4)
    pose[:3, :3] = about_z @ about_y @ about_x
    pose[:3, 3] = at_m
    return pose


@dataclass(slots=True)
class Piece:
    """Parts that belong together. Own frame: floor below at z = 0, back towards +y.

    Attributes:
        name: what people call it.
        size_m: width (x), depth (y) and height of the space it claims, centred on the origin.
        tops: flat places for small things: (x, y, z, width, depth).
        parts: shape, pose in the piece's frame, material, shift of the picture.
    """

    name: str
    size_m: tuple[float, float, float]
    tops: list[tuple[float, float, float, float, float]] = field(default_factory=list)
    parts: list[tuple[Shape, F64, Material, tuple[float, float]]] = field(default_factory=list)

    def add(
        self,
        shape: Shape,
        at_m: tuple[float, float, float],
        material: Material,
        turn_deg: tuple[float, float, float] = (0, 0, 0),
    ) -> None:
        """Add a part; its picture is shifted by where it sits, so that no two look alike."""
        shift = ((at_m[0] * 7.31 + at_m[2] * 3.7) % 1, (at_m[1] * 5.77 + at_m[2] * 2.9) % 1)
        self.parts.append((shape, rigid(at_m, turn_deg), material, shift))

    def place(self, T_world_piece: F64, instance: int) -> list[Part]:
        """Return the parts in the world."""
        return [
            Part(shape, T_world_piece @ pose, material, instance, shift)
            for shape, pose, material, shift in self.parts
        ]
