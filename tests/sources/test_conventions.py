import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.poses import Pose
from engine.sources.conventions import EVERY_CONVENTION, as_written, camera_to_world, rigid_inverse
from engine.sources.raw import Convention

twists = st.lists(st.floats(-3, 3), min_size=6, max_size=6).map(Pose.exp)


@given(twists, st.sampled_from(EVERY_CONVENTION))
def test_writing_then_reading_gives_the_pose_back(pose: Pose, convention: Convention) -> None:
    again = camera_to_world(as_written(pose.matrix, convention), convention)
    np.testing.assert_allclose(again, pose.matrix, atol=1e-12)


@given(twists)
def test_inverse_of_many_is_the_inverse_of_each(pose: Pose) -> None:
    many = np.stack([pose.matrix, np.eye(4)])
    np.testing.assert_allclose(rigid_inverse(many)[0], pose.inverse.matrix, atol=1e-12)


@pytest.mark.parametrize("maps", ["c2w", "w2c"])
def test_an_opengl_camera_looks_along_minus_z(maps: str) -> None:
    # An ARKit camera at rest looks along -z of the world, its y axis up.
    rest = camera_to_world(np.eye(4), Convention(maps, "gl"))
    np.testing.assert_allclose(rest[:3, 2], (0, 0, -1), atol=0)
    np.testing.assert_allclose(-rest[:3, 1], (0, 1, 0), atol=0)
