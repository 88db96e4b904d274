"""The fine surface: samples inside occupied voxels only, and the mesh at their level."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.core.arrays import F32, I64, Bool
from engine.core.faults import BadInput
from engine.core.grid import BRICK_VOXELS, neighbours, pack, unpack
from engine.core.news import Job, Progress
from engine.core.surface import Mesh, MeshPatch
from engine.kernels.integrate import Layers
from engine.kernels.marching import VERTEX_BITS, BrickMeshes, extract
from engine.meshing.blocks import UPPER
from engine.meshing.seams import weld
from engine.recon.lattice import Lattice

LEVEL = 0.5
# Bricks meshed together; with their neighbours they take about 100 kB each.
BRICKS_AT_ONCE = 256
# The kernel reads integers; two parts in a hundred million are lost.
FIXED_POINT = 1 << 24


@dataclass(frozen=True, slots=True)
class FineSurface:
    """Samples of every occupied voxel: 0 far inside, 0.5 on the surface, 1 in free space.

    Attributes:
        lattice: the coarse voxels.
        rate: samples a voxel along each axis.
        voxels: (n, 3) int64 occupied voxels.
        values: (n, rate, rate, rate) float32.
    """

    lattice: Lattice
    rate: int
    voxels: Tensor
    values: Tensor

    def dense(self) -> Tensor:
        """Return all samples (x, y, z), NaN where no voxel is occupied; for small volumes."""
        nx, ny, nz = self.lattice.dims
        r = self.rate
        cells = torch.full((nx, ny, nz, r, r, r), torch.nan)
        i, j, k = self.voxels.unbind(dim=1)
        cells[i, j, k] = self.values
        return cells.permute(0, 3, 1, 4, 2, 5).reshape(nx * r, ny * r, nz * r)

    def mesh(self) -> Job[Mesh]:
        """Return the job of meshing the level; vertices in the world, metres.

        Unknown samples count as inside, and faces with a corner on an edge that leads to one are
        dropped: what the published system gets from marching cubes over a grid with NaN.

        Raises:
            BadInput: a rate that is not 1, 2, 4, 8 or 16.
        """
        if BRICK_VOXELS % self.rate:
            raise BadInput(f"{self.rate} samples a voxel cannot be meshed.", "Use 1, 2, 4 or 8.")
        fine = self.lattice.refined(self.rate)
        bricks = _Bricks(self)
        patches: list[MeshPatch] = []
        for start in range(0, len(bricks.keys), BRICKS_AT_ONCE):
            yield Progress("mesh", start, len(bricks.keys))
            patches += bricks.patches(bricks.keys[start : start + BRICKS_AT_ONCE])
        mesh = weld(patches)
        vertices = np.asarray(fine.origin_m) + fine.voxel_m * mesh.vertices.astype(np.float64)
        return Mesh(vertices.astype(np.float32), mesh.faces)


class _Bricks:
    """The samples as the marching kernel reads them, a few bricks at a time."""

    def __init__(self, surface: FineSurface) -> None:
        self._rate = surface.rate
        self._per_brick = BRICK_VOXELS // surface.rate
        self._values = surface.values.cpu().numpy()
        voxels = surface.voxels.cpu().numpy()
        brick = pack(voxels // self._per_brick)
        self._order = np.argsort(brick, kind="stable")
        self._within = (voxels % self._per_brick)[self._order]
        self._held, starts = np.unique(brick[self._order], return_index=True)
        self._rows = np.append(starts, len(brick))
        # A cell belongs to the brick of its lowest corner, which may hold no sample itself.
        self.keys: I64 = np.unique(neighbours(self._held, -UPPER))

    def patches(self, keys: I64) -> list[MeshPatch]:
        """Return the surface in these bricks, in steps of the fine lattice."""
        around = neighbours(keys, UPPER)
        needed = np.unique(around)
        values = self._filled(needed)
        known = ~np.isnan(values)
        signed = np.where(known, values - LEVEL, -LEVEL)
        layers = Layers(
            np.rint(signed * FIXED_POINT).astype(np.int32),
            np.ones(values.shape, np.int32),
            np.zeros((*values.shape, 4), np.int32),
            np.zeros(values.shape, np.int16),
            np.zeros(len(values), bool),
        )
        slots = np.searchsorted(needed, around).astype(np.int32)
        pieces = extract(layers, slots, unpack(keys), 1.0, 1)
        return [_patch(piece, int(keys[0]), needed, known) for piece in pieces]

    def _filled(self, keys: I64) -> F32:
        """Return the samples (n, 16, 16, 16) of bricks, NaN where unknown."""
        r, per = self._rate, self._per_brick
        cells = np.full((len(keys), per, per, per, r, r, r), np.nan, np.float32)
        places = np.searchsorted(self._held, keys)
        for slot, place in enumerate(places.tolist()):
            if place < len(self._held) and self._held[place] == keys[slot]:
                rows = slice(int(self._rows[place]), int(self._rows[place + 1]))
                i, j, k = self._within[rows].T
                cells[slot, i, j, k] = self._values[self._order[rows]]
        samples: F32 = cells.transpose(0, 1, 4, 2, 5, 3, 6).reshape(-1, *(BRICK_VOXELS,) * 3)
        return samples


def _patch(piece: BrickMeshes, key: int, bricks: I64, known: Bool) -> MeshPatch:
    """Return several bricks' surface as one patch, without faces that reach the unknown."""
    first = np.cumsum(piece.vertex_count) - piece.vertex_count
    faces = piece.faces + np.repeat(first, piece.face_count)[:, None]
    faces = faces[_is_between_known(piece.vertex_keys, bricks, known)[faces].all(axis=1)]
    used, corners = np.unique(faces, return_inverse=True)
    return MeshPatch(
        key,
        0,
        piece.vertices[used],
        corners.reshape(-1, 3).astype(np.int32),
        piece.colors[used],
        piece.vertex_keys[used],
    )


def _is_between_known(edges: I64, bricks: I64, known: Bool) -> Bool:
    """Return whether both ends of each lattice edge (n,), named as the kernel does, are known."""
    mask, half = (1 << VERTEX_BITS) - 1, 1 << (VERTEX_BITS - 1)
    shifts = (2 * VERTEX_BITS + 2, VERTEX_BITS + 2, 2)
    low = np.stack([((edges >> shift) & mask) - half for shift in shifts], axis=1)
    high = low + np.eye(3, dtype=np.int64)[edges & 3]
    ends = []
    for points in (low, high):
        slot = np.searchsorted(bricks, pack(points // BRICK_VOXELS))
        i, j, k = (points % BRICK_VOXELS).T
        ends.append(known[slot, i, j, k])
    both: Bool = ends[0] & ends[1]
    return both
