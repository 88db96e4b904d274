"""How space is divided: voxels, bricks, blocks, chunks.

A block is a cube of 32 cm: 8^3 voxels of the 4 cm feature lattice. The surface lattice is finer
(4, 2, 1 or 0.5 cm) and stored in bricks of a fixed number of voxels, so that a fine lattice does
not pay for a whole block where the surface only cuts a corner; at 2 cm a brick is a block.
A chunk is 4^3 blocks: the unit of network inference and of one page on the screen.

Voxel (i, j, k) is a sample at the world point (i, j, k) * voxel_m. It belongs to the brick
floor(i / 16), so bricks tile space without gaps and their lower corner is a sample.
"""

from dataclasses import dataclass

import numpy as np

from engine.core.arrays import I32, I64
from engine.core.faults import BadInput

BLOCK_M = 0.32
FEATURE_VOXEL_M = 0.04
FEATURE_VOXELS = 8
BRICK_VOXELS = 16
CHUNK_BLOCKS = 4
SURFACE_VOXELS_M = (0.04, 0.02, 0.01, 0.005)

# Cells are packed into one 64-bit key, 21 bits an axis: +-1,048,576 cells. At the finest lattice
# a brick is 8 cm, so the reach is 83 km either way.
KEY_BITS = 21
KEY_OFFSET = 1 << (KEY_BITS - 1)


@dataclass(frozen=True, slots=True)
class Grid:
    """The surface lattice of one scan; `voxel_m` is one of `SURFACE_VOXELS_M`."""

    voxel_m: float = 0.02

    def __post_init__(self) -> None:
        """Refuse lattices that do not nest in the block grid.

        Raises:
            BadInput: any other voxel size.
        """
        if self.voxel_m not in SURFACE_VOXELS_M:
            sizes = ", ".join(f"{v:g}" for v in SURFACE_VOXELS_M)
            raise BadInput(
                f"A voxel of {self.voxel_m:g} m does not fit the block grid.", f"Use {sizes}."
            )

    @property
    def brick_m(self) -> float:
        """Edge of a brick in metres."""
        return BRICK_VOXELS * self.voxel_m


def pack(cells: np.ndarray) -> I64:
    """Return one int64 key for every integer cell (n, 3); inverse of `unpack`."""
    shifted = np.asarray(cells, np.int64) + KEY_OFFSET
    return (shifted[..., 0] << (2 * KEY_BITS)) | (shifted[..., 1] << KEY_BITS) | shifted[..., 2]


def unpack(keys: I64) -> I32:
    """Return the integer cell (n, 3) of every key."""
    mask = (1 << KEY_BITS) - 1
    parts = [(keys >> (2 * KEY_BITS)) & mask, (keys >> KEY_BITS) & mask, keys & mask]
    return (np.stack(parts, axis=-1) - KEY_OFFSET).astype(np.int32)


def neighbours(keys: I64, offsets: np.ndarray) -> I64:
    """Return the key (n, m) of every cell's neighbour at every offset (m, 3)."""
    return pack(unpack(keys)[:, None, :] + np.asarray(offsets, np.int32)[None, :, :])
