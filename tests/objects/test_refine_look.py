import copy

import numpy as np
import pytest
import torch

from engine.core.faults import BadInput, Cancelled
from engine.core.news import Progress
from engine.kernels.raster_embree import EmbreeRasteriser
from engine.nets.gtr.config import FieldConfig
from engine.nets.gtr.field import TriplaneField
from engine.objects import refine_look as module
from engine.objects.mesh_render import render_mesh
from engine.objects.optimise import AdamwSettings
from engine.objects.refine_look import (
    Look,
    RefineSettings,
    Sight,
    colors_at,
    predict,
    refine_look,
)
from engine.runtime.progress import run_job
from tests.objects.test_mesh_render import ball, camera, matrices

SIDE = 48
STEPS = 50


def true_color(points):
    """Return what the object really looks like: not what any network was made for."""
    stripes = torch.sin(9 * points + torch.tensor([0.0, 1, 2])) / 2
    return (stripes + 0.5).clamp(0, 1).float()


def sight(angle):
    vertices, faces = ball(20)
    drawn = render_mesh(
        vertices, faces, *matrices(camera(angle)), SIDE, SIDE, EmbreeRasteriser(), true_color
    )
    mask = drawn.hard_mask[0, :, :, 0] > 0
    photo = torch.nn.functional.avg_pool2d(drawn.color[0].permute(2, 0, 1), 2).permute(1, 2, 0)
    return Sight(mask, drawn.points[0][mask].float(), photo.float())


@pytest.fixture(scope="module")
def field():
    torch.manual_seed(4)
    made = TriplaneField(FieldConfig(12, 3, 4, 16, 8))
    with torch.no_grad():
        # As fresh, colours hardly hang on the triplane.
        for layer in made.decoder.field.mlp_color.layers:
            layer.weight *= 2
    return made


@pytest.fixture(scope="module")
def triplane():
    torch.manual_seed(5)
    return torch.randn(3, 4, 16, 16)


@pytest.fixture(scope="module")
def sights():
    return [sight(angle) for angle in (0.0, 1.2, 2.4, 3.6, 4.8)]


def finish(job, cancel_after=None):
    news = []
    limit = np.inf if cancel_after is None else cancel_after
    return run_job(job, news.append, lambda: len(news) >= limit), news


@pytest.fixture(scope="module")
def refined(field, triplane, sights):
    return finish(refine_look(field, triplane, sights, RefineSettings(STEPS)))


def error(look_field, planes, seen):
    with torch.no_grad():
        picture = predict(look_field.decoder.field.mlp_color, planes, seen)
    return (picture - seen.photo).abs().mean().item()


def test_the_error_falls_in_seen_and_in_unseen_views(field, triplane, sights, refined):
    look, _ = refined
    assert look.losses[0] == pytest.approx(
        np.mean([error(field, triplane, s) for s in sights]), rel=1e-5
    )
    assert look.losses[-1] < 0.3 * look.losses[0]
    held_out = sight(0.6)
    before, after = (
        error(f, t, held_out) for f, t in ((field, triplane), (look.field, look.triplane))
    )
    assert after < 0.35 * before


def test_progress_counts_steps(refined):
    _, news = refined
    assert news == [Progress("refining the look", k, STEPS) for k in range(STEPS + 1)]


