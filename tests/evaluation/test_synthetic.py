import numpy as np
import pytest
from skimage.measure import marching_cubes

from engine.core.surface import Mesh
from engine.evaluation.geometry import compare
from engine.evaluation.reference import MeshReference
from engine.evaluation.synthetic import synthetic_scores, world_reference
from engine.evaluation.views import views_of_frames
from engine.sources.synthetic import SyntheticSource


@pytest.fixture(scope="module")
def source():
    return SyntheticSource("synthetic:object?seed=2&frames=8&size=96x72&noise=0")


@pytest.fixture(scope="module")
def exact(source):
    """The world's own surface by marching cubes of its exact distance."""
    points = np.concatenate([view.points() for view in views_of_frames(source.frames(), 5.0)])
    low, high = points.min(axis=0) - 0.05, points.max(axis=0) + 0.05
    step = 0.04
    axes = [np.arange(a, b, step) for a, b in zip(low, high, strict=True)]
    lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    field = source.world.distance(lattice.astype(np.float32))
    vertices, faces, _, _ = marching_cubes(field, 0.0)
    return Mesh((vertices * step + low).astype(np.float32), faces.astype(np.int32))


def test_the_exact_surface_scores_full_marks(source, exact):
    score = synthetic_scores(exact, source, heldout=2)
    assert score.surface.f1[1] > 0.98
    assert score.surface.chamfer_m < 0.008
    row = score.as_json()
    for key in ("f1_2cm", "f1_5cm", "chamfer_m", "psnr_heldout_db"):
        assert isinstance(row[key], float)
    assert "synthetic world" in row["protocol"]
    assert "renders" in row["protocol"]


def test_a_swollen_surface_does_not(source, exact):
    swollen = Mesh(exact.vertices + 0.03 * exact.vertex_normals(), exact.faces)
    outward = np.median(source.world.distance(swollen.vertices.astype(np.float64)))
    assert abs(outward) == pytest.approx(0.03, abs=0.01)
    score = compare(swollen, world_reference(source))
    assert score.f1[1] < 0.4


def test_a_mesh_stands_in_for_the_world(source, exact):
    assert compare(exact, MeshReference(exact, views_of_frames(source.frames(), 5.0))).f1[0] == 1.0
