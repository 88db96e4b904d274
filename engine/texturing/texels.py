"""Which face every texel of the atlas belongs to."""

import numba
import numpy as np

from engine.core.arrays import F32, I32
from engine.texturing.unwrap import Atlas

# A centre this far (share of the face) outside still counts, or rounding would leave pinholes
# between faces. Where two faces then claim a texel the later one has it, always the same.
_RIM = 1e-4


def corners_of(atlas: Atlas, size_px: int) -> F32:
    """Return where every face lies on the picture: (m, 3, 2) texels, x right and y down."""
    xy = np.stack([atlas.uv[:, 0], 1 - atlas.uv[:, 1]], axis=1) * np.float32(size_px)
    return np.ascontiguousarray(xy[atlas.mesh.faces], np.float32)


def owners(corners_px: F32, size_px: int) -> I32:
    """Return the face (size, size) whose area holds each texel's centre, -1 for none."""
    owner = np.full((size_px, size_px), -1, np.int32)
    _own(corners_px, owner)
    return owner


@numba.njit(nogil=True, cache=True)
def inside(corners, x, y):  # type: ignore[no-untyped-def]
    """Return the weights of the second and third corner (3, 2) at a point, NaN for a flat face."""
    x0, y0 = corners[0, 0], corners[0, 1]
    x1, y1 = corners[1, 0] - x0, corners[1, 1] - y0
    x2, y2 = corners[2, 0] - x0, corners[2, 1] - y0
    area = x1 * y2 - x2 * y1
    if abs(area) < 1e-9:
        return np.nan, np.nan
    return ((x - x0) * y2 - x2 * (y - y0)) / area, (x1 * (y - y0) - (x - x0) * y1) / area


@numba.njit(nogil=True, cache=True)
def _own(corners, owner):  # type: ignore[no-untyped-def]
    size = owner.shape[0]
    for face in range(len(corners)):
        c = corners[face]
        left = max(int(min(c[0, 0], c[1, 0], c[2, 0]) - 0.5), 0)
        right = min(int(max(c[0, 0], c[1, 0], c[2, 0]) + 0.5), size - 1)
        top = max(int(min(c[0, 1], c[1, 1], c[2, 1]) - 0.5), 0)
        low = min(int(max(c[0, 1], c[1, 1], c[2, 1]) + 0.5), size - 1)
        for row in range(top, low + 1):
            for column in range(left, right + 1):
                b1, b2 = inside(c, column + 0.5, row + 0.5)
                if b1 >= -_RIM and b2 >= -_RIM and b1 + b2 <= 1.0 + _RIM:
                    owner[row, column] = face
