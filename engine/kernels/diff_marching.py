"""Marching cubes whose vertices carry gradient to the grid; closed where the surface leaves it.

The rules are those of DiffMC (Wei et al., "NeuManifold", 2023), so that vertices and faces come in
its order: one vertex for every lattice edge with a change of sign, the classic case table
(Lorensen and Cline 1987) and no cure for ambiguous faces. Connectivity is constant; gradient flows
through where along its edge a vertex lies, and through displaced lattice points.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from engine.core.faults import BadInput
from engine.kernels import cases

# The layer round the grid is outside by this much, which closes surfaces that touch the border
# just beyond it.
PAD_ABOVE_LEVEL = 1.0


class CaseTable(NamedTuple):
    """Triangles of all cases, one after the other; those of case k are `first[k]:first[k + 1]`.

    Bit c of a case is set when corner (c & 1, c >> 1 & 1, c >> 2 & 1) is outside. `corners`
    (t, 3, 4) are lattice edges: the offset of their lower end in the cell, and their axis.
    """

    corners: Tensor
    first: Tensor


class Surface(NamedTuple):
    """`vertices` (n, 3) in grid steps; `faces` (m, 3) int64, counter-clockwise from outside."""

    vertices: Tensor
    faces: Tensor


def extract(
    values_xyz: Tensor,
    level: float = 0.0,
    offsets_xyz3: Tensor | None = None,
    table: CaseTable | None = None,
) -> Surface:
    """Return the surface where the values cross the level; inside is below it.

    Vertices are differentiable in values and offsets, and ordered by the cell whose lowest corner
    starts their edge (x slowest), then by axis. Lattice point (i, j, k) lies at (i, j, k); where
    a surface is cut by the border, vertices lie up to one step beyond it. A grid with all values
    on one side has no surface.

    Args:
        values_xyz: any float type, any device.
        level: value on the surface.
        offsets_xyz3: displacement of every lattice point in steps, within +-0.5; None for none.
        table: how cells are cut; None is the classic table, `derived_table` needs less installed.

    Raises:
        BadInput: not a grid of at least two points a side, or NaN or infinity in it.
    """
    _refuse(values_xyz, offsets_xyz3)
    if bool(_outside(values_xyz, level).all()) or not bool(_outside(values_xyz, level).any()):
        none = torch.zeros(0, 3, dtype=torch.int64, device=values_xyz.device)
        return Surface(none.to(values_xyz.dtype) + 0 * values_xyz.sum(), none)
    padded = pad(values_xyz, (1,) * 6, value=level + PAD_ABOVE_LEVEL)
    outside = _outside(padded, level)
    edges = _crossed_edges(outside)
    faces = _faces(outside, edges, table or case_table())
    if offsets_xyz3 is not None:
        offsets_xyz3 = pad(offsets_xyz3, (0, 0) + (1,) * 6)
    return Surface(_vertices(padded, level, offsets_xyz3, edges) - 1, faces)


def _outside(values: Tensor, level: float) -> Tensor:
    """Return the corner rule: a value on the level is outside."""
    return values >= level


def _crossed_edges(outside: Tensor) -> Tensor:
    """Return the sorted keys 3 * (lower end, row-major) + axis of all edges with two signs."""
    bits = outside.to(torch.uint8)
    crossed = torch.zeros_like(bits)
    for axis in range(3):
        inner = bits.shape[axis] - 1
        change = bits.narrow(axis, 0, inner) ^ bits.narrow(axis, 1, inner)
        crossed.narrow(axis, 0, inner).bitwise_or_(change << axis)
    low = crossed.flatten().nonzero()[:, 0]
    which = crossed.flatten()[low, None] >> torch.arange(3, dtype=torch.uint8, device=low.device)
    row, axis_of = (which & 1).nonzero().unbind(1)
    return 3 * low[row] + axis_of


def _faces(outside: Tensor, edges: Tensor, table: CaseTable) -> Tensor:
    """Return vertex numbers (m, 3), by cell (x slowest), then in the order of the table."""
    corners, first = table.corners.to(outside.device), table.first.to(outside.device)
    nx, ny, nz = outside.shape
    case = torch.zeros(nx - 1, ny - 1, nz - 1, dtype=torch.uint8, device=outside.device)
    bits = outside.to(torch.uint8)
    for c in range(8):
        i, j, k = c & 1, c >> 1 & 1, c >> 2 & 1
        case |= bits[i : nx - 1 + i, j : ny - 1 + j, k : nz - 1 + k] << c
    # Both cases without a triangle, 0 and 255, become less than two by wrapping round.
    active = (case.flatten() + 1 > 1).nonzero()[:, 0]
    cells = torch.stack(torch.unravel_index(active, case.shape), dim=-1)
    case_of = case.flatten()[active].long()
    count = first[case_of + 1] - first[case_of]
    # Row r of the result is triangle r - start[cell] of its cell's case.
    start = count.cumsum(0) - count
    cell = torch.repeat_interleave(torch.arange(len(cells), device=cells.device), count)
    row = first[case_of][cell] + torch.arange(len(cell), device=cells.device) - start[cell]
    x, y, z = (cells[cell, None, :] + corners[row, :, :3]).unbind(-1)
    keys = 3 * ((x * ny + y) * nz + z) + corners[row, :, 3]
    return torch.searchsorted(edges, keys)


def _vertices(padded: Tensor, level: float, offsets: Tensor | None, edges: Tensor) -> Tensor:
    """Return the points (n, 3) on the edges, in steps of the padded grid."""
    _, ny, nz = padded.shape
    axis, low = edges % 3, edges // 3
    step = torch.tensor([ny * nz, nz, 1], device=edges.device)
    high = low + step[axis]
    values = padded.flatten()
    d0, d1 = values[low], values[high]
    # The ends lie on either side of the level, so they differ.
    t = ((level - d0) / (d1 - d0)).clamp(0, 1)[:, None]
    p0, p1 = (
        torch.stack([i // (ny * nz), i // nz % ny, i % nz], dim=-1).to(padded.dtype)
        for i in (low, high)
    )
    if offsets is not None:
        rows = offsets.reshape(-1, 3)
        p0, p1 = p0 + rows[low], p1 + rows[high]
    return p0 + t * (p1 - p0)


@lru_cache(maxsize=1)
def case_table() -> CaseTable:
    """Return the classic table, on the CPU, read off a library one cell at a time (0.1 s, once).

    How polygons are cut into triangles was chosen by hand when the table was made, follows no rule
    and shows in normals; so it is asked for, and `engine.kernels.cases.case_table`, which is
    derived, tells the tests that the polygons are right.
    """
    # The two cases without a change of sign have no triangles.
    none = np.zeros((0, 3, 4), np.int64)
    triangles = [none, *(_triangles(case) for case in range(1, 255)), none]
    first = np.cumsum([0, *(len(t) for t in triangles)])
    return CaseTable(torch.from_numpy(np.concatenate(triangles)), torch.from_numpy(first))


@lru_cache(maxsize=1)
def derived_table() -> CaseTable:
    """Return the table of `engine.kernels.cases`: no cracks, and no library is asked.

    Vertices are those of the classic table; ambiguous faces and polygons are cut otherwise.
    """
    triangles, count = cases.case_table()
    edges = np.arange(12)
    start = cases.EDGE_START[edges]
    lattice = np.stack([start & 1, start >> 1 & 1, start >> 2 & 1, edges // 4], -1)
    # There, set corners are inside.
    found = [lattice[triangles[255 - case, : count[255 - case]]] for case in range(256)]
    first = np.cumsum([0, *(len(t) for t in found)])
    return CaseTable(torch.from_numpy(np.concatenate(found)), torch.from_numpy(first))


def _triangles(case: int) -> np.ndarray:
    """Return one case's triangles (t, 3, 4)."""
    # Here and not above: where networks are trained this library may be missing.
    from skimage.measure import marching_cubes as single_cell

    # The library's first array axis is the table's z.
    cell_zyx = np.array([1.0 if case >> c & 1 else -1.0 for c in range(8)], np.float32)
    points_zyx, faces, _, _ = single_cell(
        cell_zyx.reshape(2, 2, 2), 0.0, method="lorensen", gradient_direction="ascent"
    )
    # Every point is the middle of an edge: its one half tells the axis, the rest the lower end.
    points = points_zyx[:, ::-1]
    axis = np.abs(points - np.round(points)).argmax(axis=1)
    edge = np.concatenate([np.floor(points), axis[:, None]], axis=1)
    return np.asarray(edge[faces], np.int64)


def _refuse(values: Tensor, offsets: Tensor | None) -> None:
    if values.ndim != 3 or min(values.shape) < 2:
        raise BadInput(
            f"A surface needs a grid of at least 2x2x2 values, not {tuple(values.shape)}."
        )
    if offsets is not None and offsets.shape != (*values.shape, 3):
        raise BadInput("A grid needs one offset (3 numbers) a point.")
    if not bool(torch.isfinite(values).all()):
        raise BadInput("The grid to be meshed holds NaN or infinity.")
