"""Bounded mailboxes between threads; what happens when one is full is part of its type.

Every channel has limits, so no queue can grow without end, and counts what it lost, so that loss
can be shown. Closing wakes both ends: whoever puts learns at once, whoever gets first receives
what still waits.
"""

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from engine.runtime.bell import Bell

T = TypeVar("T")


class Closed(Exception):
    """Nothing more will come through this channel; the ordinary way for a worker to end."""


class Overflow(Enum):
    """What `put` does when there is no room."""

    DROP_OLDEST = "drop oldest"
    WAIT = "wait"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Counters:
    """What a channel has seen so far.

    Attributes:
        offered: items given to `put`, whatever became of them.
        taken: items handed out.
        dropped: items lost: pushed out, refused, or discarded when the channel closed.
        merged: items replaced by a newer one with the same key before anyone looked.
        waiting: items inside now.
        waiting_bytes: their size.
    """

    offered: int = 0
    taken: int = 0
    dropped: int = 0
    merged: int = 0
    waiting: int = 0
    waiting_bytes: int = 0


class _Channel(ABC, Generic[T]):
    """Lock, closing and counting; subclasses say how items are stored."""

    def __init__(self, overflow: Overflow) -> None:
        self.overflow = overflow
        self._changed = threading.Condition()
        self._closed = False
        self._offered = self._taken = self._dropped = self._merged = 0
        self._bytes = 0
        # Items that fit; 0 where only their size counts.
        self.limit = 0
        self._bell: Bell | None = None

    def ring(self, bell: Bell) -> None:
        """From now on ring the bell whenever an item comes in, and on closing."""
        self._bell = bell

    def get(self, timeout_s: float | None = None) -> T:
        """Return the next item, waiting for one if need be.

        Raises:
            Closed: the channel is closed and empty.
            TimeoutError: nothing came in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._count(), timeout_s):
                raise TimeoutError("Nothing came in time.")
            if not self._count():
                raise Closed
            return self._take_one()

    def take(self, limit_bytes: int | None = None) -> list[T]:
        """Return what waits, oldest first, without waiting; empty when there is nothing.

        With a limit, stops once that many bytes were taken, but takes at least one item.
        """
        with self._changed:
            start = self._bytes
            items: list[T] = []
            while self._count() and (limit_bytes is None or start - self._bytes < limit_bytes):
                items.append(self._take_one())
            return items

    def close(self, *, discard: bool = False) -> None:
        """Take nothing more in; what waits can still be had, unless it is discarded."""
        with self._changed:
            self._closed = True
            if discard:
                self._dropped += self._count()
                self._clear()
                self._bytes = 0
            self._notify()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called; items may still wait."""
        return self._closed

    def counters(self) -> Counters:
        """Return the counts of one moment."""
        with self._changed:
            return Counters(
                self._offered, self._taken, self._dropped, self._merged, self._count(), self._bytes
            )

    def __iter__(self) -> Iterator[T]:
        """Yield items until the channel is closed and empty."""
        while True:
            try:
                item = self.get()
            except Closed:
                return
            yield item

    @abstractmethod
    def _count(self) -> int: ...

    @abstractmethod
    def _pop(self) -> tuple[T, int]: ...

    @abstractmethod
    def _clear(self) -> None: ...

    def _notify(self) -> None:
        self._changed.notify_all()
        if self._bell is not None:
            self._bell.ring()

    def _take_one(self) -> T:
        item, size = self._pop()
        self._bytes -= size
        self._taken += 1
        self._changed.notify_all()
        return item

    def _admit(
        self, has_room: Callable[[], bool], timeout_s: float | None, must: bool = False
    ) -> bool:
        """Count an offer and return whether it may enter; the lock is held."""
        self._offer()
        if must or self.overflow is Overflow.WAIT:
            self._changed.wait_for(lambda: self._closed or has_room(), timeout_s)
        if has_room() and not self._closed:
            return True
        self._dropped += 1
        if self._closed:
            raise Closed
        return False

    def _offer(self) -> None:
        if self._closed:
            raise Closed
        self._offered += 1


class Latest(_Channel[T]):
    """Keeps the newest `limit` items; the oldest makes room and is counted as dropped."""

    def __init__(self, limit: int = 1) -> None:
        """Start empty.

        Raises:
            ValueError: a limit below one.
        """
        super().__init__(Overflow.DROP_OLDEST)
        if limit < 1:
            raise ValueError("A channel needs room for one item.")
        self._items: deque[T] = deque()
        self.limit = limit

    def put(self, item: T) -> bool:
        """Leave the item as the newest one; never waits, always true.

        Raises:
            Closed: the channel was closed.
        """
        with self._changed:
            self._offer()
            if len(self._items) == self.limit:
                self._items.popleft()
                self._dropped += 1
            self._items.append(item)
            self._notify()
            return True

    def _count(self) -> int:
        return len(self._items)

    def _pop(self) -> tuple[T, int]:
        return self._items.popleft(), 0

    def _clear(self) -> None:
        self._items.clear()


