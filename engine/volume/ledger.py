"""Which cells changed since each consumer last looked."""

from collections.abc import Iterable

import numpy as np

from engine.core.arrays import I64


class Ledger:
    """Remembers changed cells, with a cursor per consumer.

    Belongs to the thread that owns the volume. Marking a cell again before it is taken costs
    nothing, and a consumer that rests for an hour owes each cell once.
    """

    def __init__(self, consumers: Iterable[str]) -> None:
        """Start with nothing owed to any of the named consumers."""
        self._owed: dict[str, dict[int, None]] = {name: {} for name in consumers}

    def mark(self, keys: I64, consumer: str | None = None) -> None:
        """Every consumer, or one alone, now owes these cells a look."""
        marked = dict.fromkeys(keys.tolist())
        for name, owed in self._owed.items():
            if consumer in (None, name):
                owed.update(marked)

    def take(self, consumer: str, limit: int | None = None) -> I64:
        """Return up to `limit` cells that changed, oldest first, and count them as seen."""
        owed = self._owed[consumer]
        if limit is None or limit >= len(owed):
            taken = list(owed)
            owed.clear()
        else:
            taken = [key for key, _ in zip(owed, range(limit), strict=False)]
            for key in taken:
                del owed[key]
        return np.array(taken, np.int64)

    def owed(self, consumer: str) -> int:
        """Return how many cells wait for a consumer."""
        return len(self._owed[consumer])
