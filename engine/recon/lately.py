"""What was used lately, within a memory ceiling."""

from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Lately(Generic[Item]):
    """Keeps what was made for a number until newer things need its room; for one thread."""

    def __init__(self, memory_mb: float, size: Callable[[Item], int]) -> None:
        """Start empty; `size` says how many bytes a thing takes."""
        self._limit = memory_mb * 2**20
        self._size = size
        self._held: dict[int, Item] = {}
        self._used = 0

    @property
    def used_mb(self) -> float:
        """What is kept takes so much memory."""
        return self._used / 2**20

    def get(self, number: int, make: Callable[[], Item]) -> Item:
        """Return what is kept for a number, or make it."""
        item = self.drop(number)
        if item is None:
            item = make()
        self._held[number] = item
        self._used += self._size(item)
        while self._used > self._limit and len(self._held) > 1:
            self.drop(next(iter(self._held)))
        return item

    def drop(self, number: int) -> Item | None:
        """Forget what is kept for a number, and return it."""
        item = self._held.pop(number, None)
        if item is not None:
            self._used -= self._size(item)
        return item

    def clear(self) -> None:
        """Forget everything."""
        self._held.clear()
        self._used = 0
