"""Real recordings beside the checkout: each opens with its proven convention, without a flag."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from engine.core.poses import Pose
from engine.sources.detect import open_source
from engine.sources.upright import surface_normals

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


class Proven(NamedTuple):
    folder: str
    layout: str
    frames: int
    convention: str
    worst_error: float
    up: str


# Conventions and error levels as measured once, independently, and written down beside the data.
PROVEN = (
    Proven("rgbd/7scenes-kitchen", "7-scenes", 250, "c2w cv", 0.008, "file's own"),
    Proven("rgbd/hololens-000", "hololens", 90, "c2w cv", 0.005, "file's own"),
    Proven("rgbd/tum-fr1-rpy-sample", "tum", 15, "c2w cv", 0.010, "file's own"),
    Proven("realsense/f200-handheld-box", "7-scenes", 25, "c2w cv", 0.008, "floor-like"),
    Proven("realsense/f200-shelf-apc", "7-scenes", 15, "c2w cv", 0.010, "level of the camera"),
    Proven("objects/tum-fr3-cabinet", "tum", 58, "c2w cv", 0.012, "file's own"),
)


def shared(folder: str) -> str:
    path = DATA / folder
    if not path.is_dir():
        pytest.skip(f"the shared data is not here: {folder}")
    return str(path)


@pytest.mark.parametrize("proven", PROVEN, ids=lambda proven: proven.folder)
def test_opens_with_the_proven_convention(proven: Proven) -> None:
    with open_source(shared(proven.folder)) as source:
        info = source.describe()
        frames = list(source.frames())
    assert info.layout == proven.layout
    assert len(frames) == proven.frames
    assert source.skipped == {}
    assert info.details["convention"] == proven.convention
    assert info.details["c2w_cv_error"] < proven.worst_error
    assert "as declared: depth" in info.convention
    assert not info.warnings
    assert {frame.segment for frame in frames} == {0}
    assert any(proven.up in note for note in info.notes)
    # Held by a person or an arm, the cameras' up points up on the whole.
    ups = [-frame.T_world_cam.rotation[2, 1] for frame in frames]
    assert np.mean(ups) > 0.5


def test_kitchen_takes_the_colour_poses_and_places_depth_by_calibration() -> None:
    folder = shared("rgbd/7scenes-kitchen")
    with open_source(folder) as source:
        frame = next(source.frames())
        T_world_source = source.describe().T_world_source
    assert (frame.intrinsics.fx, frame.intrinsics.cx, frame.intrinsics.cy) == (525.5, 320, 240)
    assert frame.depth_intrinsics.fx == 585
    assert frame.T_cam_depth == Pose.from_parts(np.eye(3), (-0.0245, 0, 0))
    lines = (Path(folder) / "color-poses-sfm.txt").read_text().splitlines()
    first = np.array(lines[2].split()[1:], float).reshape(3, 4)
    found = (T_world_source.inverse @ frame.T_world_cam).matrix
    np.testing.assert_allclose(found[:3], first, atol=1e-6)


def test_kitchen_floor_is_level_after_gravity() -> None:
    """The folder's down holds in its own world and must be carried into that of the poses used."""
    with open_source(shared("rgbd/7scenes-kitchen")) as source:
        frames = [frame for frame in source.frames() if frame.index % 50 == 0]
    views = [(f.depth_m, f.depth_intrinsics, f.T_world_depth) for f in frames]
    normals = surface_normals(views)
    level = normals[np.abs(normals[:, 2]) > np.cos(np.deg2rad(10))]
    assert len(level) > 0.1 * len(normals)
    mean = (level * np.sign(level[:, 2:])).mean(axis=0)
    assert np.rad2deg(np.arccos(mean[2] / np.linalg.norm(mean))) < 2.5


def test_the_shelf_arm_stands_upright() -> None:
    """The arm's base has z up, which the camera's level finds again."""
    info = open_source(shared("realsense/f200-shelf-apc")).describe()
    assert np.rad2deg(np.arccos(info.T_world_source.rotation[2, 2])) < 0.5


def test_hololens_world_is_turned_exactly() -> None:
    info = open_source(shared("rgbd/hololens-000")).describe()
    expected = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], float)
    assert info.T_world_source == Pose.from_parts(expected, np.zeros(3))
