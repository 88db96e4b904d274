"""What a suite says about a surface: F1 at 5 cm and chamfer, trimmed to what cameras saw."""

from engine.core.faults import BadInput
from engine.core.surface import Mesh
from engine.evaluation.geometry import compare
from engine.evaluation.reference import Reference
from engine.evaluation.suite_depth import Group

THRESHOLD_M = 0.05


def surface_group(mesh: Mesh | None, reference: Reference) -> Group:
    """Return `f1_5cm`, `chamfer_m` in metres, and the precision and recall behind the first.

    Where nothing came of a reconstruction, or nothing that a camera could see, nothing was found:
    all shares are 0, chamfer is unknown. So one failure does not end a suite.
    """
    nothing: Group = {"f1_5cm": 0.0, "chamfer_m": None, "precision_5cm": 0.0, "recall_5cm": 0.0}
    if mesh is None or mesh.is_empty:
        return nothing
    try:
        score = compare(mesh, reference, (THRESHOLD_M,))
    except BadInput:
        return nothing
    return {
        "f1_5cm": score.f1[0],
        "chamfer_m": score.chamfer_m,
        "precision_5cm": score.precision[0],
        "recall_5cm": score.recall[0],
    }
