"""A walk seen in colour alone: who gets depth, and from whom."""

from dataclasses import replace

import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.depth.base import DepthMap
from engine.depth.consistency import confirmed
from engine.depth.keyframes import RULE
from engine.depth.stream import AFTER, AHEAD, KeyframeDepth

CAMERA = Intrinsics(40, 30, 35.0, 35.0, 20.0, 15.0)
HALF = CAMERA.scaled_to(20, 15)


class Asked:
    """Says the same depth everywhere, sure but for its first row, and remembers the questions."""

    source_count = 3

    def __init__(self):
        self.calls = []

    def estimate(self, reference, sources):
        self.calls.append((reference.index, [s.index for s in sources]))
        sure = np.full((15, 20), 0.7, np.float32)
        sure[0] = 0.2
        return DepthMap(np.full((15, 20), 1.5, np.float32), sure, HALF)


def frame(index: int, x_m: float, **changes: object) -> Frame:
    color = np.zeros((30, 40, 3), np.uint8)
    pose = Pose.from_parts(np.eye(3), [x_m, 0, 0])
    return replace(Frame(index, index, CAMERA, color, T_world_cam=pose), **changes)


def given(stream, frames):
    """Which frames came out, after which went in."""
    return {f.index: [g.index for g in stream.offer(f)] for f in frames}


def test_live_keyframes_get_depth_at_once_from_what_was_seen_before():
    estimator = Asked()
    stream = KeyframeDepth(estimator)
    out = given(stream, [frame(i, 0.04 * i) for i in range(17)])
    assert {i: found for i, found in out.items() if found} == {i: [i] for i in range(3, 17, 3)}
    assert [reference for reference, _ in estimator.calls] == [3, 6, 9, 12, 15]
    assert all(max(sources) < reference for reference, sources in estimator.calls)
    assert list(stream.flush()) == []


def test_a_recording_waits_for_views_on_both_sides_and_loses_no_keyframe():
    estimator = Asked()
    stream = KeyframeDepth(estimator, can_wait=True)
    out = given(stream, [frame(i, 0.15 * i) for i in range(12)])
    assert out[AHEAD + AFTER - 1] == []
    assert out[AHEAD + AFTER] == [0]
    assert out[11] == [11 - AHEAD - AFTER]
    last = [f.index for f in stream.flush()]
    assert last == list(range(12 - AHEAD - AFTER, 12))
    sources = dict(estimator.calls)
    assert min(sources[5]) < 5 < max(sources[5])
    assert list(stream.flush()) == []


def test_only_what_a_neighbour_confirms_is_given_and_it_counts_fully():
    class Wrong(Asked):
        """Puts the left half of one keyframe far in front of what the others see there."""

        def estimate(self, reference, sources):
            found = super().estimate(reference, sources)
            depth = found.depth_m.copy()
            depth[:, :10] = 0.9 if reference.index == 4 else 1.5
            return replace(found, depth_m=depth)

    stream = KeyframeDepth(Wrong(), can_wait=True)
    frames = [frame(i, 0.12 * i) for i in range(9)]
    found = {f.index: f for at in frames for f in stream.offer(at)}
    found |= {f.index: f for f in stream.flush()}
    assert sorted(found) == list(range(9))
    assert found[4].depth_intrinsics == HALF
    assert found[4].T_cam_depth == Pose.identity()
    assert set(np.unique(found[4].confidence)) == {0, 1}
    # The sensor's own filter drops what has no confidence.
    assert not found[4].confidence[:, :10].any()
    assert found[4].confidence[1:, 12:18].all()
    assert found[3].confidence[1:, 5:15].all()
    assert not found[3].confidence[0].any()


@pytest.mark.parametrize("can_wait", [False, True])
def test_a_jump_of_the_pose_starts_anew(can_wait):
    estimator = Asked()
    stream = KeyframeDepth(estimator, can_wait)
    frames = [frame(i, 0.12 * i) for i in range(4)]
    frames += [frame(4, 0.3, segment=1), frame(5, 0.42, segment=1)]
    came = [f.index for at in frames for f in stream.offer(at)] + [f.index for f in stream.flush()]
    assert came == ([0, 1, 2, 3, 4, 5] if can_wait else [1, 2, 3, 5])
    for reference, sources in estimator.calls:
        assert all((source >= 4) == (reference >= 4) for source in sources)


def test_frames_without_colour_or_pose_get_nothing():
    stream = KeyframeDepth(Asked())
    out = given(
        stream,
        [
            frame(0, 0),
            frame(1, 0.2, T_world_cam=None),
            frame(2, 0.2, color=None),
            frame(3, 0.2),
        ],
    )
    assert out == {0: [], 1: [], 2: [], 3: [3]}


@pytest.mark.parametrize("can_wait", [False, True])
def test_a_turn_on_the_spot_gives_nothing_to_compare_with(can_wait):
    stream = KeyframeDepth(Asked(), can_wait)
    for i in range(9):
        pose = Pose.exp([0, 0.2 * i, 0, 0, 0, 0])
        assert list(stream.offer(frame(i, 0, T_world_cam=pose))) == []
    assert list(stream.flush()) == []


@pytest.mark.parametrize("can_wait", [False, True])
def test_a_long_walk_holds_few_photographs(can_wait):
    stream = KeyframeDepth(Asked(), can_wait)
    came = [f.index for i in range(80) for f in stream.offer(frame(i, 0.15 * i))]
    assert len(stream._walk._held) == RULE.buffer_size
    came += [f.index for f in stream.flush()]
    assert came == list(range(0 if can_wait else 1, 80))


@pytest.mark.parametrize("spoilt", ["depth", "confidence"])
def test_a_depth_map_must_fit_its_camera(spoilt):
    depth = confidence = np.zeros((15, 20), np.float32)
    if spoilt == "depth":
        depth = np.zeros((15, 21), np.float32)
    else:
        confidence = np.zeros((15, 20), np.float64)
    with pytest.raises(BadFrame, match="does not fit"):
        DepthMap(depth, confidence, HALF)


def test_a_map_is_confirmed_by_its_like_and_denied_by_one_that_sees_behind_it():
    def flat(depth_m: float, sure: float = 1.0) -> DepthMap:
        full = np.ones((15, 20), np.float32)
        return DepthMap(full * np.float32(depth_m), full * np.float32(sure), HALF)

    here = Pose.identity()
    aside = Pose.from_parts(np.eye(3), [0.1, 0, 0])
    found = flat(1.5)

    def same(*others):
        return confirmed(found, here, others)[0]

    assert not same().any()
    assert confirmed(found, here, [])[1].all()
    assert same((flat(1.53), here)).all()
    # Something nearer hides the point and denies nothing; something farther denies it.
    assert same((flat(1.5), here), (flat(1.0), here)).all()
    assert not same((flat(1.5), here), (flat(2.0), here), (flat(2.0), here)).any()
    assert same((flat(1.5), here), *[(flat(2.0, sure=0.2), here)] * 2).all()
    # From 0.1 m aside a point at 1.5 m is 35 / 2 * 0.1 / 1.5 = 1.2 pixels to the left.
    beside, unseen = confirmed(found, here, [(flat(1.5), aside)])
    assert not beside[:, 0].any()
    assert unseen[:, 0].all()
    assert beside[:, 2:].all()
    assert not unseen[:, 2:].any()
