"""Fusing on CPU threads: the same sums as `integrate`, brick by brick, compiled.

numba, because it comes compiled for the user's processor without a compiler on the user's machine;
`bench --suite kernels` measures it beside the plain torch definition.
"""

import numba
import numpy as np

from engine.core.arrays import I32, I64
from engine.core.camera import Intrinsics
from engine.core.grid import BRICK_VOXELS, KEY_BITS, KEY_OFFSET
from engine.core.poses import Pose
from engine.kernels.hashing import KeyTable, find
from engine.kernels.integrate import COLOR_BAND_VOX, TSDF_ONE, WEIGHT_ONE, Layers, Rule, View
from engine.kernels.parallel import over_slices

NO_COLOR = np.zeros((1, 1, 3), np.uint8)
NO_CONFIDENCE = np.zeros((1, 1), np.float32)


def integrate(
    layers: Layers, slots: I32, cells: I32, view: View, rule: Rule, sign: int = 1
) -> None:
    """Do what `engine.kernels.integrate.integrate` does, on all threads."""
    has_color, has_confidence = view.color is not None, view.confidence is not None
    same_camera = view.color_camera == view.depth_camera and view.T_cam_world == view.T_depth_world

    def kernel(start: int, stop: int) -> None:
        _integrate(
            layers.tsdf,
            layers.weight,
            layers.color,
            slots[start:stop],
            cells[start:stop],
            view.depth_m,
            view.confidence if view.confidence is not None else NO_CONFIDENCE,
            has_confidence,
            _projection(view.T_depth_world, view.depth_camera),
            view.color if view.color is not None else NO_COLOR,
            has_color,
            _projection(view.T_cam_world, view.color_camera),
            same_camera,
            rule.voxel_m,
            rule.truncation_m,
            rule.inverse_square,
            sign,
        )

    over_slices(kernel, len(slots))


