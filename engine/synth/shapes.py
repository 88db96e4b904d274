"""Solids with an exact signed distance, many at once.

Four kinds are enough to furnish a room. A box and a frustum carry a rounding radius, so that
slabs, cushions, cylinders, cones, capsules and spheres are all one of the two; planes make the
room's shell; a torus makes handles and rings. All but the torus are convex.

Distances are positive in free space, zero on the surface and negative inside. The union of solids
has the exact Euclidean distance everywhere in free space. Inside matter the value is exact for the
deepest single solid but only a bound where solids overlap (the true way out may be longer).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

from engine.core.arrays import F64

# Points are grouped in cubes of this edge; a cube asks only the solids that can matter to it.
CELL_M = 0.2
CELLS_AT_ONCE = 4096
# Chunks that stay in the processor's cache.
PAIRS_AT_ONCE = 1 << 17
FEW_PAIRS = 1 << 15


class Kind(IntEnum):
    """Which formula a solid obeys, each in its own frame."""

    PLANE = 0  # matter below z = 0
    BOX = 1  # size: inner half extents; rounding is added outside
    FRUSTUM = 2  # size: inner radius at -z, at +z, inner half height; rounding is added outside
    TORUS = 3  # size: radius of the ring round z, radius of the tube


@dataclass(frozen=True, slots=True)
class Shape:
    """One solid before it is placed: a kind, three numbers in metres and a rounding radius."""

    kind: Kind
    size: tuple[float, float, float]
    round_m: float = 0.0

    def outer_half_m(self) -> tuple[float, float, float]:
        """Return the half extents of the box round the solid in its own frame; planes have none."""
        a, b, c = self.size
        r = self.round_m
        if self.kind is Kind.BOX:
            return a + r, b + r, c + r
        if self.kind is Kind.FRUSTUM:
            return max(a, b) + r, max(a, b) + r, c + r
        if self.kind is Kind.TORUS:
            return a + b, a + b, b
        return 0.0, 0.0, 0.0


def plane() -> Shape:
    """Return the half space below z = 0."""
    return Shape(Kind.PLANE, (0.0, 0.0, 0.0))


def box(x_m: float, y_m: float, z_m: float, round_m: float = 0.0) -> Shape:
    """Return a box of these full edge lengths whose edges are rounded inwards."""
    r = min(round_m, x_m / 2, y_m / 2, z_m / 2)
    return Shape(Kind.BOX, (x_m / 2 - r, y_m / 2 - r, z_m / 2 - r), r)


def cylinder(radius_m: float, height_m: float, round_m: float = 0.0) -> Shape:
    """Return an upright cylinder of this full height whose rims are rounded inwards."""
    r = min(round_m, radius_m, height_m / 2)
    return Shape(Kind.FRUSTUM, (radius_m - r, radius_m - r, height_m / 2 - r), r)


def cone(bottom_m: float, top_m: float, height_m: float, round_m: float = 0.0) -> Shape:
    """Return an upright cone frustum with these radii; rounding shrinks the core, then adds."""
    r = min(round_m, height_m / 2)
    core = (max(bottom_m - r, 0.0), max(top_m - r, 0.0), height_m / 2 - r)
    return Shape(Kind.FRUSTUM, core, r)


def capsule(radius_m: float, height_m: float) -> Shape:
    """Return an upright capsule of this full height."""
    return cylinder(radius_m, max(height_m, 2 * radius_m), radius_m)


def sphere(radius_m: float) -> Shape:
    """Return a ball."""
    return Shape(Kind.FRUSTUM, (0.0, 0.0, 0.0), radius_m)


def torus(ring_m: float, tube_m: float) -> Shape:
    """Return a ring round z."""
    return Shape(Kind.TORUS, (ring_m, tube_m, 0.0))


@dataclass(frozen=True, slots=True)
class Solids:
    """Placed solids as tensors, ready for arithmetic on any device.

    Attributes:
        kind: (n,) int64.
        R_world_obj: (n, 3, 3) float32.
        center: (n, 3) float32, the solid's origin in the world.
        size: (n, 3) float32, as `Kind` says.
        round_m: (n,) float32.
        outer: (n, 3) float32 half extents of the box round each solid, own frame.
    """

    kind: Tensor
    R_world_obj: Tensor
    center: Tensor
    size: Tensor
    round_m: Tensor
    outer: Tensor

    @staticmethod
    def build(shapes: Sequence[Shape], T_world_obj: Sequence[F64]) -> "Solids":
        """Return the tensors of shapes at their (4, 4) poses, on the CPU."""
        poses = torch.from_numpy(np.stack(T_world_obj).astype(np.float32))
        return Solids(
            torch.tensor([int(s.kind) for s in shapes]),
            poses[:, :3, :3].contiguous(),
            poses[:, :3, 3].contiguous(),
            torch.tensor([s.size for s in shapes], dtype=torch.float32),
            torch.tensor([s.round_m for s in shapes], dtype=torch.float32),
            torch.tensor([s.outer_half_m() for s in shapes], dtype=torch.float32),
        )

    def __len__(self) -> int:
        """Return how many solids there are."""
        return len(self.kind)

    def to(self, device: torch.device | str) -> "Solids":
        """Return the same solids on another device."""
        return Solids(*(getattr(self, f.name).to(device) for f in fields(self)))

    def pick(self, index: Tensor) -> "Solids":
        """Return the solids at these indices, in that order."""
        return Solids(*(getattr(self, f.name).index_select(0, index) for f in fields(self)))

    def to_local(self, points: Tensor) -> Tensor:
        """Return world points (..., n, 3), one row for each solid, in the solids' own frames."""
        return torch.einsum("...nji,...nj->...ni", self.R_world_obj, points - self.center)

    def distance(self, points: Tensor) -> Tensor:
        """Return the signed distance (n,) of world points (n, 3) to the union of all solids.

        A few microseconds a point on one core, however many solids there are.
        """
        flat = points.to(self.center)
        if len(self) == 0 or len(flat) == 0:
            return torch.full((len(flat),), torch.inf, dtype=flat.dtype, device=flat.device)
        if len(flat) * len(self) <= FEW_PAIRS:
            return self.nearest_of_all(flat)
        cells, cell_of = torch.unique(torch.floor(flat / CELL_M), dim=0, return_inverse=True)
        order = torch.argsort(cell_of, stable=True)
        counts = torch.bincount(cell_of, minlength=len(cells))
        starts = counts.cumsum(0) - counts
        result = torch.full((len(flat),), torch.inf, dtype=flat.dtype, device=flat.device)
        # No distance changes faster than one metre a metre: whatever is farther from the cube's
        # centre than the nearest solid by a full diagonal cannot be nearest anywhere in the cube.
        diagonal = CELL_M * 3**0.5
        for some in torch.split(torch.arange(len(cells), device=flat.device), CELLS_AT_ONCE):
            at_center = self._each((cells.index_select(0, some) + 0.5) * CELL_M)
            matters = at_center <= at_center.amin(dim=1, keepdim=True) + diagonal
            for kind in Kind:
                mine = matters & (self.kind == int(kind))
                row, solid = torch.nonzero(mine, as_tuple=True)
                cell = some.index_select(0, row)
                each = counts.index_select(0, cell)
                # One pair for every point of the cell and every solid that matters to the cell.
                pair = torch.repeat_interleave(torch.arange(len(cell), device=flat.device), each)
                first = starts.index_select(0, cell) - (each.cumsum(0) - each)
                place = first.index_select(0, pair) + torch.arange(len(pair), device=flat.device)
                for begin in range(0, len(pair), PAIRS_AT_ONCE):
                    part = slice(begin, begin + PAIRS_AT_ONCE)
                    who = solid.index_select(0, pair[part])
                    point = order.index_select(0, place[part])
                    found = self._paired(kind, flat.index_select(0, point), who)
                    result.scatter_reduce_(0, point, found, "amin")
        return result

    def nearest_of_all(self, points: Tensor) -> Tensor:
        """Return the same as `distance`, trying every solid at every point."""
        step = max(1, PAIRS_AT_ONCE // len(self))
        parts = torch.split(points, step)
        return torch.cat([self._each(part).amin(dim=1) for part in parts])

    def _paired(self, kind: Kind, points: Tensor, solid: Tensor) -> Tensor:
        """Return the distance of every point (n, 3) to its own solid (n,), all of one kind."""
        local = turn_each(
            self.R_world_obj.transpose(1, 2), solid, points - self.center.index_select(0, solid)
        )
        size, round_m = self.size.index_select(0, solid), self.round_m.index_select(0, solid)
        return distance_local(kind, local, size, round_m)

    def _each(self, points: Tensor) -> Tensor:
        """Return distances (n, m) of every point to every solid."""
        result = torch.zeros(len(points), len(self), dtype=points.dtype, device=points.device)
        for kind in Kind:
            column = torch.nonzero(self.kind == int(kind))[:, 0]
            if len(column):
                some = self.pick(column)
                local = some.to_local(points[:, None, :])
                result[:, column] = distance_local(kind, local, some.size, some.round_m)
        return result


def distance_local(kind: Kind, p: Tensor, size: Tensor, round_m: Tensor) -> Tensor:
    """Return the signed distance of points (..., 3) in the frame of their solid."""
    if kind is Kind.PLANE:
        return p[..., 2]
    if kind is Kind.BOX:
        q = p.abs() - size
        outside: Tensor = torch.linalg.vector_norm(q.clamp(min=0), dim=-1)
        return outside + q.amax(dim=-1).clamp(max=0) - round_m
    rho = torch.linalg.vector_norm(p[..., :2], dim=-1)
    if kind is Kind.TORUS:
        return torch.hypot(rho - size[..., 0], p[..., 2]) - size[..., 1]
    return _profile(rho, p[..., 2], size)[0] - round_m


def field_local(kind: Kind, p: Tensor, size: Tensor, round_m: Tensor) -> tuple[Tensor, Tensor]:
    """Return distance (...) and its unit gradient (..., 3), the outward normal on the surface."""
    if kind is Kind.PLANE:
        return p[..., 2], torch.zeros_like(p) + p.new_tensor([0.0, 0.0, 1.0])
    if kind is Kind.BOX:
        q = p.abs() - size
        over = q.clamp(min=0)
        # Where at most one coordinate sticks out, the nearest face decides; its normal is exact
        # even on the surface, where the sticking out is rounding only.
        face = (largest_axis(q)[..., None] == torch.arange(3, device=p.device)).to(p.dtype)
        rim = (over > 0).sum(dim=-1, keepdim=True) > 1
        gradient = _unit(torch.where(rim, over, face)) * torch.where(p < 0, -1.0, 1.0)
        return distance_local(kind, p, size, round_m), gradient
    flat = p[..., :2]
    rho = torch.linalg.vector_norm(flat, dim=-1)
    if kind is Kind.TORUS:
        out, up = rho - size[..., 0], p[..., 2]
        distance = torch.hypot(out, up) - size[..., 1]
    else:
        core, out, up = _profile(rho, p[..., 2], size)
        distance = core - round_m
    spread = flat * (out / rho.clamp(min=1e-9))[..., None]
    return distance, _unit(torch.cat([spread, up[..., None]], dim=-1))


def largest_axis(v: Tensor) -> Tensor:
    """Return which of the three numbers (..., 3) is the largest; faster than argmax."""
    x, y, z = v.unbind(-1)
    return torch.where(z > torch.maximum(x, y), 2, (y > x).long())


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner products (...) of vectors (..., 3); faster than summing a short axis."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]


def turn_each(rotations: Tensor, which: Tensor, vectors: Tensor) -> Tensor:
    """Return every vector (n, 3) turned by its own (n,) of some rotations (m, 3, 3)."""
    if len(rotations) == 1:
        return vectors @ rotations[0].T
    # Nine columns of numbers are quicker than as many small matrices as there are vectors.
    m = rotations.reshape(-1, 9).T.contiguous().index_select(1, which)
    x, y, z = vectors.unbind(1)
    return torch.stack([m[3 * i] * x + m[3 * i + 1] * y + m[3 * i + 2] * z for i in range(3)], 1)


def _profile(rho: Tensor, z: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return signed distance and gradient (outwards, upwards) of a frustum's core.

    Seen in the half plane (rho, z) the core is a trapezoid: two caps and a slanted side.
    """
    low, high, half = size[..., 0], size[..., 1], size[..., 2]
    slope = high - low
    length2 = (slope * slope + 4 * half * half).clamp(min=1e-20)
    along = (((rho - low) * slope + (z + half) * 2 * half) / length2).clamp(0, 1)
    side_out = rho - (low + along * slope)
    side_up = z - (2 * along - 1) * half
    cap_radius = torch.where(z > 0, high, low)
    cap_out = (rho - cap_radius).clamp(min=0)
    cap_up = z.abs() - half
    side2 = side_out * side_out + side_up * side_up
    cap2 = cap_out * cap_out + cap_up * cap_up
    on_cap = cap2 < side2
    inside = (cap_up < 0) & (rho < low + (z + half) / (2 * half).clamp(min=1e-20) * slope)
    distance = torch.sqrt(torch.minimum(side2, cap2)) * torch.where(inside, -1.0, 1.0)
    # On a flat part the normal is the part's own, exact however near the point is.
    scale = torch.rsqrt(length2)
    flat_side = (along > 0) & (along < 1)
    flat_cap = on_cap & (cap_out <= 0)
    sign_z = torch.where(z < 0, -1.0, 1.0)
    out = torch.where(flat_side, 2 * half * scale, side_out)
    up = torch.where(flat_side, -slope * scale, side_up)
    out = torch.where(on_cap, torch.where(flat_cap, 0.0, cap_out), out)
    up = torch.where(on_cap, torch.where(flat_cap, sign_z, cap_up * sign_z), up)
    return distance, out, up


def _unit(v: Tensor) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(v, dim=-1, keepdim=True)
    return v / length.clamp(min=1e-12)
