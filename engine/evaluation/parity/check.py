"""One stored output held against one of ours."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Check:
    """How far one output is from the stored one; both numbers are shares of the largest value."""

    name: str
    rel_err: float
    tol: float

    @property
    def ok(self) -> bool:
        """Return whether the error is a number within the tolerance."""
        return bool(self.rel_err <= self.tol)

    def as_json(self) -> dict[str, Any]:
        """Return `{"rel_err", "tol", "ok"}`."""
        row = asdict(self)
        del row["name"]
        return {**row, "ok": self.ok}


def close(
    name: str, ours: Tensor | ArrayLike, stored: ArrayLike, atol: float, excused: float = 0.0
) -> Check:
    """Compare floats by their largest difference; NaN must lie where NaN lies.

    `excused` is the share of elements left out of account, worst first: those that hang on a
    rounding tie, such as a nearest pixel. Error and tolerance are divided by the largest stored
    magnitude. A wrong shape or too many misplaced NaNs give an infinite error.
    """
    a, b = _array(ours), _stored(stored)
    if a.shape != b.shape:
        return Check(name, float("inf"), atol)
    known = np.isfinite(b)
    scale = max(float(np.abs(b[known]).max(initial=0.0)), 1e-12)
    difference = np.asarray(np.abs(np.where(known, a - np.where(known, b, 0.0), 0.0)))
    difference[~known & ((np.isnan(a) != np.isnan(b)) | (np.isinf(b) & (a != b)))] = np.inf
    difference[np.isnan(difference)] = np.inf
    return Check(name, _worst(difference, excused) / scale, atol / scale)


def equal(name: str, ours: Tensor | ArrayLike, stored: ArrayLike, excused: float = 1e-3) -> Check:
    """Compare counts, masks and codes: the error is the share of elements that differ."""
    a, b = _array(ours), _stored(stored)
    if a.shape != b.shape:
        return Check(name, float("inf"), excused)
    return Check(name, float(np.mean(a != b)) if a.size else 0.0, excused)


def relative(name: str, ours: float, stored: float, rtol: float) -> Check:
    """Compare one number, such as a loss, relative to itself."""
    return Check(name, abs(ours - stored) / max(abs(stored), 1e-12), rtol)


def norms(
    name: str,
    ours: Mapping[str, float],
    names: Sequence[str],
    stored: NDArray[np.float64],
    rtol: float,
    floor: float,
) -> Check:
    """Compare gradient norms by name; those at or below `floor` are rounding noise and skipped.

    A missing name is an infinite error.
    """
    errors = [
        abs(ours.get(key, float("inf")) - value) / value
        for key, value in zip(names, stored.tolist(), strict=True)
        if value > floor
    ]
    # Not Python's max, which overlooks NaN.
    return Check(name, float(np.max(errors)) if errors else float("inf"), rtol)


def _array(values: Tensor | ArrayLike) -> NDArray[np.float64]:
    if isinstance(values, Tensor):
        values = values.detach().cpu().double().numpy()
    return np.array(values, dtype=np.float64)


def _stored(values: ArrayLike) -> NDArray[np.float64]:
    """Return stored numbers; for words and the like, an array of a shape that nothing has."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        return np.zeros((*array.shape, 0, 0, 0))
    return array.astype(np.float64)


def _worst(difference: NDArray[np.float64], excused: float) -> float:
    """Return the largest difference after the excused share of elements is set aside."""
    spared = int(excused * difference.size)
    if difference.size == 0:
        return 0.0
    return float(np.partition(difference.ravel(), difference.size - 1 - spared)[-1 - spared])
