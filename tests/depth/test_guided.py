"""A sensor with holes: what fills them, and that nothing else changes."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.core.settings import DepthSettings
from engine.depth.base import DepthMap
from engine.depth.guided import FILL_WEIGHT, GuidedDepth, fitted
from engine.depth.plane_sweep import PlaneSweep
from engine.depth.registered import registered
from engine.depth.sensor import clean
from engine.sources.synthetic import SyntheticSource

SETTINGS = DepthSettings()
CAMERA = Intrinsics(80, 60, 70.0, 70.0, 40.0, 30.0)
HALF = CAMERA.scaled_to(40, 30)
HOLE = (slice(20, 40), slice(30, 50))


class Says:
    """An estimator that says the same of every picture."""

    source_count = 2

    def __init__(self, depth_m, sure: float = 0.8) -> None:
        depth = np.broadcast_to(np.float32(depth_m), (30, 40)).copy()
        self._map = DepthMap(depth, np.full((30, 40), sure, np.float32), HALF)

    def estimate(self, reference, sources):
        return self._map


def frame(index: int, depth_m=1.5, **changes: object) -> Frame:
    depth = np.broadcast_to(np.float32(depth_m), (60, 80)).copy()
    depth[HOLE] = 0
    color = np.zeros((60, 80, 3), np.uint8)
    pose = Pose.from_parts(np.eye(3), [0.12 * index, 0, 0])
    made = Frame(index, index, CAMERA, color, depth, CAMERA, T_world_cam=pose)
    return replace(made, **changes)


def given(estimator, frames, can_wait=False) -> dict[int, Frame]:
    stream = GuidedDepth(estimator, SETTINGS, can_wait)
    came = [out for one in frames for out in stream.offer(one)] + list(stream.flush())
    assert len({out.index for out in came}) == len(came)
    return {out.index: out for out in came}


PUNCHED = np.zeros((120, 160), np.uint8)
for centre, size in (((45, 60), (22, 30)), ((120, 80), (18, 14))):
    cv2.ellipse(PUNCHED, centre, size, 0, 0, 360, 1, -1)


@pytest.fixture(scope="module")
def room() -> tuple[dict[int, Frame], dict[int, np.ndarray]]:
    """Return frames of a room, depth punched, and the true depth of each."""
    source = SyntheticSource("synthetic:room?seed=3&frames=120&size=160x120&noise=0")
    frames, truth = {}, {}
    for index in range(0, 24, 3):
        whole = source.frame(index)
        depth = np.where(PUNCHED, 0, whole.depth_m).astype(np.float32)
        frames[index] = replace(whole, depth_m=depth)
        truth[index] = source.truth_frame(index).depth_m
    return frames, truth


@pytest.mark.parametrize("can_wait", [False, True])
def test_holes_of_a_room_are_filled_and_measured_depth_is_untouched(room, can_wait):
    frames, truth = room
    found = given(PlaneSweep(), frames.values(), can_wait)
    assert sorted(found) == sorted(frames)
    errors, filled = [], []
    for index, own in frames.items():
        sensor = clean(own, SETTINGS).depth_m
        merged = found[index]
        measured = sensor > 0
        assert np.array_equal(merged.depth_m[measured], sensor[measured])
        again = clean(merged, SETTINGS).depth_m
        assert np.array_equal(again[measured], sensor[measured])
        if merged.confidence is None:
            assert np.array_equal(merged.depth_m, sensor)
            continue
        assert (merged.confidence[measured] == 1).all()
        fill = (PUNCHED > 0) & (again > 0)
        assert merged.confidence[fill].max() <= FILL_WEIGHT
        assert merged.confidence[fill].min() >= SETTINGS.min_confidence
        errors.append(np.abs(again - truth[index])[fill] / truth[index][fill])
        filled.append(fill.sum() / PUNCHED.sum())
    assert len(filled) >= 4
    assert np.mean(filled) > 0.4
    assert np.mean(np.concatenate(errors)) < 0.03


def test_learned_depth_is_brought_to_the_sensors_scale():
    found = given(Says(1.5 * 1.2), [frame(i) for i in range(3)])
    assert np.allclose(found[2].depth_m[HOLE], 1.5, rtol=1e-3)
    assert np.allclose(found[2].confidence[HOLE], FILL_WEIGHT * 0.8)
    outside = np.ones((60, 80), bool)
    outside[HOLE] = False
    assert (found[2].depth_m[outside] == 1.5).all()
    assert (found[2].confidence[outside] == 1).all()


def test_learned_depth_that_is_wrong_beside_the_hole_is_not_used():
    # Right in most of the picture; a fifth too far around the hole, and as far within it. What lies
    # deeper within it than sensor depth can tell of is not denied.
    wrong = np.full((30, 40), 1.5, np.float32)
    wrong[6:24, 12:28] = 1.8
    found = given(Says(wrong), [frame(i) for i in range(3)])
    hole = found[2].depth_m[HOLE].copy()
    inner = hole[6:-6, 6:-6].copy()
    hole[6:-6, 6:-6] = 0
    assert inner.all()
    assert not hole[:4].any()
    assert not hole[:, :4].any()


def test_a_small_error_nearby_is_corrected_there():
    sensor = np.full((60, 80), 2.0, np.float32)
    sensor[HOLE] = 0
    learned = np.full((60, 80), 2.0, np.float32)
    learned[:, :40] *= np.float32(1.04)
    corrected, fits = fitted(learned, np.ones_like(learned), sensor)
    assert fits.all()
    hole = corrected[22:38, 31:38]
    assert abs(hole / 2 - 1).max() < 0.03
    assert abs(corrected[5:-5, 5:25] / 2 - 1).max() < 0.008


def test_without_shared_pixels_there_is_nothing_to_fit():
    learned = np.full((60, 80), 2.0, np.float32)
    corrected, fits = fitted(learned, np.ones_like(learned), np.zeros_like(learned))
    assert np.array_equal(corrected, learned)
    assert fits.all()


def test_frames_between_keyframes_keep_the_sensors_depth_alone():
    still = [frame(2), replace(frame(2), index=3)]
    found = given(Says(1.5), [frame(0), frame(1), *still])
    assert found[2].confidence is not None
    assert found[3].confidence is None
    assert not found[3].depth_m[HOLE].any()


def test_who_lacks_something_gets_what_there_is():
    no_color = frame(3, color=None)
    no_depth = replace(frame(4), depth_m=None)
    no_pose = replace(frame(5), T_world_cam=None)
    found = given(Says(1.5), [frame(0), frame(1), frame(2), no_color, no_depth, no_pose])
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert not found[3].depth_m[HOLE].any()
    assert np.allclose(found[4].depth_m, 1.5)
    assert found[4].confidence.max() <= FILL_WEIGHT


def test_depth_of_another_camera_is_carried_over_and_the_nearest_wins():
    depth = np.full((60, 80), 2.0, np.float32)
    depth[:, 40:] = 1.0
    beside = Pose.from_parts(np.eye(3), [0.1, 0, 0])
    own = frame(0, depth, T_cam_depth=beside)
    carried, sure, camera = registered(own)
    assert (camera.width, camera.height) == (57, 43)
    # From 0.1 m to the left, what lies at 1 m begins 70 * 0.1 / 1.4 = 5 pixels farther right.
    edge = round((40 + 70 * 0.1 / 1.0) / 1.4)
    row = carried[5]
    assert (row[4 : edge - 3] == 2).all()
    assert (row[edge + 1 : -1] == 1).all()
    assert set(np.unique(carried)) == {0, 1, 2}
    assert ((sure > 0) == (carried > 0)).all()
    merged = given(Says(1.0), [frame(i, depth, T_cam_depth=beside) for i in range(3)])[2]
    assert merged.depth_intrinsics == camera
    assert merged.T_cam_depth == Pose.identity()


def test_the_learned_picture_may_see_less_than_the_sensor():
    wide = Intrinsics(80, 60, 35.0, 35.0, 40.0, 30.0)
    found = given(Says(1.5), [frame(i, depth_intrinsics=wide) for i in range(3)])[2]
    assert found.depth_m.shape == (60, 80)
    assert np.allclose(found.depth_m[HOLE], 1.5)
