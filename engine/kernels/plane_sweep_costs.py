"""Photo costs, compiled: rows of warped sources pass through windows and are forgotten.

Everything one row needs stays in the innermost cache. Loops run over plain columns of a row with
few arrays in each, and rows are named by their number and never sliced: so they become vector
instructions, and nobody counts references.
"""

import numba
import numpy as np

from engine.core.arrays import F32, I32
from engine.kernels.plane_sweep import LEAST_DEPTH

_FAR = np.float32(1e9)
_LEAST_DEPTH = np.float32(LEAST_DEPTH)
# Running sums are made anew after so many rows, before their rounding adds up.
_FRESH_ROWS = 32
# A packed grey level counts 1/256: half a pixel and the one below it fill 32 bits.
_LEVELS = 256
_OVER_LEVELS = np.float32(1 / _LEVELS)

_compiled = numba.njit(nogil=True, cache=True, fastmath=True, error_model="numpy")


def packed(grey: F32) -> I32:
    """Return pixels (h, w), each with the one below it in the upper half of its bits.

    So two loads fetch the four pixels that are blended. Grey levels lie within 128 of zero.
    """
    levels = np.rint(grey * np.float32(_LEVELS)).clip(-32768, 32767).astype(np.int32)
    below = np.concatenate([levels[1:], levels[-1:]])
    return np.asarray((below << 16) | (levels & 0xFFFF), np.int32)


@_compiled
def spread(picture, radius, floor, sums, spreads):  # type: ignore[no-untyped-def]
    """Write the sum and the spread (h, w) of the window around every pixel; the rim is repeated."""
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


@_compiled
def costs_of_planes(  # type: ignore[no-untyped-def]
    reference, sums, spreads, sources, sizes, A, b, inverses, radius, floor, costs, start, stop
):
    """Write costs (h, d, w) of planes `start` to `stop`.

    `inverses` are inverse depths; sources (n, pixels) are `packed`, their sizes (rows, columns).
    """
    height, width = reference.shape
    count, held = len(sources), 2 * radius + 2
    # Row y of a source lies at y % held.
    warped = np.empty((count, held, width), np.float32)
    outside = np.empty((count, held, width), np.float32)
    # Sums down the window: of the warped rows, their squares, and their products with the
    # reference; wider by the repeated rim, so that the sums across need no special cases.
    down = np.empty((count, 3, width + 2 * radius), np.float32)
    window = np.empty((3, width), np.float32)
    best = np.empty((2, width), np.float32)
    at = np.empty((3, width), np.int32)
    part = np.empty((2, width), np.float32)
    for k in range(start, stop):
        for y in range(height):
            best[:] = -_FAR
            for s in range(count):
                for v in range(y + radius if y else 0, min(y + radius, height - 1) + 1):
                    _place(sizes, A, b, s, inverses[k], v, v % held, at, part, outside)
                    _fetch(sources, s, at)
                    _blend(at, part, s, v % held, warped)
                if y % _FRESH_ROWS == 0:
                    for i in range(3):
                        for x in range(width):
                            down[s, i, x + radius] = 0
                    for dy in range(-radius, radius + 1):
                        row = min(max(y + dy, 0), height - 1)
                        _enter(warped, reference, s, row, held, radius, down)
                else:
                    row, gone = min(y + radius, height - 1), max(y - radius - 1, 0)
                    _roll(warped, reference, s, row, gone, held, radius, down)
                _across(down, s, radius, window)
                _score(window, sums, spreads, y, radius, floor, outside, s, y % held, best)
            _mean_of_two(best, costs, y, k)


