import pickle

import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame, Severity
from engine.core.frames import Frame, Photo
from engine.core.poses import Pose

CAMERA = Intrinsics(8, 6, 7.0, 7.0, 4.0, 3.0)
SMALL = Intrinsics(4, 3, 3.5, 3.5, 2.0, 1.5)


def color():
    return np.full((6, 8, 3), 90, np.uint8)


def depth(camera=CAMERA):
    return np.full((camera.height, camera.width), 1.5, np.float32)


def test_a_frame_freezes_its_pictures():
    frame = Frame(0, 0, CAMERA, color(), depth(), CAMERA, depth())
    for picture in (frame.color, frame.depth_m, frame.confidence):
        with pytest.raises(ValueError, match="read-only"):
            picture[0, 0] = 1
    with pytest.raises(AttributeError):
        frame.index = 1


def test_depth_may_have_a_camera_and_place_of_its_own():
    T_world_cam = Pose.exp([0.1, 0.2, 0.3, 1, 2, 3])
    T_cam_depth = Pose.from_parts(np.eye(3), [0.05, 0, 0])
    frame = Frame(3, 9, CAMERA, color(), depth(SMALL), SMALL, None, T_world_cam, T_cam_depth)
    assert frame.T_world_depth == T_world_cam @ T_cam_depth
    point_depth = np.array([0.1, 0.2, 1.0])
    np.testing.assert_allclose(
        frame.T_world_depth.apply(point_depth), T_world_cam.apply(np.array([0.15, 0.2, 1.0]))
    )
    assert Frame(3, 9, CAMERA, color()).T_world_depth is None


@pytest.mark.parametrize(
    "parts",
    [
        {"color": np.zeros((8, 6, 3), np.uint8)},
        {"color": np.zeros((6, 8), np.uint8)},
        {"color": np.zeros((6, 8, 3), np.float32)},
        {"depth_m": depth(SMALL), "depth_intrinsics": CAMERA},
        {"depth_m": depth().astype(np.float64), "depth_intrinsics": CAMERA},
        {"depth_m": depth(), "depth_intrinsics": CAMERA, "confidence": depth(SMALL)},
        {"depth_m": depth()},
    ],
)
def test_pictures_that_do_not_fit_their_camera_spoil_one_frame_only(parts):
    with pytest.raises(BadFrame) as caught:
        Frame(7, 0, CAMERA, **parts)
    assert caught.value.severity is Severity.IGNORE


def test_a_photograph_fits_its_camera_and_is_frozen():
    photo = Photo(color(), CAMERA, Pose.identity(), 4)
    with pytest.raises(ValueError, match="read-only"):
        photo.color[0, 0] = 1
    with pytest.raises(BadFrame, match="4x3"):
        Photo(color(), SMALL, Pose.identity())
    with pytest.raises(BadFrame):
        Photo(color()[..., 0], CAMERA, Pose.identity())


def test_frames_travel_between_processes():
    frame = Frame(5, 77, CAMERA, color(), depth(), CAMERA, None, Pose.exp([0, 0, 1, 1, 2, 3]))
    there = pickle.loads(pickle.dumps(frame))
    assert (there.index, there.t_ns, there.T_world_cam) == (5, 77, frame.T_world_cam)
    assert np.array_equal(there.color, frame.color)
    assert np.array_equal(there.depth_m, frame.depth_m)
