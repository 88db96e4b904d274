import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from engine.core.camera import lift
from engine.core.faults import BadInput
from engine.recon.bounds import BORDER_M, EVERY_PIXEL, bounds
from engine.recon.lattice import Lattice, aligned, lattice_between, part_of_world
from engine.recon.views import depth_view
from tests.scenes import orbit

edges = st.floats(0.05, 12)
corners = st.tuples(*[st.floats(-50, 50)] * 3)


@given(corners, st.tuples(edges, edges, edges))
def test_the_box_is_covered_by_multiples_of_four_and_no_more(low, extent):
    high = [edge + size for edge, size in zip(low, extent, strict=True)]
    lattice = lattice_between(low, high, 0.04)
    assert lattice.origin_m == tuple(low)
    for n, size in zip(lattice.dims, extent, strict=True):
        assert n % 4 == 0
        assert size - 1e-6 <= n * 0.04 < size + 0.16 + 1e-6


@pytest.mark.parametrize("high", [(1, 1, 0), (1, float("nan"), 1)])
def test_a_box_that_holds_nothing_is_refused(high):
    with pytest.raises(BadInput, match="holds nothing"):
        lattice_between((0, 0, 0), high, 0.04)


@given(st.sampled_from([1, 2, 4, 8]))
def test_fine_samples_fill_each_cell_evenly(rate):
    coarse = Lattice((0.5, -1.0, 2.0), (4, 4, 8), 0.04)
    fine = coarse.refined(rate)
    assert fine.size == coarse.size * rate**3
    # The samples of a voxel are centred on it, and the next voxel's go on at the same pitch.
    corner = torch.arange(rate)[:, None].expand(rate, 3)
    samples = fine.points_at(corner + 2 * rate)
    assert samples.mean(0).numpy() == pytest.approx(
        coarse.points_at(torch.tensor([[2, 2, 2]]))[0].numpy(), abs=1e-6
    )
    assert fine.voxel_m * rate == pytest.approx(coarse.voxel_m)
    lowest = fine.points(0, 1)[0].double().numpy() - fine.voxel_m / 2
    assert lowest == pytest.approx(np.array(coarse.origin_m) - coarse.voxel_m / 2, abs=1e-6)


def test_points_run_with_z_fastest():
    lattice = Lattice((0.0, 10.0, 20.0), (4, 8, 12), 0.5)
    points = lattice.points()
    assert points[1].tolist() == [0.0, 10.0, 20.5]
    assert points[12].tolist() == [0.0, 10.5, 20.0]
    assert torch.equal(lattice.points(90, 95), points[90:95])


def test_bounds_hold_every_sampled_point_with_a_border():
    frames = orbit(4)
    lattice = bounds(depth_view(f.depth_m, f.depth_intrinsics, f.T_world_depth) for f in frames)
    points = []
    for frame in frames:
        thinned = np.zeros_like(frame.depth_m)
        thinned[::EVERY_PIXEL, ::EVERY_PIXEL] = frame.depth_m[::EVERY_PIXEL, ::EVERY_PIXEL]
        thinned[thinned > 3.5] = 0
        points.append(lift(thinned, frame.depth_intrinsics, frame.T_world_depth))
    points = np.concatenate(points)
    assert lattice.origin_m == pytest.approx(points.min(0) - BORDER_M, abs=1e-5)
    top = np.array(lattice.origin_m) + lattice.voxel_m * np.array(lattice.dims)
    assert (top > points.max(0) + BORDER_M - 1e-5).all()
    assert (top < points.max(0) + BORDER_M + 0.16 + 1e-5).all()


def test_bounds_without_depth_in_range_are_refused():
    frame = orbit(1)[0]
    view = depth_view(frame.depth_m, frame.depth_intrinsics, frame.T_world_depth)
    with pytest.raises(BadInput, match=r"between 0 and 0\.2 m"):
        bounds([view], max_depth_m=0.2)


@given(corners, st.tuples(edges, edges, edges), st.sampled_from([0.04, 0.02, 0.01, 0.005]))
def test_an_aligned_box_holds_the_given_one_and_its_samples_are_those_of_the_surface(
    low, extent, resolution_m
):
    high = [edge + size for edge, size in zip(low, extent, strict=True)]
    given_box = lattice_between(low, high, 0.04)
    box = aligned(given_box, resolution_m)
    rate = round(0.04 / resolution_m)
    fine = box.refined(rate)
    first = np.array(fine.origin_m) / resolution_m
    assert first == pytest.approx(np.rint(first), abs=1e-6)
    # Samples of voxel i are rate * i to rate * i + rate - 1, and voxels begin at multiples of 4.
    assert (np.rint(first).astype(int) % (4 * rate) == 0).all()
    assert all(n % 4 == 0 for n in box.dims)
    for edge, n, inner, m in zip(
        box.origin_m, box.dims, given_box.origin_m, given_box.dims, strict=True
    ):
        assert edge <= inner + 1e-6
        assert edge + n * 0.04 >= inner + m * 0.04 - 1e-6
        assert n <= m + 8
    assert aligned(box, resolution_m) == box


def test_a_part_of_the_world_is_the_same_wherever_it_begins():
    whole = part_of_world((-8, 0, 16), (16, 16, 16), 0.04, 0.01)
    inner = part_of_world((-4, 8, 20), (8, 8, 8), 0.04, 0.01)
    index = torch.tensor([[1, 2, 3]])
    assert torch.equal(inner.points_at(index), whole.points_at(index + torch.tensor([4, 8, 4])))
