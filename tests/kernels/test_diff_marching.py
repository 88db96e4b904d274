import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.core.faults import BadInput
from engine.kernels import diff_marching, marching
from engine.kernels.diff_marching import case_table, extract

SIDE = 4
# Values off the level by at least a thousandth, so that no triangle is degenerate in float64.
fields = arrays(np.float64, (SIDE,) * 3, elements=st.integers(-1000, 999).map(lambda n: n + 0.5))


def ball(side, radius, dtype=torch.float64):
    axis = torch.arange(side, dtype=dtype) - (side - 1) / 2
    x, y, z = torch.meshgrid(axis, axis, axis, indexing="ij")
    return (x**2 + y**2 + z**2).sqrt() - radius


def half_edges(faces):
    return torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])


def winding(surface, points):
    """Return how often a surface goes round each point, by the sum of solid angles."""
    a, b, c = (surface.vertices[surface.faces] - points[:, None, None]).unbind(2)
    la, lb, lc = (v.norm(dim=-1) for v in (a, b, c))
    volume = (a * torch.linalg.cross(b, c)).sum(-1)
    rest = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return torch.atan2(volume, rest).sum(-1) / (2 * np.pi)


@settings(max_examples=60, deadline=None)
@given(fields)
def test_every_side_of_a_face_is_a_side_of_one_other_the_other_way_round(values):
    sides = half_edges(extract(torch.from_numpy(values)).faces)
    keys = sides[:, 0] * 10_000 + sides[:, 1]
    assert len(keys.unique()) == len(keys)
    back = sides[:, 1] * 10_000 + sides[:, 0]
    assert torch.equal(keys.sort().values, back.sort().values)


@settings(max_examples=40, deadline=None)
@given(fields)
def test_the_surface_goes_once_round_what_is_inside_and_not_round_the_rest(values):
    grid = torch.from_numpy(values)
    surface = extract(grid)
    if len(surface.faces):
        points = torch.cartesian_prod(*[torch.arange(SIDE)] * 3).double()
        inside = (grid < 0).flatten().double()
        torch.testing.assert_close(winding(surface, points), inside, atol=1e-6, rtol=0)


def test_polygons_are_the_derived_ones_seen_from_the_other_side():
    # The derived table separates corners that are set, facing away from them; the classic one
    # does so too, but faces them, since here a set corner is outside.
    derived, counts = marching.case_table()
    table = case_table()
    for case in range(256):
        ours = outline(
            [
                [corner_name(corner) for corner in triangle]
                for triangle in table.corners[table.first[case] : table.first[case + 1]].tolist()
            ]
        )
        theirs = outline(
            [
                [derived_name(edge) for edge in triangle]
                for triangle in derived[case, : counts[case]].tolist()
            ]
        )
        assert ours == {(b, a) for a, b in theirs}, case


def corner_name(corner):
    x, y, z, axis = corner
    return (x, y, z, axis)


