"""A walk seen in colour alone: who gets depth, and from whom."""

from dataclasses import replace

import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.depth.base import DepthMap
from engine.depth.keyframes import RULE
from engine.depth.stream import KeyframeDepth

CAMERA = Intrinsics(40, 30, 35.0, 35.0, 20.0, 15.0)
HALF = CAMERA.scaled_to(20, 15)


class Asked:
    source_count = 3

    def __init__(self):
        self.calls = []

    def estimate(self, reference, sources):
        self.calls.append((reference.index, [s.index for s in sources]))
        return DepthMap(
            np.full((15, 20), 1.5, np.float32), np.full((15, 20), 0.7, np.float32), HALF
        )


def frame(index: int, x_m: float, **changes: object) -> Frame:
    color = np.zeros((30, 40, 3), np.uint8)
    pose = Pose.from_parts(np.eye(3), [x_m, 0, 0])
    return replace(Frame(index, index, CAMERA, color, T_world_cam=pose), **changes)


def test_keyframes_get_depth_from_what_was_seen_before():
    estimator = Asked()
    stream = KeyframeDepth(estimator)
    given = [stream.offer(frame(i, 0.03 * i)) for i in range(17)]
    assert [i for i, found in enumerate(given) if found] == [4, 8, 12, 16]
    # The source nearest to the best distance of 0.2 m comes first.
    assert estimator.calls == [(4, [0]), (8, [0, 4]), (12, [4, 8, 0]), (16, [8, 12, 4])]
    found = given[4]
    assert found is not None
    assert found.depth_intrinsics == HALF
    assert found.depth_m is not None
    assert found.depth_m.shape == (15, 20)
    assert found.confidence is not None
    assert found.confidence[0, 0] == np.float32(0.7)
    assert found.T_cam_depth == Pose.identity()


def test_a_jump_of_the_pose_starts_anew():
    estimator = Asked()
    stream = KeyframeDepth(estimator)
    for i in range(4):
        stream.offer(frame(i, 0.12 * i))
    assert stream.offer(frame(4, 0.3, segment=1)) is None
    assert stream.offer(frame(5, 0.42, segment=1)) is not None
    assert estimator.calls[-1] == (5, [4])


def test_frames_without_colour_or_pose_get_nothing():
    stream = KeyframeDepth(Asked())
    stream.offer(frame(0, 0))
    assert stream.offer(frame(1, 0.2, T_world_cam=None)) is None
    assert stream.offer(frame(2, 0.2, color=None)) is None
    assert stream.offer(frame(3, 0.2)) is not None


def test_a_turn_on_the_spot_gives_nothing_to_compare_with():
    stream = KeyframeDepth(Asked())
    for i in range(5):
        pose = Pose.exp([0, 0.2 * i, 0, 0, 0, 0])
        assert stream.offer(frame(i, 0, T_world_cam=pose)) is None


def test_a_long_walk_holds_few_photographs():
    stream = KeyframeDepth(Asked())
    for i in range(80):
        stream.offer(frame(i, 0.15 * i))
    assert len(stream._seen) == RULE.buffer_size


@pytest.mark.parametrize("spoilt", ["depth", "confidence"])
def test_a_depth_map_must_fit_its_camera(spoilt):
    depth = confidence = np.zeros((15, 20), np.float32)
    if spoilt == "depth":
        depth = np.zeros((15, 21), np.float32)
    else:
        confidence = np.zeros((15, 20), np.float64)
    with pytest.raises(BadFrame, match="does not fit"):
        DepthMap(depth, confidence, HALF)
