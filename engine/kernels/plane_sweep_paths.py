"""Costs smoothed along paths, and the best plane picked, compiled.

A cost is never negative, so its bits order as its value does. As integers, the least of many is
found by vector instructions, which for floats it is not.
"""

import numba
import numpy as np

from engine.kernels.plane_sweep import BLOCK_PX, KNEE, PATHS

_FAR = np.float32(1e9)
_FAR_BITS = _FAR.view(np.int32)
_KNEE = np.float32(KNEE)
_SHARE = np.float32(1 / BLOCK_PX)
_OVER_PATHS = np.float32(1 / PATHS)
# Columns that are turned at a time, so that both sides stay in the cache.
_TURNED = 16

_compiled = numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")


@_compiled
def vertical(costs, grey, step, jump, per_grey, upward, total):  # type: ignore[no-untyped-def]
    """Write the costs (h, d, w) of the three paths that come from the row above, or below."""
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


@_compiled
def sideways(  # type: ignore[no-untyped-def]
    costs, grey, step, jump, per_grey, gap, totals, plane, least, margin, kept, start, stop
):
    """Add the two paths along rows `start` to `stop` to both `totals`, and pick from the sum.

    `kept` (2, h, blocks, d) takes what `coarse` means over blocks, summed over their columns.
    """
    _, count, width = costs.shape
    # Planes lie side by side here; one more on either side is too dear for any path.
    row = np.empty((width, count), np.float32)
    total = np.empty((width, count), np.float32)
    forth = np.full((width, count + 2), _FAR, np.float32)
    back = np.full((width, count + 2), _FAR, np.float32)
    forth_bits, back_bits = forth.view(np.int32), back.view(np.int32)
    total_bits = total.view(np.int32)
    for y in range(start, stop):
        _turn(costs, totals, y, row, total)
        _along(row, grey, y, step, jump, per_grey, False, forth, forth_bits)
        _along(row, grey, y, step, jump, per_grey, True, back, back_bits)
        for x in range(width):
            for k in range(count):
                total[x, k] += forth[x, k + 1] + back[x, k + 1]
            best, rival = _choose(total_bits, x, gap)
            _note(total, x, best, rival, plane, least, margin, y)
            if x < kept.shape[2] * BLOCK_PX:
                _keep(row, total, x, total[x, best], kept, y)


@_compiled
def _turn(costs, totals, y, row, total):  # type: ignore[no-untyped-def]
    _, count, width = costs.shape
    for left in range(0, width, _TURNED):
        for k in range(count):
            for x in range(left, min(left + _TURNED, width)):
                row[x, k] = costs[y, k, x]
                total[x, k] = totals[0, y, k, x] + totals[1, y, k, x]


@_compiled
def _along(  # type: ignore[no-untyped-def]
    row, grey, y, step, jump, per_grey, leftward, path, bits
):
    """Write the costs of the path along a row; the outer planes of `path` stay as they are."""
    width, count = row.shape
    least_bits = np.empty(1, np.int32)
    least = least_bits.view(np.float32)
    for n in range(width):
        # Unsigned, since what might be negative is indexed one by one.
        x = np.uint64(width - 1 - n if leftward else n)
        if n == 0:
            for k in range(count):
                path[x, k + 1] = row[x, k]
        else:
            came = np.uint64(width - n if leftward else n - 1)
            contrast = abs(grey[y, x] - grey[y, came])
            before = least[0]
            leave = before + max(step, jump / (np.float32(1) + contrast * per_grey))
            for k in range(count):
                near = min(path[came, k], path[came, k + 2]) + step
                way = min(min(path[came, k + 1], near), leave)
                path[x, k + 1] = row[x, k] + way - before
        lowest = _FAR_BITS
        for k in range(count):
            lowest = min(lowest, bits[x, k + 1])
        least_bits[0] = lowest


@_compiled
def _choose(bits, x, gap):  # type: ignore[no-untyped-def]
    """Return the best plane of a column, the first of equals, and the best of its rivals."""
    count = bits.shape[1]
    lowest = _FAR_BITS
    for k in range(count):
        lowest = min(lowest, bits[x, k])
    end = np.int32(count)
    best = end
    for k in range(count):
        best = min(best, np.int32(k) if bits[x, k] == lowest else end)
    least = _FAR_BITS
    for k in range(count):
        is_rival = abs(np.int32(k) - np.int32(best)) > np.int32(gap)
        least = min(least, bits[x, k] if is_rival else _FAR_BITS)
    rival = end
    for k in range(count):
        is_rival = abs(np.int32(k) - np.int32(best)) > np.int32(gap)
        rival = min(rival, np.int32(k) if is_rival & (bits[x, k] == least) else end)
    return best, rival


@_compiled
def _note(total, x, best, rival, plane, least, margin, y):  # type: ignore[no-untyped-def]
    count = total.shape[1]
    lowest = total[x, best]
    offset = np.float32(0)
    if 0 < best < count - 1:
        left, right = total[x, best - 1], total[x, best + 1]
        curve = left - 2 * lowest + right
        if curve > np.float32(1e-6 * PATHS):
            offset = np.float32(0.5) * (left - right) / curve
    plane[y, x] = best + offset
    least[y, x] = lowest * _OVER_PATHS
    margin[y, x] = ((total[x, rival] if rival < count else _FAR) - lowest) * _OVER_PATHS


@_compiled
def _keep(row, total, x, lowest, kept, y):  # type: ignore[no-untyped-def]
    block = x // BLOCK_PX
    for k in range(row.shape[1]):
        kept[0, y, block, k] += row[x, k] * _SHARE
    for k in range(row.shape[1]):
        above = (total[x, k] - lowest) * _OVER_PATHS
        kept[1, y, block, k] += above / (above + _KNEE) * _SHARE