def derived_name(edge):
    corner = int(marching.EDGE_START[edge])
    return (corner & 1, corner >> 1 & 1, corner >> 2 & 1, edge // 4)


def outline(triangles):
    sides = {(t[i], t[(i + 1) % 3]) for t in triangles for i in range(3)}
    return {(a, b) for a, b in sides if (b, a) not in sides}


def test_vertices_come_by_lower_end_then_by_axis():
    values = torch.ones(4, 4, 4)
    values[1, 1, 1] = -3
    surface = extract(values)
    expected = [[0.25, 1, 1], [1, 0.25, 1], [1, 1, 0.25], [1.75, 1, 1], [1, 1.75, 1], [1, 1, 1.75]]
    assert surface.vertices.tolist() == expected
    assert len(surface.faces) == 8


def test_a_ball_has_its_radius_and_its_faces_look_outwards():
    surface = extract(ball(24, 8.3))
    from_centre = surface.vertices - 11.5
    radius = from_centre.norm(dim=-1)
    assert (radius - 8.3).abs().max() < 0.04
    a, b, c = from_centre[surface.faces].unbind(1)
    assert ((torch.linalg.cross(b - a, c - a) * a).sum(-1) > 0).all()


def test_a_value_on_the_level_is_outside():
    values = torch.full((3, 3, 3), 1.0)
    values[1, 1, 1] = 0.0
    assert len(extract(values).faces) == 0
    values[1, 1, 1] = -1e-6
    assert len(extract(values).faces) == 8


def test_what_touches_the_border_is_closed_half_a_step_beyond_it():
    values = torch.full((5, 5, 5), -1.0)
    values[2, 2, 2] = 1.0
    surface = extract(values)
    assert surface.vertices.min() == -0.5
    assert surface.vertices.max() == 4.5


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_values_on_one_side_have_no_surface_and_no_gradient(value):
    values = torch.full((3, 4, 5), value, requires_grad=True)
    surface = extract(values)
    assert surface.vertices.shape == surface.faces.shape == (0, 3)
    surface.vertices.sum().backward()
    assert values.grad.abs().max() == 0


@settings(max_examples=20, deadline=None)
@given(fields, st.floats(-5, 5))
def test_only_the_distance_to_the_level_matters(values, level):
    grid = torch.from_numpy(values)
    plain, shifted = extract(grid), extract(grid + level, level)
    assert torch.equal(plain.faces, shifted.faces)
    torch.testing.assert_close(plain.vertices, shifted.vertices, atol=1e-9, rtol=0)


@settings(max_examples=10, deadline=None)
@given(arrays(np.float64, (3, 3, 3), elements=st.integers(-9, 8).map(lambda n: n / 4 + 0.125)))
def test_gradient_is_that_of_the_difference_quotient(values):
    grid = torch.from_numpy(values).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: extract(v).vertices, (grid,), fast_mode=True)


def test_gradient_to_displaced_points():
    torch.manual_seed(3)
    grid = torch.randn(3, 3, 3, dtype=torch.float64).requires_grad_()
    offsets = (torch.rand(3, 3, 3, 3, dtype=torch.float64) - 0.5).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda v, o: extract(v, 0.1, o).vertices, (grid, offsets), fast_mode=True
    )


def test_a_displaced_point_moves_its_vertices_by_its_share():
    values = torch.ones(3, 3, 3)
    values[1, 1, 1] = -3
    offsets = torch.zeros(3, 3, 3, 3, requires_grad=True)
    extract(values, 0.0, offsets).vertices[:, 0].sum().backward()
    # Of the six vertices each lies a quarter of the way from its outer to the inner point.
    assert offsets.grad[1, 1, 1, 0] == 6 * 0.25
    assert offsets.grad[0, 1, 1].tolist() == [0.75, 0, 0]


def test_offsets_of_zero_change_nothing():
    grid = ball(8, 2.6)
    moved = extract(grid, 0.0, torch.zeros(8, 8, 8, 3, dtype=torch.float64))
    assert torch.equal(moved.vertices, extract(grid).vertices)


@pytest.mark.parametrize(
    ("values", "offsets"),
    [
        (torch.zeros(3, 3), None),
        (torch.zeros(1, 3, 3), None),
        (torch.full((3, 3, 3), float("nan")), None),
        (torch.full((3, 3, 3), float("inf")), None),
        (torch.zeros(3, 3, 3), torch.zeros(3, 3, 3)),
    ],
)
def test_what_is_no_grid_is_refused(values, offsets):
    with pytest.raises(BadInput):
        extract(values, 0.0, offsets)


def test_the_other_corner_rule_is_told_apart(monkeypatch):
    values = torch.full((3, 3, 3), 1.0)
    values[1, 1, 1] = 0.0
    monkeypatch.setattr(diff_marching, "_outside", lambda v, level: v > level)
    assert len(extract(values).faces) == 8


@pytest.mark.gpu
def test_cuda_gives_the_same_surface():
    grid = ball(32, 9.7, torch.float32)
    here, there = extract(grid), extract(grid.cuda())
    assert torch.equal(here.faces, there.faces.cpu())
    torch.testing.assert_close(here.vertices, there.vertices.cpu())
