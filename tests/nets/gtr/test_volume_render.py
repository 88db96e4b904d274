import pytest
import torch

from engine.nets.gtr.volume_render import (
    MISS,
    bin_edges,
    borrowed,
    ray_box,
    render_rays,
    weights,
)
from tests.nets.gtr.small import SolidField, tiny

BOX = torch.tensor([-1.0, -1, -1, 1, 1, 1])
COLOR = torch.tensor([0.2, 0.4, 0.6])


def rays(*ends: tuple[list[float], list[float]]) -> tuple[torch.Tensor, torch.Tensor]:
    origins = torch.tensor([origin for origin, _ in ends], dtype=torch.float32)
    directions = torch.tensor([direction for _, direction in ends], dtype=torch.float32)
    return origins, directions / directions.norm(dim=-1, keepdim=True)


THROUGH = ([0.0, 0.0, -4.0], [0.0, 0.0, 1.0])
DIAGONAL = ([3.0, 3.0, 3.0], [-1.0, -1.0, -1.0])
BESIDE = ([0.0, 3.0, -4.0], [0.0, 0.0, 1.0])
INSIDE = ([0.0, 0.0, 0.0], [1.0, 0.0, 0.0])


def test_box_is_entered_and_left_where_it_should():
    near, far = ray_box(*rays(THROUGH, DIAGONAL, BESIDE, INSIDE), BOX)
    diagonal = 3**0.5
    expected_near = torch.tensor([3, 2 * diagonal, MISS, 0.2])
    expected_far = torch.tensor([5, 4 * diagonal, MISS, 1])
    torch.testing.assert_close(near, expected_near)
    torch.testing.assert_close(far, expected_far)


def test_a_box_behind_the_eye_is_missed():
    near, far = ray_box(*rays(([0, 0, 4], [0, 0, 1])), BOX)
    assert (near.item(), far.item()) == (MISS, MISS)


def test_a_ray_along_a_face_gives_numbers():
    near, far = ray_box(*rays(([0.0, 1.0, -4.0], [0.0, 0.0, 1.0])), BOX)
    assert torch.isfinite(near).all()
    assert torch.isfinite(far).all()


def test_missing_rays_borrow_the_widest_range():
    near, far, hit = borrowed(torch.tensor([3.0, MISS, 2.5]), torch.tensor([5.0, MISS, 4.0]))
    assert near.tolist() == [3.0, 2.5, 2.5]
    assert far.tolist() == [5.0, 5.0, 4.0]
    assert hit.tolist() == [True, False, True]


def test_nothing_to_borrow_is_still_finite():
    field = SolidField(5.0, lambda p: p[..., 0] > -9, samples=4)
    seen = render_rays(field, torch.zeros(3, 4, 2, 2), *rays(BESIDE, BESIDE))
    assert torch.equal(seen.rgb, torch.ones(2, 3))
    assert torch.equal(seen.accumulation, torch.zeros(2))


@pytest.mark.parametrize(("ray", "length"), [(THROUGH, 2.0), (DIAGONAL, 2 * 3**0.5)])
def test_fog_of_one_density_dims_by_beer_and_lambert(ray, length):
    field = SolidField(0.7, lambda p: torch.ones_like(p[..., 0]), samples=5)
    seen = render_rays(field, torch.zeros(3, 4, 2, 2), *rays(ray))
    opaque = 1 - torch.exp(torch.tensor(-0.7 * length))
    torch.testing.assert_close(seen.accumulation[0], opaque)
    torch.testing.assert_close(seen.rgb[0], opaque * COLOR + (1 - opaque))


@pytest.mark.parametrize("offset", [0.0, 0.3, 0.5])
def test_a_ball_of_fog_dims_by_its_chord(offset):
    field = SolidField(1.5, lambda p: p.norm(dim=-1) < 0.6, samples=2048)
    seen = render_rays(field, torch.zeros(3, 4, 2, 2), *rays(([offset, 0, -3], [0, 0, 1])))
    chord = 2 * (0.6**2 - offset**2) ** 0.5
    opaque = 1 - torch.exp(torch.tensor(-1.5 * chord))
    assert seen.accumulation[0].item() == pytest.approx(opaque.item(), abs=1e-3)


def test_what_one_ray_sees_does_not_depend_on_the_others():
    network, triplane = tiny(), torch.randn(3, 4, 6, 6)
    together = render_rays(network.field, triplane, *rays(THROUGH, BESIDE, DIAGONAL))
    alone = render_rays(network.field, triplane, *rays(THROUGH))
    torch.testing.assert_close(together.rgb[0], alone.rgb[0])
    portions = render_rays(
        network.field, triplane, *rays(THROUGH, BESIDE, DIAGONAL), rays_at_once=2
    )
    torch.testing.assert_close(portions.rgb, together.rgb)


def test_jitter_moves_every_edge_within_its_neighbours_middles():
    near, far = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 6.0])
    even = bin_edges(near, far, 8)
    lowest, highest = (bin_edges(near, far, 8, torch.full((2, 9), x)) for x in (0.0, 1.0))
    half = (far - near)[:, None] / 16
    torch.testing.assert_close(lowest[:, 1:], even[:, 1:] - half)
    torch.testing.assert_close(highest[:, :-1], even[:, :-1] + half)
    torch.testing.assert_close(lowest[:, 0], near)
    torch.testing.assert_close(highest[:, -1], far)
    assert (bin_edges(near, far, 8, torch.rand(2, 9)).diff() >= 0).all()


def test_jitter_keeps_the_mean_of_a_fog():
    field = SolidField(0.7, lambda p: torch.ones_like(p[..., 0]), samples=64)
    seen = render_rays(field, torch.zeros(3, 4, 2, 2), *rays(THROUGH), noise=torch.rand(1, 65))
    assert seen.accumulation[0].item() == pytest.approx(0.7534, abs=0.02)


def test_training_colours_are_not_clamped():
    network, triplane = tiny(), torch.randn(3, 4, 6, 6)
    with torch.no_grad():
        network.field.decoder.field.mlp_sigma.layers[-1].bias.fill_(500)
        network.field.decoder.field.mlp_color.layers[-1].bias.fill_(50)
    ray = rays(THROUGH)
    trained = render_rays(network.field, triplane, *ray, noise=torch.full((1, 25), 0.5))
    assert trained.rgb.max() > 1.0005
    assert render_rays(network.field, triplane, *ray).rgb.max() <= 1


def test_weights_are_what_the_formula_says():
    density, lengths = torch.rand(5, dtype=torch.float64), torch.rand(5, dtype=torch.float64)
    through = 1.0
    for i, share in enumerate(weights(density, lengths).tolist()):
        thickness = (density[i] * lengths[i]).item()
        assert share == pytest.approx(through * (1 - 2.718281828459045**-thickness))
        through *= 2.718281828459045**-thickness


def test_rendering_has_the_right_gradients():
    network = tiny().double()
    network.field.config = SolidField(1, lambda p: p, samples=5).config
    origins, directions = (part.double() for part in rays(THROUGH, BESIDE, DIAGONAL))
    noise = torch.rand(3, 6, dtype=torch.float64)

    def render(triplane: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        seen = render_rays(network.field, triplane, origins, directions, noise)
        return seen.rgb, seen.accumulation

    triplane = torch.randn(3, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(render, triplane)
