import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.camera import Intrinsics, lift
from engine.core.faults import BadInput
from engine.core.poses import Pose

CAMERA = Intrinsics(8, 6, 7.0, 6.5, 4.2, 2.9)


@st.composite
def cameras(draw):
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    focal = st.floats(0.2 * width, 5 * width)
    return Intrinsics(
        width, height, draw(focal), draw(focal),
        draw(st.floats(0, width)), draw(st.floats(0, height)),
    )  # fmt: skip


@given(cameras(), st.integers(0, 2**31))
def test_what_is_lifted_projects_back_onto_its_pixel_centre(camera, seed):
    dice = np.random.default_rng(seed)
    depth = dice.uniform(0.1, 9, (camera.height, camera.width)).astype(np.float32)
    T_world_cam = Pose.exp(dice.uniform(-1, 1, 6) * [3, 3, 3, 9, 9, 9])
    points_world = lift(depth, camera, T_world_cam)
    points_cam = T_world_cam.inverse.apply(points_world)
    pixels, inside = camera.project(points_cam)
    v, u = np.mgrid[0 : camera.height, 0 : camera.width]
    centres = np.stack([u, v], axis=-1).reshape(-1, 2) + 0.5
    assert inside.all()
    np.testing.assert_allclose(pixels, centres, atol=1e-4)
    np.testing.assert_allclose(points_cam[:, 2], depth.ravel(), rtol=1e-6, atol=1e-6)


@given(cameras(), st.integers(0, 2**31))
def test_directions_have_depth_one_and_project_onto_pixel_centres(camera, seed):
    directions = camera.directions()
    assert directions.shape == (camera.height, camera.width, 3)
    assert (directions[..., 2] == 1).all()
    pixels, _ = camera.project(directions * np.random.default_rng(seed).uniform(0.5, 50))
    np.testing.assert_allclose(pixels[0, 0], (0.5, 0.5), atol=1e-9)
    np.testing.assert_allclose(pixels[-1, -1], (camera.width - 0.5, camera.height - 0.5), atol=1e-9)


def test_x_points_right_and_y_down():
    right = CAMERA.project(np.array([0.1, 0.0, 1.0]))[0]
    down = CAMERA.project(np.array([0.0, 0.1, 1.0]))[0]
    np.testing.assert_allclose(right, (4.2 + 0.7, 2.9))
    np.testing.assert_allclose(down, (4.2, 2.9 + 0.65))


def test_only_what_lies_ahead_and_within_the_picture_is_in_view():
    def point(u, v, z):
        return [(u - CAMERA.cx) / CAMERA.fx * z, (v - CAMERA.cy) / CAMERA.fy * z, z]

    near_corners = [point(0.001, 0.001, 2), point(7.999, 5.999, 2)]
    outside = [point(-0.001, 3, 2), point(8.001, 3, 2), point(4, -0.001, 2), point(4, 6.001, 2)]
    behind = [point(4, 3, -2.0), [0.0, 0.0, 0.0]]
    inside = CAMERA.project(np.array(near_corners + outside + behind))[1]
    assert inside.tolist() == [True] * 2 + [False] * 6


def test_opencv_puts_pixel_centres_at_integers():
    camera = Intrinsics.from_opencv(640, 480, 500.0, 510.0, 319.5, 239.5)
    assert (camera.cx, camera.cy) == (320.0, 240.0)
    K = camera.opencv_matrix()
    assert K.tolist() == [[500, 0, 319.5], [0, 510, 239.5], [0, 0, 1]]
    ray = K @ [0.3, -0.2, 1.0]
    np.testing.assert_allclose(camera.project(np.array([0.3, -0.2, 1.0]))[0], ray[:2] + 0.5)


@given(cameras(), st.integers(1, 50), st.integers(1, 50))
def test_a_resized_picture_shows_everything_at_the_same_share_of_its_edges(camera, width, height):
    resized = camera.scaled_to(width, height)
    points = np.array([[0.1, 0.2, 1.0], [-0.3, 0.1, 2.0]])
    before = camera.project(points)[0] / [camera.width, camera.height]
    after = resized.project(points)[0] / [width, height]
    np.testing.assert_allclose(after, before, atol=1e-9)


def test_unknown_depth_lifts_to_nothing():
    depth = np.zeros((6, 8), np.float32)
    assert lift(depth, CAMERA, Pose.identity()).shape == (0, 3)
    depth[2, 5] = 2.0
    (point,) = lift(depth, CAMERA, Pose.from_parts(np.eye(3), [1, 0, 0]))
    expected = [(5.5 - 4.2) / 7.0 * 2 + 1, (2.5 - 2.9) / 6.5 * 2, 2]
    np.testing.assert_allclose(point, expected, atol=1e-6)


def test_depth_that_does_not_fit_the_camera_is_refused():
    with pytest.raises(BadInput, match="6x8 does not fit a camera of 8x6"):
        lift(np.ones((8, 6), np.float32), CAMERA, Pose.identity())


@pytest.mark.parametrize(
    "numbers",
    [
        (0, 6, 7, 7, 4, 3), (8, -1, 7, 7, 4, 3), (8, 6, 0, 7, 4, 3), (8, 6, 7, -1, 4, 3),
        (8, 6, np.nan, 7, 4, 3), (8, 6, 7, 7, np.inf, 3), (8, 6, 7, 7, 4, 3, (0.1, np.nan)),
    ],
)  # fmt: skip
def test_cameras_that_cannot_exist_are_refused(numbers):
    with pytest.raises(BadInput):
        Intrinsics(*numbers)


def test_the_lens_can_be_left_out():
    bent = Intrinsics(8, 6, 7.0, 6.5, 4.2, 2.9, (0.1, -0.2, 0, 0))
    assert bent.without_distortion() == CAMERA
    assert bent.scaled_to(16, 12).distortion == bent.distortion
