"""Depth by sweeping planes, compiled: as `plane_sweep` defines it, lock released.

Costs are independent from plane to plane, the downward and the upward paths from each other, and
the sideways paths from row to row; so the result does not depend on how many threads share it.
"""

from collections.abc import Sequence

import numpy as np

from engine.core.arrays import F32, F64
from engine.kernels.parallel import over_slices
from engine.kernels.plane_sweep import BLOCK_PX, Picked, Smoothness
from engine.kernels.plane_sweep_costs import costs_of_planes, packed, spread
from engine.kernels.plane_sweep_paths import sideways, vertical


def photo_costs(
    reference: F32,
    sources: Sequence[F32],
    A_n33: F64,
    b_n3: F64,
    inverse_depths: F64,
    radius: int,
    noise: float,
) -> F32:
    """Return what `plane_sweep.photo_costs` defines, in single precision.

    Grey levels lie within 128 of zero; those of sources are rounded to 1/256.
    """
    height, width = reference.shape
    floor = np.float32((2 * radius + 1) ** 2 * noise**2)
    reference = np.ascontiguousarray(reference, np.float32)
    sums, spreads = np.empty_like(reference), np.empty_like(reference)
    spread(reference, radius, floor, sums, spreads)
    sizes = np.array([source.shape for source in sources], np.int64)
    flat = np.zeros((len(sources), sizes.prod(axis=1).max()), np.int32)
    for source, room in zip(sources, flat, strict=True):
        room[: source.size] = packed(source).ravel()
    costs = np.empty((height, len(inverse_depths), width), np.float32)
    motion = (A_n33.astype(np.float32), b_n3.astype(np.float32), inverse_depths.astype(np.float32))
    over_slices(
        lambda start, stop: costs_of_planes(
            reference, sums, spreads, flat, sizes, *motion, radius, floor, costs, start, stop
        ),
        len(inverse_depths),
    )
    return costs


def smooth_and_pick(costs: F32, grey: F32, smooth: Smoothness, gap: int) -> Picked:
    """Return `plane_sweep.pick` of `plane_sweep.path_costs`, without keeping the volume."""
    return _smoothed(costs, grey, smooth, gap, 0)[0]


def smooth_pick_and_keep(costs: F32, grey: F32, smooth: Smoothness, gap: int) -> tuple[Picked, F32]:
    """Return what `smooth_and_pick` does, and `plane_sweep.coarse` of the volume."""
    picked, rows = _smoothed(costs, grey, smooth, gap, costs.shape[2] // BLOCK_PX)
    whole = rows[:, : len(costs) // BLOCK_PX * BLOCK_PX]
    blocks = whole.reshape(2, -1, BLOCK_PX, *rows.shape[2:]).mean(axis=2)
    return picked, np.ascontiguousarray(blocks.transpose(0, 3, 1, 2))


def _smoothed(
    costs: F32, grey: F32, smooth: Smoothness, gap: int, columns: int
) -> tuple[Picked, F32]:
    """Return the pick, and of so many columns of blocks the coarse values (2, h, columns, d)."""
    height, count, width = costs.shape
    grey = np.ascontiguousarray(grey, np.float32)
    rule = tuple(np.float32(x) for x in (smooth.step, smooth.jump, smooth.per_grey))
    totals = np.empty((2, *costs.shape), np.float32)

    def both_ways(start: int, stop: int) -> None:
        for way in range(start, stop):
            vertical(costs, grey, *rule, way == 1, totals[way])

    over_slices(both_ways, 2, min_slice=1)
    plane, least, margin = (np.empty((height, width), np.float32) for _ in range(3))
    kept = np.zeros((2, height, columns, count), np.float32)
    over_slices(
        lambda start, stop: sideways(
            costs, grey, *rule, gap, totals, plane, least, margin, kept, start, stop
        ),
        height,
    )
    return Picked(plane, least, margin), kept
