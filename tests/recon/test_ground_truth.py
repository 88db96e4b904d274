import numpy as np
import pytest
import torch

from engine.core.camera import Intrinsics
from engine.core.poses import Pose
from engine.recon.ground_truth import fuse_truth, occupancy
from engine.recon.lattice import Lattice
from engine.recon.views import depth_view
from engine.runtime.progress import run_job

CAMERA = Intrinsics(64, 48, 60.0, 60.0, 32.0, 24.0)
# The camera at the origin looks along z at a wall one metre away.
LATTICE = Lattice((-0.2, -0.2, 0.9), (20, 20, 20), 0.02)


def fused(*depths, **options):
    views = [depth_view(np.array(d, np.float32), CAMERA, Pose.identity()) for d in depths]
    return run_job(fuse_truth(views, LATTICE, **options), lambda _: None, lambda: False)


def wall(depth_m=1.005, hole=True):
    depth = np.full((48, 64), depth_m)
    if hole:
        depth[0, 0] = 0
    return depth


def test_a_wall_is_signed_distance_in_units_of_the_truncation():
    truth = fused(wall())
    middle = truth.tsdf[10, 10].numpy()
    z = 0.9 + 0.02 * np.arange(20)
    expected = np.minimum((1.005 - z) / 0.04, 1)
    known = z < 1.005
    assert middle[known] == pytest.approx(expected[known], abs=1e-4)
    # Behind the wall, farther than any depth, nothing is known.
    assert np.isnan(middle[~known]).all()
    assert truth.weight[10, 10].tolist() == known.astype(int).tolist()


def test_behind_the_surface_is_known_for_the_truncation_where_the_box_reaches():
    depth = wall()
    depth[:, 50:] = 1.2
    middle = fused(depth).tsdf[10, 10].numpy()
    assert middle[7] == pytest.approx((1.005 - 1.04) / 0.04, abs=1e-3)
    assert np.isnan(middle[8:]).all()


def test_pictures_are_averaged_with_equal_weight():
    truth = fused(wall(1.005), wall(1.025))
    assert truth.tsdf[10, 10, 5].item() == pytest.approx(0.375, abs=1e-3)
    assert truth.weight[10, 10, 5] == 2


def test_columns_nothing_saw_lie_below_everything():
    depth = wall()
    depth[:, :28] = 0
    truth = fused(depth)
    seen = (truth.weight > 0).any(dim=2)
    assert not seen.all()
    assert (truth.tsdf[~seen] == -1).all()
    # Far from what was seen, they are targets too: empty.
    assert (truth.occupied[0] == 0).all()


def test_depth_beyond_the_limit_is_not_believed():
    truth = fused(wall(), wall(1.1), max_depth_m=1.05)
    assert truth.weight.max() == 1


def test_without_a_hole_nothing_nearer_than_the_nearest_depth_counts():
    depth = wall(hole=False)
    depth[0, 0] = 0.99
    assert fused(depth).weight[10, 10].tolist() == [0] * 5 + [1] + [0] * 14
    depth[0, 0] = 0
    assert fused(depth).weight[10, 10].tolist() == [1] * 6 + [0] * 14


def test_occupied_grows_by_a_voxel_over_the_unknown_too():
    tsdf = torch.full((5, 5, 5), torch.nan)
    tsdf[2, 2, 2] = 0.5
    tsdf[0, 0, 0] = 1.0
    found = occupancy(tsdf)
    assert found[1:4, 1:4, 1:4].eq(1).all()
    assert found[0, 0, 0] == 0
    assert int(found.isnan().sum()) == 125 - 27 - 1
