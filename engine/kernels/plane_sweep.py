"""Depth by sweeping planes, in plain NumPy: the definition of what is right.

A volume of costs (h, d, w) says how badly each pixel of the reference fits each plane. Plane k
lies at inverse depth w_k; the reference's pixel (u, v, 1) is at `A @ (u, v, 1) + w_k * b` in a
source, so A = K_src R K_ref^-1 and b = K_src t. Pixel centres are at halves.

`photo_costs` compares 1 - ZNCC of square windows. `path_costs` adds smoothness along eight paths
(Hirschmueller, "Stereo Processing by Semiglobal Matching and Mutual Information", 2008, eq. 13).
`pick` takes the least and says how clearly it is the least; `coarse` keeps of a volume what a
network can still learn from.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F32, F64, Bool

PATHS = 8
# A point nearer to a source than this share of its depth in the reference is not looked for.
LEAST_DEPTH = 1e-3
# What sweeps compare unless told otherwise: half a window's side, and the pictures' noise.
RADIUS_PX = 2
NOISE_GREY = 2.0
# Planes nearer to the best than this share of its depth are no rivals.
RIVAL_RATIO = 0.15
# Pixels along each side of a cell of the coarse volume, and the cost above a pixel's least one that
# counts half: a few times that, a plane is simply wrong, however much.
BLOCK_PX = 4
KNEE = 0.1


@dataclass(frozen=True, slots=True)
class Smoothness:
    """What it costs two neighbours to differ by one plane, and by more.

    `jump` is for neighbours of one grey; it falls as 1 / (1 + contrast * `per_grey`) where the
    picture has an edge, but never below `step`.
    """

    step: float = 0.4
    jump: float = 20.0
    per_grey: float = 0.1


@dataclass(frozen=True, slots=True)
class Picked:
    """The best plane of every pixel; all (h, w) float32.

    Attributes:
        plane: its number with a fraction from a parabola through the neighbours.
        least: its cost, a mean over paths.
        margin: how much more the best plane elsewhere costs.
    """

    plane: F32
    least: F32
    margin: F32


def rival_gap(log_step: float, ratio: float = RIVAL_RATIO) -> int:
    """Return how many planes away rivals begin; planes are even in the logarithm of depth."""
    return max(1, math.floor(math.log1p(ratio) / log_step + 0.5))


def photo_costs(
    reference: F32,
    sources: Sequence[F32],
    A_n33: F64,
    b_n3: F64,
    inverse_depths: F64,
    radius: int,
    noise: float,
) -> F32:
    """Return (h, d, w) costs in 0..1 of grey pictures (h, w); 1 where no source sees.

    The two best sources count: one may be hidden. `noise` is the standard deviation, in grey
    levels, that keeps windows without texture from matching anything.
    """
    height, width = reference.shape
    costs = np.ones((height, len(inverse_depths), width), np.float32)
    for k, inverse_depth in enumerate(inverse_depths):
        scores = np.full((len(sources), height, width), -np.inf)
        for source, A, b, score in zip(sources, A_n33, b_n3, scores, strict=True):
            warped, inside = warp(source, A, b, inverse_depth, reference.shape)
            score[inside] = zncc(reference, warped, radius, noise)[inside]
        best = np.sort(scores, axis=0)[::-1][:2]
        seen = np.isfinite(best)
        known = seen.any(axis=0)
        mean = np.where(seen, best, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
        costs[:, k][known] = np.clip(1 - mean[known], 0, 1)
    return costs


def warp(
    source: F32, A: F64, b: F64, inverse_depth: float, shape: tuple[int, ...]
) -> tuple[F64, Bool]:
    """Return the source as the reference would see it on one plane, and where it is in view.

    Bilinear; outside, the rim is repeated.
    """
    u, v = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    x, y, z = (A[i, 0] * u + A[i, 1] * v + A[i, 2] + inverse_depth * b[i] for i in range(3))
    ahead = z > LEAST_DEPTH
    safe = np.where(ahead, z, 1.0)
    x, y = x / safe - 0.5, y / safe - 0.5
    rows, columns = source.shape
    inside = ahead & (x >= 0) & (y >= 0) & (x <= columns - 1) & (y <= rows - 1)
    x, y = np.clip(x, 0, columns - 1), np.clip(y, 0, rows - 1)
    i, j = np.minimum(x.astype(int), columns - 2), np.minimum(y.astype(int), rows - 2)
    fx, fy = x - i, y - j
    grey = source.astype(np.float64)
    top = grey[j, i] * (1 - fx) + grey[j, i + 1] * fx
    bottom = grey[j + 1, i] * (1 - fx) + grey[j + 1, i + 1] * fx
    return top * (1 - fy) + bottom * fy, inside


def zncc(a: F32 | F64, b: F32 | F64, radius: int, noise: float) -> F64:
    """Return the zero-mean normalised correlation (h, w) of windows around every pixel."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    count = (2 * radius + 1) ** 2
    sum_a, sum_b = box_sum(a, radius), box_sum(b, radius)
    floor = count * noise**2
    spread_a = box_sum(a * a, radius) - sum_a**2 / count + floor
    spread_b = box_sum(b * b, radius) - sum_b**2 / count + floor
    shared: F64 = box_sum(a * b, radius) - sum_a * sum_b / count
    return shared / np.sqrt(spread_a * spread_b)


