import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import BadInput
from engine.core.surface import Mesh
from engine.evaluation.geometry import compare
from engine.evaluation.reference import (
    MeshReference,
    WorldReference,
    sample_surface,
    sensor_reference,
)
from engine.evaluation.views import views_of_scene
from engine.kernels.raster import MeshScene
from tests.evaluation.shapes import CAMERA, BallWorld, down_from, joined, plane, sphere

FEW = 20_000


def test_a_mesh_equals_itself():
    mesh = sphere(1.0)
    score = compare(mesh, MeshReference(mesh), samples=FEW)
    assert score.f1 == (1.0, 1.0, 1.0)
    assert score.chamfer_m < 1e-6


def test_an_offset_sphere_has_the_offset_as_accuracy():
    score = compare(sphere(1.03), WorldReference(BallWorld(), BallWorld().all_round()))
    assert score.accuracy_m == pytest.approx(0.03, abs=5e-4)
    assert score.completeness_m == pytest.approx(0.03, abs=5e-4)
    assert score.chamfer_m == pytest.approx(0.03, abs=5e-4)
    assert score.precision == (0.0, 0.0, 1.0)
    assert score.f1 == (0.0, 0.0, 1.0)


@given(st.floats(0.002, 0.08))
@settings(max_examples=10, deadline=None)
def test_accuracy_follows_the_offset(offset_m):
    score = compare(
        plane(1, 1, z_m=offset_m), MeshReference(plane(1, 1)), thresholds_m=(0.04,), samples=2000
    )
    assert score.accuracy_m == pytest.approx(offset_m, rel=1e-3)
    assert score.precision == ((1.0,) if offset_m <= 0.04 else (0.0,))


def test_half_a_mesh_has_half_the_recall_and_full_precision():
    score = compare(plane(0.5, 1), MeshReference(plane(1, 1)), samples=FEW)
    assert score.precision == (1.0, 1.0, 1.0)
    # Beyond the rim, a threshold's width still counts as found.
    assert score.recall == pytest.approx([0.51, 0.52, 0.55], abs=0.005)
    assert score.f1[1] == pytest.approx(2 * 0.52 / 1.52, abs=0.01)
    # The missing half lies 0 to 0.5 m away, evenly.
    assert score.completeness_m == pytest.approx(0.125, abs=0.002)
    assert score.accuracy_m < 1e-6


def test_an_invented_surface_costs_precision_by_its_area():
    mesh = joined(plane(1, 1), plane(1, 1, z_m=0.5))
    score = compare(mesh, MeshReference(plane(1, 1)), samples=FEW)
    assert score.precision == pytest.approx([0.5] * 3, abs=0.01)
    assert score.recall == (1.0, 1.0, 1.0)


def test_what_no_camera_saw_is_not_held_against_the_mesh():
    truth = plane(1, 1)
    views = views_of_scene(
        MeshScene(truth), CAMERA, [down_from((0.5, 0.3, 1.2), (0.5, 0.5, 0))], 5.0
    )
    outside = plane(1, 1, x_m=3.0)
    hidden = plane(0.3, 0.3, z_m=-0.5, x_m=0.3)
    floater = plane(0.1, 0.1, z_m=0.4, x_m=0.45)
    reference = MeshReference(truth, views)
    assert compare(joined(truth, outside), reference, samples=FEW).precision[0] == 1.0
    assert compare(joined(truth, hidden), reference, samples=FEW).precision[0] == 1.0
    shifted = Mesh(floater.vertices + np.float32([0, 0.45, 0]), floater.faces)
    judged = compare(joined(truth, shifted), reference, samples=FEW)
    assert judged.precision[0] < 0.999, "in front of a surface the camera looked through it"
    # Untrimmed, the invented part counts.
    assert compare(joined(truth, outside), MeshReference(truth), samples=FEW).precision[0] < 0.6


def test_recall_asks_only_for_what_was_seen():
    truth = joined(plane(1, 1), plane(1, 1, x_m=3.0))
    views = views_of_scene(
        MeshScene(truth), CAMERA, [down_from((0.5, 0.3, 1.2), (0.5, 0.5, 0))], 5.0
    )
    assert compare(plane(1, 1), MeshReference(truth, views), samples=FEW).recall[2] == 1.0
    assert compare(plane(1, 1), MeshReference(truth), samples=FEW).recall[2] < 0.6


def test_noisy_depth_is_fused_into_a_better_reference():
    # A volume reads the nearest pixel, so pixels must be smaller than its voxels.
    world = BallWorld(0.4, CAMERA.scaled_to(192, 144))
    views = world.all_round(noise_m=0.008, count=20)
    reference = sensor_reference(views)
    raw = np.concatenate([view.points() for view in views])
    assert np.abs(world.distance(raw)).mean() > 0.004
    assert np.abs(world.distance(reference.points(FEW, 0))).mean() < 0.003
    score = compare(sphere(0.4), reference, samples=FEW)
    assert score.f1[1] > 0.97
    swollen = compare(sphere(0.435), reference, samples=FEW)
    assert swollen.f1[1] < 0.05
    assert swollen.accuracy_m == pytest.approx(0.035, abs=0.003)


def test_the_same_arguments_give_the_same_score():
    reference = MeshReference(sphere(1.0))
    first = compare(sphere(1.01), reference, samples=FEW)
    assert first == compare(sphere(1.01), reference, samples=FEW)
    assert first != compare(sphere(1.01), reference, samples=FEW, seed=1)


def test_samples_are_spread_by_area():
    mesh = joined(plane(1, 1), plane(3, 1, z_m=1.0))
    points, face = sample_surface(mesh, 8000, seed=0)
    assert (points[:, 2] > 0.5).mean() == pytest.approx(0.75, abs=0.001)
    corners = mesh.vertices[mesh.faces[face]]
    assert (points >= corners.min(axis=1) - 1e-6).all()
    assert (points <= corners.max(axis=1) + 1e-6).all()


def test_the_protocol_names_what_was_done():
    score = compare(plane(1, 1), MeshReference(plane(1, 1)), samples=500, seed=4)
    for fact in ("500 area-weighted", "per m2", "seed 4", "1, 2, 5 cm", "untrimmed", "not clipped"):
        assert fact in score.protocol
    keys = set(score.as_json())
    assert {"f1_1cm", "f1_2cm", "f1_5cm", "accuracy_m", "completeness_m", "chamfer_m"} <= keys


def test_bad_input_is_refused():
    empty = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    flat = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    with pytest.raises(BadInput, match="no face"):
        compare(empty, MeshReference(plane(1, 1)))
    with pytest.raises(BadInput, match="no face"):
        MeshReference(empty)
    with pytest.raises(BadInput, match="no area"):
        compare(flat, MeshReference(plane(1, 1)))
    with pytest.raises(BadInput, match="positive"):
        compare(plane(1, 1), MeshReference(plane(1, 1)), thresholds_m=(0.0,))
    with pytest.raises(BadInput, match="no depth"):
        WorldReference(BallWorld(), [])
    elsewhere = plane(1, 1, x_m=50)
    reference = WorldReference(BallWorld(), BallWorld().all_round(count=4))
    with pytest.raises(BadInput, match="same world"):
        compare(elsewhere, reference)
