"""Looking bricks up by packed key: an open-addressing table in two flat arrays."""

import numba
import numpy as np

from engine.core.arrays import I32, I64

EMPTY = -1  # packed keys are never negative


class KeyTable:
    """Maps packed cell keys to slots; never grows, so no insertion ever stalls on a rehash.

    The arrays `keys` and `slots` may be handed to compiled kernels, which call `find`.
    """

    def __init__(self, capacity: int) -> None:
        """Make room for `capacity` entries at a load of at most one half."""
        size = 1 << max(4, int(2 * capacity - 1).bit_length())
        self.keys: I64 = np.full(size, EMPTY, np.int64)
        self.slots: I32 = np.full(size, -1, np.int32)

    def lookup(self, keys: I64) -> I32:
        """Return the slot of every key, in the shape of `keys`; -1 for keys that are absent."""
        return np.asarray(_lookup(self.keys, self.slots, keys.ravel()).reshape(keys.shape))

    def insert(self, keys: I64, slots: I32) -> None:
        """Enter keys that are absent; entering a present key again replaces its slot."""
        _insert(self.keys, self.slots, keys, slots)

    def rebuild(self, keys: I64, slots: I32) -> None:
        """Hold exactly these entries; the way to remove some."""
        self.keys.fill(EMPTY)
        self.insert(keys, slots)


@numba.njit(nogil=True, cache=True, inline="always")
def home(key, mask):  # type: ignore[no-untyped-def]  # numba infers the types
    """Return where the search for a key starts: the mixing step of SplitMix64."""
    x = np.uint64(key)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((x ^ (x >> np.uint64(31))) & np.uint64(mask))


@numba.njit(nogil=True, cache=True)
def find(table_keys, table_slots, key):  # type: ignore[no-untyped-def]
    """Return the slot of one key, -1 when absent."""
    mask = table_keys.size - 1
    i = home(key, mask)
    while table_keys[i] != key:
        if table_keys[i] == EMPTY:
            return np.int32(-1)
        i = (i + 1) & mask
    return table_slots[i]


@numba.njit(nogil=True, cache=True)
def _lookup(table_keys, table_slots, keys):  # type: ignore[no-untyped-def]
    slots = np.empty(keys.size, np.int32)
    for n in range(keys.size):
        slots[n] = find(table_keys, table_slots, keys[n])
    return slots


@numba.njit(nogil=True, cache=True)
def _insert(table_keys, table_slots, keys, slots):  # type: ignore[no-untyped-def]
    mask = table_keys.size - 1
    for n in range(keys.size):
        i = home(keys[n], mask)
        while table_keys[i] != EMPTY and table_keys[i] != keys[n]:
            i = (i + 1) & mask
        table_keys[i] = keys[n]
        table_slots[i] = slots[n]
