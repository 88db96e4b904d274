import numpy as np
import pytest
import torch

from engine.core.faults import BadInput, Cancelled
from engine.evaluation.parity.recipe import NormalRecipe, fill
from engine.nets.gtr.config import FieldConfig, GeneratorConfig, GtrConfig
from engine.nets.gtr.model import Gtr
from engine.objects.cameras import six_view_rig
from engine.objects.reconstruct import (
    ReconstructSettings,
    color_bytes,
    find_surface,
    reconstruct,
    to_box,
    upright,
)
from engine.objects.refine_look import RefineSettings, colors_at
from engine.objects.views import Views
from engine.runtime.progress import run_job

SMALL = GtrConfig(
    GeneratorConfig(10, 4, 4, 128, 16, 1, 2, 8, upsample_factor=2), FieldConfig(12, 3, 4, 16, 8)
)
SETTINGS = ReconstructSettings(grid_points=20, raster_px=64, refine=RefineSettings(3))


@pytest.fixture(scope="module")
def network():
    made = Gtr(SMALL).eval()
    fill(made.state_dict(), NormalRecipe(7))
    return made


@pytest.fixture(scope="module")
def views():
    cameras = six_view_rig()[:3]
    generator = np.random.default_rng(0)
    color = generator.random((3, 128, 128, 3), dtype=np.float32)
    return Views(color, np.ones((3, 128, 128, 1), np.float32), cameras)


def run(job, cancel_after=np.inf):
    news = []
    return run_job(job, news.append, lambda: len(news) >= cancel_after), news


@pytest.fixture(scope="module")
def result(network, views):
    return run(reconstruct(network, views, SETTINGS))


def test_the_mesh_is_the_surface_turned_upright(network, result):
    made, _ = result
    surface = find_surface(network, made.triplane, SETTINGS)
    assert len(surface.faces) > 100
    x, y, z = surface.vertices.T.numpy()
    np.testing.assert_array_equal(made.mesh.vertices, np.stack([x, -z, y], axis=1))
    np.testing.assert_array_equal(made.mesh.faces, surface.faces.numpy())


def test_turning_upright_keeps_faces_counter_clockwise():
    axes = upright(np.eye(3, dtype=np.float32))
    assert np.linalg.det(axes) == pytest.approx(1)
    assert axes[1].tolist() == [0, 0, 1]


def test_colours_are_those_of_the_refined_look(result, network):
    made, _ = result
    obj = torch.from_numpy(made.mesh.vertices[:, [0, 2, 1]] * np.float32([1, 1, -1]))
    np.testing.assert_array_equal(made.mesh.colors, color_bytes(made.look.color(obj)))
    plain = color_bytes(colors_at(network.field, made.triplane, obj))
    assert (plain != made.mesh.colors).any()


def test_density_at_the_vertices_is_the_level(result, network):
    made, _ = result
    vertices = find_surface(network, made.triplane, SETTINGS).vertices
    inner = vertices[(vertices.abs() <= 1).all(1)]
    with torch.no_grad():
        density = network.field.density(network.field.features(made.triplane, inner))
    # Straight lines between grid points are all that is known in between.
    assert (density - 10).abs().median() < 2


def test_stages_are_told_in_order(result):
    _, news = result
    stages = list(dict.fromkeys(step.stage for step in news))
    assert stages == [
        "reading the views",
        "finding the surface",
        "looking at the surface",
        "refining the look",
        "colouring",
    ]
    assert news[-2].done == news[-2].total == 3


def test_without_refinement_colours_are_the_networks(network, views):
    made, news = run(reconstruct(network, views, ReconstructSettings(20, refine=None)))
    assert made.look is None
    assert len(news) == 3
    vertices = find_surface(network, made.triplane, ReconstructSettings(20)).vertices
    np.testing.assert_array_equal(
        made.mesh.colors, color_bytes(colors_at(network.field, made.triplane, vertices))
    )


@pytest.mark.parametrize("after", [1, 2, 4, 7])
def test_it_can_be_stopped_anywhere_and_leaves_gradients_switched_on(network, views, after):
    with pytest.raises(Cancelled):
        run(reconstruct(network, views, SETTINGS), cancel_after=after)
    assert torch.is_grad_enabled()


def test_nothing_seen_is_a_sentence(network, views):
    with pytest.raises(BadInput, match="sees no object"):
        run(reconstruct(network, views, ReconstructSettings(8, density_level=1e6)))


def test_the_box_ends_on_grid_points():
    ends = to_box(torch.tensor([[0.0, 4.5, 9.0]]), 10)
    assert ends.tolist() == [[-1, 0, 1]]


def test_bytes_are_cut_off_and_not_rounded():
    rgb = torch.tensor([[-0.001, 0.9999, 1.001], [0.5, 254.9 / 255, 1 / 255]])
    assert color_bytes(rgb).tolist() == [[0, 254, 255], [127, 254, 1]]