def test_what_was_given_is_left_untouched_and_density_is_kept(field, triplane, sights):
    before, planes = copy.deepcopy(field.state_dict()), triplane.clone()
    look, _ = finish(refine_look(field, triplane, sights[:1], RefineSettings(3)))
    assert torch.equal(triplane, planes)
    assert all(torch.equal(field.state_dict()[key], value) for key, value in before.items())
    changed = {k for k, v in look.field.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {key for key in before if "mlp_color" in key}
    assert not look.triplane.requires_grad


def test_the_first_step_moves_the_triplane_alone(field, triplane, sights):
    look, _ = finish(refine_look(field, triplane, sights[:1], RefineSettings(1)))
    after = look.field.state_dict()
    assert all(torch.equal(after[key], value) for key, value in field.state_dict().items())
    moved = (look.triplane - triplane * (1 - 0.15 * 0.05)).abs()
    # Adam's first step is the rate itself wherever there is a gradient.
    assert moved.max().item() == pytest.approx(0.15, rel=1e-3)


def test_texels_that_nobody_sees_fade(field, triplane, sights):
    look, _ = finish(refine_look(field, triplane, sights[:1], RefineSettings(4)))
    corner = (..., 0, 0)
    expected = triplane[corner] * (1 - 0.15 * 0.05) ** 4
    torch.testing.assert_close(look.triplane[corner], expected)


def test_gradient_is_that_of_the_plain_way(field, triplane, sights):
    network = copy.deepcopy(field).decoder.field.mlp_color
    planes = triplane.clone().requires_grad_()
    seen = sights[0]
    quick = torch.autograd.grad(
        predict(network, planes, seen).square().sum(), [planes, *network.parameters()]
    )
    own = copy.deepcopy(field)
    colors = own.color(own.features(planes, seen.points))
    picture = torch.ones(*seen.mask.shape, 3).masked_scatter(seen.mask[..., None], colors)
    half = torch.nn.functional.avg_pool2d(picture.permute(2, 0, 1), 2)
    plain = torch.autograd.grad(
        half.square().sum(), [planes, *own.decoder.field.mlp_color.parameters()]
    )
    for a, b in zip(quick, plain, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_it_can_be_stopped_between_steps(field, triplane, sights):
    with pytest.raises(Cancelled):
        finish(refine_look(field, triplane, sights, RefineSettings(50)), cancel_after=2)


def test_a_photograph_of_the_rasters_size_is_compared_as_it_is(field, triplane, sights):
    seen = sights[0]
    same = Sight(seen.mask, seen.points, torch.zeros(*seen.mask.shape, 3))
    picture = predict(field.decoder.field.mlp_color, triplane, same)
    assert (picture[~seen.mask] == 1).all()
    expected = colors_at(field, triplane, seen.points)
    torch.testing.assert_close(picture[seen.mask], expected, rtol=1e-4, atol=1e-5)


def test_a_view_that_sees_nothing_counts_but_moves_nothing(field, triplane):
    nothing = Sight(torch.zeros(8, 8, dtype=torch.bool), torch.zeros(0, 3), torch.zeros(4, 4, 3))
    look, _ = finish(refine_look(field, triplane, [nothing], RefineSettings(2)))
    assert look.losses == (1.0, 1.0)


def test_no_view_and_points_that_do_not_fit_are_refused(field, triplane):
    with pytest.raises(BadInput, match="no photograph"):
        finish(refine_look(field, triplane, []))
    with pytest.raises(BadInput, match="one surface point"):
        Sight(torch.ones(2, 2, dtype=torch.bool), torch.zeros(3, 3), torch.zeros(2, 2, 3))


def test_network_gradients_are_clipped_and_the_triplanes_are_not(field, triplane, sights):
    # A clipping norm of zero stops the network (but for decay of its weights) and nothing else.
    still = RefineSettings(3, optimiser=AdamwSettings(max_gradient_norm=0.0))
    look, _ = finish(refine_look(field, triplane, sights[:1], still))
    for key, value in field.state_dict().items():
        if key.endswith("bias"):
            assert torch.equal(look.field.state_dict()[key], value)
    assert look.losses[-1] < look.losses[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_changes_nothing(field, triplane, sights, dtype):
    plain, _ = finish(refine_look(field, triplane, sights[:1], RefineSettings(2)))
    with torch.autocast("cpu", dtype):
        cast, _ = finish(refine_look(field, triplane, sights[:1], RefineSettings(2)))
    assert cast.losses == plain.losses
    assert torch.equal(cast.triplane, plain.triplane)


def test_the_look_tells_colours_without_gradient(refined):
    look, _ = refined
    assert isinstance(look, Look)
    points = torch.rand(5, 3, requires_grad=True)
    assert not look.color(points).requires_grad


def test_large_numbers_of_points_go_in_portions(field, triplane, monkeypatch):
    points = torch.rand(50, 3)
    whole = colors_at(field, triplane, points)
    monkeypatch.setattr(module, "POINTS_AT_ONCE", 7)
    torch.testing.assert_close(colors_at(field, triplane, points), whole)
