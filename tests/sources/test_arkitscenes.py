from pathlib import Path

import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.sources import arkitscenes
from engine.sources.conventions import camera_to_world
from engine.sources.raw import Convention
from engine.sources.recording import Recording
from tests.sources.boxroom import CAMERA, BoxRoom, written
from tests.sources.phone_samples import T_zup_yup, assert_true_poses, sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(BoxRoom(count=5), tmp_path / "scan", "arkitscenes")


def trajectory(folder: Path) -> Path:
    return next(folder.glob("*_frames")) / "lowres_wide.traj"


def test_the_shared_scene_has_the_true_poses_after_turning_z_up_into_y_up() -> None:
    raw = arkitscenes.read(sample("arkit", "from-hololens", "arkitscenes"))
    assert raw.declared == Convention("w2c", "cv")
    assert raw.up_source == (0.0, 0.0, 1.0)
    assert raw.name == "90000001"
    assert_true_poses(raw, every=2, T_yup_file=T_zup_yup.inverse)


def test_the_frames_folder_itself_opens_too() -> None:
    inner = sample("arkit", "from-hololens", "arkitscenes", "90000001_frames")
    assert arkitscenes.sniff(inner)
    assert arkitscenes.read(inner).name == "90000001"


def test_a_pose_between_two_of_the_trajectory_is_interpolated(folder: Path) -> None:
    """The walk turns and moves evenly, so the camera is half way, in place and in turn."""
    exact = camera_to_world(_pose(folder, 2), Convention("w2c", "cv"))
    lines = trajectory(folder).read_text().splitlines()
    trajectory(folder).write_text("\n".join(lines[:2] + lines[3:]))
    raw = arkitscenes.read(folder)
    found = camera_to_world(_pose(folder, 2), Convention("w2c", "cv"))
    np.testing.assert_allclose(found, exact, atol=2e-3)
    assert "1 poses are interpolated between two of the trajectory." in raw.notes


def test_across_a_gap_or_beyond_the_ends_there_is_no_pose(folder: Path) -> None:
    lines = trajectory(folder).read_text().splitlines()
    late = [line.split(" ") for line in lines]
    for cells in late[2:]:
        cells[0] = f"{float(cells[0]) + 10:.3f}"
    trajectory(folder).write_text("\n".join(" ".join(cells) for cells in late))
    raw = arkitscenes.read(folder)
    assert [frame.pose is None for frame in raw.frames] == [False, False, True, True, True]
    assert "3 pictures have no pose near enough in time." in raw.notes


def test_streams_are_matched_by_time(folder: Path) -> None:
    base = trajectory(folder).parent
    depths = sorted((base / "lowres_depth").iterdir())
    depths[1].rename(depths[1].with_name("90000000_12.054.png"))
    depths[2].rename(depths[2].with_name("90000000_12.130.png"))
    raw = arkitscenes.read(folder)
    assert [frame.depth is None for frame in raw.frames] == [False, False, True, False, False]


def test_larger_colour_is_preferred_and_brings_its_own_camera(folder: Path) -> None:
    base = trajectory(folder).parent
    for name, camera in (("lowres_wide", "lowres_wide_intrinsics"),):
        assert (base / name).is_dir()
        (base / name).rename(base / "vga_wide")
        (base / camera).rename(base / "vga_wide_intrinsics")
    (base / "lowres_wide").mkdir()
    raw = arkitscenes.read(folder)
    camera_found = raw.frames[0].color_camera
    assert camera_found is not None
    np.testing.assert_allclose(camera_found.opencv_matrix(), CAMERA.opencv_matrix(), atol=1e-3)


def test_a_picture_without_a_camera_is_skipped_by_the_recording(folder: Path) -> None:
    cameras = sorted(trajectory(folder).parent.glob("lowres_wide_intrinsics/*"))
    cameras[1].unlink()
    with Recording(arkitscenes.read(folder)) as recording:
        assert [frame.index for frame in recording.frames()] == [0, 2, 3, 4]


@pytest.mark.parametrize("text", ["", "word\n", "1 2 3\n", "nan nan nan nan nan nan nan\n"])
def test_a_trajectory_that_is_none_is_refused(folder: Path, text: str) -> None:
    trajectory(folder).write_text(text)
    with pytest.raises(BadInput, match=r"lowres_wide\.traj"):
        arkitscenes.read(folder)


@pytest.mark.parametrize("text", ["", "0 0 0 0 0 0", "256 192 nan 1 1 1", "1 2", "a b c d e f"])
def test_a_camera_that_is_none_is_refused(folder: Path, text: str) -> None:
    for camera in trajectory(folder).parent.glob("lowres_wide_intrinsics/*"):
        camera.write_text(text)
    with pytest.raises(BadInput):
        arkitscenes.read(folder)


def test_a_scene_without_pictures_is_refused(folder: Path) -> None:
    for picture in trajectory(folder).parent.glob("lowres_wide/*"):
        picture.unlink()
    with pytest.raises(BadInput, match="holds no pictures"):
        arkitscenes.read(folder)


def _pose(folder: Path, number: int) -> np.ndarray:
    pose = arkitscenes.read(folder).frames[number].pose
    assert pose is not None
    return pose
