"""How far a mesh is from the truth, and how much of the truth it holds.

Words: accuracy is the mean distance from the mesh to the reference, completeness the mean distance
the other way, chamfer the mean of both; precision and recall are the shares of either that lie
within a threshold, F1 their harmonic mean (Knapitsch et al., Tanks and Temples, 2017).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F64
from engine.core.faults import BadInput
from engine.core.surface import Mesh
from engine.evaluation.reference import Reference, sample_surface
from engine.kernels.raster import MeshScene

THRESHOLDS_M = (0.01, 0.02, 0.05)
# 150,000 points on a room of 100 m2 are one every 2.6 cm; the share within a threshold is then
# known to a few parts in a thousand, and a comparison takes seconds.
SAMPLES = 150_000
# A surface may lie this many of the largest thresholds behind what a camera saw and still count
# against accuracy; deeper is behind a wall, where nothing is known.
_SLACK_THRESHOLDS = 2.0


@dataclass(frozen=True, slots=True)
class SurfaceScore:
    """One mesh against one reference; lists run in the order of `thresholds_m`.

    Attributes:
        judged: share of the mesh's area that the cameras could judge.
        protocol: sampling, thresholds and trimming, in one sentence.
    """

    accuracy_m: float
    completeness_m: float
    chamfer_m: float
    accuracy_median_m: float
    completeness_median_m: float
    thresholds_m: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    f1: tuple[float, ...]
    judged: float
    protocol: str

    def as_json(self) -> dict[str, float | str]:
        """Return the flat keys that reports use: `f1_2cm`, `accuracy_m`, ..., `protocol`."""
        row: dict[str, float | str] = {
            "accuracy_m": self.accuracy_m,
            "completeness_m": self.completeness_m,
            "chamfer_m": self.chamfer_m,
            "accuracy_median_m": self.accuracy_median_m,
            "completeness_median_m": self.completeness_median_m,
            "judged_share": self.judged,
        }
        for index, threshold_m in enumerate(self.thresholds_m):
            name = f"{threshold_m * 100:g}cm"
            row[f"precision_{name}"] = self.precision[index]
            row[f"recall_{name}"] = self.recall[index]
            row[f"f1_{name}"] = self.f1[index]
        row["protocol"] = self.protocol
        return row


def compare(
    mesh: Mesh,
    reference: Reference,
    thresholds_m: Sequence[float] = THRESHOLDS_M,
    samples: int = SAMPLES,
    seed: int = 0,
) -> SurfaceScore:
    """Return the scores of a mesh against a reference, the same for the same arguments.

    Points of the mesh that no camera of the reference could judge are left out: outside every
    picture, where depth is unknown, or far behind the surface seen. Points of the reference are
    only what its cameras saw.

    Raises:
        BadInput: an empty mesh, no thresholds, or a mesh that lies outside all views.
    """
    if mesh.is_empty:
        raise BadInput("The mesh has no face, so it cannot be compared.")
    if not thresholds_m or min(thresholds_m) <= 0:
        raise BadInput("Thresholds must be positive metres.")
    slack_m = _SLACK_THRESHOLDS * max(thresholds_m)
    points, _ = sample_surface(mesh, samples, seed)
    seen = reference.seen(points, slack_m)
    if not seen.any():
        raise BadInput(
            "No camera of the reference saw any of the mesh.",
            "Check that both lie in the same world and unit.",
        )
    to_reference = reference.distance(points[seen])
    targets = reference.points(samples, seed)
    if not len(targets):
        raise BadInput("The cameras saw nothing of the reference.")
    to_mesh = MeshScene(mesh).closest(targets)[0]
    precision = tuple(_share(to_reference, threshold) for threshold in thresholds_m)
    recall = tuple(_share(to_mesh, threshold) for threshold in thresholds_m)
    density = samples / mesh.area_m2()
    listed = ", ".join(f"{threshold * 100:g}" for threshold in thresholds_m)
    return SurfaceScore(
        accuracy_m=float(to_reference.mean()),
        completeness_m=float(to_mesh.mean()),
        chamfer_m=float(to_reference.mean() + to_mesh.mean()) / 2,
        accuracy_median_m=float(np.median(to_reference)),
        completeness_median_m=float(np.median(to_mesh)),
        thresholds_m=tuple(thresholds_m),
        precision=precision,
        recall=recall,
        f1=tuple(_harmonic(p, r) for p, r in zip(precision, recall, strict=True)),
        judged=float(seen.mean()),
        protocol=(
            f"{samples} area-weighted points on the mesh ({density:.0f} per m2, seed {seed}), "
            f"{len(targets)} on the reference; {reference.describe()}; thresholds {listed} cm; "
            f"mesh points left out where unseen or over {slack_m * 100:g} cm behind what was seen; "
            "distances not clipped; chamfer is the mean of both directions"
        ),
    )


def _share(distances: F64, threshold_m: float) -> float:
    return float((distances <= threshold_m).mean())


def _harmonic(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0
