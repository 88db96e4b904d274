"""What a suite says about depth from photographs: errors, errors by range, worth of confidence.

Pixels are judged and clipped as `depth_protocol` says. A recording's or a world's number is the
mean over its pictures; a suite's number is the mean over its rows, so a long recording counts no
more than a short one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.core.arrays import F32, F64
from engine.core.camera import Intrinsics
from engine.depth.base import DepthMap
from engine.evaluation.depth_protocol import CLIPPED_M, JUDGED_M, Errors, fetched, score

RANGES_M = (0.3, 1.0, 2.0, 3.0, 4.5)
SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
# Pixels of a picture that stand for all of them where confidence is sorted.
SAMPLES = 20_000
NEAR_RATIO = 1.05

Group = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class JudgedPicture:
    """One picture's errors, and samples of its pixels with both true and estimated depth.

    Attributes:
        errors: of every such pixel; None where there is none.
        coverage: share of the judged pixels that have an estimate.
        range_sums: (ranges, 2) sum of relative errors and number of pixels in each range.
        samples: (n, 3) confidence, relative error, and 1 where within a twentieth.
    """

    errors: Errors | None
    coverage: float
    range_sums: F64
    samples: F32


def judge_picture(estimate: DepthMap, true_m: F32, camera: Intrinsics) -> JudgedPicture:
    """Return how an estimate agrees with true depth (h, w) of a camera at the same place."""
    depth, confidence = fetched(estimate, camera)
    known = (true_m >= JUDGED_M[0]) & (true_m <= JUDGED_M[1]) & (depth > 0)
    true = true_m[known].astype(np.float64)
    clipped = np.clip(depth[known].astype(np.float64), *CLIPPED_M)
    relative = np.abs(clipped - true) / true
    is_near = np.maximum(clipped / true, true / clipped) < NEAR_RATIO
    sums = np.zeros((len(RANGES_M) - 1, 2))
    for row, (low, high) in enumerate(pairwise(RANGES_M)):
        # The last range includes its end, as the judged depth does.
        inside = (true >= low) & ((true < high) | (high == RANGES_M[-1]))
        sums[row] = relative[inside].sum(), inside.sum()
    every = max(1, math.ceil(len(true) / SAMPLES))
    samples = np.stack([confidence[known], relative, is_near], axis=1)[::every]
    errors = score(estimate, true_m, camera).every
    coverage = 0.0 if errors is None else errors.coverage
    return JudgedPicture(errors, coverage, sums, samples.astype(np.float32))


def depth_group(pictures: Sequence[JudgedPicture], cpu_s: float) -> Group:
    """Return means over pictures: absrel, sqrel and rmse in metres, d105 and d125 as shares.

    `coverage` is the share of judged pixels with an estimate, `cpu_s` is passed on.
    """
    found = [picture.errors for picture in pictures if picture.errors is not None]
    return {
        "absrel": mean(errors.abs_rel for errors in found),
        "sqrel": mean(errors.sq_rel_m for errors in found),
        "rmse": mean(errors.rmse_m for errors in found),
        "d105": mean(errors.within_1_05 for errors in found),
        "d125": mean(errors.within_1_25 for errors in found),
        "coverage": mean(picture.coverage for picture in pictures),
        "cpu_s": cpu_s,
    }


def range_group(pictures: Sequence[JudgedPicture]) -> Group:
    """Return the mean relative error of all pixels in each range of true depth, by its name."""
    sums = np.sum([picture.range_sums for picture in pictures], axis=0)
    return {
        f"{low:g}-{high:g}": float(total / count) if count else None
        for (low, high), (total, count) in zip(pairwise(RANGES_M), sums, strict=True)
    }


def confidence_table(rows: Sequence[Sequence[JudgedPicture]]) -> list[Group]:
    """Return AbsRel and d105 of the surest share of all estimated pixels, for each of `SHARES`.

    One threshold holds for all pictures. Every row counts the same, and every picture of a row;
    of equally sure pixels, all are kept in part. `confidence` is the least that is kept.
    """
    weighted = [
        np.c_[picture.samples, np.full(len(picture.samples), 1 / len(picture.samples) / len(row))]
        for row in rows
        for picture in row
        if len(picture.samples)
    ]
    if not weighted:
        return []
    confidence, relative, near, weight = np.concatenate(weighted).astype(np.float64).T
    order = np.argsort(-confidence, kind="stable")
    sure, weight = confidence[order], weight[order]
    last_equal = np.append(np.flatnonzero(np.diff(sure)), len(sure) - 1)
    kept, wrong, right = (
        np.append(0.0, np.cumsum(values)[last_equal])
        for values in (weight, weight * relative[order], weight * near[order])
    )
    table: list[Group] = []
    for share in SHARES:
        goal = share * kept[-1]
        # A little less, or rounding would ask for one more pixel.
        least = sure[last_equal[np.searchsorted(kept[1:], goal - 1e-9 * kept[-1])]]
        table.append(
            {
                "share": share,
                "confidence": float(least),
                "absrel": float(np.interp(goal, kept, wrong) / goal),
                "d105": float(np.interp(goal, kept, right) / goal),
            }
        )
    return table


def mean_group(groups: Sequence[Mapping[str, float | None]]) -> Group:
    """Return the mean of each value over groups of the same names; unknown ones are left out."""
    return {name: mean(group[name] for group in groups) for name in groups[0]}


def mean(values: Iterable[float | None]) -> float | None:
    """Return the mean of what is known, None where nothing is."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
