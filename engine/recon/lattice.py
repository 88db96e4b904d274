"""The voxel box a reconstruction fills."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.core.arrays import F64
from engine.core.faults import BadInput

# The 3D network pools twice.
MULTIPLE_VOX = 4
# Boxes this near to the grid, in steps of it, are on it: edges were computed with rounding.
ON_GRID = 1e-6


@dataclass(frozen=True, slots=True)
class Lattice:
    """Voxel (i, j, k) is a sample at the world point `origin_m + voxel_m * (i, j, k)`.

    Its cell reaches half a voxel to either side.
    """

    origin_m: tuple[float, float, float]
    dims: tuple[int, int, int]
    voxel_m: float

    @property
    def size(self) -> int:
        """How many voxels there are."""
        return math.prod(self.dims)

    def points(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Return the world points (n, 3) float32 of voxels in row order: z runs fastest."""
        index = torch.arange(start, self.size if stop is None else stop)
        return self.points_at(torch.stack(torch.unravel_index(index, self.dims), dim=1))

    def points_at(self, index_n3: Tensor) -> Tensor:
        """Return the world points (n, 3) float32 of voxel indices, which may be fractions."""
        # Double until the end: single precision would move far voxels by micrometres.
        origin = torch.tensor(self.origin_m, dtype=torch.float64, device=index_n3.device)
        return (origin + index_n3.double() * self.voxel_m).float()

    def refined(self, rate: int) -> "Lattice":
        """Return the lattice of `rate` samples a voxel and axis, spread evenly over its cell."""
        fine_m = self.voxel_m / rate
        shift_m = fine_m / 2 - self.voxel_m / 2
        x, y, z = (edge + shift_m for edge in self.origin_m)
        nx, ny, nz = (n * rate for n in self.dims)
        return Lattice((x, y, z), (nx, ny, nz), fine_m)


def lattice_between(low_m: Sequence[float], high_m: Sequence[float], voxel_m: float) -> Lattice:
    """Return the lattice from one corner to at least the other, multiples of 4 voxels an axis.

    Raises:
        BadInput: a box without volume, or NaN.
    """
    low, high = np.asarray(low_m, np.float64), np.asarray(high_m, np.float64)
    extent: F64 = high - low
    if not (np.isfinite(extent).all() and (extent > 0).all()):
        raise BadInput(
            f"The box from {_corner(low)} to {_corner(high)} m holds nothing.",
            "Check that the recording has depth within range.",
        )
    x, y, z = low.tolist()
    nx, ny, nz = (
        MULTIPLE_VOX * math.ceil(edge / (MULTIPLE_VOX * voxel_m)) for edge in extent.tolist()
    )
    return Lattice((x, y, z), (nx, ny, nz), voxel_m)


def shift_m(voxel_m: float, resolution_m: float) -> float:
    """Return where the first voxel is, so that its samples begin at 0, a multiple of their pitch.

    Voxel (i, j, k) of the world's feature lattice is at `voxel_m * (i, j, k) + shift_m`.
    """
    return (voxel_m - resolution_m) / 2


def part_of_world(
    low_vox: Sequence[int], dims: tuple[int, int, int], voxel_m: float, resolution_m: float
) -> Lattice:
    """Return a box of the world's feature lattice, from its lowest voxel."""
    shift = shift_m(voxel_m, resolution_m)
    x, y, z = (int(index) * voxel_m + shift for index in low_vox)
    return Lattice((x, y, z), dims, voxel_m)


def aligned(lattice: Lattice, resolution_m: float) -> Lattice:
    """Return the smallest box of the world's feature lattice that holds the given one.

    It begins and ends at multiples of 4 voxels of the world, whatever part of the world it is, and
    its samples at this resolution fall on multiples of it.
    """
    step_m = MULTIPLE_VOX * lattice.voxel_m
    shift = shift_m(lattice.voxel_m, resolution_m)
    low, dims = [], []
    for edge, n in zip(lattice.origin_m, lattice.dims, strict=True):
        first = math.floor((edge - shift) / step_m + ON_GRID)
        end = math.ceil((edge - shift + n * lattice.voxel_m) / step_m - ON_GRID)
        low.append(first * MULTIPLE_VOX)
        dims.append((end - first) * MULTIPLE_VOX)
    return part_of_world(low, (dims[0], dims[1], dims[2]), lattice.voxel_m, resolution_m)


def _corner(point: F64) -> str:
    return "(" + ", ".join(f"{value:.2f}" for value in point) + ")"
