import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm

from engine.core.faults import BadInput
from engine.core.poses import RIGID_TOLERANCE, Pose, average, interpolate

metres = st.tuples(*[st.floats(-50, 50)] * 3)
axes = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda axis: np.linalg.norm(axis) > 0.1)


@st.composite
def twists(draw, most_rad=np.pi - 0.01):
    axis = np.array(draw(axes))
    turn = axis / np.linalg.norm(axis) * draw(st.floats(0, most_rad))
    return np.concatenate([turn, draw(metres)])


poses = twists().map(Pose.exp)


def quarter_turn_left(translation=(0, 0, 0)):
    """Return a turn about +Z that takes +X to +Y."""
    return Pose.from_parts([[0, -1, 0], [1, 0, 0], [0, 0, 1]], translation)


def assert_close(one, other, tolerance=1e-9):
    np.testing.assert_allclose(one.matrix, other.matrix, rtol=0, atol=tolerance)


@given(poses, poses, poses)
def test_poses_form_a_group(a, b, c):
    assert_close((a @ b) @ c, a @ (b @ c), 1e-8)
    assert_close(a @ Pose.identity(), a)
    assert_close(Pose.identity() @ a, a)
    assert_close(a @ a.inverse, Pose.identity())
    assert_close(a.inverse @ a, Pose.identity())
    assert_close((a @ b).inverse, b.inverse @ a.inverse, 1e-8)


@given(poses, poses)
def test_composing_is_applying_one_after_the_other(a, b):
    points = np.random.default_rng(0).uniform(-3, 3, (2, 4, 3))
    np.testing.assert_allclose((a @ b).apply(points), a.apply(b.apply(points)), atol=1e-8)
    np.testing.assert_allclose(a.inverse.apply(a.apply(points)), points, atol=1e-8)


def test_a_pose_maps_from_its_second_frame_to_its_first():
    T_world_cam = quarter_turn_left((10, 0, 0))
    np.testing.assert_allclose(T_world_cam.apply(np.array([1.0, 0, 0])), (10, 1, 0), atol=1e-12)
    np.testing.assert_allclose(T_world_cam.apply(np.zeros(3)), T_world_cam.translation)
    np.testing.assert_allclose(T_world_cam.inverse.apply(np.array([10.0, 1, 0])), (1, 0, 0))


@given(twists())
def test_exp_is_the_matrix_exponential(twist):
    (x, y, z), translation = twist[:3], twist[3:]
    algebra = np.zeros((4, 4))
    algebra[:3, :3] = [[0, -z, y], [z, 0, -x], [-y, x, 0]]
    algebra[:3, 3] = translation
    np.testing.assert_allclose(Pose.exp(twist).matrix, expm(algebra), atol=1e-8)


@given(twists())
def test_log_undoes_exp(twist):
    np.testing.assert_allclose(Pose.exp(twist).log(), twist, atol=1e-6)


@given(axes, metres)
def test_exp_undoes_log_at_a_half_turn(axis, translation):
    unit = np.array(axis) / np.linalg.norm(axis)
    half = Pose.from_parts(2 * np.outer(unit, unit) - np.eye(3), translation)
    assert_close(Pose.exp(half.log()), half, 1e-6)


@settings(max_examples=50)
@given(poses, st.integers(0, 2**31), st.floats(0, 0.9 * RIGID_TOLERANCE / 3))
def test_a_matrix_that_is_rigid_but_for_rounding_becomes_the_nearest_rotation(pose, seed, noise):
    dice = np.random.default_rng(seed)
    given_matrix = np.array(pose.matrix)
    given_matrix[:3, :3] += noise * dice.uniform(-1, 1, (3, 3))
    found = Pose.from_matrix(given_matrix)
    assert np.abs(found.rotation @ found.rotation.T - np.eye(3)).max() < 1e-12
    assert np.linalg.det(found.rotation) > 0
    np.testing.assert_array_equal(found.translation, given_matrix[:3, 3])

    def off(rotation):
        return np.linalg.norm(rotation - given_matrix[:3, :3])

    assert off(found.rotation) <= off(pose.rotation) + 1e-12
    for _ in range(5):
        near = found @ Pose.exp([*(1e-3 * dice.standard_normal(3)), 0, 0, 0])
        assert off(found.rotation) <= off(near.rotation) + 1e-12


