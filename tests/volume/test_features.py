from dataclasses import replace
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import BadInput
from engine.core.grid import pack, unpack
from engine.core.poses import Pose
from engine.core.settings import RefineSettings
from engine.kernels.features import FEATURE_LIMIT, FEATURE_ONE, GUIDANCE_ONE, MAX_VIEWS
from engine.volume import features as module
from engine.volume.features import FeatureLattice, FeatureView
from engine.volume.pool import OutOfRoom
from tests.scenes import BALL_CENTER, ball_and_wall, look_at, orbit

CHANNELS = 5
MARGIN_M = 0.12
SHIFT_M = 0.01
WIDTH, HEIGHT = 96, 64


def lattice(allocation="frustum", reach_m=2.5, memory_mb=64, box=None):
    told = RefineSettings(allocation=allocation, reach_m=reach_m, features_mb=memory_mb)
    return FeatureLattice(CHANNELS, MARGIN_M, SHIFT_M, told, box=box)


def matrix(camera, width, height):
    K = camera.opencv_matrix()
    return (K * [[width / camera.width], [height / camera.height], [1]]).astype(np.float32)


def view_of(frame, features=None):
    dice = np.random.default_rng(frame.index)
    if features is None:
        features = dice.normal(size=(CHANNELS, HEIGHT // 4, WIDTH // 4)).astype(np.float16)
    T_cam_world = frame.T_world_cam.inverse.matrix.astype(np.float32)
    camera = frame.depth_intrinsics
    return FeatureView(
        frame.index, features, matrix(frame.intrinsics, WIDTH, HEIGHT), (HEIGHT, WIDTH),
        T_cam_world, frame.depth_m, matrix(camera, camera.width, camera.height), T_cam_world,
    )  # fmt: skip


@pytest.fixture(scope="module")
def views():
    return [view_of(frame) for frame in orbit(8)]


def filled(views, **kind):
    made = lattice(**kind)
    for view in views:
        made.add(view)
    return made


def everything(made):
    low, high = made.box()
    return made.region(low * 8, tuple((8 * (high - low + 1)).tolist()))


def assert_equal(one, other):
    assert one.keys().tolist() == other.keys().tolist()
    ours, truth = everything(one), everything(other)
    for name in ("features_cxyz", "views_xyz", "guidance_xyz", "depths_xyz"):
        assert np.array_equal(getattr(ours, name), getattr(truth, name)), name


@pytest.mark.parametrize("allocation", ["frustum", "surface"])
def test_views_taken_back_in_another_order_leave_nothing(views, allocation):
    made = filled(views, allocation=allocation)
    assert len(made.keys()) > 30
    assert made.used_mb > 0
    for i in np.random.default_rng(1).permutation(len(views)):
        made.subtract(views[i])
    assert made.keys().tolist() == []
    assert made.box() is None
    assert made.used_mb == 0


@settings(max_examples=8, deadline=None)
@given(st.permutations(range(6)), st.sets(st.integers(0, 5), max_size=5))
@pytest.mark.parametrize("allocation", ["frustum", "surface"])
def test_order_does_not_matter_and_subtracting_equals_never_adding(views, allocation, order, gone):
    one = filled([views[i] for i in order], allocation=allocation)
    for i in gone:
        one.subtract(views[i])
    kept = [views[i] for i in range(6) if i not in gone]
    assert_equal(one, filled(kept, allocation=allocation))


def test_moving_a_view_equals_having_had_the_right_pose(views):
    made = filled(views)
    there = replace(
        views[2],
        T_cam_world=views[2].T_cam_world
        @ Pose.exp([0, 0, 0.1, 0.1, 0, 0]).matrix.astype(np.float32),
    )
    made.subtract(views[2])
    made.add(there)
    assert_equal(made, filled([*views[:2], there, *views[3:]]))


@pytest.mark.parametrize("allocation", ["frustum", "surface"])
def test_changed_blocks_are_told_once_and_none_is_empty(views, allocation):
    made = lattice(allocation)
    told = [made.add(view) for view in views]
    every = np.unique(np.concatenate(told))
    assert made.keys().tolist() == every.tolist()
    assert sorted(made.ledger.take("network").tolist()) == every.tolist()
    for key in every:
        found = made.region(unpack(key) * 8, (8, 8, 8))
        assert found.views_xyz.any() or found.depths_xyz.any()
    assert sorted(made.subtract(views[0]).tolist()) == sorted(told[0].tolist())


def test_frustum_keeps_all_a_dense_box_has_within_reach(views):
    low, dims = np.array([-24, -40, 0], np.int32), (64, 80, 64)
    box = (tuple(low // 8), tuple((low + dims) // 8 - 1))
    dense, sparse = filled(views[:1], box=box), filled(views[:1], reach_m=2.0)
    truth, ours = dense.region(low, dims), sparse.region(low, dims)
    index = np.stack(np.meshgrid(*map(np.arange, dims), indexing="ij"), axis=-1) + low
    T = views[0].T_cam_world.astype(np.float64)
    depth = (index * 0.04 + SHIFT_M) @ T[2, :3] + T[2, 3]
    near = depth < 2.0
    assert truth.views_xyz[near].sum() > 5000
    for name in ("views_xyz", "depths_xyz", "guidance_xyz"):
        assert np.array_equal(getattr(ours, name)[near], getattr(truth, name)[near])
    assert np.array_equal(ours.features_cxyz[:, near], truth.features_cxyz[:, near])
    # Beyond, there are only the rests of blocks that reach into it.
    assert not ours.views_xyz[depth > 2.0 + 0.28 * 3**0.5].any()
    assert truth.views_xyz[depth > 2.5].any()


def test_surface_keeps_what_lies_round_measured_depth(views):
    frame = orbit(8)[3]
    made = filled([views[3]], allocation="surface")
    rays = frame.depth_intrinsics.directions()[::7, ::7]
    depth = np.where(frame.depth_m <= 2.5, frame.depth_m, 0)[::7, ::7]
    for off in (-0.9, 0.0, 0.9):
        points = frame.T_world_cam.apply((rays * (depth + off * MARGIN_M)[..., None])[depth > 0])
        blocks = np.floor(np.rint((points - SHIFT_M) / 0.04) / 8).astype(np.int32)
        kept = np.isin(pack(blocks), made.keys())
        # Points before the picture's edge may lie in a block of which no voxel is in view.
        assert kept.mean() > 0.99
    # One block farther, and no more: what lies before the whole depth is not kept.
    middle = frame.T_world_cam.apply(np.array([[0.0, 0.0, depth[depth > 0].min() - 0.9]]))
    block = np.floor(np.rint((middle - SHIFT_M) / 0.04) / 8).astype(np.int32)
    assert not np.isin(pack(block), made.keys()).any()


def test_mean_of_one_picture_is_its_bilinear_sample():
    frame = ball_and_wall(0, 0.0)
    v, u = np.mgrid[: HEIGHT // 4, : WIDTH // 4].astype(np.float32)
    ramp = np.stack([u, v, u + v, u - v, 0 * u]).astype(np.float16)
    view = view_of(frame, ramp)
    made = filled([view])
    low, _ = made.box()
    found = everything(made)
    index = np.stack(np.nonzero(found.views_xyz), axis=-1) + low * 8
    T = view.T_cam_world.astype(np.float64)
    image = ((index * 0.04 + SHIFT_M) @ T[:3, :3].T + T[:3, 3]) @ view.K.T
    pixels = image[:, :2] / image[:, 2:] / 4
    inner = (pixels >= 0).all(axis=1) & (pixels <= [WIDTH // 4 - 1, HEIGHT // 4 - 1]).all(axis=1)
    rows = found.features_cxyz[:, found.views_xyz > 0][:, inner]
    assert inner.sum() > 3000
    assert np.allclose(rows[:2], pixels[inner].T, atol=2e-4)
    assert abs(rows[4]).max() == 0


def test_features_are_cut_and_many_views_do_not_overflow(views, monkeypatch):
    far = np.full_like(views[0].features_chw, 3 * FEATURE_LIMIT)
    monkeypatch.setattr(module, "MAX_VIEWS", 3)
    made = lattice()
    for number in range(3):
        made.add(replace(views[0], number=number, features_chw=far))
    found = everything(made)
    assert found.features_cxyz.max() == 3 * FEATURE_LIMIT
    before = made.keys().tolist()
    with pytest.raises(OutOfRoom, match="3 keyframes"):
        made.add(replace(views[1], number=3))
    assert made.keys().tolist() == before
    # Elsewhere there is room.
    away = views[0].T_cam_world.copy()
    away[:3, 3] += 50
    made.add(replace(views[0], number=3, T_cam_world=away))


def test_the_stated_number_of_views_fits_an_integer():
    assert MAX_VIEWS * FEATURE_LIMIT * FEATURE_ONE < 2**31
    assert MAX_VIEWS * GUIDANCE_ONE < 2**31


NAN_POSE = np.full((4, 4), np.nan, np.float32)
FAR_POSE = np.eye(4, dtype=np.float32) + np.float32(1e7) * np.eye(4, k=3, dtype=np.float32)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"T_cam_world": NAN_POSE}, "NaN"),
        ({"T_depth_world": NAN_POSE}, "NaN"),
        ({"T_cam_world": 2 * np.eye(4, dtype=np.float32)}, "pose"),
        ({"T_cam_world": FAR_POSE}, "100 km"),
        ({"K": np.full((3, 3), np.nan, np.float32)}, "not a camera"),
        ({"K_depth": np.zeros((3, 3), np.float32)}, "not a camera"),
        ({"K_depth": None}, "no camera"),
        ({"image_hw": (0, 96)}, "not a camera"),
        ({"features_chw": np.full((CHANNELS, 4, 4), np.nan, np.float16)}, "NaN"),
        ({"features_chw": np.full((CHANNELS, 4, 4), np.inf, np.float16)}, "NaN or infinity"),
        ({"features_chw": np.zeros((3, 4, 4), np.float16)}, "channels"),
        ({"features_chw": np.zeros((CHANNELS, 4, 4), np.uint8)}, "channels"),
        ({"features_chw": np.zeros((CHANNELS, 0, 4), np.float16)}, "channels"),
        ({"depth_hw": np.zeros((4, 4), np.float64)}, "depth picture"),
        ({"depth_hw": np.zeros((0, 4), np.float32)}, "not a camera"),
        ({"number": 0}, "already"),
    ],
)
def test_views_that_cannot_be_are_refused_and_change_nothing(views, change, says):
    made = filled(views[:1])
    before = made.keys().tolist()
    with pytest.raises(BadInput, match=says):
        made.add(replace(views[1], **change))
    assert made.keys().tolist() == before
    assert_equal(made, filled(views[:1]))


def test_depth_that_is_no_number_is_unknown(views):
    holes = views[0].depth_hw.copy()
    holes[::2] = np.nan
    holes[1::4] = np.inf
    zeros = np.where(np.isfinite(holes), holes, np.float32(0))
    for allocation in ("frustum", "surface"):
        assert_equal(
            filled([replace(views[0], depth_hw=holes)], allocation=allocation),
            filled([replace(views[0], depth_hw=zeros)], allocation=allocation),
        )


def test_without_depth_there_is_no_guidance_and_no_surface(views):
    blind = replace(views[0], depth_hw=None, K_depth=None, T_depth_world=None)
    found = everything(filled([blind]))
    assert found.views_xyz.any()
    assert not found.depths_xyz.any()
    assert len(filled([blind], allocation="surface").keys()) == 0


def test_only_views_as_they_were_added_are_taken_back(views):
    made = filled(views[:2])
    with pytest.raises(BadInput, match="never added"):
        made.subtract(views[2])
    with pytest.raises(BadInput, match="never added like this"):
        made.subtract(replace(views[1], T_cam_world=views[0].T_cam_world))
    assert_equal(made, filled(views[:2]))


def test_reach_of_tens_of_metres_is_refused(views):
    with pytest.raises(BadInput, match="reach"):
        filled(views[:1], reach_m=200.0)


def walk(count, step_m=1.5):
    """Return views that go off along x, so that each needs blocks of its own."""
    for number in range(count):
        frame = ball_and_wall(number, 0.0)
        away = np.array([number * step_m, 0, 0])
        pose = look_at(frame.T_world_cam.translation + away, BALL_CENTER + away)
        yield view_of(replace(frame, T_world_cam=pose))


def test_blocks_beyond_the_ceiling_go_to_disk_and_come_back():
    views = list(walk(12, 2.5))
    free, tight = filled(views, memory_mb=512), lattice(reach_m=2.5)
    tight._pool.capacity = limit = 700  # about a dozen views
    for view in views:
        tight.add(view)
    assert tight.on_disk_mb > 0
    assert tight._pool.resident <= limit < len(free.keys())
    assert_equal(tight, free)  # the region is larger than what fits into memory
    for view in views:
        tight.subtract(view)
    assert tight.keys().tolist() == []
    assert tight.on_disk_mb == 0
    tight.close()


def test_cost_of_a_view_does_not_grow_with_the_lattice():
    few, *many = walk(40, 2.5)
    small, large = lattice(memory_mb=512), lattice(memory_mb=512)
    small.add(few)
    small.subtract(few)
    for view in many:
        large.add(view)

    def seconds(made):
        start = process_time()
        made.add(few)
        took = process_time() - start
        made.subtract(few)
        return took

    assert len(large.keys()) > 10 * len(filled([few], memory_mb=512).keys())
    pairs = [(seconds(small), seconds(large)) for _ in range(15)]
    small_s, large_s = np.median(pairs, axis=0)
    assert large_s < 1.5 * small_s + 5e-4
