"""Pictures with known answers: a map that holds its own coordinates, planes, edges."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.nets.finerecon.projection import (
    border_weight,
    feature_sums,
    mean,
    project,
    scale_intrinsics,
    seen,
    world_to_camera,
)
from tests.nets.finerecon.worlds import HW, intrinsics, look_at, queries, scenes

MAP_HW = (HW[0] // 4, HW[1] // 4)


def coordinates(hw: tuple[int, int]) -> Tensor:
    """Return a map (2, h, w) whose pixels hold their own u and v."""
    v, u = torch.meshgrid(torch.arange(hw[0]), torch.arange(hw[1]), indexing="ij")
    return torch.stack([u, v]).float()


def pixel_points(uv_n2: Tensor, depth_m: float, K_33: Tensor) -> Tensor:
    """Return points seen by a camera at the origin at these pixels."""
    rays = torch.cat([uv_n2, torch.ones(len(uv_n2), 1)], 1) @ torch.linalg.inv(K_33).T
    return rays * depth_m


def test_a_point_on_the_axis_falls_on_the_principal_point() -> None:
    T = look_at((1.0, 2.0, 0.5), (0.0, 0.0, 0.0))
    ahead = T[:3, 3] + 2.5 * T[:3, 2]
    K = intrinsics(HW)
    uv, depth = project(ahead[None], K, world_to_camera(T[None])[0])
    torch.testing.assert_close(uv[0], K[:2, 2])
    assert depth.item() == pytest.approx(2.5, rel=1e-6)


def test_features_are_read_where_points_project() -> None:
    views, points = scenes(), queries()[0]
    K, T = views.K_color_b33[0], world_to_camera(views.T_world_cam_bv44[0])
    maps = coordinates(MAP_HW).expand(len(T), 2, *MAP_HW)
    for k in range(len(T)):
        total, count = feature_sums(maps[k : k + 1], points, K, HW, T[k : k + 1], False)
        uv, depth = project(points, scale_intrinsics(K, HW, MAP_HW), T[k])
        limit = torch.tensor([MAP_HW[1] - 1, MAP_HW[0] - 1])
        is_inside = ((uv >= -0.5) & (uv <= limit + 0.5)).all(1) & (depth > 0)
        assert 20 < is_inside.sum() < len(points)
        assert torch.equal(count, is_inside.float())
        # Between the outer centres and the edge, the edge's value.
        expected = uv.clamp(min=torch.zeros(2), max=limit.float())
        torch.testing.assert_close(total.T[is_inside], expected[is_inside], atol=1e-4, rtol=0)
        assert (total.T[~is_inside] == 0).all()


@pytest.mark.parametrize(
    ("uv", "is_in"),
    [
        ((-0.5, 3.0), True),
        ((-0.51, 3.0), False),
        ((15.5, 3.0), True),
        ((15.51, 3.0), False),
        ((3.0, -0.5), True),
        ((3.0, 11.51), False),
    ],
)
def test_pictures_end_half_a_pixel_beyond_the_outer_centres(
    uv: tuple[float, float], is_in: bool
) -> None:
    K = torch.tensor([[16.0, 0, 8], [0, 16, 6], [0, 0, 1]])
    points = pixel_points(torch.tensor([uv]), 1.0, K)
    assert seen(points, K, (12, 16), torch.eye(4)[None]).item() is is_in
    # A feature map a quarter the size reaches to two pixels of the picture, without a half pixel.
    K_large = scale_intrinsics(K, (12, 16), (48, 64))
    _, count = feature_sums(
        torch.ones(1, 1, 12, 16), points, K_large, (48, 64), torch.eye(4)[None], False
    )
    assert bool(count.item()) is is_in


def test_what_is_behind_or_beside_the_camera_is_not_seen_and_does_no_harm() -> None:
    K = intrinsics(HW)
    points = torch.tensor([[0.0, 0, -1], [0, 0, 0], [1e30, 0, 1e-30], [0, 0, 1]])
    points.requires_grad_()
    features = torch.rand(1, 3, *MAP_HW, requires_grad=True)
    total, count = feature_sums(features, points, K, HW, torch.eye(4)[None], True)
    assert count.tolist() == [0, 0, 0, 1]
    total.sum().backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
    assert torch.isfinite(total).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.booleans(), st.randoms())
def test_views_may_come_in_pieces_and_any_order(cut: int, weighted: bool, random) -> None:
    views, points = scenes(views=5), queries()[0]
    K, T = views.K_color_b33[0], world_to_camera(views.T_world_cam_bv44[0])
    maps = torch.rand(5, 6, *MAP_HW, generator=torch.Generator().manual_seed(1))
    whole, count = feature_sums(maps, points, K, HW, T, weighted)
    order = random.sample(range(5), 5)
    pieces = [
        feature_sums(maps[part], points, K, HW, T[part], weighted)
        for part in (order[:cut], order[cut:])
        if part
    ]
    torch.testing.assert_close(sum(p[0] for p in pieces), whole)
    assert torch.equal(sum(p[1] for p in pieces), count)


def test_a_matrix_for_each_view_is_the_same_as_one_for_all() -> None:
    views, points = scenes(), queries()[0]
    T = world_to_camera(views.T_world_cam_bv44[0])
    maps, K = torch.rand(len(T), 2, *MAP_HW), views.K_color_b33[0]
    one = feature_sums(maps, points, K, HW, T, False)
    each = feature_sums(maps, points, K.expand(len(T), 3, 3), HW, T, False)
    assert torch.equal(one[0], each[0])


def test_the_mean_is_over_views_that_see_the_point() -> None:
    total, count = torch.tensor([[6.0, 0.0, 2.0]]), torch.tensor([3.0, 0.0, 1.0])
    assert mean(total, count).tolist() == [[2.0, 0.0, 2.0]]


def test_border_weight_is_that_of_the_paper() -> None:
    hw = (120, 160)
    inset = torch.tensor([-0.5, 0.0, 5.0, 10.0, 20.0, 60.0])
    expected = torch.tensor([1 / (1 + math.exp(6 - 12 * s)) for s in (0, 0, 0.25, 0.5, 1, 1)])
    middle = torch.full_like(inset, 60.0)
    for uv in (
        torch.stack([inset, middle], 1),
        torch.stack([160 - inset, middle], 1),
        torch.stack([middle, inset], 1),
        torch.stack([middle, 120 - inset], 1),
    ):
        torch.testing.assert_close(border_weight(uv, hw), expected)


def test_border_weights_are_not_divided_out() -> None:
    K, T = intrinsics(HW), torch.eye(4)[None]
    points = pixel_points(torch.tensor([[8.0, 8.0], [30.0, 20.0]]), 1.0, K)
    ones = torch.ones(1, 1, *MAP_HW)
    total, count = feature_sums(ones, points, K, HW, T, True)
    uv, _ = project(points, scale_intrinsics(K, HW, MAP_HW), T[0])
    torch.testing.assert_close(mean(total, count)[0], border_weight(uv, MAP_HW))
    assert count.tolist() == [1, 1]


def test_views_can_be_left_out_point_by_point() -> None:
    views, points = scenes(), queries()[0]
    K, T = views.K_color_b33[0], world_to_camera(views.T_world_cam_bv44[0])
    maps = torch.rand(len(T), 2, *MAP_HW)
    keep = torch.rand(len(T), len(points)) < 0.5
    total, count = feature_sums(maps, points, K, HW, T, False, seen_vn=keep)
    single = [feature_sums(maps[[k]], points, K, HW, T[[k]], False) for k in range(len(T))]
    torch.testing.assert_close(total, sum(s * keep[k] for k, (s, _) in enumerate(single)))
    assert torch.equal(count, sum(c * keep[k] for k, (_, c) in enumerate(single)))
