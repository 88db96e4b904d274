"""Which sources can have seen what a depth map claims."""

import numba
import numpy as np

from engine.core.arrays import F32, F64, I64, U8
from engine.kernels.parallel import over_slices

# A point this much deeper than the nearest one on the same source pixel is hidden behind it.
HIDDEN_RATIO = 1.05


def witnesses(depth_m: F32, A_n33: F64, b_n3: F64, sizes_n2: I64) -> U8:
    """Return for every pixel (h, w) how many sources have its point in view, unhidden.

    The whole map is carried into each source; where several points fall on one source pixel only
    the nearest was seen, and whatever made the others fit was not their own surface. So a strip
    beside a foreground that every source looks past differently has no witness.

    `A @ (u, v, 1) * depth + b` is the homogeneous source pixel; sizes are (height, width).
    """
    seen = np.zeros((len(A_n33), *depth_m.shape), np.uint8)
    over_slices(
        lambda start, stop: _seen(depth_m, A_n33, b_n3, sizes_n2, seen, start, stop),
        len(A_n33),
        min_slice=1,
    )
    return np.asarray(seen.sum(axis=0), np.uint8)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _seen(depth, A, b, sizes, seen, start, stop):  # type: ignore[no-untyped-def]
    height, width = depth.shape
    at = np.empty((height, width), np.int32)
    far = np.empty((height, width), np.float32)
    for s in range(start, stop):
        rows, columns = sizes[s]
        nearest = np.full(rows * columns, np.inf, np.float32)
        for v in range(height):
            for u in range(width):
                at[v, u] = -1
                d = depth[v, u]
                cu, cv = u + 0.5, v + 0.5
                z = (A[s, 2, 0] * cu + A[s, 2, 1] * cv + A[s, 2, 2]) * d + b[s, 2]
                if d <= 0 or z <= 1e-6:
                    continue
                x = ((A[s, 0, 0] * cu + A[s, 0, 1] * cv + A[s, 0, 2]) * d + b[s, 0]) / z
                y = ((A[s, 1, 0] * cu + A[s, 1, 1] * cv + A[s, 1, 2]) * d + b[s, 1]) / z
                if 0 <= x < columns and 0 <= y < rows:
                    at[v, u] = int(y) * columns + int(x)
                    far[v, u] = z
                    nearest[at[v, u]] = min(nearest[at[v, u]], np.float32(z))
        for v in range(height):
            for u in range(width):
                pixel = at[v, u]
                if pixel >= 0 and far[v, u] <= nearest[pixel] * HIDDEN_RATIO:
                    seen[s, v, u] = 1
