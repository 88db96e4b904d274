"""The growing surface: patches come by brick, the screen keeps one page per chunk.

A scan has thousands of bricks, and thousands of things cannot be drawn from Python one by one; a
page of 4 x 4 x 4 bricks is small enough to be replaced often and large enough to be few.
"""

from collections.abc import Iterable
from time import perf_counter

import numpy as np

from engine.core.arrays import F32, F64
from engine.core.grid import CHUNK_BLOCKS, pack, unpack
from engine.core.surface import MeshPatch
from ui.gl.modes import WELL_MEASURED
from ui.gl.page import Page
from ui.gl.sheets import Sheets

EMPTY = Page(
    np.zeros((0, 3), np.float32),
    np.zeros((0, 3), np.int32),
    np.zeros((0, 3), np.uint8),
    np.zeros(0, bool),
    np.zeros(0, np.uint8),
    np.zeros(0, bool),
    np.zeros(0, np.uint16),
)


class PageBook:
    """Which patches stand on which page, and which pages must be drawn anew."""

    def __init__(self) -> None:
        self._patches: dict[int, dict[int, MeshPatch]] = {}
        self._stamps: dict[int, int] = {}
        self._dirty: dict[int, None] = {}
        # Some point of each page. Cells differ in size from lattice to lattice; points do not.
        self._where: dict[int, F32] = {}
        self._low = np.full(3, np.inf, np.float32)
        self._high = np.full(3, -np.inf, np.float32)

    def absorb(self, patches: Iterable[MeshPatch], stamp: int = 0) -> None:
        """Let patches replace what their cells showed; older revisions are ignored.

        `stamp` is the time as `Page.stamps` has it.
        """
        given = list(patches)
        if not given:
            return
        cells = unpack(np.array([patch.key for patch in given], np.int64))
        chunks = pack(cells // CHUNK_BLOCKS).tolist()
        for patch, chunk in zip(given, chunks, strict=True):
            page = self._patches.setdefault(chunk, {})
            shown = page.get(patch.key)
            if shown is not None and shown.revision > patch.revision:
                continue
            page[patch.key] = patch
            self._stamps[patch.key] = stamp
            self._dirty[chunk] = None
            if len(patch.vertices):
                self._where[chunk] = patch.vertices[0]
                self._low = np.minimum(self._low, patch.vertices.min(axis=0))
                self._high = np.maximum(self._high, patch.vertices.max(axis=0))

    @property
    def has_dirty(self) -> bool:
        """Whether some page must be drawn anew."""
        return bool(self._dirty)

    def dirty_by_distance(self, eye_world: F64) -> list[int]:
        """Return the dirty pages, nearest to a point (3,) first; emptied ones come before all."""
        nowhere = np.asarray(eye_world, np.float32)
        places = np.array([self._where.get(chunk, nowhere) for chunk in self._dirty], np.float32)
        gaps = places.reshape(-1, 3) - nowhere
        order = np.argsort((gaps * gaps).sum(axis=1), kind="stable")
        chunks = list(self._dirty)
        return [chunks[i] for i in order]

    def take(self, chunk: int) -> Page:
        """Return a page as it should be drawn now, and count it as drawn."""
        self._dirty.pop(chunk, None)
        return self.page(chunk)

    def page(self, chunk: int) -> Page:
        """Return a page as it should be drawn now."""
        patches = [p for p in self._patches[chunk].values() if len(p.faces)]
        if not patches:
            return EMPTY
        counts = [len(p.vertices) for p in patches]
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int32)
        nobody = np.zeros(max(counts), np.uint8)
        all_of_it = np.ones(max(counts), bool)
        return Page(
            np.concatenate([p.vertices for p in patches]),
            np.concatenate([p.faces + s for p, s in zip(patches, starts, strict=True)]),
            np.concatenate([p.colors for p in patches]),
            np.concatenate([
                all_of_it[:count] if p.is_observed is None else p.is_observed
                for p, count in zip(patches, counts, strict=True)
            ]),
            np.concatenate([
                nobody[:count] if p.confidence is None else p.confidence
                for p, count in zip(patches, counts, strict=True)
            ]),
            np.repeat([p.confidence is not None for p in patches], counts),
            np.repeat(np.array([self._stamps[p.key] for p in patches], np.uint16), counts),
        )  # fmt: skip

    def bounds_m(self) -> tuple[F32, F32] | None:
        """Return the box (3,), (3,) round all surface so far, or None when there was none yet."""
        return (self._low, self._high) if np.isfinite(self._low).all() else None


class Growing:
    """The sheets of a page book: what the graphics card shows of a scan that goes on."""

    image = 0

    def __init__(self) -> None:
        """Show nothing yet."""
        self.book = PageBook()
        self.sheets = Sheets()
        self._well: dict[int, tuple[int, int]] = {}

    def work(self, deadline_s: float, eye_m: F64) -> bool:
        """Upload dirty pages, nearest first, until a `perf_counter` time, but at least one.

        Returns whether some are left. The context must be current.
        """
        if not self.book.has_dirty:
            return False
        for chunk in self.book.dirty_by_distance(eye_m):
            page = self.book.take(chunk)
            self.sheets.put(chunk, page)
            counted = page.confidence[page.is_counted]
            self._well[chunk] = int((counted >= WELL_MEASURED).sum()), len(counted)
            if perf_counter() >= deadline_s:
                break
        return self.book.has_dirty

    def page(self, number: int) -> Page:
        """Return the page that a sheet shows."""
        return self.book.page(number)

    def bounds_m(self) -> tuple[F32, F32] | None:
        """Return the box (3,), (3,) round all surface so far, or None when there was none yet."""
        return self.book.bounds_m()

    def coverage(self) -> float | None:
        """Return the share of vertices that are measured well; None when nobody kept count."""
        well, counted = np.sum(list(self._well.values()) or [(0, 0)], axis=0)
        return float(well / counted) if counted else None

    def release(self) -> None:
        """Free what the graphics card holds; the context must be current."""
        self.sheets.clear()
