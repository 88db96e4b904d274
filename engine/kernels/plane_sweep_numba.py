"""Depth by sweeping planes, compiled: as `plane_sweep` defines it, lock released.

Costs are independent from plane to plane, the downward and the upward paths from each other, and
the sideways paths from row to row; so the result does not depend on how many threads share it.
"""

from collections.abc import Sequence

import numba
import numpy as np

from engine.core.arrays import F32, F64
from engine.kernels.parallel import over_slices
from engine.kernels.plane_sweep import BLOCK_PX, KNEE, LEAST_DEPTH, PATHS, Picked, Smoothness

_FAR = np.float32(1e9)
_LEAST_DEPTH = np.float32(LEAST_DEPTH)
_KNEE = np.float32(KNEE)
# Running sums are made anew after so many rows, before their rounding adds up.
_FRESH_ROWS = 32


def photo_costs(
    reference: F32,
    sources: Sequence[F32],
    A_n33: F64,
    b_n3: F64,
    inverse_depths: F64,
    radius: int,
    noise: float,
) -> F32:
    """Return what `plane_sweep.photo_costs` defines, in single precision."""
    height, width = reference.shape
    count = (2 * radius + 1) ** 2
    floor = np.float32(count * noise**2)
    sizes = np.array([source.shape for source in sources], np.int64)
    stacked = np.zeros((len(sources), *sizes.max(axis=0)), np.float32)
    for source, room in zip(sources, stacked, strict=True):
        room[: source.shape[0], : source.shape[1]] = source
    costs = np.empty((height, len(inverse_depths), width), np.float32)
    arguments = (np.ascontiguousarray(reference, np.float32), stacked, sizes)
    motion = (A_n33.astype(np.float32), b_n3.astype(np.float32), inverse_depths.astype(np.float32))
    over_slices(
        lambda start, stop: _costs(*arguments, *motion, radius, floor, costs, start, stop),
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

    def vertical(start: int, stop: int) -> None:
        for way in range(start, stop):
            _vertical(costs, grey, *rule, way == 1, totals[way])

    over_slices(vertical, 2, min_slice=1)
    plane, least, margin = (np.empty((height, width), np.float32) for _ in range(3))
    kept = np.zeros((2, height, columns, count), np.float32)
    over_slices(
        lambda start, stop: _sideways(
            costs, grey, *rule, gap, totals, plane, least, margin, kept, start, stop
        ),
        height,
    )
    return Picked(plane, least, margin), kept


@numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _costs(  # type: ignore[no-untyped-def]
    reference, sources, sizes, A, b, inverse_depths, radius, floor, costs, start, stop
):
    height, width = reference.shape
    sums = np.empty((height, width), np.float32)
    spreads = np.empty((height, width), np.float32)
    score = np.empty((height, width), np.float32)
    warped = np.empty((height, width), np.float32)
    inside = np.empty((height, width), np.bool_)
    best = np.empty((2, height, width), np.float32)
    _spread(reference, radius, floor, sums, spreads)
    for k in range(start, stop):
        best[:] = -_FAR
        for s in range(len(sources)):
            rows, columns = sizes[s]
            _warp(sources[s], rows, columns, A[s], b[s], inverse_depths[k], warped, inside)
            _zncc(reference, sums, spreads, warped, radius, floor, score)
            for y in range(height):
                for x in range(width):
                    value = score[y, x] if inside[y, x] else -_FAR
                    first = best[0, y, x]
                    best[0, y, x] = max(first, value)
                    best[1, y, x] = max(best[1, y, x], min(first, value))
        for y in range(height):
            for x in range(width):
                first, second = best[0, y, x], best[1, y, x]
                second = second if second > -2 else first
                cost = np.float32(1) - np.float32(0.5) * (first + second)
                costs[y, k, x] = min(max(cost, np.float32(0)), np.float32(1))


@numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _warp(  # type: ignore[no-untyped-def]
    source, rows, columns, A, b, inverse_depth, warped, inside
):
    height, width = warped.shape
    stride = source.shape[1]
    flat = source.ravel()
    half = np.float32(0.5)
    right, bottom = np.float32(columns - 1), np.float32(rows - 1)
    # A hair inside, so that the pixel to the right and below exists.
    last_x, last_y = np.float32(columns - 1.0001), np.float32(rows - 1.0001)
    for v in range(height):
        cv = np.float32(v) + half
        x0 = A[0, 1] * cv + A[0, 2] + inverse_depth * b[0]
        y0 = A[1, 1] * cv + A[1, 2] + inverse_depth * b[1]
        z0 = A[2, 1] * cv + A[2, 2] + inverse_depth * b[2]
        row, row_inside = warped[v], inside[v]
        for u in range(width):
            cu = np.float32(u) + half
            z = z0 + A[2, 0] * cu
            over_z = np.float32(1) / z
            x = (x0 + A[0, 0] * cu) * over_z - half
            y = (y0 + A[1, 0] * cu) * over_z - half
            row_inside[u] = (z > _LEAST_DEPTH) & (x >= 0) & (y >= 0) & (x <= right) & (y <= bottom)
            x = min(max(x, np.float32(0)), last_x)
            y = min(max(y, np.float32(0)), last_y)
            i, j = np.int32(x), np.int32(y)
            fx, fy = x - np.float32(i), y - np.float32(j)
            at = np.uint32(j * np.int32(stride) + i)
            below = np.uint32(at + np.uint32(stride))
            upper = flat[at] + (flat[at + np.uint32(1)] - flat[at]) * fx
            lower = flat[below] + (flat[below + np.uint32(1)] - flat[below]) * fx
            row[u] = upper + (lower - upper) * fy


@numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _spread(picture, radius, floor, sums, spreads):  # type: ignore[no-untyped-def]
    height, width = picture.shape
    over_count = 1.0 / (2 * radius + 1) ** 2
    for y in range(height):
        for x in range(width):
            total, squares = 0.0, 0.0
            for dy in range(-radius, radius + 1):
                for dx in range(-radius, radius + 1):
                    g = picture[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)]
                    total += g
                    squares += g * g
            sums[y, x] = total
            spreads[y, x] = squares - total * total * over_count + floor


@numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _zncc(  # type: ignore[no-untyped-def]
    reference, sums, spreads, warped, radius, floor, score
):
    height, width = reference.shape
    over_count = np.float32(1) / np.float32((2 * radius + 1) ** 2)
    # Sums down the columns of the window: of the picture, its square, and its product with the
    # reference; padded by the repeated rim so that the sums across need no special cases.
    column = np.zeros(width + 2 * radius, np.float32)
    column_square = np.zeros(width + 2 * radius, np.float32)
    column_shared = np.zeros(width + 2 * radius, np.float32)
    total = np.empty(width, np.float32)
    square = np.empty(width, np.float32)
    shared = np.empty(width, np.float32)
    last, end = width + radius - 1, width + 2 * radius
    for y in range(height):
        if y % _FRESH_ROWS == 0:
            column[:] = 0
            column_square[:] = 0
            column_shared[:] = 0
            for dy in range(-radius, radius + 1):
                row = min(max(y + dy, 0), height - 1)
                enters, partner = warped[row], reference[row]
                for x in range(width):
                    g = enters[x]
                    column[x + radius] += g
                    column_square[x + radius] += g * g
                    column_shared[x + radius] += g * partner[x]
        else:
            row, gone = min(y + radius, height - 1), max(y - radius - 1, 0)
            enters, partner = warped[row], reference[row]
            leaves, old_partner = warped[gone], reference[gone]
            for x in range(width):
                g, old = enters[x], leaves[x]
                column[x + radius] += g - old
                column_square[x + radius] += g * g - old * old
                column_shared[x + radius] += g * partner[x] - old * old_partner[x]
        column[:radius], column[last + 1 : end] = column[radius], column[last]
        column_square[:radius] = column_square[radius]
        column_square[last + 1 : end] = column_square[last]
        column_shared[:radius] = column_shared[radius]
        column_shared[last + 1 : end] = column_shared[last]
        total[:] = 0
        square[:] = 0
        shared[:] = 0
        for dx in range(2 * radius + 1):
            for x in range(width):
                total[x] += column[x + dx]
                square[x] += column_square[x + dx]
                shared[x] += column_shared[x + dx]
        scores, row_sums, row_spreads = score[y], sums[y], spreads[y]
        for x in range(width):
            spread = square[x] - total[x] * total[x] * over_count + floor
            together = shared[x] - total[x] * row_sums[x] * over_count
            scores[x] = together / np.sqrt(spread * row_spreads[x])


@numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _vertical(costs, grey, step, jump, per_grey, upward, total):  # type: ignore[no-untyped-def]
    height, count, width = costs.shape
    # One plane and one column more on either side, so that paths need no special cases: what
    # comes from outside is too dear, and the least of outside is 0, which leaves the cost itself.
    before = np.full((3, count + 2, width + 2), _FAR, np.float32)
    after = np.full((3, count + 2, width + 2), _FAR, np.float32)
    least_before = np.zeros((3, width + 2), np.float32)
    least_after = np.zeros((3, width + 2), np.float32)
    leave = np.zeros((3, width), np.float32)
    for order in range(height):
        y = height - 1 - order if upward else order
        previous = y + 1 if upward else y - 1
        for path in range(3):
            for x in range(width):
                came = x + path - 1
                if order == 0 or came < 0 or came >= width:
                    leave[path, x] = 0
                else:
                    contrast = abs(grey[y, x] - grey[previous, came])
                    wanted = max(step, jump / (np.float32(1) + contrast * per_grey))
                    leave[path, x] = least_before[path, came + 1] + wanted
            least_after[path, 1 : width + 1] = _FAR
        for k in range(count):
            for x in range(width):
                total[y, k, x] = 0
            for path in range(3):
                for x in range(width):
                    came = x + path
                    near = min(before[path, k, came], before[path, k + 2, came]) + step
                    way = min(min(before[path, k + 1, came], near), leave[path, x])
                    cost = costs[y, k, x] + way - least_before[path, came]
                    after[path, k + 1, x + 1] = cost
                    least_after[path, x + 1] = min(least_after[path, x + 1], cost)
                    total[y, k, x] += cost
        before, after = after, before
        least_before, least_after = least_after, least_before
        least_before[:, 0] = 0
        least_before[:, width + 1] = 0


@numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")
def _sideways(  # type: ignore[no-untyped-def]
    costs, grey, step, jump, per_grey, gap, totals, plane, least, margin, kept, start, stop
):
    _, count, width = costs.shape
    kept_width = kept.shape[2] * BLOCK_PX
    share = np.float32(1) / np.float32(BLOCK_PX)
    row = np.empty((width, count), np.float32)
    total = np.empty((width, count), np.float32)
    before = np.empty(count + 2, np.float32)
    after = np.empty(count + 2, np.float32)
    over_paths = np.float32(1) / np.float32(PATHS)
    for y in range(start, stop):
        for k in range(count):
            for x in range(width):
                row[x, k] = costs[y, k, x]
                total[x, k] = totals[0, y, k, x] + totals[1, y, k, x]
        for way in range(2):
            before[:] = _FAR
            after[:] = _FAR
            least_before, leave = np.float32(0), np.float32(0)
            for order in range(width):
                x = width - 1 - order if way else order
                if order > 0:
                    contrast = abs(grey[y, x] - grey[y, x + 1 if way else x - 1])
                    wanted = max(step, jump / (np.float32(1) + contrast * per_grey))
                    leave = least_before + wanted
                least_after = _FAR
                for k in range(count):
                    near = min(before[k], before[k + 2]) + step
                    cost = row[x, k] + min(min(before[k + 1], near), leave) - least_before
                    after[k + 1] = cost
                    least_after = min(least_after, cost)
                    total[x, k] += cost
                before, after = after, before
                least_before = least_after
        for x in range(width):
            best = 0
            for k in range(1, count):
                if total[x, k] < total[x, best]:
                    best = k
            rival = _FAR
            for k in range(count):
                if abs(k - best) > gap:
                    rival = min(rival, total[x, k])
            lowest = total[x, best]
            offset = np.float32(0)
            if 0 < best < count - 1:
                left, right = total[x, best - 1], total[x, best + 1]
                curve = left - 2 * lowest + right
                if curve > np.float32(1e-6 * PATHS):
                    offset = np.float32(0.5) * (left - right) / curve
            plane[y, x] = best + offset
            least[y, x] = lowest * over_paths
            margin[y, x] = (rival - lowest) * over_paths
            if x < kept_width:
                block = x // BLOCK_PX
                for k in range(count):
                    above = (total[x, k] - lowest) * over_paths
                    kept[0, y, block, k] += row[x, k] * share
                    kept[1, y, block, k] += above / (above + _KNEE) * share