class Bounded(_Channel[T]):
    """Hands on every item it accepted, in order; when full, `put` waits or refuses."""

    def __init__(
        self,
        limit_items: int,
        limit_bytes: int | None = None,
        size_of: Callable[[T], int] | None = None,
        overflow: Overflow = Overflow.WAIT,
    ) -> None:
        """Start empty; `size_of` is needed exactly when bytes are limited.

        Raises:
            ValueError: limits that make no sense, or the policy of another channel.
        """
        super().__init__(overflow)
        if limit_items < 1 or (limit_bytes is None) != (size_of is None):
            raise ValueError("A channel needs room for one item, and sizes to limit bytes.")
        if overflow is Overflow.DROP_OLDEST:
            raise ValueError("Bounded never drops what it accepted; use Latest.")
        self._items: deque[tuple[T, int]] = deque()
        self.limit = limit_items
        self._limit_bytes = limit_bytes
        self._size_of = size_of

    def put(self, item: T, timeout_s: float | None = None, *, must: bool = False) -> bool:
        """Return whether the item went in; false when refused, or when no room came in time.

        An item that `must` go in waits for room even where others are refused.

        Raises:
            Closed: the channel was closed, before or while waiting; the item did not go in.
            ValueError: the item alone is larger than the limit.
        """
        size = 0 if self._size_of is None else self._size_of(item)
        self._check(size)

        def has_room() -> bool:
            limit = self._limit_bytes
            fits = limit is None or self._bytes + size <= limit
            return fits and len(self._items) < self.limit

        with self._changed:
            if not self._admit(has_room, timeout_s, must):
                return False
            self._items.append((item, size))
            self._bytes += size
            self._notify()
            return True

    def room(self, size: int = 0) -> int:
        """Return how many items still fit, if the next is of this size; 0 when that one does not.

        With one thread putting, what fits now fits until it does.

        Raises:
            ValueError: an item of this size is larger than the limit.
        """
        self._check(size)
        with self._changed:
            if self._limit_bytes is not None and self._bytes + size > self._limit_bytes:
                return 0
            return self.limit - len(self._items)

    def _check(self, size: int) -> None:
        limit = self._limit_bytes
        if limit is not None and size > limit:
            raise ValueError(f"An item of {size} bytes never fits a channel of {limit}.")

    def _count(self) -> int:
        return len(self._items)

    def _pop(self) -> tuple[T, int]:
        return self._items.popleft()

    def _clear(self) -> None:
        self._items.clear()


class KeyedLatest(_Channel[T]):
    """Keeps the newest item of every key, so memory follows the number of things, not of changes.

    A key keeps its place in the row when its item is replaced: what changes all the time does not
    wait for ever, and neither does anything behind it.
    """

    def __init__(
        self,
        limit_bytes: int,
        size_of: Callable[[T], int],
        overflow: Overflow = Overflow.WAIT,
    ) -> None:
        """Start empty.

        Raises:
            ValueError: no room at all, or the policy of another channel.
        """
        super().__init__(overflow)
        if limit_bytes < 1:
            raise ValueError("A channel needs room for one byte.")
        if overflow is Overflow.DROP_OLDEST:
            raise ValueError("KeyedLatest loses no key; let it wait or refuse.")
        self._items: dict[int, tuple[T, int]] = {}
        self._limit_bytes = limit_bytes
        self._size_of = size_of

    def put(self, key: int, item: T, timeout_s: float | None = None) -> bool:
        """Return whether the item now stands for its key; if not, the older one still does.

        Raises:
            Closed: the channel was closed, before or while waiting; the item did not go in.
            ValueError: the item alone is larger than the limit.
        """
        size = self._size_of(item)
        if size > self._limit_bytes:
            raise ValueError(
                f"An item of {size} bytes never fits a channel of {self._limit_bytes}."
            )

        def has_room() -> bool:
            freed = self._items[key][1] if key in self._items else 0
            return self._bytes - freed + size <= self._limit_bytes

        with self._changed:
            if not self._admit(has_room, timeout_s):
                return False
            if key in self._items:
                self._merged += 1
                self._bytes -= self._items[key][1]
            self._items[key] = (item, size)
            self._bytes += size
            self._notify()
            return True

    def _count(self) -> int:
        return len(self._items)

    def _pop(self) -> tuple[T, int]:
        return self._items.pop(next(iter(self._items)))

    def _clear(self) -> None:
        self._items.clear()
