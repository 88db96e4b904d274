"""Adding a view on CPU threads: the same sums as `features`, block by block, compiled.

The order of operations in single precision is that of the definition, down to the one that torch
fuses, so that the same voxels count and the same pixel is nearest.
"""

import numba
import numpy as np

from engine.core.arrays import F32, I32, Bool
from engine.core.grid import FEATURE_VOXEL_M, FEATURE_VOXELS
from engine.kernels.features import (
    EDGE_PX,
    FEATURE_ONE,
    GUIDANCE_ONE,
    HIDDEN_FROM,
    Look,
    Rule,
    Sums,
)
from engine.kernels.parallel import over_slices

# Voxels of a block that share their x: loops over so many become vector instructions.
PLANE = FEATURE_VOXELS**2


def add(sums: Sums, slots: I32, cells: I32, look: Look, rule: Rule, sign: int = 1) -> None:
    """Do what `engine.kernels.features.add` does, on all threads."""
    view = _view(look)

    def kernel(start: int, stop: int) -> None:
        _add(
            sums.features,
            sums.views,
            sums.guidance,
            sums.depths,
            slots[start:stop],
            cells[start:stop],
            *view,
            rule.margin_m,
            rule.shift_m,
            sign,
        )

    over_slices(kernel, len(slots))


def changed(cells: I32, look: Look, rule: Rule, reach_m: float) -> Bool:
    """Do what `engine.kernels.features.changed` does, on all threads."""
    view = _view(look)
    found: Bool = np.zeros(len(cells), np.bool_)

    def kernel(start: int, stop: int) -> None:
        part = found[start:stop]
        _changed(part, cells[start:stop], *view, rule.margin_m, rule.shift_m, reach_m)

    over_slices(kernel, len(cells), 64)
    return found


def gather(
    sums: Sums, slots: I32, cells: I32, low_vox: I32, into: tuple[F32, F32, F32, F32]
) -> None:
    """Copy blocks into the dense float32 box that starts at `low_vox`, cut to what lies inside.

    `into` holds features (c, x, y, z), views, guidance in margins, and depths (x, y, z).
    """

    def kernel(start: int, stop: int) -> None:
        _gather(
            sums.features,
            sums.views,
            sums.guidance,
            sums.depths,
            slots[start:stop],
            cells[start:stop] * FEATURE_VOXELS - low_vox,
            *into,
        )

    over_slices(kernel, len(slots))


def _view(look: Look) -> tuple[object, ...]:
    """Return what the compiled kernels take: (K, T) of each camera, and the pictures."""
    photo, map_, depth = (
        (np.ascontiguousarray(camera.K), np.ascontiguousarray(camera.T_cam_world))
        for camera in (look.photo, look.map, look.depth)
    )
    return photo, look.photo.hw, map_, look.features_hwc, depth, look.depth_hw


# numba infers the types of what follows; inlined, so that scratch arrays are known to be apart.
_compiled = numba.njit(nogil=True, cache=True, error_model="numpy")
_inlined = numba.njit(nogil=True, cache=True, error_model="numpy", inline="always")


@_inlined
def _scratch():  # type: ignore[no-untyped-def]
    """Return arrays (64) that share no memory: y, z, u, v, depth, shown, inside, behind."""
    return (
        np.empty(PLANE, np.float32), np.empty(PLANE, np.float32), np.empty(PLANE, np.float32),
        np.empty(PLANE, np.float32), np.empty(PLANE, np.float32), np.empty(PLANE, np.float32),
        np.empty(PLANE, np.float32), np.empty(PLANE, np.float32),
    )  # fmt: skip


@_inlined
def _center(cell, step, shift):  # type: ignore[no-untyped-def]
    """Return the coordinate of a voxel's centre along one axis, rounded once."""
    return np.float32((np.int64(cell) * FEATURE_VOXELS + step) * FEATURE_VOXEL_M + shift)


