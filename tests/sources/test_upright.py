from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.poses import Pose
from engine.sources.recording import Recording
from engine.sources.upright import turn_upright
from tests.sources.boxroom import look
from tests.sources.walk import recording

AXES = [tuple(sign * row) for row in np.eye(3) for sign in (1.0, -1.0)]
directions = st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(
    lambda v: np.linalg.norm(v) > 1e-3
)


@pytest.mark.parametrize("up", AXES)
def test_turns_along_an_axis_are_exact(up: tuple[float, float, float]) -> None:
    turn = turn_upright(np.array(up)).rotation
    assert set(np.abs(turn).ravel()) == {0.0, 1.0}
    assert np.array_equal(turn @ up, (0, 0, 1))
    assert np.linalg.det(turn) == pytest.approx(1)


@given(directions)
def test_any_direction_is_turned_to_z(up: list[float]) -> None:
    turn = turn_upright(np.array(up)).rotation
    np.testing.assert_allclose(turn @ up, (0, 0, np.linalg.norm(up)), atol=1e-6)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) > 0


def test_a_stated_up_is_used_and_said() -> None:
    y_up = turn_upright(np.array([0.0, 1.0, 0.0])).inverse
    info = Recording(recording(T_file_world=y_up, up=(0.0, 1.0, 0.0))).describe()
    np.testing.assert_array_equal(info.T_world_source.rotation @ (0, 1, 0), (0, 0, 1))
    assert any("file's own" in note for note in info.notes)


@pytest.mark.parametrize("seed", range(4))
def test_an_unstated_up_is_found_from_the_floor(seed: int) -> None:
    tilted = Pose.exp(np.random.default_rng(seed).uniform(-2, 2, 6))
    info = Recording(recording(T_file_world=tilted, up=None)).describe()
    up = info.T_world_source.rotation @ tilted.rotation @ (0, 0, 1)
    assert np.rad2deg(np.arccos(up[2])) < 1.0
    assert any("floor-like" in note for note in info.notes)


def test_without_a_floor_the_level_of_the_camera_decides() -> None:
    poses = [look(0.2 * k, (0.02 * k, 0, 1.2), 0.5) for k in range(12)]
    raw = recording(poses, up=None)
    # All measurements beyond a hand's breadth are gone, so no surface has a normal.
    frames = tuple(
        replace(f, depth=lambda: np.full((120, 160), 0.0, np.float32)) for f in raw.frames
    )
    lit = replace(frames[0], depth=raw.frames[0].depth)
    spotted = lit.depth()
    spotted[:, 3:] = 0
    frames = (replace(frames[0], depth=lambda: spotted.copy()), *frames[1:])
    info = Recording(replace(raw, frames=frames)).describe()
    assert np.rad2deg(np.arccos(info.T_world_source.rotation[2, 2])) < 0.1
    assert any("level of the camera" in note for note in info.notes)
