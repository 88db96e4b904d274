"""Where bricks live: slots in memory up to a ceiling, the rest on disk."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.core.arrays import F64, I32, I64, Bool
from engine.core.faults import CannotWrite, Severity
from engine.core.grid import unpack
from engine.kernels.hashing import EMPTY, KeyTable

# Bricks leave memory this many at a time: few enough that no frame waits for the disk.
EVICT_AT_ONCE = 64


class OutOfRoom(CannotWrite):
    """There is no room for more bricks; what is in the volume stays as it is."""

    severity = Severity.DEGRADE


class Pool:
    """A fixed number of slots for cells of the block grid, each holding one array a layer.

    Memory is reserved once and committed by the operating system as slots are first used, so the
    pool never copies to grow. When all slots are taken, the cells farthest from the centre of
    interest move to a file and return when they are asked for again; `returned` counts those.
    """

    def __init__(
        self, layers: Mapping[str, tuple[tuple[int, ...], type]], memory_mb: int, cell_m: float
    ) -> None:
        """Reserve `memory_mb` for the given layers: name -> (shape of one cell, number type)."""
        self.cell_bytes = sum(
            int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in layers.values()
        )
        self.capacity = max(2 * EVICT_AT_ONCE, memory_mb * 2**20 // self.cell_bytes)
        self.layers: dict[str, NDArray[Any]] = {
            name: np.zeros((self.capacity, *shape), dtype)
            for name, (shape, dtype) in layers.items()
        }
        self.table = KeyTable(self.capacity)
        self.key_of: I64 = np.full(self.capacity, EMPTY, np.int64)
        # Bricks named by the current operation carry its stamp and are not evicted under it.
        self.stamps: I64 = np.zeros(self.capacity, np.int64)
        self.stamp = 0
        self.center_m: F64 = np.zeros(3)
        self.returned = 0
        self._cell_m = cell_m
        self._fresh = 0  # slots from here on were never used, so they hold zeros already
        self._free: list[int] = []
        self._spilled: dict[int, int] = {}
        self._spill_free: list[int] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def resident(self) -> int:
        """How many cells are in memory."""
        return self._fresh - len(self._free)

    @property
    def spilled(self) -> int:
        """How many cells are on disk."""
        return len(self._spilled)

    def keys(self) -> I64:
        """Return the key of every cell, in memory or on disk, sorted."""
        resident = self.key_of[self.key_of != EMPTY]
        return np.sort(np.concatenate([resident, np.fromiter(self._spilled, np.int64)]))

    def begin(self, center_m: F64) -> None:
        """Start an operation around a point; cells it names stay in memory until the next one."""
        self.stamp += 1
        self.center_m = center_m

    def slots(self, keys: I64) -> I32:
        """Return the slot of every cell, brought back from disk if need be, -1 for unknown ones."""
        found = self.table.lookup(keys)
        self._hold(found)
        if self._spilled:
            away = np.array([key in self._spilled for key in keys.ravel().tolist()], bool)
            if away.any():
                back = np.unique(keys.ravel()[away])
                self._return(back)
                found = self.table.lookup(keys)
        return found

    def create(self, keys: I64) -> I32:
        """Return a slot for every cell, zero-filled for unknown ones; keys must be unique."""
        found = self.slots(keys)
        missing = keys[found < 0]
        if len(missing):
            slots = self._room_for(len(missing))
            self._enter(missing, slots)
            found = self.table.lookup(keys)
        return found

    def remove(self, slots: I32) -> None:
        """Forget cells that are in memory."""
        for layer in self.layers.values():
            layer[slots] = 0
        self.key_of[slots] = EMPTY
        self._free.extend(slots.tolist())
        self._rebuild()

    def close(self) -> None:
        """Delete what is on disk."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        self._spilled.clear()

    def _hold(self, slots: I32) -> None:
        self.stamps[slots[slots >= 0]] = self.stamp

    def _enter(self, keys: I64, slots: I32) -> None:
        self.key_of[slots] = keys
        self.table.insert(keys, slots)
        self._hold(slots)

    def _room_for(self, count: int) -> I32:
        shortage = count - len(self._free) - (self.capacity - self._fresh)
        if shortage > 0:
            self._evict(shortage)
        reused = [self._free.pop() for _ in range(min(count, len(self._free)))]
        fresh = range(self._fresh, self._fresh + count - len(reused))
        self._fresh += len(fresh)
        return np.array([*reused, *fresh], np.int32)

    def _evict(self, count: int) -> None:
        movable: Bool = (self.key_of != EMPTY) & (self.stamps != self.stamp)
        candidates = np.flatnonzero(movable)
        if len(candidates) < count:
            raise OutOfRoom(
                "One picture alone needs more of the volume than the memory ceiling allows.",
                "Raise the memory ceiling, or use larger voxels or a shorter range.",
            )
        centers = (unpack(self.key_of[candidates]) + 0.5) * self._cell_m
        distance = np.linalg.norm(centers - self.center_m, axis=1)
        leaving_count = min(len(candidates), max(count, EVICT_AT_ONCE))
        farthest = np.argpartition(-distance, leaving_count - 1)[:leaving_count]
        leaving = candidates[farthest].astype(np.int32)
        written: list[int] = []
        try:
            for slot in leaving.tolist():
                self._write(slot)
                written.append(slot)
        finally:
            # When the disk fills up midway, no cell may be in both places.
            self.remove(np.array(written, np.int32))

    def _return(self, keys: I64) -> None:
        slots = self._room_for(len(keys))
        try:
            with self._file().open("rb") as file:
                for key, slot in zip(keys.tolist(), slots.tolist(), strict=True):
                    file.seek(self._spilled[key] * self.cell_bytes)
                    for layer in self.layers.values():
                        cell = file.read(layer[slot].nbytes)
                        layer[slot] = np.frombuffer(cell, layer.dtype).reshape(layer[slot].shape)
        except (OSError, ValueError) as error:
            self.remove(slots)
            raise OutOfRoom(
                f"The part of the volume that is on disk cannot be read ({error}).",
                "Finish the scan: the surface made so far is kept.",
            ) from error
        self.returned += len(keys)
        self._spill_free.extend(self._spilled.pop(key) for key in keys.tolist())
        self._enter(keys, slots)

    def _write(self, slot: int) -> None:
        place = self._spill_free[-1] if self._spill_free else len(self._spilled)
        try:
            with self._file().open("r+b") as file:
                file.seek(place * self.cell_bytes)
                for layer in self.layers.values():
                    file.write(layer[slot].tobytes())
        except OSError as error:
            raise OutOfRoom(
                f"The volume outgrew memory and could not move to disk ({error.strerror}).",
                "Free space in the temporary folder or raise the memory ceiling.",
            ) from error
        # Only now: a place that could not be written stays free.
        if self._spill_free:
            self._spill_free.pop()
        self._spilled[int(self.key_of[slot])] = place

    def _file(self) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="finescan-volume-")
            (Path(self._folder.name) / "bricks").touch()
        return Path(self._folder.name) / "bricks"

    def _rebuild(self) -> None:
        used = np.flatnonzero(self.key_of != EMPTY).astype(np.int32)
        self.table.rebuild(self.key_of[used], used)
