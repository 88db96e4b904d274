import pytest
import torch

from engine.nets.finerecon.volumes import lattice, read_nearest, read_trilinear

DIMS, VOXEL_M = (7, 5, 4), 0.04
ORIGIN = torch.tensor([0.3, -0.2, 1.1])
SLOPES = torch.tensor([1.0, 20.0, 400.0])


def ramp() -> torch.Tensor:
    """Return a volume (1, x, y, z) that is linear along each axis, by other slopes."""
    return (lattice(DIMS, torch.zeros(3), 1.0) @ SLOPES).view(1, *DIMS)


def inner_points(count: int = 100) -> torch.Tensor:
    random = torch.rand(count, 3, generator=torch.Generator().manual_seed(0))
    return random * (torch.tensor(DIMS) - 1)


def test_a_linear_volume_is_read_exactly() -> None:
    index = inner_points()
    read = read_trilinear(ramp(), ORIGIN + index * VOXEL_M, ORIGIN, VOXEL_M)
    torch.testing.assert_close(read[0], index @ SLOPES, atol=0.02, rtol=1e-4)


def test_the_nearest_voxel_is_the_cell_the_point_lies_in() -> None:
    index = inner_points()
    read = read_nearest(ramp(), ORIGIN + index * VOXEL_M, ORIGIN, VOXEL_M)
    torch.testing.assert_close(read[0], index.round() @ SLOPES)


def test_every_voxel_is_read_back_at_its_centre() -> None:
    volume = torch.rand(3, *DIMS)
    points = lattice(DIMS, ORIGIN, VOXEL_M)
    for read in (read_trilinear, read_nearest):
        torch.testing.assert_close(
            read(volume, points, ORIGIN, VOXEL_M).view_as(volume), volume, atol=1e-4, rtol=0
        )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_outside_there_is_nothing(axis: int) -> None:
    ones = torch.ones(1, *DIMS)
    middle = (torch.tensor(DIMS) - 1) / 2
    for beyond in (-1.01, DIMS[axis] + 0.01):
        index = middle.clone()
        index[axis] = beyond
        point = (ORIGIN + index * VOXEL_M)[None]
        assert read_trilinear(ones, point, ORIGIN, VOXEL_M).item() == pytest.approx(0, abs=1e-4)
        assert read_nearest(ones, point, ORIGIN, VOXEL_M).item() == 0
    # Half a cell beyond the outer centres the zeros outside already count half.
    index = middle.clone()
    index[axis] = -0.5
    point = (ORIGIN + index * VOXEL_M)[None]
    assert read_trilinear(ones, point, ORIGIN, VOXEL_M).item() == pytest.approx(0.5, abs=1e-4)
