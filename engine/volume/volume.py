"""The volume: what all pictures together say about space."""

import numpy as np

from engine.core.arrays import F32, F64, I16, I32, I64, Bool
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.grid import BRICK_VOXELS, Grid, pack, unpack
from engine.core.settings import VolumeSettings
from engine.kernels.integrate import MAX_MEASUREMENTS, Layers, Rule, View
from engine.kernels.integrate_numba import integrate, touch
from engine.volume.ledger import Ledger
from engine.volume.pool import OutOfRoom, Pool

BRICK = (BRICK_VOXELS,) * 3
# What refines the surface must not be told that the surface was refined.
MESHER = "mesh"
# Bricks of one step; with their neighbours they fit into the smallest memory ceiling.
BRICKS_AT_ONCE = 32
CORNERS = np.array([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)])
# A point this near to a lattice edge, in voxels, lies on it: vertices are rounded to float32.
ON_EDGE_VOX = 5e-4


class Volume:
    """Fuses depth pictures into a sparse truncated signed distance lattice.

    Belongs to one thread. What a frame adds is a function of that frame alone and all sums are
    integers: frames commute, and `subtract` undoes `add` bit for bit. What a network says lies
    beside the sums and never mixes with them.
    """

    def __init__(self, settings: VolumeSettings, consumers: tuple[str, ...] = (MESHER,)) -> None:
        """Reserve the memory the settings allow; nothing is committed until frames come."""
        self.grid = Grid(settings.voxel_m)
        self.rule = Rule(
            settings.voxel_m,
            settings.truncation_vox * settings.voxel_m,
            settings.weighting == "inverse_square",
        )
        self.pool = Pool(
            {
                "tsdf": (BRICK, np.int32),
                "weight": (BRICK, np.int32),
                "color": ((*BRICK, 4), np.int32),
                "refined": (BRICK, np.int16),
                "is_refined": ((), np.bool_),
            },
            settings.memory_mb,
            self.grid.brick_m,
        )
        self.layers = Layers(*self.pool.layers.values())
        self.ledger = Ledger(consumers)
        self.frames: dict[int, int] = {}

    def add(self, frame: Frame) -> int:
        """Fuse a frame that has depth and a pose; return how many bricks it changed.

        Raises:
            OutOfRoom: more frames than a voxel's sum can hold, or no room in memory and on disk.
        """
        if len(self.frames) >= MAX_MEASUREMENTS:
            raise OutOfRoom(
                f"The volume holds {MAX_MEASUREMENTS} pictures and takes no more.",
                "Finish this scan and start another.",
            )
        changed = self._fuse(frame, 1)
        self.frames[frame.index] = self.frames.get(frame.index, 0) + 1
        return changed

    def subtract(self, frame: Frame) -> int:
        """Take back a frame that was added with the same depth and pose; bricks left empty go.

        A brick of which the network still says something stays until that is taken back too.

        Raises:
            BadInput: the frame is not in the volume.
            OutOfRoom: what it touched cannot be brought back from disk; nothing changes.
        """
        count = self.frames.get(frame.index, 0)
        if not count:
            raise BadInput(f"Frame {frame.index} was never added, so it cannot be taken back.")
        changed = self._fuse(frame, -1)
        if count > 1:
            self.frames[frame.index] = count - 1
        else:
            del self.frames[frame.index]
        return changed

    def refine(self, keys: I64, values: I16) -> None:
        """The network now says this of these bricks, and nothing that it said of them before.

        Args:
            keys: (n,) bricks, each once; they need not exist yet.
            values: (n, 16, 16, 16) what `Layers.refined` says.

        Raises:
            BadInput: the arrays are no such thing.
            OutOfRoom: no room in memory and on disk.
        """
        if values.shape != (len(keys), *BRICK) or values.dtype != np.int16:
            raise BadInput(
                f"Refined bricks must be int16 ({len(keys)}, 16, 16, 16), "
                f"not {values.dtype} {values.shape}."
            )
        for start in range(0, len(keys), BRICKS_AT_ONCE):
            part = slice(start, start + BRICKS_AT_ONCE)
            self._replace(keys[part], values[part])

    def unrefine(self, keys: I64) -> None:
        """The network says nothing of these bricks any more; bricks left empty go.

        Raises:
            OutOfRoom: they are on disk and cannot be brought back.
        """
        self.refine(keys, np.zeros((len(keys), *BRICK), np.int16))

    def is_observed(self, points_world: F32 | F64) -> Bool:
        """Return for points (n, 3) whether depth was measured there; elsewhere it was completed.

        It was when one of the samples round a point is nearer than two voxels to the measured
        surface. For a vertex of the mesh these are the two ends of its lattice edge.
        """
        at = np.asarray(points_world, np.float64) / self.grid.voxel_m
        low = np.floor(at)
        brick = pack(low // BRICK_VOXELS)
        order = np.argsort(brick, kind="stable")
        starts = np.flatnonzero(np.diff(brick[order], prepend=-1))[::BRICKS_AT_ONCE]
        observed = np.zeros(len(at), bool)
        for part in np.split(order, starts[1:]):
            beyond = at[part] - low[part]
            corners = low[part, None].astype(np.int64) + CORNERS
            share = np.where(CORNERS, beyond[:, None], 1 - beyond[:, None])
            counts = (share > ON_EDGE_VOX).all(axis=2)
            observed[part] = (self._is_near(corners) & counts).any(axis=1)
        return observed

    def slots(self, keys: I64) -> I32:
        """Return the slot of each brick, from disk if need be; -1 where nothing was ever seen."""
        return self.pool.slots(keys)

    @property
    def used_mb(self) -> float:
        """Memory the bricks in memory take."""
        return self.pool.resident * self.pool.cell_bytes / 2**20

    @property
    def on_disk_mb(self) -> float:
        """What the bricks on disk would take in memory."""
        return self.pool.spilled * self.pool.cell_bytes / 2**20

    def close(self) -> None:
        """Let go of what is on disk."""
        self.pool.close()

    def _fuse(self, frame: Frame, sign: int) -> int:
        view = View.of(frame)
        pool = self.pool
        pool.begin(view.T_depth_world.inverse.translation)
        known, fresh = touch(pool.table, pool.stamps, pool.stamp, view, self.rule)
        slots = np.concatenate([known, pool.create(fresh)]) if len(fresh) else known
        keys = pool.key_of[slots]
        integrate(self.layers, slots, unpack(keys), view, self.rule, sign)
        self.ledger.mark(keys)
        if sign < 0:
            self._remove_empty(slots)
        return len(slots)

    def _replace(self, keys: I64, values: I16) -> None:
        says: Bool = np.any(values, axis=(1, 2, 3))
        self.pool.begin(self.pool.center_m)
        wanted = (self.pool.slots(keys) >= 0) | says
        keys, values, says = keys[wanted], values[wanted], says[wanted]
        slots = self.pool.create(keys)
        changed: Bool = np.any(self.layers.refined[slots] != values, axis=(1, 2, 3))
        self.layers.refined[slots] = values
        self.layers.is_refined[slots] = says
        self.ledger.mark(keys[changed], MESHER)
        self._remove_empty(slots[~says])

    def _remove_empty(self, slots: I32) -> None:
        measured: Bool = np.any(self.layers.weight[slots], axis=(1, 2, 3))
        empty = ~(measured | self.layers.is_refined[slots])
        if empty.any():
            self.pool.remove(slots[empty])

    def _is_near(self, samples: I64) -> Bool:
        """Return for samples (..., 3) whether the measured surface is near."""
        keys, place = np.unique(pack(samples // BRICK_VOXELS), return_inverse=True)
        self.pool.begin(self.pool.center_m)
        slots = self.pool.slots(keys)[place.reshape(samples.shape[:-1])]
        i, j, k = np.moveaxis(samples % BRICK_VOXELS, -1, 0)
        weight = self.layers.weight[slots, i, j, k]
        distance = np.abs(self.layers.tsdf[slots, i, j, k])
        near: Bool = (slots >= 0) & (weight > 0) & (distance < self.rule.near * weight)
        return near
