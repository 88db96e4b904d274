"""The volume: what all pictures together say about space."""

import numpy as np

from engine.core.arrays import I32, I64
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.grid import BRICK_VOXELS, Grid, unpack
from engine.core.settings import VolumeSettings
from engine.kernels.integrate import MAX_MEASUREMENTS, Layers, Rule, View
from engine.kernels.integrate_numba import integrate, touch
from engine.volume.ledger import Ledger
from engine.volume.pool import OutOfRoom, Pool

BRICK = (BRICK_VOXELS,) * 3


class Volume:
    """Fuses depth pictures into a sparse truncated signed distance lattice.

    Belongs to one thread. What a frame adds is a function of that frame alone and all sums are
    integers: frames commute, and `subtract` undoes `add` bit for bit.
    """

    def __init__(self, settings: VolumeSettings, consumers: tuple[str, ...] = ("mesh",)) -> None:
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

        Raises:
            BadInput: the frame is not in the volume.
        """
        count = self.frames.pop(frame.index, 0)
        if not count:
            raise BadInput(f"Frame {frame.index} was never added, so it cannot be taken back.")
        if count > 1:
            self.frames[frame.index] = count - 1
        return self._fuse(frame, -1)

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
            empty = ~self.layers.weight[slots].any(axis=(1, 2, 3))
            if empty.any():
                pool.remove(slots[empty])
        return len(slots)
