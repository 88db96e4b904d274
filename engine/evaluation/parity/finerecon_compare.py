"""The tolerances of a FineRecon fixture, and arrays compared by them."""

from collections.abc import Iterator, Mapping, Set

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from engine.evaluation.parity.check import Check, close, equal
from engine.evaluation.parity.fixture import NUMBERS, Entries

# The tolerances the fixture's README recommends.
FLOAT_TOL = 2e-4
TRAINING_TOL = 1e-3
GRADIENT_RTOL = 0.02
GRADIENT_FLOOR = 1e-4
# The stored fixture's values stay below this. Rounding is a share of the value, so beyond it, where
# another recipe leads, tolerances grow.
USUAL = 20.0
# Share of elements that may hang on a nearest pixel or a border, and the arrays that can.
TIES = 1e-3
HANG_ON_PIXELS = {"mean", "tsdf_channel", "bn_mean", "point_tsdf", "point_image_feat"}
RECONSTRUCTED = {"final.npz", "chunked.npz", "gt_tsdf.npz"}
COUNTED = {"dims", "count", "tsdf_weight", "weight", "point_coarse_valid"}
# Where the grid lies is no matter of rounding: metres, and the level itself.
PLACE_TOL = 1e-5
PLACES = {"origin", "voxel_size", "level"}
TRAINED = {"tsdf_logits", "occ_logits", "loss", "tsdf_loss", "bce_loss"}
GRADIENTS = {"grad_surface0", "grad_fusion_gamma"}

Outputs = Mapping[str, Tensor | ArrayLike]


def compare(stored: Entries, ours: Outputs, given: Set[str] = frozenset()) -> Iterator[Check]:
    """Yield a check for every stored array but the given ones; what we lack is infinitely wrong."""
    for key, array in stored.values.items():
        name = f"{stored.file}/{key}"
        if key in given:
            continue
        if key not in ours or array.dtype.kind not in NUMBERS:
            yield Check(name, float("inf"), 0.0)
        elif key in COUNTED:
            yield equal(name, ours[key], array, TIES)
        else:
            hangs = key in HANG_ON_PIXELS or (stored.file in RECONSTRUCTED)
            ties = TIES if hangs else 0.0
            yield close(name, ours[key], array, tolerance(stored.file, key, array), ties)


def tolerance(file: str, key: str, array: np.ndarray) -> float:
    """Return the absolute tolerance of one stored array."""
    if key in PLACES:
        return PLACE_TOL
    largest = float(np.abs(array[np.isfinite(array)]).max(initial=0))
    if key in GRADIENTS:
        return max(FLOAT_TOL, GRADIENT_RTOL * largest)
    is_trained = file == "step_train.npz" and key in TRAINED
    return grown(TRAINING_TOL if is_trained else FLOAT_TOL, largest)


def grown(atol: float, largest: float) -> float:
    """Return a tolerance for values up to `largest`."""
    return atol * max(1.0, largest / USUAL)
