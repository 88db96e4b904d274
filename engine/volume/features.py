"""The feature lattice: what networks read, summed over keyframes, on 4 cm voxels."""

import numpy as np
import torch
import torch.nn.functional as F

from engine.core.arrays import F32
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.grid import BLOCK_M, BRICK_VOXELS, FEATURE_VOXEL_M, FEATURE_VOXELS, unpack
from engine.kernels.integrate import Rule, View
from engine.kernels.integrate_numba import touch
from engine.volume.ledger import Ledger
from engine.volume.pool import Pool

# Features are summed as integers for the same reason as distances: what was added can be taken
# back to the bit. Half a step, 3e-5, is below what half precision features resolve near one.
FEATURE_ONE = 1 << 14
FEATURE_LIMIT = 1024.0


class FeatureVolume:
    """Sums image features over the keyframes that see each voxel.

    Shares the block grid with the surface lattice: a block is 8^3 feature voxels. Belongs to one
    thread. Features beyond +-1024 are cut.
    """

    def __init__(self, channels: int, memory_mb: int) -> None:
        """Reserve memory for blocks of so many channels."""
        block = (FEATURE_VOXELS,) * 3
        self.channels = channels
        self.pool = Pool(
            {"sum": ((*block, channels), np.int32), "count": (block, np.int32)}, memory_mb, BLOCK_M
        )
        self.ledger = Ledger(("network",))
        # `touch` thinks in bricks of the surface lattice; at 2 cm a brick is a block.
        self._rule = Rule(BLOCK_M / BRICK_VOXELS, 2 * FEATURE_VOXEL_M, inverse_square=False)

    def add(self, frame: Frame, features: F32) -> int:
        """Add a frame's features (c, h, w), as seen by its colour camera; return blocks changed.

        A voxel takes the bilinear sample where its centre projects to. The picture of features
        may have any size; it covers the same field of view as the colour picture.

        Raises:
            BadInput: another number of channels.
        """
        return self._fuse(frame, features, 1)

    def subtract(self, frame: Frame, features: F32) -> int:
        """Take back what `add` added with the same frame and features; empty blocks go."""
        return self._fuse(frame, features, -1)

    def means(self, keys: np.ndarray) -> F32:
        """Return mean features (n, 8, 8, 8, c) of the blocks, zero where nothing was seen."""
        slots = self.pool.slots(keys)
        count = np.maximum(self.pool.layers["count"][slots], 1)[..., None]
        means: F32 = (self.pool.layers["sum"][slots] / (count * FEATURE_ONE)).astype(np.float32)
        means[slots < 0] = 0
        return means

    def _fuse(self, frame: Frame, features: F32, sign: int) -> int:
        if features.shape[0] != self.channels:
            raise BadInput(f"{features.shape[0]} feature channels do not fit {self.channels}.")
        view = View.of(frame)
        pool = self.pool
        pool.begin(view.T_depth_world.inverse.translation)
        known, fresh = touch(pool.table, pool.stamps, pool.stamp, view, self._rule)
        slots = np.concatenate([known, pool.create(fresh)]) if len(fresh) else known
        keys = pool.key_of[slots]
        sampled, seen = sample(_centers(keys), view, features)
        pool.layers["sum"][slots] += sign * np.rint(sampled * FEATURE_ONE).astype(np.int32)
        pool.layers["count"][slots] += np.int32(sign) * seen
        self.ledger.mark(keys)
        empty = ~pool.layers["count"][slots].any(axis=(1, 2, 3))
        if empty.any():
            pool.remove(slots[empty])
        return len(slots)


def sample(points_world: F32, view: View, features: F32) -> tuple[F32, np.ndarray]:
    """Return features (..., c) at world points (..., 3), zero out of view, and 1 where in view."""
    camera: Intrinsics = view.color_camera
    pixels, inside = camera.project(view.T_cam_world.apply(points_world.astype(np.float64)))
    # grid_sample's corners are the picture's corners: our pixel convention, scaled to -1..1.
    place = torch.from_numpy(2 * pixels / [camera.width, camera.height] - 1).float()
    found = F.grid_sample(
        torch.from_numpy(np.ascontiguousarray(features))[None].clamp(-FEATURE_LIMIT, FEATURE_LIMIT),
        place.reshape(1, 1, -1, 2),
        align_corners=False,
        padding_mode="border",
    )
    rows = found[0, :, 0].T.reshape(*pixels.shape[:-1], -1).numpy()
    return np.where(inside[..., None], rows, np.float32(0)), inside.astype(np.int32)


def _centers(keys: np.ndarray) -> F32:
    """Return the voxels (n, 8, 8, 8, 3) of blocks as world points."""
    steps = np.stack(np.meshgrid(*[np.arange(FEATURE_VOXELS)] * 3, indexing="ij"), axis=-1)
    voxels = unpack(keys)[:, None, None, None, :] * FEATURE_VOXELS + steps
    return (voxels * FEATURE_VOXEL_M).astype(np.float32)
