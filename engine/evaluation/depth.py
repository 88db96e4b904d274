"""How well depth pictures of a mesh agree with measured or exact ones.

The measures are those of Eigen et al. (2014): mean relative error, mean squared relative error,
root mean squared error, and the share of pixels whose ratio to the truth stays below a bound.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from engine.core.arrays import F32, F64
from engine.core.faults import BadInput
from engine.evaluation.views import View
from engine.kernels.raster import MeshScene

RANGES_M = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class DepthScore:
    """Errors over pixels known in both pictures; `coverage` is their share of the true ones."""

    abs_rel: float
    sq_rel_m: float
    rmse_m: float
    mean_abs_m: float
    within_1_05: float
    within_1_25: float
    coverage: float
    pixels: int


@dataclass(frozen=True, slots=True)
class DepthReport:
    """Scores over all ranges, and for each range of true depth (from, to) in metres."""

    overall: DepthScore
    by_range: dict[tuple[float, float], DepthScore]
    protocol: str

    def as_json(self) -> dict[str, Any]:
        """Return `depth_...` keys, and `depth_abs_rel_by_range_m` such as `{"1-2": 0.01}`."""
        row: dict[str, Any] = {f"depth_{k}": v for k, v in asdict(self.overall).items()}
        row["depth_abs_rel_by_range_m"] = {
            f"{low:g}-{high:g}": score.abs_rel for (low, high), score in self.by_range.items()
        }
        row["depth_protocol"] = self.protocol
        return row


def compare_depth(
    pairs: Iterable[tuple[F32, F32]], ranges_m: Sequence[float] = RANGES_M
) -> DepthReport:
    """Return the errors of predicted against true depth pictures (h, w), metres, 0 unknown.

    Raises:
        BadInput: pictures of different size, or no pixel known in both.
    """
    predicted_all, true_all = [], []
    pictures = 0
    for predicted, true in pairs:
        if predicted.shape != true.shape:
            raise BadInput(
                f"Depth pictures of {predicted.shape} and {true.shape} cannot be compared."
            )
        known = true > 0
        predicted_all.append(predicted[known].astype(np.float64))
        true_all.append(true[known].astype(np.float64))
        pictures += 1
    predicted_px = np.concatenate(predicted_all) if predicted_all else np.zeros(0)
    true_px = np.concatenate(true_all) if true_all else np.zeros(0)
    if not (predicted_px > 0).any():
        raise BadInput("No pixel has depth in both pictures.", "Check poses and units.")
    by_range = {}
    for low, high in pairwise(ranges_m):
        inside = (true_px >= low) & (true_px < high)
        if (predicted_px[inside] > 0).any():
            by_range[(low, high)] = _score(predicted_px[inside], true_px[inside])
    protocol = f"{pictures} depth pictures, pixels known in both, errors along the camera axis"
    return DepthReport(_score(predicted_px, true_px), by_range, protocol)


def compare_rendered_depth(
    scene: MeshScene, views: Sequence[View], ranges_m: Sequence[float] = RANGES_M
) -> DepthReport:
    """Return the errors of a mesh's rendered depth against the views' depth.

    Raises:
        BadInput: the mesh is in no picture.
    """
    pairs = ((scene.render(view.camera, view.T_world_cam).depth_m, view.depth_m) for view in views)
    return compare_depth(pairs, ranges_m)


def _score(predicted: F64, true: F64) -> DepthScore:
    known = predicted > 0
    p, t = predicted[known], true[known]
    error = p - t
    ratio = np.maximum(p / t, t / p)
    return DepthScore(
        abs_rel=float((np.abs(error) / t).mean()),
        sq_rel_m=float((error**2 / t).mean()),
        rmse_m=float(np.sqrt((error**2).mean())),
        mean_abs_m=float(np.abs(error).mean()),
        within_1_05=float((ratio < 1.05).mean()),
        within_1_25=float((ratio < 1.25).mean()),
        coverage=float(known.mean()),
        pixels=int(known.sum()),
    )
