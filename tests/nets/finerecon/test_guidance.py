"""Depth maps of planes, whose guidance is known."""

import pytest
import torch

from engine.nets.finerecon.guidance import (
    density_sums,
    depth_weights,
    fill,
    guidance_sums,
)

MARGIN_M = 0.12
K = torch.tensor([[32.0, 0, 16], [0, 32, 12], [0, 0, 1]])
HERE = torch.eye(4)[None]
WALL = torch.full((1, 24, 32), 2.0)


def on_axis(*depths: float) -> torch.Tensor:
    """Return points straight ahead; they fall on the centre of a pixel."""
    return torch.tensor([[0.0, 0.0, z] for z in depths])


def test_guidance_is_negative_in_front_and_leaves_out_what_is_hidden() -> None:
    points = on_axis(0.5, 1.88, 1.97, 2.0, 2.06, 2.12, 3.0)
    total, count = guidance_sums(WALL, points, K, HERE, MARGIN_M)
    expected = torch.tensor([-1, -1, -0.25, 0, 0.5, 0, 0])
    torch.testing.assert_close(total, expected, atol=1e-5, rtol=0)
    assert count.tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert fill(total, count, 1.0)[-2:].tolist() == [1, 1]


def test_holes_and_what_lies_outside_do_not_count() -> None:
    holes = WALL.clone()
    holes[0, 12, 16] = 0
    assert guidance_sums(holes, on_axis(1.9), K, HERE, MARGIN_M)[1].item() == 0
    aside = torch.tensor([[5.0, 0, 1.9], [0, 0, -1.9], [0, 0, 0]])
    total, count = guidance_sums(WALL, aside, K, HERE, MARGIN_M)
    assert count.tolist() == [0, 0, 0]
    assert total.tolist() == [0, 0, 0]


def test_depth_is_that_of_the_nearest_pixel() -> None:
    step = WALL.clone()
    step[0, :, 17:] = 1.96
    uv = torch.tensor([16.0, 16.4, 16.6, 17.0])
    points = torch.stack([(uv - 16) / 32 * 1.98, torch.zeros(4), torch.full((4,), 1.98)], 1)
    total, _ = guidance_sums(step, points, K, HERE, MARGIN_M)
    expected = torch.tensor([-1, -1, 1, 1]) * 0.02 / MARGIN_M
    torch.testing.assert_close(total, expected, atol=1e-5, rtol=0)


def test_sums_add_up_over_views() -> None:
    maps = torch.stack([WALL[0], WALL[0] - 0.06, WALL[0] * 0])
    total, count = guidance_sums(maps, on_axis(2.0), K, HERE.expand(3, 4, 4), MARGIN_M)
    assert count.item() == 2
    assert fill(total, count, 1.0).item() == pytest.approx(0.25, abs=1e-5)
    keep = torch.tensor([[True], [False], [True]])
    total, count = guidance_sums(
        maps, on_axis(2.0), K, HERE.expand(3, 4, 4), MARGIN_M, seen_vn=keep
    )
    assert (count.item(), total.item()) == (1, pytest.approx(0, abs=1e-5))


def test_what_is_far_counts_less_at_points() -> None:
    far = torch.eye(4)[None].clone()
    far[0, 2, 3] = 2.0
    # The first sees the point 6 cm behind its wall, the second, 2 m farther back, on its own.
    maps = torch.cat([WALL - 0.06, WALL + 2.0])
    poses = torch.cat([HERE, far])
    total, count = guidance_sums(maps, on_axis(2.0), K, poses, MARGIN_M, falloff=4)
    near_weight, far_weight = 1.94**-4, 4.0**-4
    assert count.item() == pytest.approx(near_weight + far_weight)
    assert total.item() == pytest.approx(0.5 * near_weight, rel=1e-4)
    mean = 0.5 * near_weight / (near_weight + far_weight)
    assert fill(total, count, 1.0).item() == pytest.approx(mean, rel=1e-4)
    assert guidance_sums(WALL * 0, on_axis(2.0), K, HERE, MARGIN_M, falloff=4)[1].item() == 0


def test_density_is_the_share_of_views_with_a_surface_in_reach() -> None:
    maps = torch.stack([WALL[0], WALL[0] + 0.05, WALL[0] * 0])
    total, count = density_sums(maps, on_axis(2.01, 1.0), K, HERE.expand(3, 4, 4), 0.0346)
    assert count.tolist() == [2, 2]
    assert fill(total, count, 0.0).tolist() == [0.5, 0]


@pytest.mark.parametrize(
    ("weighting", "expected"),
    [
        ("hard-3.5cm", [1, 0, 0]),
        ("hard-12cm", [1, 1, 0]),
        ("hard-24cm", [1, 1, 1]),
        ("hard-48cm", [1, 1, 1]),
        ("soft-12cm", [0.902668, 0.0773047, 1.249e-05]),
        ("soft-24cm", [0.974725, 0.527292, 0.0594501]),
    ],
)
def test_weights_fall_off_with_distance_to_the_surface(
    weighting: str, expected: list[float]
) -> None:
    weights = depth_weights(WALL, on_axis(1.98, 2.1, 2.21), K, HERE, weighting)
    assert weights is not None
    torch.testing.assert_close(weights[0], torch.tensor(expected).float(), atol=2e-4, rtol=0)


def test_unknown_depth_weighs_nothing() -> None:
    weights = depth_weights(WALL * 0, on_axis(0.01), K, HERE, "soft-12cm")
    assert weights is not None
    assert weights.item() == 0
    assert depth_weights(WALL, on_axis(2.0), K, HERE, "none") is None
