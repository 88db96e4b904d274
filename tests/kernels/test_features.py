"""The fast twin against the definition: which voxels count, which pixel is nearest, all sums."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.poses import Pose
from engine.kernels import features as plain
from engine.kernels import features_numba as fast
from engine.kernels.features import BLOCK, FEATURE_ONE, GUIDANCE_ONE, Camera, Look, Rule, Sums
from tests.scenes import look_at

CHANNELS = 5
RULE = Rule(margin_m=0.12, shift_m=0.01)
CELLS = np.stack(np.meshgrid(*[np.arange(-3, 3, dtype=np.int32)] * 3), axis=-1).reshape(-1, 3)
SLOTS = np.arange(len(CELLS), dtype=np.int32)


def camera(T_cam_world: Pose, size: tuple[int, int], focal: float, middle=(0.0, 0.0)) -> Camera:
    width, height = size
    across, down = (width - 1) / 2 + middle[0], (height - 1) / 2 + middle[1]
    K = np.array([[focal, 0, across], [0, focal, down], [0, 0, 1]], np.float32)
    return Camera(K, T_cam_world.matrix.astype(np.float32), (height, width))


def a_look(seed: int, sizes=((640, 480), (160, 120), (320, 240))) -> Look:
    """Return a view from anywhere near the blocks, also from among them."""
    dice = np.random.default_rng(seed)
    T_cam_world = look_at(dice.normal(size=3) * 0.8, dice.normal(size=3) * 0.3).inverse
    nudge = Pose.exp(dice.normal(size=6) * 0.02)
    full, small, deep = sizes
    photo = camera(T_cam_world, full, 0.8 * full[0], dice.normal(size=2) * 5)
    to_map = np.array([[small[0] / full[0]], [small[1] / full[1]], [1]], np.float32)
    depth = (0.3 + dice.random(deep[::-1]) * 1.5).astype(np.float32)
    depth[dice.random(depth.shape) < 0.1] = 0
    picture = dice.normal(size=(*small[::-1], CHANNELS)).astype(np.float32)
    return Look(
        photo,
        Camera(photo.K * to_map, photo.T_cam_world, small[::-1]),
        picture,
        camera(nudge @ T_cam_world, deep, 0.7 * deep[0]),
        depth,
    )


def nothing() -> Sums:
    rows = (len(CELLS), *BLOCK)
    return Sums(
        np.zeros((*rows, CHANNELS), np.int32), *(np.zeros(rows, np.int32) for _ in range(3))
    )


def both(look: Look) -> tuple[Sums, Sums]:
    ours, truth = nothing(), nothing()
    fast.add(ours, SLOTS, CELLS, look, RULE)
    plain.add(truth, SLOTS, CELLS, look, RULE)
    return ours, truth


def assert_alike(ours: Sums, truth: Sums) -> None:
    for name in ("views", "depths", "guidance"):
        assert np.array_equal(getattr(ours, name), getattr(truth, name)), name
    # Interpolation is fused in torch, in an order of its own: a last bit, then the rounding.
    off = abs(ours.features - truth.features)
    assert off.max() <= 1
    assert (off > 0).mean() < 2e-3


SIZES = [
    ((640, 480), (160, 120), (320, 240)),
    ((640, 480), (160, 120), (131, 97)),
    ((96, 64), (24, 16), (160, 120)),
    ((512, 424), (128, 106), (512, 424)),
]


@pytest.mark.parametrize("sizes", SIZES)
def test_the_same_voxels_and_pixels_are_chosen(sizes):
    counted = 0
    for seed in range(6):
        ours, truth = both(a_look(seed, sizes))
        assert_alike(ours, truth)
        counted += int((truth.depths > 0).sum())
    assert counted > 10_000


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 5))
def test_blocks_that_change_are_those_of_the_definition(seed, reach_m):
    look = a_look(seed)
    ours = fast.changed(CELLS, look, RULE, reach_m)
    assert np.array_equal(ours, plain.changed(CELLS, look, RULE, reach_m))
    truth = nothing()
    plain.add(truth, SLOTS, CELLS, look, RULE)
    does = (truth.views | truth.depths).any(axis=(1, 2, 3))
    assert np.array_equal(fast.changed(CELLS, look, RULE, np.inf), does)


def straight_look(size=(640, 480)) -> Look:
    """Return a view whose matrices put voxel centres onto edges and middles of pixels exactly."""
    width, height = size
    T = np.eye(4, dtype=np.float32)
    # At depth 0.5 m voxels are two pixels apart and begin half-way between two.
    K = np.array([[25, 0, width / 2 - 0.5], [0, 25, height / 2 - 0.5], [0, 0, 1]], np.float32)
    photo = Camera(K, T, (height, width))
    map_ = Camera(K * np.array([[0.25], [0.25], [1]], np.float32), T, (height // 4, width // 4))
    dice = np.random.default_rng(2)
    picture = dice.normal(size=(*map_.hw, CHANNELS)).astype(np.float32)
    depth = (0.4 + 0.4 * dice.random((height, width))).astype(np.float32)
    return Look(photo, map_, picture, photo, depth)


def test_half_way_pixels_and_picture_edges_fall_to_the_same_side():
    rule = Rule(0.12, 0.02)
    for size in ((640, 480), (16, 12), (20, 8), (36, 28)):
        ours, truth = nothing(), nothing()
        fast.add(ours, SLOTS, CELLS, straight_look(size), rule)
        plain.add(truth, SLOTS, CELLS, straight_look(size), rule)
        assert_alike(ours, truth)
        assert truth.depths.sum() > 500


def test_depth_that_is_no_number_counts_nowhere():
    look = a_look(4)
    bad = look.depth_hw.copy()
    bad[::3] = np.nan
    bad[1::3] = np.inf
    gone = np.where(np.isfinite(bad), bad, np.float32(0))
    (ours, truth), (without, _) = (
        both(replace(look, depth_hw=bad)),
        both(replace(look, depth_hw=gone)),
    )
    assert_alike(ours, truth)
    assert np.array_equal(ours.guidance, without.guidance)
    assert np.array_equal(ours.depths, without.depths)
    assert 0 < ours.depths.sum() < both(look)[0].depths.sum()


def test_taking_back_leaves_nothing():
    looks = [a_look(seed) for seed in range(5)]
    sums = nothing()
    for look in looks:
        fast.add(sums, SLOTS, CELLS, look, RULE)
    assert sums.features.any()
    for i in (3, 0, 4, 1, 2):
        fast.add(sums, SLOTS, CELLS, looks[i], RULE, -1)
    assert not any(
        np.any(layer) for layer in (sums.features, sums.views, sums.guidance, sums.depths)
    )


def test_a_box_is_read_wherever_it_begins():
    sums, _ = both(a_look(1))
    low, dims = np.array([-13, -24, 2], np.int32), (17, 9, 30)
    into = (
        np.zeros((CHANNELS, *dims), np.float32),
        *(np.zeros(dims, np.float32) for _ in range(3)),
    )
    fast.gather(sums, SLOTS, CELLS, low, into)
    box = (slice(11, 28), slice(0, 9), slice(26, 48))
    layers = (sums.features, sums.views, sums.guidance, sums.depths)
    for found, layer, one in zip(into, layers, (FEATURE_ONE, 1, GUIDANCE_ONE, 1), strict=True):
        dense = np.zeros((48, 48, 48, *layer.shape[4:]), np.int32)
        for slot, cell in zip(SLOTS, (CELLS + 3) * 8, strict=True):
            dense[tuple(slice(c, c + 8) for c in cell)] = layer[slot]
        inside = np.moveaxis(dense[box], -1, 0) if dense.ndim == 4 else dense[box]
        assert inside.any()
        assert np.allclose(found[..., :22], inside / one, atol=1e-6)
        assert not found[..., 22:].any()
