import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.grid import BRICK_VOXELS, pack, unpack
from engine.core.poses import Pose
from engine.kernels import integrate as plain
from engine.kernels import integrate_numba as fast
from engine.kernels.hashing import KeyTable
from engine.kernels.integrate import TSDF_ONE, WEIGHT_ONE, Layers, Rule, View
from tests.scenes import CAMERA, ball_and_wall

RULE = Rule(0.02, 0.08, inverse_square=True)


def empty_layers(count: int) -> Layers:
    brick = (count, BRICK_VOXELS, BRICK_VOXELS, BRICK_VOXELS)
    return Layers(
        np.zeros(brick, np.int32),
        np.zeros(brick, np.int32),
        np.zeros((*brick, 4), np.int32),
        np.zeros(brick, np.int16),
        np.zeros(count, bool),
    )


def touched(view: View, rule: Rule = RULE) -> np.ndarray:
    known, fresh = fast.touch(KeyTable(16), np.zeros(16, np.int64), 1, view, rule)
    assert len(known) == 0
    return fresh


def with_own_color_camera(frame: Frame) -> Frame:
    shift = Pose.from_parts(np.eye(3), [0.03, 0.0, 0.0])
    camera = Intrinsics(200, 150, 170.0, 171.0, 101.0, 74.0)
    color = np.random.default_rng(0).integers(0, 255, (150, 200, 3), dtype=np.uint8)
    return Frame(0, 0, camera, color, frame.depth_m, CAMERA, None, frame.T_world_cam, shift)


def with_confidence(frame: Frame) -> Frame:
    sure = np.random.default_rng(1).random((120, 160), dtype=np.float32)
    return Frame(0, 0, CAMERA, None, frame.depth_m, CAMERA, sure, frame.T_world_cam)


@pytest.mark.parametrize("change", [lambda f: f, with_own_color_camera, with_confidence])
def test_fast_kernel_agrees_with_the_plain_one(change):
    view = View.of(change(ball_and_wall(0, 0.4)))
    keys = touched(view)
    slots = np.arange(len(keys), dtype=np.int32)
    ours, truth = empty_layers(len(keys)), empty_layers(len(keys))
    fast.integrate(ours, slots, unpack(keys), view, RULE)
    plain.integrate(truth, slots, unpack(keys), view, RULE)
    # Single precision puts a voxel that projects onto a pixel border into either pixel.
    same_pixel = (ours.weight == truth.weight) & (abs(ours.tsdf - truth.tsdf) < TSDF_ONE // 50)
    assert same_pixel.mean() > 0.995
    assert abs(ours.tsdf - truth.tsdf)[same_pixel].max() <= 16
    assert abs(int(ours.color.sum()) - int(truth.color.sum())) <= 0.01 * abs(truth.color.sum())
    assert ours.weight.max() <= WEIGHT_ONE


def test_distance_is_along_the_ray_and_positive_in_front():
    depth = np.full((120, 160), 1.0, np.float32)
    view = View.of(Frame(0, 0, CAMERA, None, depth, CAMERA, None, Pose.identity()))
    keys = touched(view)
    layers = empty_layers(len(keys))
    fast.integrate(layers, np.arange(len(keys), dtype=np.int32), unpack(keys), view, RULE)
    brick = int(np.flatnonzero(keys == pack(np.array([0, 0, 3])))[0])
    z = (3 * BRICK_VOXELS + np.arange(BRICK_VOXELS)) * 0.02
    column = layers.tsdf[brick, 1, 1] / np.maximum(layers.weight[brick, 1, 1], 1)
    known = layers.weight[brick, 1, 1] > 0
    expected = np.clip((1.0 - z) / 0.08, -1, 1) * TSDF_ONE / WEIGHT_ONE
    assert np.array_equal(known, z <= 1.08 + 1e-6)
    assert np.allclose(column[known], expected[known], atol=1)


def test_every_measured_point_lies_in_a_touched_brick():
    frame = ball_and_wall(0, -0.3)
    keys = touched(View.of(frame))
    assert frame.T_world_cam is not None
    points = (CAMERA.directions() * frame.depth_m[..., None])[frame.depth_m > 0]
    cells = np.floor(frame.T_world_cam.apply(points) / 0.32).astype(np.int32)
    assert np.isin(pack(np.unique(cells, axis=0)), keys).mean() == 1.0


def test_empty_picture_touches_nothing():
    depth = np.zeros((120, 160), np.float32)
    frame = Frame(0, 0, CAMERA, None, depth, CAMERA, None, Pose.identity())
    assert len(touched(View.of(frame))) == 0