@_inlined
def _plane(cell, shift, y, z):  # type: ignore[no-untyped-def]
    """Fill the coordinates (64) of the voxels of a block that share their x."""
    for k in range(PLANE):
        y[k] = _center(cell[1], k // FEATURE_VOXELS, shift)
        z[k] = _center(cell[2], k % FEATURE_VOXELS, shift)


@_inlined
def _project(camera, width, height, x, y, z, u, v, depth, inside):  # type: ignore[no-untyped-def]
    """Fill pixels and depths (64), and 1 for what lies inside the picture; return whether any."""
    K, T = camera
    t00, t01, t02, t03 = T[0, 0], T[0, 1], T[0, 2], T[0, 3]
    t10, t11, t12, t13 = T[1, 0], T[1, 1], T[1, 2], T[1, 3]
    t20, t21, t22, t23 = T[2, 0], T[2, 1], T[2, 2], T[2, 3]
    k00, k01, k02 = K[0, 0], K[0, 1], K[0, 2]
    k10, k11, k12 = K[1, 0], K[1, 1], K[1, 2]
    k20, k21, k22 = K[2, 0], K[2, 1], K[2, 2]
    one, nothing, edge = np.float32(1), np.float32(0), np.float32(EDGE_PX)
    right, bottom = np.float32(width - 1) + edge, np.float32(height - 1) + edge
    found = False
    for k in range(PLANE):
        p = x * t00 + y[k] * t01 + z[k] * t02 + t03
        q = x * t10 + y[k] * t11 + z[k] * t12 + t13
        r = x * t20 + y[k] * t21 + z[k] * t22 + t23
        d = p * k20 + q * k21 + r * k22
        divisor = one if d == nothing else d
        across = (p * k00 + q * k01 + r * k02) / divisor
        down = (p * k10 + q * k11 + r * k12) / divisor
        seen = (
            (across >= -edge) & (across <= right) & (down >= -edge) & (down <= bottom)
            & (d > nothing)
        )  # fmt: skip
        u[k], v[k], depth[k], inside[k] = across, down, d, one if seen else nothing
        found |= seen
    return found


@_inlined
def _place(pixel, size):  # type: ignore[no-untyped-def]
    """Return where torch looks for a pixel: to -1..1 and back, the way back fused."""
    one, half = np.float32(1), np.float32(0.5)
    unit = np.float32(2) * (pixel + half) / np.float32(size) - one
    # A product of two singles is exact in double, so this rounds once, as a fused operation does.
    return np.float32(np.float64(unit + one) * (0.5 * size) - 0.5)


@_inlined
def _behind(depth_hw, margin, u, v, depth, inside, pixel, behind):  # type: ignore[no-untyped-def]
    """Fill the distances (64) behind the nearest pixels' depth in margins, 1 where none counts."""
    height, width = depth_hw.shape
    flat = depth_hw.ravel()
    one, nothing = np.float32(1), np.float32(0)
    most, hidden = np.float32(np.inf), np.float32(HIDDEN_FROM)
    for k in range(PLANE):
        # Half-way pixels go to the even neighbour, which may lie beyond the last: there is none.
        column, line = np.rint(_place(u[k], width)), np.rint(_place(v[k], height))
        is_there = (
            (inside[k] > nothing) & (column >= nothing) & (column < np.float32(width))
            & (line >= nothing) & (line < np.float32(height))
        )  # fmt: skip
        at = np.int32(line) * np.int32(width) + np.int32(column)
        pixel[k] = at if is_there else np.int32(0)
        inside[k] = one if is_there else nothing
    for k in range(PLANE):
        measured = flat[np.uint32(pixel[k])]
        signed = min(max(depth[k] - measured, -margin), margin) / margin
        counts = (
            (inside[k] > nothing) & (measured != nothing) & (abs(measured) < most)
            & (signed < hidden)
        )  # fmt: skip
        behind[k] = signed if counts else one


@_inlined
def _add_features(sums, at, picture, width, height, channels, u, v, sign):  # type: ignore[no-untyped-def]
    """Add the bilinear sample (c) at a pixel; beyond the outer centres the edge goes on."""
    one, nothing, unit = np.float32(1), np.float32(0), np.float32(FEATURE_ONE)
    x = min(max(_place(u, width), nothing), np.float32(width - 1))
    y = min(max(_place(v, height), nothing), np.float32(height - 1))
    left, top = np.int64(x), np.int64(y)
    right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
    e, s = x - np.float32(left), y - np.float32(top)
    w, n = one - e, one - s
    nw, ne, sw, se = n * w, n * e, s * w, s * e
    # Unsigned, or every access would ask whether it counts from the end.
    a = np.uint64((top * width + left) * channels)
    b = np.uint64((top * width + right) * channels)
    c = np.uint64((bottom * width + left) * channels)
    d = np.uint64((bottom * width + right) * channels)
    for channel in range(channels):
        i = np.uint64(channel)
        value = (
            picture[a + i] * nw + picture[b + i] * ne + picture[c + i] * sw + picture[d + i] * se
        )
        sums[at + i] += sign * np.int32(np.rint(value * unit))


@_compiled
def _changed(  # type: ignore[no-untyped-def]
    found, cells, photo, photo_hw, map_, picture, depth_camera, depth_hw, margin, shift, reach
):
    y, z, u, v, depth, shown, inside, behind = _scratch()
    pixel = np.empty(PLANE, np.int32)
    one, nothing = np.float32(1), np.float32(0)
    margin, reach = np.float32(margin), np.float32(reach)
    for b in range(found.size):
        _plane(cells[b], shift, y, z)
        for i in range(FEATURE_VOXELS):
            x = _center(cells[b, 0], i, shift)
            if not _project(photo, photo_hw[1], photo_hw[0], x, y, z, u, v, depth, shown):
                continue
            for k in range(PLANE):
                shown[k] = shown[k] if depth[k] < reach else nothing
            _project(map_, picture.shape[1], picture.shape[0], x, y, z, u, v, depth, inside)
            if (shown * inside).any():
                found[b] = True
                break
            # The photograph may end a little beyond the feature map; depth counts there.
            _project(
                depth_camera, depth_hw.shape[1], depth_hw.shape[0], x, y, z, u, v, depth, inside
            )
            inside *= shown
            _behind(depth_hw, margin, u, v, depth, inside, pixel, behind)
            if (behind < one).any():
                found[b] = True
                break


@_compiled
def _add(  # type: ignore[no-untyped-def]
    features, views, guidance, depths, slots, cells, photo, photo_hw, map_, picture, depth_camera,
    depth_hw, margin, shift, sign,
):  # fmt: skip
    height, width, channels = picture.shape
    y, z, u, v, depth, shown, inside, behind = _scratch()
    pixel = np.empty(PLANE, np.int32)
    one, nothing, unit = np.float32(1), np.float32(0), np.float32(GUIDANCE_ONE)
    margin, sign = np.float32(margin), np.int32(sign)
    features, views, guidance, depths, picture = (
        features.ravel(), views.ravel(), guidance.ravel(), depths.ravel(), picture.ravel()
    )  # fmt: skip
    for b in range(slots.size):
        _plane(cells[b], shift, y, z)
        for i in range(FEATURE_VOXELS):
            x = _center(cells[b, 0], i, shift)
            if not _project(photo, photo_hw[1], photo_hw[0], x, y, z, u, v, depth, shown):
                continue
            start = np.uint64((np.int64(slots[b]) * FEATURE_VOXELS + i) * PLANE)
            _project(map_, width, height, x, y, z, u, v, depth, inside)
            for k in range(PLANE):
                if shown[k] * inside[k] > nothing:
                    voxel = start + np.uint64(k)
                    views[voxel] += sign
                    at = voxel * np.uint64(channels)
                    _add_features(features, at, picture, width, height, channels, u[k], v[k], sign)
            _project(
                depth_camera, depth_hw.shape[1], depth_hw.shape[0], x, y, z, u, v, depth, inside
            )
            for k in range(PLANE):
                inside[k] *= shown[k]
            _behind(depth_hw, margin, u, v, depth, inside, pixel, behind)
            for k in range(PLANE):
                counts = behind[k] < one
                depths[start + np.uint64(k)] += sign if counts else np.int32(0)
                share = np.int32(np.rint(behind[k] * unit))
                guidance[start + np.uint64(k)] += sign * share if counts else np.int32(0)


@_compiled
def _gather(  # type: ignore[no-untyped-def]
    features, views, guidance, depths, slots, starts, features_out, views_out, guidance_out,
    depths_out,
):  # fmt: skip
    n = FEATURE_VOXELS
    channels, nx, ny, nz = features_out.shape
    step, margin = np.float32(1 / FEATURE_ONE), np.float32(1 / GUIDANCE_ONE)
    for b in range(slots.size):
        slot = slots[b]
        x, y, z = starts[b, 0], starts[b, 1], starts[b, 2]
        first, last = max(0, -z), min(n, nz - z)
        for i in range(max(0, -x), min(n, nx - x)):
            for j in range(max(0, -y), min(n, ny - y)):
                for k in range(first, last):
                    views_out[x + i, y + j, z + k] = views[slot, i, j, k]
                    guidance_out[x + i, y + j, z + k] = guidance[slot, i, j, k] * margin
                    depths_out[x + i, y + j, z + k] = depths[slot, i, j, k]
                for channel in range(channels):
                    for k in range(first, last):
                        total = np.float32(features[slot, i, j, k, channel])
                        features_out[channel, x + i, y + j, z + k] = total * step
