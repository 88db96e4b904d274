import pytest
import torch

from engine.nets.gtr import grid
from engine.nets.gtr.field import TriplaneField
from engine.nets.gtr.grid import density_grid, grid_points
from engine.nets.gtr.triplane import interleave, sample_planes
from tests.nets.gtr.small import TINY, tiny


def planes(height: int = 5, width: int = 7, channels: int = 4, dtype=torch.float32) -> torch.Tensor:
    source = torch.Generator().manual_seed(2)
    return torch.randn(3, channels, height, width, generator=source, dtype=dtype)


def points(count: int, dtype=torch.float32) -> torch.Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(3), dtype=dtype) * 2 - 1


@pytest.mark.parametrize(("plane", "across", "down"), [(0, 0, 1), (1, 0, 2), (2, 1, 2)])
def test_a_plane_is_read_at_its_two_coordinates(plane, across, down):
    triplane = planes()
    at = torch.full((1, 3), 0.123)
    column, row = 4, 1
    at[0, across], at[0, down] = 2 * (column + 0.5) / 7 - 1, 2 * (row + 0.5) / 5 - 1
    features = interleave(sample_planes(triplane, at))
    torch.testing.assert_close(features[0, plane::3], triplane[plane, :, row, column])


def test_points_outside_read_the_border():
    triplane = planes()
    outside = sample_planes(triplane, torch.tensor([[1.0, -3.0, 5.0]]))
    border = sample_planes(triplane, torch.tensor([[1.0, -1.0, 1.0]]))
    assert torch.equal(outside, border)
    torch.testing.assert_close(border[0, :, 0], triplane[0, :, 0, -1])


def test_sampling_has_the_right_gradients():
    triplane = planes(3, 4, 2, torch.float64).requires_grad_()
    at = points(4, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(sample_planes, (triplane, at))


def test_leading_dimensions_are_scenes():
    both, at = torch.stack([planes(), -planes()]), torch.stack([points(6), points(6).flip(0)])
    torch.testing.assert_close(sample_planes(both, at)[1], sample_planes(both[1], at[1]))


def test_density_is_never_negative_and_colour_may_just_leave_its_range():
    field = TriplaneField(TINY.field)
    features = torch.randn(4000, 12) * 1e4
    density, color = field.density(features), field.color(features)
    assert density.min() == 0
    assert -0.00101 < color.min() < -0.0009
    assert 1.0009 < color.max() < 1.00101


def test_density_is_linear_for_large_values():
    field = TriplaneField(TINY.field)
    features = torch.randn(500, 12) * 1e4
    raw = field.raw_density(features)
    assert torch.equal(field.density(features)[raw > 20], raw[raw > 20])


def test_networks_start_balanced():
    field = TriplaneField(TINY.field)
    for layer in (*field.decoder.field.mlp_sigma.layers, *field.decoder.field.mlp_color.layers):
        bound = (6 / sum(layer.weight.shape)) ** 0.5
        assert layer.bias.abs().max() == 0
        assert 0.7 * bound < layer.weight.abs().max() <= bound


@pytest.mark.parametrize("chunk", [grid.CHUNK_POINTS, 200])
def test_grid_equals_the_field_at_every_point(monkeypatch, chunk):
    monkeypatch.setattr(grid, "CHUNK_POINTS", chunk)
    field, triplane = tiny().field.double(), planes(dtype=torch.float64)
    by_point, _ = field(triplane, grid_points(11, triplane).flatten(0, 2))
    torch.testing.assert_close(
        density_grid(field, triplane, 11), by_point.view(11, 11, 11), rtol=1e-12, atol=1e-12
    )


def test_grid_is_indexed_x_y_z_and_includes_both_ends():
    at = grid_points(5, torch.zeros(1))
    assert at[0, 4, 2].tolist() == [-1, 1, 0]
    assert at.amin() == -1
    assert at.amax() == 1


def test_grid_carries_gradient_to_triplane_and_weights():
    field = tiny().field.double()
    triplane = planes(2, 2, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda planes: density_grid(field, planes, 3), triplane)
    density_grid(field, triplane, 3).sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in field.decoder.field.mlp_sigma.parameters())
