"""Which chunk the network sees next."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F64, I64
from engine.core.grid import BLOCK_M, CHUNK_BLOCKS, pack, unpack
from engine.recon.frustum import Frustum

CHUNK_M = CHUNK_BLOCKS * BLOCK_M
# Every so many turns the chunk that waits longest is next, however little it is worth.
FAIR_EVERY = 4


@dataclass(slots=True)
class _Chunk:
    """How often a chunk changed, up to now, before it was last refined, and before it was given."""

    changes: int = 0
    refined_changes: int = 0
    in_flight: int | None = None


class Scheduler:
    """Orders changed chunks: in view before others, stale before fresh, near before far.

    Stale is how much a chunk changed against how much it was made of: its second keyframe matters
    more than its fortieth, and its first most. A chunk that is being refined is not given again;
    if it changes meanwhile, it waits again afterwards. Nothing starves: of n waiting chunks each
    is given within n times `FAIR_EVERY` turns. Belongs to one thread.
    """

    def __init__(self) -> None:
        """Start with nothing to do."""
        self._chunks: dict[int, _Chunk] = {}
        self._waiting: dict[int, None] = {}
        self._turn = 0

    @property
    def waiting(self) -> int:
        """How many chunks wait; one in flight that changed meanwhile counts."""
        return len(self._waiting)

    @property
    def in_flight(self) -> int:
        """How many chunks are being refined."""
        return sum(chunk.in_flight is not None for chunk in self._chunks.values())

    def mark(self, keys: Iterable[int]) -> None:
        """These chunks changed, each by one more keyframe."""
        for key in keys:
            self._chunks.setdefault(key, _Chunk()).changes += 1
            self._waiting.setdefault(key)

    def next(self, eye: F64 | None = None, frustum: Frustum | None = None) -> int | None:
        """Return the best chunk, in flight from now on; None when none can be given.

        `eye` (3,) is where the camera is and `frustum` what it sees, where that is known.
        """
        ready = [key for key in self._waiting if self._chunks[key].in_flight is None]
        if not ready:
            return None
        self._turn += 1
        if self._turn % FAIR_EVERY == 0:
            # In the order they began to wait.
            return self._give(ready[0])
        return self._give(self._best(ready, eye, frustum))

    def done(self, key: int) -> None:
        """A chunk that was given is refined; what changed meanwhile makes it wait again."""
        chunk = self._chunks[key]
        if chunk.in_flight is not None:
            chunk.refined_changes = chunk.in_flight
            chunk.in_flight = None

    def failed(self, key: int) -> None:
        """A chunk that was given was not refined: it waits again."""
        self._chunks[key].in_flight = None
        self._waiting.setdefault(key)

    def _give(self, key: int) -> int:
        chunk = self._chunks[key]
        chunk.in_flight = chunk.changes
        del self._waiting[key]
        return key

    def _best(self, ready: list[int], eye: F64 | None, frustum: Frustum | None) -> int:
        low: F64 = unpack(np.array(ready, np.int64)) * np.float64(CHUNK_M)
        unseen = np.zeros(len(ready), bool)
        if frustum is not None:
            unseen = ~frustum.touches(low, low + CHUNK_M)
        far_m = np.zeros(len(ready))
        if eye is not None:
            far_m = np.linalg.norm(
                np.maximum(np.maximum(low - eye, eye - low - CHUNK_M), 0), axis=1
            )
        stale = np.array([self._staleness(self._chunks[key]) for key in ready])
        # Of equal ones the one with the smaller key.
        order = np.lexsort((np.array(ready), far_m, -stale, unseen))
        return ready[int(order[0])]

    @staticmethod
    def _staleness(chunk: _Chunk) -> float:
        if chunk.refined_changes == 0:
            return np.inf
        return (chunk.changes - chunk.refined_changes) / chunk.refined_changes


def chunks_of(blocks: I64, within_blocks: int) -> I64:
    """Return the chunks, each once, that hold a block or lie within so many blocks of one."""
    steps = np.arange(-within_blocks, within_blocks + 1)
    near = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = (unpack(blocks)[:, None, :] + near) // CHUNK_BLOCKS
    keys: I64 = np.unique(pack(cells))
    return keys
