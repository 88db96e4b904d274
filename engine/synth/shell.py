"""The room itself: floor, ceiling, walls, door, windows, what hangs on the walls."""

from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F64
from engine.synth.materials import Material
from engine.synth.palette import DARK, WHITE, Palette
from engine.synth.pieces import Piece, rigid
from engine.synth.shapes import box, capsule, cylinder, plane

WALL_NAMES = ("south", "east", "north", "west")


@dataclass(frozen=True, slots=True)
class Wall:
    """One wall seen from inside: `T_world_wall` has x along it, -y into the room, z up."""

    index: int
    length_m: float
    T_world_wall: F64


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a wall that is taken, between two places along it and two heights."""

    wall: int
    start_m: float
    end_m: float
    low_m: float
    high_m: float

    def meets(self, other: "Span") -> bool:
        """Return whether two stretches overlap."""
        return (
            self.wall == other.wall
            and self.start_m < other.end_m
            and other.start_m < self.end_m
            and self.low_m < other.high_m
            and other.low_m < self.high_m
        )


def walls(width_m: float, depth_m: float) -> tuple[Wall, ...]:
    """Return the four walls of a room centred on the origin."""
    half_w, half_d = width_m / 2, depth_m / 2
    places = (
        (width_m, (0, -half_d, 0), 180),
        (depth_m, (half_w, 0, 0), -90),
        (width_m, (0, half_d, 0), 0),
        (depth_m, (-half_w, 0, 0), 90),
    )
    return tuple(
        Wall(i, length, rigid(at, (0, 0, turn))) for i, (length, at, turn) in enumerate(places)
    )


def surfaces(
    p: Palette, width_m: float, depth_m: float, height_m: float
) -> list[tuple[Piece, F64]]:
    """Return floor, ceiling and walls, one piece each, with their poses."""
    floor = Piece("floor", (width_m, depth_m, 0))
    floor.add(plane(), (0, 0, 0), p.floor())
    ceiling = Piece("ceiling", (width_m, depth_m, 0))
    white = Material("plaster", ((0.9, 0.9, 0.88),), p.seed(), 2.0, 0.02)
    ceiling.add(plane(), (0, 0, 0), white, (180, 0, 0))
    result = [(floor, rigid((0, 0, 0))), (ceiling, rigid((0, 0, height_m)))]
    plain, accent = p.walls()
    special = int(p.dice.integers(4))
    for wall in walls(width_m, depth_m):
        piece = Piece("wall", (wall.length_m, 0, height_m))
        # The plane's x runs along the wall and its y up, so that bricks lie flat.
        piece.add(plane(), (0, 0, 0), accent if wall.index == special else plain, (90, 0, 0))
        result.append((piece, wall.T_world_wall))
    return result


def skirting(wall: Wall, gap: Span | None, material: Material) -> Piece:
    """Return the board along the foot of a wall, with a gap for the door."""
    piece = Piece("skirting", (wall.length_m, 0.02, 0.09))
    half = wall.length_m / 2
    pieces = [(-half, half)] if gap is None else [(-half, gap.start_m), (gap.end_m, half)]
    for start, end in pieces:
        if end - start > 0.02:
            piece.add(box(end - start, 0.018, 0.09), ((start + end) / 2, -0.009, 0.045), material)
    return piece


def door(p: Palette) -> Piece:
    """Return a closed door in its frame, centred on the wall at x = 0."""
    leaf = p.timber() if p.dice.random() < 0.5 else p.paint(WHITE, 0.35)
    frame = p.paint(WHITE, 0.35)
    piece = Piece("door", (1.04, 0.1, 2.1))
    for x in (-0.48, 0.48):
        piece.add(box(0.08, 0.045, 2.1), (x, -0.0225, 1.05), frame)
    piece.add(box(0.88, 0.045, 0.08), (0, -0.0225, 2.06), frame)
    piece.add(box(0.88, 0.02, 2.02), (0, -0.01, 1.01), leaf)
    for z, tall in ((0.5, 0.7), (1.45, 0.9)):
        for x in (-0.2, 0.2):
            piece.add(box(0.3, 0.012, tall), (x, -0.024, z), leaf)
    piece.add(cylinder(0.008, 0.06), (0.37, -0.045, 1.02), p.steel(), (90, 0, 0))
    piece.add(capsule(0.009, 0.13), (0.32, -0.072, 1.02), p.steel(), (0, 90, 0))
    return piece


def window(p: Palette, width_m: float, height_m: float, sill_m: float) -> Piece:
    """Return a window with its view, bars, sill and curtains."""
    frame = p.paint(WHITE, 0.35)
    haze = ((0.62, 0.76, 0.92), (0.86, 0.9, 0.93), (0.2, 0.34, 0.16), (0.4, 0.54, 0.24))
    view = Material("outdoors", haze, p.seed(), 0.0, 0.85, 1.6)
    piece = Piece("window", (width_m + 0.6, 0.14, height_m + 0.2))
    middle = sill_m + height_m / 2
    piece.add(box(width_m, 0.01, height_m), (0, -0.005, middle), view)
    for x in (-width_m / 2, 0.0, width_m / 2):
        piece.add(box(0.055, 0.05, height_m + 0.055), (x, -0.025, middle), frame)
    for z in (sill_m, middle + height_m * 0.18, sill_m + height_m):
        piece.add(box(width_m, 0.045, 0.055), (0, -0.0225, z), frame)
    piece.add(box(width_m + 0.16, 0.16, 0.03), (0, -0.08, sill_m - 0.042), frame)
    cloth = p.cloth()
    drop = height_m + 0.32
    for side in (-1, 1):
        for fold in range(4):
            x = side * (width_m / 2 + 0.04 + fold * 0.062)
            piece.add(cylinder(0.036, drop), (x, -0.1 - 0.012 * (fold % 2), middle + 0.02), cloth)
    rod = cylinder(0.011, width_m + 0.7)
    piece.add(rod, (0, -0.1, sill_m + height_m + 0.2), p.steel(DARK), (0, 90, 0))
    return piece


def hung(p: Palette, width_m: float, height_m: float) -> Piece:
    """Return a framed painting or a bare poster, centred at z = 0."""
    piece = Piece("picture", (width_m + 0.06, 0.03, height_m + 0.06))
    if p.dice.random() < 0.5:
        piece.add(box(width_m, 0.006, height_m), (0, -0.003, 0), p.print("poster", 6))
        return piece
    frame = p.timber()
    sky = (p.color(0.3, 0.8), p.color(0.15, 0.9))
    hills = (p.color(0.35, 0.6), p.color(0.5, 0.45), p.color(0.55, 0.3))
    art = Material("painting", (*sky, *hills), p.seed(), 0.0, 0.15)
    piece.add(box(width_m, 0.012, height_m), (0, -0.006, 0), art)
    for x in (-1, 1):
        at = (x * width_m / 2, -0.0125, 0.0)
        piece.add(box(0.035, 0.025, height_m + 0.035), at, frame)
        piece.add(box(width_m, 0.025, 0.035), (0, -0.0125, x * height_m / 2), frame)
    return piece


def ceiling_lamp(p: Palette) -> Piece:
    """Return a flat round lamp hanging from z = 0."""
    piece = Piece("ceiling lamp", (0.4, 0.4, 0.08))
    piece.add(cylinder(0.21, 0.03, 0.005), (0, 0, -0.015), p.paint(WHITE, 0.3))
    glass = Material("plastic", ((0.95, 0.93, 0.88),), p.seed(), 0.5, 0.3, 2.5)
    piece.add(cylinder(0.19, 0.05, 0.02), (0, 0, -0.05), glass)
    return piece


def free_along(
    taken: list[Span],
    wall: Wall,
    width_m: float,
    low_m: float,
    high_m: float,
    dice: np.random.Generator,
) -> Span | None:
    """Return a free stretch of the wall for a thing of this width, or None after some tries."""
    slack = wall.length_m / 2 - width_m / 2 - 0.06
    if slack <= 0:
        return None
    for _ in range(12):
        middle = float(dice.uniform(-slack, slack))
        span = Span(wall.index, middle - width_m / 2, middle + width_m / 2, low_m, high_m)
        if not any(span.meets(other) for other in taken):
            return span
    return None
