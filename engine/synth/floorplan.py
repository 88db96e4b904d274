"""Where in a room things stand, so that none is in another."""

import math
from dataclasses import dataclass, field

import numpy as np

from engine.core.arrays import F64
from engine.synth import clutter, shell
from engine.synth.palette import Palette
from engine.synth.pieces import Piece, rigid
from engine.synth.shell import Span, Wall
from engine.synth.world import Light, Part

# Kept free between pieces that do not belong together; a person must get through some of it.
GAP_M = 0.06


@dataclass(slots=True)
class FloorPlan:
    """A room being furnished."""

    width_m: float
    depth_m: float
    height_m: float
    palette: Palette
    dice: np.random.Generator
    walls: tuple[Wall, ...]
    parts: list[Part] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    names: dict[int, str] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    # Claimed floor: centre, half width, half depth.
    floor: list[tuple[float, float, float, float]] = field(default_factory=list)

    def put(self, piece: Piece, T_world_piece: F64) -> None:
        """Set a piece down as a new instance."""
        instance = len(self.names) + 1
        self.names[instance] = piece.name
        self.parts.extend(piece.place(T_world_piece, instance))

    def is_free(self, x: float, y: float, half_w: float, half_d: float) -> bool:
        """Return whether an upright rectangle lies in the room and meets no other."""
        if abs(x) + half_w > self.width_m / 2 - 0.02 or abs(y) + half_d > self.depth_m / 2 - 0.02:
            return False
        return all(
            abs(x - cx) >= half_w + hw + GAP_M or abs(y - cy) >= half_d + hd + GAP_M
            for cx, cy, hw, hd in self.floor
        )

    def against_wall(self, piece: Piece) -> F64 | None:
        """Put a piece with its back to some wall; return its pose, None when there is no room."""
        w, d, h = piece.size_m
        for index in self.dice.permutation(4):
            wall = self.walls[int(index)]
            span = shell.free_along(self.spans, wall, w + 2 * GAP_M, 0, h, self.dice)
            if span is None:
                continue
            middle = (span.start_m + span.end_m) / 2
            pose = wall.T_world_wall @ rigid((middle, -d / 2 - 0.03, 0))
            half_w, half_d = (w, d) if wall.index % 2 == 0 else (d, w)
            if self.is_free(pose[0, 3], pose[1, 3], half_w / 2, half_d / 2):
                self.floor.append((pose[0, 3], pose[1, 3], half_w / 2, half_d / 2))
                self.spans.append(span)
                self.put(piece, pose)
                self.lay_on(piece, pose)
                return pose
        return None

    def in_the_open(self, half_w: float, half_d: float) -> tuple[float, float] | None:
        """Claim a free rectangle away from the walls; return its centre."""
        reach_x = self.width_m / 2 - half_w - 0.5
        reach_y = self.depth_m / 2 - half_d - 0.5
        if reach_x <= 0 or reach_y <= 0:
            return None
        for _ in range(30):
            x, y = (
                float(self.dice.uniform(-reach_x, reach_x)),
                float(self.dice.uniform(-reach_y, reach_y)),
            )
            if self.is_free(x, y, half_w, half_d):
                self.floor.append((x, y, half_w, half_d))
                return x, y
        return None

    def lay_on(self, piece: Piece, pose: F64, density: float = 11.0) -> None:
        """Scatter small things over the tops of a piece, none touching another."""
        for x, y, z, width, depth in piece.tops:
            placed: list[tuple[float, float, float]] = []
            for _ in range(max(2, round(width * depth * density))):
                make = clutter.ON_TABLES[int(self.dice.integers(len(clutter.ON_TABLES)))]
                thing = make(self.palette)
                radius = math.hypot(thing.size_m[0], thing.size_m[1]) / 2
                for _ in range(8):
                    px = float(self.dice.uniform(-1, 1)) * (width / 2 - radius)
                    py = float(self.dice.uniform(-1, 1)) * (depth / 2 - radius)
                    fits = radius < min(width, depth) / 2 and all(
                        math.hypot(px - ox, py - oy) > radius + r for ox, oy, r in placed
                    )
                    if fits:
                        placed.append((px, py, radius))
                        turn = float(self.dice.uniform(-40, 40))
                        self.put(thing, pose @ rigid((x + px, y + py, z), (0, 0, turn)))
                        break
