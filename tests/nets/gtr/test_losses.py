from dataclasses import replace

import pytest
import torch

from engine.nets.gtr.losses import (
    Rendered,
    Stage2Weights,
    Wanted,
    depth_loss,
    perceptual_loss,
    ray_opacity,
    stage1_loss,
    stage2_terms,
)

ONES = Stage2Weights(*[1.0] * 7)
UP = torch.tensor([0.0, 0.0, 1.0])
SIDEWAYS = torch.tensor([1.0, 0.0, 0.0])


def flat(value, channels=1):
    return torch.full((2, 4, 4, channels), float(value))


def same():
    """Return equal pictures: half the object, half background."""
    mask = flat(0)
    mask[:, :2] = 1
    normal = UP.expand(2, 4, 4, 3)
    rendered = Rendered(flat(0.5, 3), mask, 2 * mask, normal, flat(0))
    return rendered, Wanted(rendered.rgb, mask, 2 * mask, normal)


def test_equal_pictures_cost_nothing():
    terms = stage2_terms(*same(), ONES)
    assert set(terms) == {"rgb", "mask", "depth", "ray_opacity", "normal", "normal_l2"}
    assert all(term == 0 for term in terms.values())


def test_released_weights_leave_normals_out():
    rendered, wanted = same()
    terms = stage2_terms(replace(rendered, rgb=flat(1, 3), ray_opacity=flat(0.4)), wanted)
    assert set(terms) == {"rgb", "mask", "depth", "ray_opacity"}
    assert terms["rgb"] == 0.25
    assert terms["ray_opacity"].item() == pytest.approx(0.5 * 0.4)


def test_depth_counts_only_where_it_is_known_but_is_a_mean_over_all():
    wanted = flat(0)
    wanted[:, :1] = 2
    # Off by one on the known quarter, by a hundred elsewhere.
    depth = torch.where(wanted > 0, wanted + 1, 100.0)
    assert depth_loss(depth, wanted) == 0.25


def test_normals_agree_up_to_sign_but_not_in_their_square():
    rendered, wanted = same()
    terms = stage2_terms(replace(rendered, normal=-UP.expand(2, 4, 4, 3)), wanted, ONES)
    assert terms["normal"] == 0
    # Half the pixels; (2^2 + 0 + 0) / 3 there.
    assert terms["normal_l2"].item() == pytest.approx(0.5 * 4 / 3)
    across = stage2_terms(replace(rendered, normal=SIDEWAYS.expand(2, 4, 4, 3)), wanted, ONES)
    assert across["normal"] == 1


def test_where_nothing_overlaps_normals_cost_nothing():
    rendered, wanted = same()
    terms = stage2_terms(replace(rendered, mask=1 - rendered.mask), wanted, ONES)
    assert terms["normal"] == 0
    assert terms["normal_l2"] == 0


def test_terms_without_pictures_or_network_are_left_out():
    rendered, wanted = same()
    bare = replace(rendered, normal=None, ray_opacity=None)
    assert set(stage2_terms(bare, wanted, ONES)) == {"rgb", "mask", "depth"}


def test_lpips_sees_pictures_of_256_in_minus_one_to_one():
    seen = []

    def perceptual(a, b):
        seen.extend([a, b])
        return (a - b).abs().mean(dim=(1, 2, 3))

    rgb = flat(1.5, 3)
    assert perceptual_loss(rgb, flat(0, 3), perceptual) == 2
    assert [tuple(x.shape) for x in seen] == [(2, 3, 256, 256)] * 2
    assert seen[0].max() == 1
    assert seen[1].min() == -1
    rendered, wanted = same()
    terms = stage2_terms(replace(rendered, rgb=rgb), wanted, perceptual=perceptual)
    assert terms["lpips"].item() == pytest.approx(0.5 * 1.0)


def test_stage_one_is_a_squared_error_with_optional_lpips():
    a, b = flat(0.5, 3), flat(0, 3)
    assert stage1_loss(a, b) == 0.25

    def perceptual(x, y):
        return (x - y).abs().mean()

    assert stage1_loss(a, b, 0.0, perceptual) == 0.25
    assert stage1_loss(a, b, 2.0, perceptual) == 0.25 + 2 * 1


def rays(*depths):
    n = len(depths)
    origins, directions = torch.zeros(n, 3), torch.tensor([0.0, 0.6, 1.0]).expand(n, 3)
    return origins, directions, torch.ones(n), torch.full((n,), 3.0), torch.tensor(depths)


def test_ray_opacity_is_that_of_the_rest_of_the_way():
    origins, directions, near, far, depth = rays(2.0, 0.0)
    random = torch.tensor([0.25, 0.5])
    seen = []

    def density(points):
        seen.append(points)
        return torch.tensor([2.0, 0.5])

    opacity = ray_opacity(density, origins, directions, near, far, depth, random)
    length = 1.36**0.5
    # To the true depth 2 from 1.25; without one, to the box's far side 3 from 2.
    expected = 1 - torch.exp(-torch.tensor([2.0 * 0.75 * length, 0.5 * 1.0 * length]))
    torch.testing.assert_close(opacity, expected)
    torch.testing.assert_close(seen[0][:, 2], torch.tensor([1.25, 2.0]))


def test_a_surface_before_the_box_still_gives_an_opacity():
    origins, directions, near, far, depth = rays(0.5)
    opacity = ray_opacity(
        lambda p: torch.ones(len(p)), origins, directions, near, far, depth, torch.tensor([0.5])
    )
    assert 0 < opacity.item() < 1


def test_rays_that_miss_are_clear_and_send_no_gradient():
    origins, directions, _, _, depth = rays(0.0)
    never = torch.tensor([1e10])
    sigma = torch.tensor([3.0], requires_grad=True)
    opacity = ray_opacity(
        lambda _: sigma, origins, directions, never, never, depth, torch.tensor([0.5])
    )
    opacity.sum().backward()
    assert opacity.item() == 0
    assert sigma.grad.item() == 0
