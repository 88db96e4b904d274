import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core import grid
from engine.core.faults import BadInput
from engine.core.grid import Grid, neighbours, pack, unpack

REACH = grid.KEY_OFFSET
coordinate = st.integers(-REACH, REACH - 1)
cells = st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=1, max_size=30)


@given(cells)
def test_packing_is_undone_by_unpacking(given_cells):
    keys = pack(np.array(given_cells))
    assert keys.dtype == np.int64
    assert unpack(keys).tolist() == [list(cell) for cell in given_cells]


@given(cells)
def test_keys_are_never_negative_and_differ_where_cells_do(given_cells):
    keys = pack(np.array(given_cells))
    assert keys.min() >= 0
    assert len(np.unique(keys)) == len(set(given_cells))


@given(cells)
def test_keys_sort_like_their_cells(given_cells):
    in_order = np.array(sorted(given_cells))
    assert (np.diff(pack(in_order)) >= 0).all()


@given(st.tuples(*[st.integers(-1000, 1000)] * 3))
def test_a_neighbour_is_the_cell_an_offset_away(cell):
    offsets = np.array([[0, 0, 0], [1, 0, 0], [-1, 2, -3]])
    found = neighbours(pack(np.array([cell, (0, 0, 0)])), offsets)
    assert found.shape == (2, 3)
    assert unpack(found).tolist() == [
        (np.array(start) + offsets).tolist() for start in (cell, (0, 0, 0))
    ]


def test_every_lattice_nests_in_the_block_grid():
    for voxel_m in grid.SURFACE_VOXELS_M:
        lattice = Grid(voxel_m)
        assert lattice.brick_m == pytest.approx(16 * voxel_m)
        share = max(lattice.brick_m, grid.BLOCK_M) / min(lattice.brick_m, grid.BLOCK_M)
        assert share == pytest.approx(round(share))
    assert pytest.approx(grid.BLOCK_M) == grid.FEATURE_VOXELS * grid.FEATURE_VOXEL_M
    assert Grid(0.02).brick_m == pytest.approx(grid.BLOCK_M)


@pytest.mark.parametrize("voxel_m", [0.03, 0.0, -0.02, 0.020001, float("nan")])
def test_other_lattices_are_refused_with_the_allowed_ones(voxel_m):
    with pytest.raises(BadInput, match=r"0\.04, 0\.02, 0\.01, 0\.005"):
        Grid(voxel_m)