@_compiled
def _place(  # type: ignore[no-untyped-def]
    sizes, A, b, s, inverse_depth, v, slot, at, part, outside
):
    """Find where a row of the reference lies in a source."""
    half, nothing = np.float32(0.5), np.float32(0)
    rows, columns = np.int32(sizes[s, 0]), np.int32(sizes[s, 1])
    cv = np.float32(v) + half
    x0 = A[s, 0, 1] * cv + A[s, 0, 2] + inverse_depth * b[s, 0]
    y0 = A[s, 1, 1] * cv + A[s, 1, 2] + inverse_depth * b[s, 1]
    z0 = A[s, 2, 1] * cv + A[s, 2, 2] + inverse_depth * b[s, 2]
    x_step, y_step, z_step = A[s, 0, 0], A[s, 1, 0], A[s, 2, 0]
    right, bottom = np.float32(columns - 1), np.float32(rows - 1)
    # A hair inside, so that the pixel to the right and below exists.
    last_x, last_y = np.float32(columns - 1.0001), np.float32(rows - 1.0001)
    for u in range(at.shape[1]):
        cu = np.float32(np.int32(u)) + half
        z = z0 + z_step * cu
        ahead = z > _LEAST_DEPTH
        over_z = np.float32(1) / (z if ahead else np.float32(1))
        x = (x0 + x_step * cu) * over_z - half
        y = (y0 + y_step * cu) * over_z - half
        inside = ahead & (x >= nothing) & (y >= nothing) & (x <= right) & (y <= bottom)
        outside[s, slot, u] = nothing if inside else _FAR
        x = min(max(x, nothing), last_x)
        y = min(max(y, nothing), last_y)
        i, j = np.int32(x), np.int32(y)
        at[0, u] = j * columns + i
        part[0, u] = x - np.float32(i)
        part[1, u] = y - np.float32(j)


@_compiled
def _fetch(sources, s, at):  # type: ignore[no-untyped-def]
    for u in range(at.shape[1]):
        pixel = np.uint32(at[0, u])
        at[1, u] = sources[s, pixel]
        at[2, u] = sources[s, np.uint32(pixel + np.uint32(1))]


@_compiled
def _blend(at, part, s, slot, warped):  # type: ignore[no-untyped-def]
    for u in range(at.shape[1]):
        left, right = at[1, u], at[2, u]
        upper_left = np.float32(np.int32(left << 16) >> 16)
        upper_right = np.float32(np.int32(right << 16) >> 16)
        at_left = upper_left + (np.float32(left >> 16) - upper_left) * part[1, u]
        at_right = upper_right + (np.float32(right >> 16) - upper_right) * part[1, u]
        warped[s, slot, u] = (at_left + (at_right - at_left) * part[0, u]) * _OVER_LEVELS


@_compiled
def _enter(warped, reference, s, row, held, radius, down):  # type: ignore[no-untyped-def]
    slot = row % held
    for x in range(reference.shape[1]):
        g = warped[s, slot, x]
        down[s, 0, x + radius] += g
        down[s, 1, x + radius] += g * g
        down[s, 2, x + radius] += g * reference[row, x]


@_compiled
def _roll(warped, reference, s, row, gone, held, radius, down):  # type: ignore[no-untyped-def]
    slot, old = row % held, gone % held
    width, shift = np.uint64(reference.shape[1]), np.uint64(radius)
    for x in range(width):
        down[s, 0, x + shift] += warped[s, slot, x] - warped[s, old, x]
    for x in range(width):
        enters, leaves = warped[s, slot, x], warped[s, old, x]
        down[s, 1, x + shift] += enters * enters - leaves * leaves
    for x in range(width):
        enters = warped[s, slot, x] * reference[row, x]
        down[s, 2, x + shift] += enters - warped[s, old, x] * reference[gone, x]


@_compiled
def _across(down, s, radius, window):  # type: ignore[no-untyped-def]
    width = window.shape[1]
    for i in range(3):
        for x in range(radius):
            down[s, i, x] = down[s, i, radius]
            down[s, i, width + radius + x] = down[s, i, width + radius - 1]
        for x in range(width):
            window[i, x] = down[s, i, x]
        for dx in range(np.uint64(1), np.uint64(2 * radius + 1)):
            for x in range(np.uint64(width)):
                window[i, x] += down[s, i, x + dx]


@_compiled
def _score(  # type: ignore[no-untyped-def]
    window, sums, spreads, y, radius, floor, outside, s, slot, best
):
    """Keep the two best correlations of every pixel; those out of view are far below any."""
    over_count = np.float32(1) / np.float32((2 * radius + 1) ** 2)
    for x in range(window.shape[1]):
        total = window[0, x]
        own = window[1, x] - total * total * over_count + floor
        shared = window[2, x] - total * sums[y, x] * over_count
        value = shared / np.sqrt(own * spreads[y, x]) - outside[s, slot, x]
        first = best[0, x]
        best[0, x] = max(first, value)
        best[1, x] = max(best[1, x], min(first, value))


@_compiled
def _mean_of_two(best, costs, y, k):  # type: ignore[no-untyped-def]
    for x in range(best.shape[1]):
        first, second = best[0, x], best[1, x]
        second = second if second > -2 else first
        cost = np.float32(1) - np.float32(0.5) * (first + second)
        costs[y, k, x] = min(max(cost, np.float32(0)), np.float32(1))
