"""Which sources can have seen what a depth map claims, and which other maps say the same."""

from collections.abc import Sequence

import numba
import numpy as np

from engine.core.arrays import F32, F64, I64, U8, Bool
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.depth.base import DepthMap
from engine.kernels.parallel import over_slices

# A point this much deeper than the nearest one on the same source pixel is hidden behind it.
HIDDEN_RATIO = 1.05
# Two maps agree on a point when their depths differ by less than this share.
AGREE_RATIO = 0.04
# A sure map denies a point that hangs by more than this share in front of what it sees.
DENY_RATIO = 0.08
SURE = 0.4


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


def confirmed(
    found: DepthMap, T_world_cam: Pose, others: Sequence[tuple[DepthMap, Pose]]
) -> tuple[Bool, Bool]:
    """Return where (h, w) another map has the same surface, and where no map says anything.

    A map denies a point when it surely sees something behind it on the same ray; a point that more
    deny than confirm is not confirmed. Maps that look elsewhere or know nothing there are silent.
    """
    agreeing = np.zeros(found.depth_m.shape, np.int16)
    denying, speaking = np.zeros_like(agreeing), np.zeros_like(agreeing)
    if others:
        A_n33, b_n3 = motions(
            T_world_cam,
            found.intrinsics,
            [pose for _, pose in others],
            [other.intrinsics for other, _ in others],
        )
        for (other, _), A, b in zip(others, A_n33, b_n3, strict=True):
            maps = found.depth_m, other.depth_m, other.confidence
            _vote(*maps, A, b, agreeing, denying, speaking)
    return np.asarray((agreeing > 0) & (denying <= agreeing)), np.asarray(speaking == 0)


def motions(
    T_world_ref: Pose,
    camera: Intrinsics,
    T_world_srcs: Sequence[Pose],
    cameras: Sequence[Intrinsics],
) -> tuple[F64, F64]:
    """Return A (n, 3, 3) and b (n, 3) of `engine.kernels.plane_sweep` for every source.

    Raises:
        BadInput: a pose that is not finite.
    """
    K_inverse = np.linalg.inv(_matrix(camera))
    A, b = [], []
    for T_world_src, own in zip(T_world_srcs, cameras, strict=True):
        T_src_ref = (T_world_src.inverse @ T_world_ref).matrix
        if not np.isfinite(T_src_ref).all():
            raise BadInput("A photograph has a pose with NaN or infinity.", "Leave it out.")
        A.append(_matrix(own) @ T_src_ref[:3, :3] @ K_inverse)
        b.append(_matrix(own) @ T_src_ref[:3, 3])
    return np.stack(A), np.stack(b)


def _matrix(camera: Intrinsics) -> F64:
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _vote(depth, other, sure, A, b, agreeing, denying, speaking):  # type: ignore[no-untyped-def]
    height, width = depth.shape
    rows, columns = other.shape
    for v in range(height):
        for u in range(width):
            d = depth[v, u]
            cu, cv = u + 0.5, v + 0.5
            z = (A[2, 0] * cu + A[2, 1] * cv + A[2, 2]) * d + b[2]
            if d <= 0 or z <= 1e-6:
                continue
            x = ((A[0, 0] * cu + A[0, 1] * cv + A[0, 2]) * d + b[0]) / z
            y = ((A[1, 0] * cu + A[1, 1] * cv + A[1, 2]) * d + b[1]) / z
            if not (0 <= x < columns and 0 <= y < rows):
                continue
            there = other[int(y), int(x)]
            if there <= 0:
                continue
            speaking[v, u] += 1
            if abs(there - z) < AGREE_RATIO * z:
                agreeing[v, u] += 1
            elif z < there * (1 - DENY_RATIO) and sure[int(y), int(x)] >= SURE:
                denying[v, u] += 1


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
