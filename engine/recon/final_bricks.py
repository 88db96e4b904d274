"""A finished surface as the bricks of the surface lattice."""

from collections.abc import Iterator

import numpy as np

from engine.core.arrays import I16, I64
from engine.core.grid import BRICK_VOXELS, pack, unpack
from engine.recon.bricks import ABSENT, SILENT, quantised
from engine.recon.lattice import shift_m
from engine.recon.surface import FineSurface

# Bricks handed out together: 4 MB of samples.
AT_ONCE = 512


def final_bricks(surface: FineSurface, denies: bool = False) -> Iterator[tuple[I64, I16]]:
    """Yield keys (n,) and samples (n, 16, 16, 16) for `Volume.refine`, every brick once.

    The lattice is one of `aligned`. In voxels without surface nothing is said or, if the network
    `denies`, that there is none.
    """
    r, elsewhere = surface.rate, ABSENT if denies else SILENT
    per = BRICK_VOXELS // r
    voxels = surface.voxels.numpy() + first_voxel(surface)
    brick = pack(voxels // per)
    order = np.argsort(brick, kind="stable")
    keys, starts = np.unique(brick[order], return_index=True)
    ends = np.append(starts[1:], len(order))
    for first in range(0, len(keys), AT_ONCE):
        part = slice(first, first + AT_ONCE)
        rows = order[starts[first] : ends[part][-1]]
        cells = np.full((len(keys[part]), per, per, per, r, r, r), elsewhere, np.int16)
        at = np.searchsorted(keys[part], brick[rows])
        i, j, k = (voxels[rows] % per).T
        cells[at, i, j, k] = quantised(2 * surface.values[rows].numpy() - 1)
        samples = cells.transpose(0, 1, 4, 2, 5, 3, 6).reshape(-1, *(BRICK_VOXELS,) * 3)
        yield keys[part], np.ascontiguousarray(samples)


def first_voxel(surface: FineSurface) -> I64:
    """Return which voxel (3,) of the world's feature lattice the surface's lattice begins with."""
    lattice = surface.lattice
    shift = shift_m(lattice.voxel_m, lattice.voxel_m / surface.rate)
    origin = (np.array(lattice.origin_m) - shift) / lattice.voxel_m
    first: I64 = np.rint(origin).astype(np.int64)
    return first


def bricks_inside(surface: FineSurface, keys: I64) -> I64:
    """Return those of the bricks (n,) that have a voxel in the surface's lattice."""
    per = BRICK_VOXELS // surface.rate
    low = first_voxel(surface)
    cells = unpack(keys)
    end = low + np.array(surface.lattice.dims)
    inside = ((cells + 1) * per > low).all(axis=1) & (cells * per < end).all(axis=1)
    found: I64 = keys[inside]
    return found