def touch(table: KeyTable, stamps: I64, stamp: int, view: View, rule: Rule) -> tuple[I32, I64]:
    """Return the slots of known bricks and the keys of unknown ones that a view's surface touches.

    A brick is touched when it holds a point within the truncation of a measured one, along its
    ray. `stamps` (capacity,) remembers which bricks this `stamp` has already been given for.
    Rays are tried on a raster of at least about 160x120, far denser than bricks are.
    """
    stride = max(1, view.depth_camera.width // 160)
    camera = view.depth_camera
    known, fresh = _touch(
        table.keys,
        table.slots,
        stamps,
        stamp,
        view.depth_m,
        stride,
        np.array([1 / camera.fx, 1 / camera.fy, camera.cx, camera.cy]),
        np.ascontiguousarray(view.T_depth_world.inverse.matrix),
        rule.truncation_m,
        BRICK_VOXELS * rule.voxel_m,
    )
    return known, fresh


def _projection(T_cam_world: Pose, camera: Intrinsics) -> np.ndarray:
    """Return the (3, 4) matrix whose rows give u * z, v * z and z of a world point."""
    K = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    return K @ T_cam_world.matrix[:3]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _integrate(  # type: ignore[no-untyped-def]
    tsdf, weight, color, slots, cells, depth, confidence, has_confidence, P, rgb, has_color, Q,
    same_camera, voxel, truncation, inverse_square, sign,
):  # fmt: skip
    """Fuse row by row along z; loops over a row have no branch and become vector instructions."""
    n = BRICK_VOXELS
    height, width = depth.shape
    one, nothing = np.float32(1), np.float32(0)
    truncation = np.float32(truncation)
    per_truncation = one / truncation
    unit = np.float32(WEIGHT_ONE)
    scale = np.float32(TSDF_ONE / WEIGHT_ONE)
    band = np.float32(COLOR_BAND_VOX * voxel)
    sign = np.int32(sign)
    pixel = np.empty(n, np.int32)
    inside = np.empty(n, np.float32)
    sdf = np.empty(n, np.float32)
    add = np.empty(n, np.int32)
    depth, confidence = depth.ravel(), confidence.ravel()
    tsdf, weight = tsdf.ravel(), weight.ravel()
    du, dv, dz = (
        np.float32(P[0, 2] * voxel),
        np.float32(P[1, 2] * voxel),
        np.float32(P[2, 2] * voxel),
    )
    for b in range(slots.size):
        wz = cells[b, 2] * n * voxel
        for i in range(n):
            wx = (cells[b, 0] * n + i) * voxel
            for j in range(n):
                wy = (cells[b, 1] * n + j) * voxel
                u0 = np.float32(P[0, 0] * wx + P[0, 1] * wy + P[0, 2] * wz + P[0, 3])
                v0 = np.float32(P[1, 0] * wx + P[1, 1] * wy + P[1, 2] * wz + P[1, 3])
                z0 = np.float32(P[2, 0] * wx + P[2, 1] * wy + P[2, 2] * wz + P[2, 3])
                for k in range(n):
                    f = np.float32(k)
                    z = z0 + f * dz
                    inverse = one / max(z, np.float32(1e-6))
                    u = (u0 + f * du) * inverse
                    v = (v0 + f * dv) * inverse
                    seen = (
                        (z > np.float32(1e-3)) & (u >= nothing) & (v >= nothing)
                        & (u < np.float32(width)) & (v < np.float32(height))
                    )  # fmt: skip
                    inside[k] = one if seen else nothing
                    pixel[k] = np.int32(v) * np.int32(width) + np.int32(u) if seen else np.int32(0)
                    sdf[k] = -z
                for k in range(n):
                    measured = depth[np.uint32(pixel[k])] * inside[k]
                    sdf[k] += measured
                    w = one
                    if inverse_square:
                        w = min(one, one / (max(measured, one) * max(measured, one)))
                    if has_confidence:
                        w *= confidence[np.uint32(pixel[k])]
                    known = (measured > nothing) & (sdf[k] >= -truncation)
                    wq = max(one, np.rint(w * unit))
                    add[k] = np.int32(wq) if known else np.int32(0)
                near = False
                row = np.uint64(((slots[b] * n + i) * n + j) * n)
                for k in range(n):
                    w = sign * add[k]
                    part = min(one, sdf[k] * per_truncation) * scale
                    weight[row + np.uint64(k)] += w
                    tsdf[row + np.uint64(k)] += sign * np.int32(np.rint(np.float32(add[k]) * part))
                    near |= (add[k] > 0) & (abs(sdf[k]) <= band)
                if has_color and near:
                    _colour(
                        color, slots[b], i, j, add, sdf, band, sign, rgb, same_camera, pixel, width,
                        Q, wx, wy, wz, voxel,
                    )  # fmt: skip


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _colour(  # type: ignore[no-untyped-def]
    color, slot, i, j, add, sdf, band, sign, rgb, same_camera, pixel, width, Q, wx, wy, wz, voxel
):
    """Add the photograph's colour to the voxels of one row that lie near the surface."""
    for k in range(BRICK_VOXELS):
        if add[k] == 0 or abs(sdf[k]) > band:
            continue
        row, column = pixel[k] // width, pixel[k] % width
        if not same_camera:
            z = wz + k * voxel
            depth = Q[2, 0] * wx + Q[2, 1] * wy + Q[2, 2] * z + Q[2, 3]
            u = (Q[0, 0] * wx + Q[0, 1] * wy + Q[0, 2] * z + Q[0, 3]) / depth
            v = (Q[1, 0] * wx + Q[1, 1] * wy + Q[1, 2] * z + Q[1, 3]) / depth
            if not (depth > 1e-3 and 0 <= u < rgb.shape[1] and 0 <= v < rgb.shape[0]):
                continue
            row, column = int(v), int(u)
        w = sign * add[k]
        for channel in range(3):
            color[slot, i, j, k, channel] += w * rgb[row, column, channel]
        color[slot, i, j, k, 3] += w


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _touch(  # type: ignore[no-untyped-def]
    table_keys, table_slots, stamps, stamp, depth, stride, lens, T, truncation, brick
):
    height, width = depth.shape
    known = np.empty(table_keys.size, np.int32)
    known_count = 0
    fresh = set()
    fresh.add(np.int64(-1))
    samples = max(3, int(np.ceil(4 * truncation / brick)) + 1)
    last = np.full(samples, -1, np.int64)
    half = np.int64(KEY_OFFSET)
    for row in range(stride // 2, height, stride):
        y = (row + 0.5 - lens[3]) * lens[1]
        for column in range(stride // 2, width, stride):
            z = depth[row, column]
            if not z > 0:
                continue
            x = (column + 0.5 - lens[2]) * lens[0]
            # Along the ray, the truncation is reached sooner in depth than in length.
            for s in range(samples):
                d = z + truncation * (2.0 * s / (samples - 1) - 1.0)
                px = d * x
                py = d * y
                wx = T[0, 0] * px + T[0, 1] * py + T[0, 2] * d + T[0, 3]
                wy = T[1, 0] * px + T[1, 1] * py + T[1, 2] * d + T[1, 3]
                wz = T[2, 0] * px + T[2, 1] * py + T[2, 2] * d + T[2, 3]
                cx = np.int64(np.floor(wx / brick)) + half
                cy = np.int64(np.floor(wy / brick)) + half
                cz = np.int64(np.floor(wz / brick)) + half
                key = (cx << (2 * KEY_BITS)) | (cy << KEY_BITS) | cz
                if key == last[s]:
                    continue
                last[s] = key
                slot = find(table_keys, table_slots, key)
                if slot < 0:
                    fresh.add(key)
                elif stamps[slot] != stamp:
                    stamps[slot] = stamp
                    known[known_count] = slot
                    known_count += 1
    fresh.remove(np.int64(-1))
    keys = np.empty(len(fresh), np.int64)
    for i, key in enumerate(fresh):
        keys[i] = key
    return known[:known_count].copy(), np.sort(keys)
