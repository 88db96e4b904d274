"""The colour several photographs give one point: compiled, without the interpreter lock."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numba
import numpy as np

from engine.core.arrays import F32, F64, I32, U8
from engine.core.frames import Photo
from engine.kernels.parallel import over_slices
from engine.texturing.texels import inside
from engine.texturing.views import Views, camera_row

# Photographs blended at one point.
BLENDED = 9
# How steeply the better photograph wins: weights are raised to this power.
POWER = 0.5
# A sample this far (levels) from the blend counts half; three times as far, a tenth.
OUTLIER_LEVELS = 20.0


@dataclass(frozen=True, slots=True)
class Shots:
    """Photographs as the kernels read them.

    Attributes:
        pictures: numba list of (h, w, 3) uint8.
        trusts: numba list of (h, w) uint8, see `Views.trust`.
        cameras: (v, 16), see `camera_row`.
        gains: (v, 3) factor a photograph and channel.
        sharpness: (v,).
    """

    pictures: Any
    trusts: Any
    cameras: F64
    gains: F32
    sharpness: F32


def prepare(photos: Sequence[Photo], views: Views, gains: F32, shrink: int = 1) -> Shots:
    """Return the photographs for the kernels, every side divided by `shrink` and so blurred."""
    pictures, trusts, rows = [], [], []
    for photo, trust in zip(photos, views.trust, strict=True):
        height, width = photo.color.shape[:2]
        size = (max(width // shrink, 2), max(height // shrink, 2))
        pictures.append(_resized(photo.color, size))
        trusts.append(_resized(trust, size))
        rows.append(camera_row(photo.intrinsics.scaled_to(*size), photo.T_world_cam))
    return Shots(
        numba.typed.List(pictures),
        numba.typed.List(trusts),
        np.stack(rows),
        np.ascontiguousarray(gains, np.float32),
        views.sharpness,
    )


def blend_points(points: F32, normals: F32, candidates: I32, shots: Shots) -> F32:
    """Return the blended colour (n, 3) of points, each with its candidates (n, k), -1 for none."""
    colors = np.zeros((len(points), 3), np.float32)

    def kernel(start: int, stop: int) -> None:
        rows = slice(start, stop)
        _blend_points(points[rows], normals[rows], candidates[rows], *_parts(shots), colors[rows])

    over_slices(kernel, len(points), 1000)
    return colors


def paint_rows(
    rows: slice,
    owner: I32,
    corners_px: F32,
    faces: I32,
    vertices: F32,
    normals: F32,
    shift: F32,
    candidates: I32,
    shots: Shots,
    page: U8,
) -> None:
    """Paint, in place, the texels of some rows of the page whose face some photograph shows.

    `owner` and `corners_px` are those of `engine.texturing.texels`; `shift` (n, 3) is added to the
    blend, interpolated between vertices.
    """
    owner, part = owner[rows], page[rows]

    def kernel(start: int, stop: int) -> None:
        _paint_rows(
            rows.start + start, owner[start:stop], corners_px, faces, vertices, normals, shift,
            candidates, *_parts(shots), part[start:stop],
        )  # fmt: skip

    over_slices(kernel, len(owner))


def _parts(shots: Shots) -> tuple[Any, ...]:
    return (
        shots.pictures, shots.trusts, shots.cameras, shots.gains, shots.sharpness,
        BLENDED, POWER, OUTLIER_LEVELS,
    )  # fmt: skip


def _resized(picture: U8, size: tuple[int, int]) -> U8:
    if picture.shape[1::-1] != size:
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    # One numba type for all of them, whether or not their owner froze them.
    view = np.ascontiguousarray(picture).view()
    view.flags.writeable = False
    return view


@numba.njit(nogil=True, cache=True, fastmath=True)
def _blend(  # type: ignore[no-untyped-def]
    px, py, pz, nx, ny, nz, candidates, pictures, trusts, cameras, gains, sharpness,
    blended, power, outlier, weight, ranked, sample, place, mean,
):  # fmt: skip
    """Set `mean` to the blend at one point; the four arrays before it are scratch space."""
    slots = candidates.size
    length = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
    for k in range(slots):
        weight[k] = 0.0
        ranked[k] = 0.0
        photo = candidates[k]
        if photo < 0:
            continue
        c = cameras[photo]
        qx = c[0] * px + c[1] * py + c[2] * pz + c[3]
        qy = c[4] * px + c[5] * py + c[6] * pz + c[7]
        qz = c[8] * px + c[9] * py + c[10] * pz + c[11]
        u, v = c[12] * qx / qz + c[14], c[13] * qy / qz + c[15]
        facing = -(
            (c[0] * nx + c[1] * ny + c[2] * nz) * qx
            + (c[4] * nx + c[5] * ny + c[6] * nz) * qy
            + (c[8] * nx + c[9] * ny + c[10] * nz) * qz
        ) / (length * np.sqrt(qx * qx + qy * qy + qz * qz))
        near = c[12] / (qz * 1000.0)
        trust = trusts[photo]
        row = min(max(int(v), 0), trust.shape[0] - 1)
        column = min(max(int(u), 0), trust.shape[1] - 1)
        value = max(facing, 0.02) * near * near * sharpness[photo]
        weight[k] = (value * (0.02 + trust[row, column] / 255.0)) ** power
        ranked[k] = weight[k]
        place[k, 0], place[k, 1] = u - 0.5, v - 0.5
    # What the first view left out would weigh is taken off all others, so that a view that enters
    # or leaves the chosen few does so from zero: no seam (Buehler et al. 2001).
    if blended < slots:
        ranked.sort()
        floor = ranked[slots - 1 - blended]
        for k in range(slots):
            weight[k] -= floor
    for k in range(slots):
        if weight[k] <= 0.0:
            continue
        picture = pictures[candidates[k]]
        height, width = picture.shape[0], picture.shape[1]
        x = min(max(place[k, 0], 0.0), width - 1.001)
        y = min(max(place[k, 1], 0.0), height - 1.001)
        i, j = int(x), int(y)
        a, b = x - i, y - j
        for channel in range(3):
            top = picture[j, i, channel] * (1 - a) + picture[j, i + 1, channel] * a
            low = picture[j + 1, i, channel] * (1 - a) + picture[j + 1, i + 1, channel] * a
            sample[k, channel] = (top * (1 - b) + low * b) * gains[candidates[k], channel]
    for sweep in range(3):
        total = 1e-30
        red = green = blue = 0.0
        for k in range(slots):
            w = weight[k]
            if w <= 0.0:
                continue
            if sweep > 0 and outlier > 0.0:
                off = (
                    abs(sample[k, 0] - mean[0])
                    + abs(sample[k, 1] - mean[1])
                    + abs(sample[k, 2] - mean[2])
                ) / (3.0 * outlier)
                w = w / (1.0 + off * off)
            total += w
            red += w * sample[k, 0]
            green += w * sample[k, 1]
            blue += w * sample[k, 2]
        mean[0], mean[1], mean[2] = red / total, green / total, blue / total


@numba.njit(nogil=True, cache=True)
def _blend_points(  # type: ignore[no-untyped-def]
    points, normals, candidates, pictures, trusts, cameras, gains, sharpness,
    blended, power, outlier, colors,
):  # fmt: skip
    slots = candidates.shape[1]
    weight, ranked = np.zeros(slots), np.zeros(slots)
    sample, place, mean = np.zeros((slots, 3)), np.zeros((slots, 2)), np.zeros(3)
    for n in range(len(points)):
        if candidates[n, 0] < 0:
            continue
        _blend(
            points[n, 0], points[n, 1], points[n, 2], normals[n, 0], normals[n, 1], normals[n, 2],
            candidates[n], pictures, trusts, cameras, gains, sharpness, blended, power, outlier,
            weight, ranked, sample, place, mean,
        )  # fmt: skip
        for channel in range(3):
            colors[n, channel] = mean[channel]


@numba.njit(nogil=True, cache=True)
def _paint_rows(  # type: ignore[no-untyped-def]
    first_row, owner, corners, faces, vertices, normals, shift, candidates, pictures, trusts,
    cameras, gains, sharpness, blended, power, outlier, page,
):  # fmt: skip
    slots = candidates.shape[1]
    weight, ranked = np.zeros(slots), np.zeros(slots)
    sample, place, mean = np.zeros((slots, 3)), np.zeros((slots, 2)), np.zeros(3)
    p, n = np.zeros(3), np.zeros(3)
    for row in range(owner.shape[0]):
        for column in range(owner.shape[1]):
            face = owner[row, column]
            if face < 0 or candidates[face, 0] < 0:
                continue
            b1, b2 = inside(corners[face], column + 0.5, first_row + row + 0.5)
            b0 = 1.0 - b1 - b2
            f0, f1, f2 = faces[face, 0], faces[face, 1], faces[face, 2]
            for axis in range(3):
                p[axis] = (
                    b0 * vertices[f0, axis] + b1 * vertices[f1, axis] + b2 * vertices[f2, axis]
                )
                n[axis] = b0 * normals[f0, axis] + b1 * normals[f1, axis] + b2 * normals[f2, axis]
            _blend(
                p[0], p[1], p[2], n[0], n[1], n[2], candidates[face], pictures, trusts,
                cameras, gains, sharpness, blended, power, outlier,
                weight, ranked, sample, place, mean,
            )  # fmt: skip
            for channel in range(3):
                level = (
                    mean[channel] + b0 * shift[f0, channel] + b1 * shift[f1, channel]
                    + b2 * shift[f2, channel]
                )  # fmt: skip
                page[row, column, channel] = np.uint8(min(max(level + 0.5, 0.0), 255.0))