def box_sum(picture: F64, radius: int) -> F64:
    """Return the sum over the square window around every pixel; the rim is repeated."""
    size = 2 * radius + 1
    padded = np.pad(picture, radius, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    total: F64 = windows.sum(axis=(2, 3))
    return total


def path_costs(costs: F32, grey: F32, smooth: Smoothness) -> F64:
    """Return (h, d, w) costs with smoothness, a mean over the eight paths into every pixel."""
    total = np.zeros(costs.shape)
    for flip in (1, -1):
        for sideways in (-1, 0, 1):
            down = _downward(costs[::flip], grey[::flip], sideways, smooth)
            total += down[::flip]
    across, turned = costs.transpose(2, 1, 0), grey.T
    for flip in (1, -1):
        right = _downward(across[::flip], turned[::flip], 0, smooth)
        total += right[::flip].transpose(2, 1, 0)
    return total / PATHS


def pick(total: F64, gap: int) -> Picked:
    """Return the least of (h, d, w) costs; rivals are planes more than `gap` away."""
    height, count, width = total.shape
    best = total.argmin(axis=1)
    rows, columns = np.indices((height, width))
    least = total[rows, best, columns]
    away = np.abs(np.arange(count)[None, :, None] - best[:, None, :]) > gap
    margin = np.where(away, total, np.inf).min(axis=1) - least
    before = total[rows, np.maximum(best - 1, 0), columns]
    after = total[rows, np.minimum(best + 1, count - 1), columns]
    curve = before - 2 * least + after
    fits = (best > 0) & (best < count - 1) & (curve > 1e-6)
    offset = np.where(fits, 0.5 * (before - after) / np.where(fits, curve, 1), 0)
    return Picked(
        (best + offset).astype(np.float32), least.astype(np.float32), margin.astype(np.float32)
    )


def coarse(costs: F32, total: F64) -> F32:
    """Return (2, d, h // 4, w // 4) means over blocks: of the costs, and of how far off planes are.

    The second is 0 for the best plane of a pixel and approaches 1 for hopeless ones. Rows and
    columns that fill no block are left out.
    """
    above = total - total.min(axis=1, keepdims=True)
    both = np.stack([costs, above / (above + KNEE)])
    _, height, count, width = both.shape
    rows, columns = height // BLOCK_PX, width // BLOCK_PX
    inside = both[:, : rows * BLOCK_PX, :, : columns * BLOCK_PX]
    blocks = inside.reshape(2, rows, BLOCK_PX, count, columns, BLOCK_PX).mean(axis=(2, 5))
    return np.ascontiguousarray(blocks.transpose(0, 2, 1, 3), np.float32)


def _downward(costs: F32, grey: F32, sideways: int, smooth: Smoothness) -> F64:
    """Return path costs from row to row; a path comes from `sideways` pixels to the left."""
    height, _, width = costs.shape
    total = np.empty(costs.shape)
    total[0] = costs[0]
    here = slice(max(0, sideways), width + min(0, sideways))
    there = slice(max(0, -sideways), width + min(0, -sideways))
    for y in range(1, height):
        total[y] = costs[y]
        before = total[y - 1][:, there]
        contrast = np.abs(grey[y, here] - grey[y - 1, there])
        jump = np.maximum(smooth.step, smooth.jump / (1 + contrast * smooth.per_grey))
        least = before.min(axis=0)
        beside = np.pad(before, ((1, 1), (0, 0)), constant_values=np.inf)
        beside = np.minimum(beside[:-2], beside[2:]) + smooth.step
        total[y][:, here] += np.minimum(np.minimum(before, beside), least + jump) - least
    return total
