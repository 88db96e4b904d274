import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.nets.gtr.triplane import sample_planes
from engine.objects.texels import Texels


def table_of(triplane):
    return torch.cat([plane.flatten(1).T for plane in triplane])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 999))
def test_reads_are_those_of_the_network(height, width, seed):
    torch.manual_seed(seed)
    triplane = torch.randn(3, 4, height, width, dtype=torch.float64)
    # Beyond the box on every side, and exactly on corners, edges and the middle.
    exact = torch.tensor([[-1.0, 1, 0], [1, 1, 1], [-1, -1, -1], [0, 0, 0], [1.7, -3, 0.5]])
    points = torch.cat([torch.rand(50, 3) * 2.6 - 1.3, exact]).double()
    expected = sample_planes(triplane, points).sum(-1)
    found = Texels(points, triplane.shape[-2:]).read(table_of(triplane))
    torch.testing.assert_close(found, expected)


def test_the_way_back_is_the_transpose():
    torch.manual_seed(0)
    texels = Texels(torch.rand(30, 3, dtype=torch.float64) * 2.2 - 1.1, (4, 5))
    table = torch.randn(60, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(texels.read, (table,))


def test_texels_that_nobody_reads_get_nothing():
    texels = Texels(torch.zeros(4, 3), (6, 6))
    table = torch.ones(108, 1, requires_grad=True)
    texels.read(table).sum().backward()
    assert (table.grad > 0).sum() == 12
    assert table.grad.sum().item() == pytest.approx(12)


def test_no_points_read_nothing():
    table = torch.ones(12, 3, requires_grad=True)
    read = Texels(torch.zeros(0, 3), (2, 2)).read(table)
    assert read.shape == (0, 3)
    read.sum().backward()
    assert table.grad.abs().sum() == 0
