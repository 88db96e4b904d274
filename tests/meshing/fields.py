"""Volumes filled with a distance known everywhere, for meshes that must close."""

import numpy as np

from engine.core.grid import BRICK_VOXELS, pack, unpack
from engine.core.settings import VolumeSettings
from engine.core.surface import Mesh
from engine.kernels.integrate import TSDF_ONE, WEIGHT_ONE
from engine.volume.volume import Volume

VOXEL_M = 0.02
TRUNCATION_M = 0.08
LOCAL = np.stack(np.meshgrid(*[np.arange(BRICK_VOXELS)] * 3, indexing="ij"), axis=-1)


def cube_of_bricks(low, high):
    """Return the keys of all bricks with every coordinate in low..high-1."""
    steps = np.arange(low, high)
    return pack(np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3))


def points_of(cell):
    """Return the world points (16, 16, 16, 3) of a brick's voxels."""
    return (LOCAL + np.asarray(cell) * BRICK_VOXELS) * VOXEL_M


def ball_m(center, radius):
    """Return the signed distance to a ball, positive outside."""
    return lambda points: np.linalg.norm(points - center, axis=-1) - radius


def empty_volume():
    return Volume(VolumeSettings(memory_mb=64))


def fill(volume, keys, distance_m):
    """Write a distance, seen once with full weight, into bricks, and mark them as changed."""
    volume.pool.begin(np.zeros(3))
    slots = volume.pool.create(keys)
    for slot, cell in zip(slots.tolist(), unpack(keys).tolist(), strict=True):
        unit = np.clip(distance_m(points_of(cell)) / TRUNCATION_M, -1, 1)
        volume.layers.tsdf[slot] = np.rint(unit * TSDF_ONE)
        volume.layers.weight[slot] = WEIGHT_ONE
    volume.ledger.mark(keys)


def open_edges(mesh: Mesh) -> int:
    """Return how many directed edges lack their opposite; a closed mesh has none."""
    ends = mesh.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2).astype(np.int64)
    there, count = np.unique(ends[:, 0] << 32 | ends[:, 1], return_counts=True)
    back, count_back = np.unique(ends[:, 1] << 32 | ends[:, 0], return_counts=True)
    if not np.array_equal(there, back):
        return len(np.setxor1d(there, back))
    return int(np.abs(count - count_back).sum())


def enclosed_m3(mesh: Mesh) -> float:
    """Return the volume inside a closed mesh by the divergence theorem; positive facing out."""
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)