@given(poses)
def test_an_exact_matrix_is_kept_with_or_without_its_last_row(pose):
    assert_close(Pose.from_matrix(pose.matrix), pose, 1e-12)
    assert_close(Pose.from_matrix(pose.matrix[:3]), pose, 1e-12)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m[:2], "4x4 or 3x4"),
        (lambda m: np.where(m == 1, np.nan, m), "NaN"),
        (lambda m: m * np.inf, "NaN"),
        (lambda m: m + np.eye(4)[:, [3, 2, 1, 0]], "last row"),
        (lambda m: np.diag([-1.0, 1, 1, 1]) @ m, "mirrors"),
        (lambda m: np.diag([1.01, 1.01, 1.01, 1]) @ m, "scales or shears"),
        (lambda m: m + 0.02 * np.eye(4, k=1) * [1, 1, 1, 0], "scales or shears"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_what_is_not_rigid_is_refused_with_the_reason(change, says):
    with pytest.raises(BadInput, match=says):
        Pose.from_matrix(change(np.eye(4)))


@pytest.mark.parametrize("length", [1.0, -1.0, 1e-3, 250.0])
def test_a_quaternion_of_any_length_and_sign_is_x_y_z_w(length):
    half = np.sqrt(0.5)
    found = Pose.from_quaternion(length * np.array([0, 0, half, half]), [1, 2, 3])
    assert_close(found, quarter_turn_left((1, 2, 3)), 1e-12)


@pytest.mark.parametrize("xyzw", [(0, 0, 0, 0), (0, np.nan, 0, 1), (np.inf, 0, 0, 1)])
def test_a_quaternion_that_is_none_is_refused(xyzw):
    with pytest.raises(BadInput):
        Pose.from_quaternion(xyzw, [0, 0, 0])
    with pytest.raises(BadInput):
        Pose.from_quaternion([0, 0, 0, 1], [0, np.nan, 0])


@given(poses)
def test_quaternions_there_and_back(pose):
    assert np.linalg.norm(pose.quaternion()) == pytest.approx(1)
    assert_close(Pose.from_quaternion(pose.quaternion(), pose.translation), pose)


@given(poses)
def test_a_pose_is_a_value_that_cannot_be_changed(pose):
    copy = pickle.loads(pickle.dumps(pose))
    assert copy == pose
    assert hash(copy) == hash(pose)
    assert copy != pose @ Pose.exp([0, 0, 0, 1, 0, 0])
    assert pose != "a pose"
    for one in (pose, copy, pose.inverse):
        with pytest.raises(ValueError, match="read-only"):
            one.matrix[0, 3] = 5


def test_the_given_matrix_stays_the_callers_own():
    theirs = np.eye(4)
    pose = Pose.from_matrix(theirs)
    theirs[0, 3] = 7
    assert pose == Pose.identity()


@given(poses, st.floats(0, 3.1), metres)
def test_distance_is_how_far_the_one_went_from_the_other(pose, turn, move):
    there = pose @ Pose.exp([0, 0, turn, 0, 0, 0])
    there = Pose.from_parts(there.rotation, there.translation + move)
    far, angle = pose.distance_to(there)
    assert far == pytest.approx(np.linalg.norm(move), abs=1e-6)
    assert angle == pytest.approx(turn, abs=1e-6)
    assert there.distance_to(pose) == pytest.approx((far, angle), abs=1e-6)


@given(poses, poses, st.floats(0, 1))
def test_interpolating_starts_ends_and_turns_evenly(start, end, fraction):
    assert_close(interpolate(start, end, 0), start)
    assert_close(interpolate(start, end, 1), end)
    middle = interpolate(start, end, fraction)
    whole, part = start.distance_to(end), start.distance_to(middle)
    assert part == pytest.approx((fraction * whole[0], fraction * whole[1]), abs=1e-6)


@given(poses, twists(most_rad=0.5))
def test_the_mean_of_opposite_steps_is_where_they_began(pose, twist):
    turn = Pose.exp([*twist[:3], 0, 0, 0])
    ends = [pose @ turn, pose, pose @ turn.inverse]
    assert_close(average(ends), pose, 1e-6)
    shifted = [
        Pose.from_parts(p.rotation, p.translation + s) for p, s in zip(ends, (0, 3, 6), strict=True)
    ]
    np.testing.assert_allclose(average(shifted).translation, pose.translation + 3, atol=1e-6)
