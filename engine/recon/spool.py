"""Records by number: the latest used in memory, the rest in a file."""

import pickle
import tempfile
from collections.abc import Callable
from typing import IO, Generic, TypeVar

from engine.volume.pool import OutOfRoom

Item = TypeVar("Item")
MB = 2**20


class Spool(Generic[Item]):
    """Keeps records that never change within a memory ceiling; belongs to one thread.

    A record that was written stays in the file while it is known, so leaving memory again costs
    nothing.
    """

    def __init__(self, memory_mb: float, size: Callable[[Item], int]) -> None:
        """Start empty; `size` says how many bytes a record takes."""
        self._limit = memory_mb * MB
        self._size = size
        self._held: dict[int, Item] = {}
        self._used = 0
        self._places: dict[int, tuple[int, int]] = {}
        self._free: dict[int, list[int]] = {}
        self._end = 0
        self._file: IO[bytes] | None = None

    @property
    def used_mb(self) -> float:
        """Memory the records in memory take."""
        return self._used / MB

    @property
    def on_disk_mb(self) -> float:
        """How long the file is."""
        return self._end / MB

    def put(self, number: int, item: Item) -> None:
        """Keep a record in place of what had its number.

        Raises:
            OutOfRoom: no room in memory and on disk.
        """
        self.drop(number)
        self._hold(number, item)

    def get(self, number: int) -> Item:
        """Return a record, from the file if need be.

        Raises:
            KeyError: there is none of this number.
            OutOfRoom: the file cannot be read.
        """
        item = self._held.pop(number, None)
        if item is None:
            item = self._read(*self._places[number])
        else:
            self._used -= self._size(item)
        self._hold(number, item)
        return item

    def drop(self, number: int) -> None:
        """Forget a record; nothing happens if there is none."""
        item = self._held.pop(number, None)
        if item is not None:
            self._used -= self._size(item)
        place = self._places.pop(number, None)
        if place is not None:
            start, length = place
            self._free.setdefault(length, []).append(start)

    def close(self) -> None:
        """Forget everything, and the file with it."""
        if self._file is not None:
            self._file.close()
            self._file = None
        for kept in (self._held, self._places, self._free):
            kept.clear()
        self._used = self._end = 0

    def _hold(self, number: int, item: Item) -> None:
        self._held[number] = item
        self._used += self._size(item)
        while self._used > self._limit and len(self._held) > 1:
            oldest = next(iter(self._held))
            if oldest not in self._places:
                self._places[oldest] = self._write(self._held[oldest])
            self._used -= self._size(self._held.pop(oldest))

    def _write(self, item: Item) -> tuple[int, int]:
        data = pickle.dumps(item, pickle.HIGHEST_PROTOCOL)
        places = self._free.get(len(data))
        start = places[-1] if places else self._end
        try:
            if self._file is None:
                # Without a name where the system allows it, so nothing is left behind.
                self._file = tempfile.TemporaryFile(prefix="finescan-keyframes-")  # noqa: SIM115
            self._file.seek(start)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise OutOfRoom(
                f"Keyframes outgrew memory and could not move to disk ({error.strerror}).",
                "Free space in the temporary folder or raise the memory ceiling.",
            ) from error
        # Only now: a place that could not be written stays free.
        if places:
            places.pop()
        self._end = max(self._end, start + len(data))
        return start, len(data)

    def _read(self, start: int, length: int) -> Item:
        assert self._file is not None
        try:
            self._file.seek(start)
            item: Item = pickle.loads(self._file.read(length))
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise OutOfRoom(
                f"A keyframe that is on disk cannot be read ({error}).",
                "Finish the scan: the surface made so far is kept.",
            ) from error
        return item
