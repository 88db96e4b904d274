"""The keyframe rule against the published decisions, and its cases one by one."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.poses import Pose
from engine.depth import keyframes
from engine.depth.keyframes import KeyframeBuffer, KeyframeRule, Response, pose_distance

STORED = Path(__file__).resolve().parents[2].parent / "shared/parity/simplerecon/keyframes.npz"
NOWHERE = np.full((4, 4), np.nan)


def at(x_m: float) -> np.ndarray:
    T = np.eye(4)
    T[0, 3] = x_m
    return T


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    if not STORED.is_file():
        pytest.skip("the stored decisions are not beside this checkout")
    return dict(np.load(STORED))


def test_distances_are_the_stored_ones_to_the_bit(stored):
    poses = stored["poses"]
    pairs = pairwise(poses)
    found = [pose_distance(np.linalg.inv(a) @ b) for a, b in pairs]
    assert np.array_equal(np.array(found, np.float32), stored["consecutive_distance"])


def test_decisions_are_the_stored_ones(stored):
    poses, gaps = stored["poses"], stored["dist_to_last_valid"]
    assert np.array_equal(keyframes.online_responses(poses, gaps), stored["response"])
    assert np.array_equal(keyframes.online_tuples(poses, gaps), stored["online_tuples"])
    assert np.array_equal(keyframes.offline_tuples(poses), stored["offline_tuples"])
    assert np.array_equal(keyframes.dense_tuples(poses), stored["dense_tuples"])


@pytest.mark.parametrize(
    ("changed", "rows"),
    [
        (KeyframeRule(keyframe_distance=0.12), "online_tuples"),
        (KeyframeRule(best_translation_m=0.3), "online_tuples"),
        (KeyframeRule(lost_after=40), "online_tuples"),
    ],
)
def test_another_threshold_is_noticed(stored, changed, rows):
    found = keyframes.online_tuples(stored["poses"], stored["dist_to_last_valid"], changed)
    assert not np.array_equal(found, stored[rows])


def test_the_five_answers():
    buffer = KeyframeBuffer()
    assert buffer.offer(at(0)) is Response.FIRST
    assert buffer.offer(at(0.05)) is Response.TOO_NEAR
    assert buffer.offer(at(0.1)) is Response.KEYFRAME
    assert [buffer.offer(NOWHERE) for _ in range(30)] == [Response.INVALID] * 30
    assert buffer.offer(NOWHERE) is Response.RESTARTED
    assert buffer.held() == []
    assert buffer.offer(NOWHERE) is Response.STILL_LOST
    assert buffer.offer(at(1)) is Response.FIRST


def test_a_long_gap_restarts_with_the_frame_itself():
    buffer = KeyframeBuffer()
    buffer.offer(at(0))
    assert buffer.offer(at(0.01), 30) is Response.TOO_NEAR
    assert buffer.offer(at(0.01), 31) is Response.RESTARTED
    assert buffer.held() == [2]
    assert buffer.sources() == []


def test_a_short_gap_of_missing_poses_is_bridged():
    buffer = KeyframeBuffer()
    buffer.offer(at(0))
    for _ in range(30):
        buffer.offer(NOWHERE)
    assert buffer.offer(at(0.2)) is Response.KEYFRAME
    assert buffer.sources() == [0]


def test_sources_near_the_best_baseline_come_first_and_too_close_weighs_more():
    buffer = KeyframeBuffer(KeyframeRule(keyframe_distance=0.01))
    for x in (0.0, 0.25, 0.29, 0.4):
        buffer.offer(at(x))
    # Baselines 0.40, 0.15 and 0.11: the last is 4 cm too close, which costs less than 25 cm off.
    assert buffer.sources() == [1, 2, 0]
    rule = KeyframeRule()
    assert rule.penalty(at(0.10)) == pytest.approx(5 * rule.penalty(at(0.20)))


def test_the_buffer_forgets_the_oldest():
    buffer = KeyframeBuffer(KeyframeRule(buffer_size=3))
    for step in range(6):
        buffer.offer(at(0.2 * step))
    assert buffer.held() == [3, 4, 5]


def test_invalid_poses_are_nobodys_source():
    poses = np.stack([at(0.15 * step) for step in range(12)])
    poses[5] = np.nan
    for rows in (keyframes.offline_tuples(poses), keyframes.dense_tuples(poses)):
        assert len(rows)
        assert 5 not in rows


def test_no_frames_no_rows():
    none = np.zeros((0, 4, 4))
    assert keyframes.online_tuples(none, []).shape == (0, 8)
    assert keyframes.offline_tuples(none).shape == (0, 8)
    assert keyframes.dense_tuples(none).shape == (0, 8)


@given(st.lists(st.floats(-2, 2), min_size=6, max_size=6))
def test_distance_is_that_of_the_inverse(twist):
    T = Pose.exp(twist)
    there, back = pose_distance(T.matrix), pose_distance(T.inverse.matrix)
    assert there == pytest.approx(back, abs=1e-7)
    assert there[0] >= max(there[1:]) - 1e-12
