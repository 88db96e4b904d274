"""A chunk of refined voxels as the bricks of the surface lattice."""

from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F32, I16, I64, Bool
from engine.core.grid import BRICK_VOXELS, CHUNK_BLOCKS, FEATURE_VOXELS, pack, unpack

CHUNK_VOXELS = CHUNK_BLOCKS * FEATURE_VOXELS
# What a sample says: nothing, that there is no surface, or a signed distance of so many steps.
SILENT, ABSENT, ONE = 0, -32768, 32767


@dataclass(frozen=True, slots=True)
class Bricks:
    """What the network says of all bricks of a chunk; the three lists of keys share none.

    Attributes:
        keys: (n,) int64 bricks with surface.
        values: (n, 16, 16, 16) int16 their samples: `SILENT`, `ABSENT`, or the distance.
        absent_keys: bricks of which it only says that there is none.
        silent_keys: bricks of which it says nothing.
    """

    keys: I64
    values: I16
    absent_keys: I64
    silent_keys: I64


def bricks(chunk: int, rate: int, informed: Bool, voxels: I64, samples: I16) -> Bricks:
    """Return a chunk as bricks.

    Args:
        chunk: packed cell of the chunk grid.
        rate: samples a voxel along each axis.
        informed: (32, 32, 32) whether pictures or depth saw the voxel.
        voxels: (m, 3) occupied voxels of the chunk, from 0 to 31.
        samples: (m, rate, rate, rate) their distances.
    """
    per, r = BRICK_VOXELS // rate, rate
    along = CHUNK_VOXELS // per
    said = _by_brick(np.where(informed, ABSENT, SILENT).astype(np.int16), per)
    row = np.ravel_multi_index(tuple((voxels // per).T), (along,) * 3)
    has_surface = np.zeros(along**3, bool)
    has_surface[row] = True
    speaks = said.any(axis=(1, 2, 3))
    rows = np.flatnonzero(has_surface)
    cells = np.broadcast_to(said[rows][..., None, None, None], (len(rows), per, per, per, r, r, r))
    cells = cells.copy()
    i, j, k = (voxels % per).T
    cells[np.searchsorted(rows, row), i, j, k] = samples
    values = cells.transpose(0, 1, 4, 2, 5, 3, 6).reshape(-1, *(BRICK_VOXELS,) * 3)
    places = np.stack(np.unravel_index(np.arange(along**3), (along,) * 3), axis=1)
    keys = pack(unpack(np.array([chunk], np.int64)) * along + places)
    return Bricks(keys[rows], values, keys[speaks & ~has_surface], keys[~(speaks | has_surface)])


def voxels_of(keys: I64, values: I16, rate: int) -> tuple[I64, I16]:
    """Return the occupied voxels (m, 3) of the world, and their samples (m, rate, rate, rate)."""
    per, r = BRICK_VOXELS // rate, rate
    cells = values.reshape(-1, per, r, per, r, per, r).transpose(0, 1, 3, 5, 2, 4, 6)
    first = cells[..., 0, 0, 0]
    row, i, j, k = np.nonzero((first != SILENT) & (first != ABSENT))
    return unpack(keys)[row].astype(np.int64) * per + np.stack([i, j, k], axis=1), cells[
        row, i, j, k
    ]


def quantised(tsdf: F32) -> I16:
    """Return signed distances -1..1 in steps; the surface itself is one step in free space."""
    steps = np.rint(tsdf * np.float32(ONE)).astype(np.int16)
    return np.where(steps == SILENT, np.int16(1), steps)


def _by_brick(voxels: I16, per: int) -> I16:
    """Return a chunk's voxels (32, 32, 32) as (n, per, per, per), bricks in row order."""
    along = CHUNK_VOXELS // per
    cells = voxels.reshape(along, per, along, per, along, per).transpose(0, 2, 4, 1, 3, 5)
    return cells.reshape(-1, per, per, per)
