"""A box that the user pulls to size by its faces."""

from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F64
from engine.core.poses import Pose
from ui.gl.picking import Ray

SMALLEST_M = 0.05
# Axis and side of each handle.
HANDLES = tuple((axis, side) for axis in range(3) for side in (-1, 1))


@dataclass(frozen=True, slots=True)
class Box:
    """Centre and axes in the world, and the lengths of its edges along its own axes."""

    T_world_box: Pose
    size_m: tuple[float, float, float]

    def handles_m(self) -> F64:
        """Return the middles (6, 3) of its faces, world, in the order of `HANDLES`."""
        half = np.array(self.size_m) / 2
        middles = np.array([np.eye(3)[axis] * side * half[axis] for axis, side in HANDLES])
        places: F64 = self.T_world_box.apply(middles)
        return places

    def edges_m(self) -> F64:
        """Return its twelve edges (12, 2, 3), world."""
        signs = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)]) * 2.0 - 1
        corners = self.T_world_box.apply(signs * np.array(self.size_m) / 2)
        pairs = [(i, i | 1 << axis) for i in range(8) for axis in range(3) if not i >> axis & 1]
        ends: F64 = corners[np.array(pairs)]
        return ends

    def pulled(self, handle: int, ray: Ray) -> "Box":
        """Return the box with one face moved, straight, to where a ray passes nearest to its way.

        The opposite face stays. A ray along the way moves nothing.
        """
        axis, side = HANDLES[handle]
        way = self.T_world_box.rotation[:, axis] * side
        start = self.handles_m()[handle]
        gap = start - ray.origin_m
        slant = float(way @ ray.direction)
        steepness = 1 - slant * slant
        if steepness < 1e-4:
            return self
        moved = (slant * float(gap @ ray.direction) - float(gap @ way)) / steepness
        moved = max(moved, SMALLEST_M - self.size_m[axis])
        size = list(self.size_m)
        size[axis] += moved
        T_world_box = Pose.from_parts(
            self.T_world_box.rotation, self.T_world_box.translation + way * moved / 2
        )
        return Box(T_world_box, (size[0], size[1], size[2]))
