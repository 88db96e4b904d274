"""One mesh held against whatever the user names: a mesh file, a recording, a synthetic world."""

from pathlib import Path

from engine.core.surface import Mesh, TexturedMesh
from engine.evaluation.geometry import compare
from engine.evaluation.reference import MeshReference, sensor_reference
from engine.evaluation.synthetic import synthetic_scores
from engine.evaluation.views import views_of_source
from engine.export.formats import FORMATS
from engine.export.load import load_mesh
from engine.sources.detect import open_source
from engine.sources.synthetic import SyntheticSource


def evaluate(
    surface: Mesh | TexturedMesh, reference: str, max_m: float = 5.0
) -> dict[str, float | str]:
    """Return the scores of a mesh, flat: `f1_1cm`, `accuracy_m`, ..., `protocol`.

    `reference` is a mesh file, a recording with depth, or a `synthetic:` text; of the latter two,
    only what their cameras saw within `max_m` counts. Synthetic worlds add `psnr_heldout_db`.

    Raises:
        BadInput: a reference that cannot be read, knows no depth, or lies elsewhere.
    """
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    path = Path(reference)
    if path.suffix.lower().removeprefix(".") in FORMATS:
        truth = load_mesh(path)
        truth_mesh = truth if isinstance(truth, Mesh) else truth.mesh
        return compare(mesh, MeshReference(truth_mesh)).as_json()
    with open_source(reference) as source:
        if isinstance(source, SyntheticSource):
            return synthetic_scores(surface, source, max_m=max_m).as_json()
        views = views_of_source(source, max_m)
        return compare(mesh, sensor_reference(views)).as_json()
