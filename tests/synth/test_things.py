import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from engine.synth import shapes
from engine.synth.bank import build_bank
from engine.synth.thing import PROFILE, SHELL, Thing, blended
from engine.synth.thing_views import (
    REACH,
    cameras,
    draw_views,
    held_out_views,
    learned_cameras,
    learned_thing,
    march,
)

BANK = build_bank(edge_px=32)
PX = 32


def thing(*some: shapes.Shape, at: tuple[tuple[float, float, float], ...] = ((0, 0, 0),)) -> Thing:
    n = len(some)
    return Thing(
        torch.tensor([int(s.kind) for s in some]),
        torch.eye(3).expand(n, 3, 3),
        torch.tensor(at, dtype=torch.float32),
        torch.tensor([s.size for s in some]),
        torch.tensor([s.round_m for s in some]),
        torch.zeros(n, PROFILE, 2),
        torch.tensor(0.0),
        torch.zeros(n, dtype=torch.long),
        torch.ones(n, 3),
        torch.ones(n),
    )


def test_a_ball_is_as_far_away_as_it_is() -> None:
    ball = thing(shapes.sphere(0.5))
    points = torch.tensor([[2.0, 0, 0], [0, 0.25, 0], [0.3, 0.4, 0]])
    torch.testing.assert_close(ball.distance(points), torch.tensor([1.5, -0.25, 0.0]))
    torch.testing.assert_close(ball.normals(points[2:]), points[2:] * 2, atol=5e-3, rtol=0)


def test_a_shell_is_a_line_turned_round_its_axis() -> None:
    bowl = thing(shapes.sphere(0.1))
    profile = torch.tensor([[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], *[[0.5, 1.0]] * 3])
    bowl = Thing(
        torch.tensor([SHELL]), *(getattr(bowl, n) for n in ("R_world_obj", "center", "size")),
        torch.tensor([0.05]), profile[None], bowl.blend, bowl.layer, bowl.tint, bowl.tile,
    )  # fmt: skip
    points = torch.tensor([[0, 0, 0.5], [0.35, 0.35, 0.5], [0, 0.8, 0.4], [0, 0, -0.2]])
    wall = abs(0.35 * math.sqrt(2) - 0.5) - 0.05
    torch.testing.assert_close(bowl.distance(points), torch.tensor([0.45, wall, 0.25, 0.15]))


def test_blending_only_adds_matter_and_only_nearby() -> None:
    a, b = torch.rand(2, 500, generator=torch.Generator().manual_seed(0)) * 2 - 0.5
    both = blended(torch.stack([a, b]), torch.tensor(0.3))
    sharp = torch.minimum(a, b)
    assert (both <= sharp).all()
    far = (a - b).abs() >= 0.3
    assert torch.equal(both[far], sharp[far])
    assert (both < sharp)[~far].float().mean() > 0.99


def test_turned_and_placed_objects_keep_their_distances() -> None:
    made, dice = learned_thing(0, 3, BANK)
    points = torch.from_numpy(dice.uniform(-1, 1, (200, 3)).astype(np.float32))
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)))
    turn = turn * torch.linalg.det(turn).sign()
    torch.testing.assert_close(
        made.turned(turn).distance(points @ turn.T), made.distance(points), atol=1e-5, rtol=0
    )
    middle = torch.tensor([0.1, -0.2, 0.3])
    there = made.placed(middle, 2.0)
    torch.testing.assert_close(
        there.distance((points - middle) * 2), made.distance(points) * 2, atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("number", range(12))
def test_every_object_fills_its_box_and_stays_in_it(number: int) -> None:
    made, _ = learned_thing(0, number, BANK)
    axis = torch.linspace(-1.2, 1.2, 49)
    grid = torch.cartesian_prod(axis, axis, axis)
    solid = grid[made.distance(grid) < 0]
    assert 0.5 < solid.norm(dim=-1).max() < REACH
    assert (solid.amax(0) + solid.amin(0)).abs().max() < 0.15


def test_pictures_show_what_is_there() -> None:
    made, dice = learned_thing(0, 1, BANK)
    K, T = learned_cameras(dice, 4, PX)
    seen = draw_views(made, BANK, K, T, PX, dice)
    solid = seen.depth > 0
    assert 0.05 < solid.float().mean() < 0.7
    # No object touches the rim of its picture.
    assert not solid[:, [0, -1]].any()
    assert not solid[:, :, [0, -1]].any()
    assert (seen.pictures.permute(0, 2, 3, 1)[~solid] == 1).all()
    u = torch.arange(PX) + 0.5
    x = (u - K[0, 0, 2]) / K[0, 0, 0]
    rays = torch.stack([x.expand(PX, PX), x[:, None].expand(PX, PX), torch.ones(PX, PX)], -1)
    points = rays * seen.depth[0, ..., None] @ T[0, :3, :3].T + T[0, :3, 3]
    assert made.distance(points[solid[0]]).abs().max() < 3e-3
    # What is seen faces the camera.
    normal = seen.normal.permute(0, 2, 3, 1)[0][solid[0]]
    towards = F.normalize(T[0, :3, 3] - points[solid[0]], dim=-1)
    assert ((normal * towards).sum(-1) > -0.1).float().mean() > 0.99


def test_rays_meet_a_ball_where_the_formula_says() -> None:
    ball = thing(shapes.sphere(0.5), shapes.sphere(0.2), at=((0, 0, 0), (0, 0.6, 0)))
    origins = torch.tensor([[0.0, 0, -3], [0.3, 0, -3], [0.9, 0, -3]])
    rays = torch.tensor([[0.0, 0, 2], [0, 0, 2], [0, 0, 2]])
    found = march(ball, origins, rays)
    torch.testing.assert_close(found, torch.tensor([1.25, (3 - 0.4) / 2, 0.0]), atol=1e-3, rtol=0)


def test_cameras_look_at_the_origin_with_up_up() -> None:
    K, T = cameras(np.array([0.0, 90.0]), np.array([0.0, 30.0]), np.array([30.0, 30.0]), 64)
    torch.testing.assert_close(T[:, :3, 3].norm(dim=-1), torch.full((2,), 4.0))
    torch.testing.assert_close(T[:, :3, 2], -T[:, :3, 3] / 4, atol=1e-6, rtol=0)
    assert (T[:, 1, 1] < 0).all()  # y of the picture points down
    torch.testing.assert_close(torch.linalg.det(T[:, :3, :3]), torch.ones(2))
    assert K[0, 0, 0] == pytest.approx(32 / math.tan(math.radians(15)))


def test_the_same_number_is_the_same_object_and_judges_differ() -> None:
    one, _ = held_out_views(2, PX, BANK)
    again, views = held_out_views(2, PX, BANK)
    assert torch.equal(one.center, again.center)
    assert len(views.pictures) == 8
    learned, _ = learned_thing(0, 2, BANK)
    assert learned.center.shape != one.center.shape or not torch.equal(learned.center, one.center)
