import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput, CannotWrite
from engine.core.frames import Frame
from engine.core.news import Progress
from engine.core.poses import Pose
from engine.sources.base import SourceInfo
from engine.sources.detect import LAYOUTS, detect, open_source
from engine.sources.raw import RawRecording
from engine.sources.write.formats import FORMATS
from engine.sources.write.pictures import depth_seen_by, lidar_camera
from engine.sources.write.recording import write_recording
from tests.sources.boxroom import CAMERA, BoxRoom, depth_in_box, poses_agree, written
from tests.sources.phone_samples import T_zup_yup

NAMES = [known.name for known in FORMATS]
Y_UP = ("stray-scanner", "record3d", "record3d-r3d", "ios-logger", "polycam", "nerfcapture")
LIDAR = ("stray-scanner", "record3d", "record3d-r3d", "polycam", "arkitscenes")
NO_CLOCK = ("7-scenes", "scannet", "open3d", "record3d", "record3d-r3d")
# Half a step of what each layout stores, and of half floats at the box's 4.5 m.
DEPTH_STEP_M = {"tum": 0.0002, "archive": 0.0002, "nerfcapture": 0.00025, "record3d": 0.002}


class Changed(BoxRoom):
    """A box room whose frames or facts are changed."""

    def __init__(self, frames: list[Frame], **facts: bool) -> None:
        super().__init__(count=0)
        self._list = frames
        self._facts = facts

    def describe(self) -> SourceInfo:
        return replace(super().describe(), frame_count=len(self._list), **self._facts)


def parsed(path: Path) -> RawRecording:
    module = next(layout.module for layout in LAYOUTS if layout.name == detect(str(path)))
    raw = importlib.import_module(f"engine.sources.{module}").read(path)
    assert isinstance(raw, RawRecording)
    return raw


@pytest.mark.parametrize("layout", NAMES)
def test_what_is_written_comes_back(layout: str, tmp_path: Path) -> None:
    source = BoxRoom(count=6)
    path = written(source, tmp_path / "scan", layout)
    assert [p.name for p in tmp_path.iterdir()] == ["scan"]
    raw = parsed(path)
    T_file_world = T_zup_yup.inverse if layout in Y_UP else Pose.identity()
    poses_agree(raw, source, T_file_world, atol=1e-6)
    raw.close()
    with open_source(str(path)) as back:
        info = back.describe()
        assert info.warnings == ()
        assert info.is_metric
        found = list(back.frames())
        assert back.skipped == {}
    assert len(found) == 6
    for frame, origin in zip(found, source.frames(), strict=True):
        _check_frame(frame, origin, layout)


def _check_frame(frame: Frame, origin: Frame, layout: str) -> None:
    np.testing.assert_allclose(
        frame.intrinsics.opencv_matrix(), origin.intrinsics.opencv_matrix(), atol=1e-3
    )
    assert frame.color is not None
    assert origin.color is not None
    assert np.abs(frame.color.astype(float) - origin.color).mean() < 2.0
    if layout not in NO_CLOCK:
        assert abs(frame.t_ns - origin.t_ns) < 1000
    if layout == "ios-logger":
        assert frame.depth_m is None
        return
    camera = lidar_camera(origin.intrinsics) if layout in LIDAR else origin.intrinsics
    depth_m, confidence = depth_seen_by(origin, camera)
    assert frame.depth_m is not None
    assert frame.depth_intrinsics is not None
    np.testing.assert_allclose(
        frame.depth_intrinsics.opencv_matrix(), camera.opencv_matrix(), atol=1e-3
    )
    step_m = DEPTH_STEP_M.get(layout, 0.001)
    np.testing.assert_allclose(frame.depth_m, depth_m, atol=0.501 * step_m, rtol=0)
    np.testing.assert_array_equal(frame.depth_m == 0, depth_m == 0)
    if frame.confidence is not None:
        known = depth_m > 0
        np.testing.assert_allclose(frame.confidence[known], confidence[known], atol=0.003)


@pytest.mark.parametrize("layout", ["stray-scanner", "record3d-r3d", "polycam", "arkitscenes"])
def test_confidence_comes_back(layout: str, tmp_path: Path) -> None:
    raw = parsed(written(BoxRoom(count=2), tmp_path / "scan", layout))
    assert raw.frames[1].confidence is not None
    levels = np.unique(raw.frames[1].confidence())
    np.testing.assert_allclose(levels, [0.5, 1.0], atol=0.003)
    raw.close()


@pytest.mark.parametrize("layout", ["stray-scanner", "ios-logger"])
@pytest.mark.parametrize("size", [(161, 121), (90, 160), (160, 90)])
def test_odd_portrait_and_wide_pictures_keep_their_shape(
    layout: str, size: tuple[int, int], tmp_path: Path
) -> None:
    camera = Intrinsics(*size, 130.0, 131.0, size[0] / 2 + 3, size[1] / 2 - 2)
    path = written(BoxRoom(count=3, camera=camera), tmp_path / "scan", layout)
    with open_source(str(path)) as back:
        frame = next(back.frames())
    assert frame.color is not None
    assert frame.color.shape[:2] == size[::-1]
    if frame.depth_m is not None:
        assert max(frame.depth_m.shape) == 256


def test_depth_beside_the_colour_camera_is_moved_into_it() -> None:
    depth_camera = Intrinsics(200, 180, 150.0, 149.0, 101.0, 88.0)
    offset = Pose.exp([0.02, -0.01, 0.03, 0.05, -0.02, 0.01])
    for T_cam_depth in (Pose.identity(), offset):
        source = BoxRoom(count=1, depth_camera=depth_camera, T_cam_depth=T_cam_depth)
        frame = next(source.frames())
        target = CAMERA.scaled_to(80, 60)
        depth_m, confidence = depth_seen_by(frame, target)
        assert frame.T_world_cam is not None
        exact = depth_in_box(target, frame.T_world_cam)
        known = depth_m > 0
        assert known.mean() > 0.7
        assert np.median(np.abs(depth_m - exact)[known]) < 0.01
        assert np.abs(depth_m - exact)[known].max() < 0.1
        np.testing.assert_array_equal(confidence > 0, known)


def test_only_an_archive_keeps_a_depth_camera_of_its_own(tmp_path: Path) -> None:
    depth_camera = Intrinsics(200, 180, 150.0, 149.0, 101.0, 88.0)
    offset = Pose.exp([0.02, -0.01, 0.03, 0.05, -0.02, 0.01])
    source = BoxRoom(count=3, depth_camera=depth_camera, T_cam_depth=offset)
    kept, registered = (
        next(iter(open_source(str(written(source, tmp_path / name, name))).frames()))
        for name in ("archive", "open3d")
    )
    assert kept.depth_intrinsics == depth_camera
    np.testing.assert_allclose(kept.T_cam_depth.matrix, offset.matrix, atol=1e-9)
    assert registered.T_cam_depth == Pose.identity()
    assert registered.depth_intrinsics == registered.intrinsics


def test_the_nearer_of_two_points_on_a_pixel_stays() -> None:
    frame = next(BoxRoom(count=1, T_cam_depth=Pose.exp([0, 0, 0, 0.01, 0, 0])).frames())
    assert frame.depth_m is not None
    picture = np.full(frame.depth_m.shape, 2.0, np.float32)
    picture[::2] = 1.0
    tiny = CAMERA.scaled_to(32, 24)
    depth_m, _ = depth_seen_by(replace(frame, depth_m=picture), tiny)
    assert set(np.unique(depth_m)) <= {0.0, 1.0}


@pytest.mark.parametrize("layout", NAMES)
def test_times_that_only_count_become_a_clock(layout: str, tmp_path: Path) -> None:
    path = written(BoxRoom(count=3, step_ns=1), tmp_path / "scan", layout)
    with open_source(str(path)) as back:
        assert len(list(back.frames())) == 3


@pytest.mark.parametrize("layout", NAMES)
def test_a_zooming_camera_is_written_frame_by_frame_or_refused(layout: str, tmp_path: Path) -> None:
    frames = list(BoxRoom(count=3).frames())
    zoomed = replace(frames[2].intrinsics, fx=1.1 * CAMERA.fx, fy=1.1 * CAMERA.fy)
    frames[2] = replace(frames[2], intrinsics=zoomed, depth_intrinsics=zoomed)
    if layout in ("7-scenes", "tum", "scannet", "open3d", "record3d", "record3d-r3d"):
        with pytest.raises(BadInput, match="camera changes"):
            written(Changed(frames), tmp_path / "scan", layout)
        assert list(tmp_path.iterdir()) == []
        return
    raw = parsed(written(Changed(frames), tmp_path / "scan", layout))
    camera = raw.frames[2].color_camera
    assert camera is not None
    assert camera.fx == pytest.approx(1.1 * CAMERA.fx, rel=1e-6)
    raw.close()


@pytest.mark.parametrize("layout", ["7-scenes", "tum"])
def test_kinect_layouts_refuse_pictures_of_another_shape(layout: str, tmp_path: Path) -> None:
    camera = Intrinsics(160, 90, 130.0, 131.0, 80.0, 45.0)
    with pytest.raises(BadInput, match="4:3"):
        written(BoxRoom(count=2, camera=camera), tmp_path / "scan", layout)
    assert list(tmp_path.iterdir()) == []


def test_frames_that_lack_a_pose_or_colour_are_left_out(tmp_path: Path) -> None:
    frames = list(BoxRoom(count=5).frames())
    frames[1] = replace(frames[1], T_world_cam=None)
    frames[3] = replace(frames[3], color=None)
    raw = parsed(written(Changed(frames), tmp_path / "scan", "stray-scanner"))
    assert len(raw.frames) == 3
    raw.close()
    raw = parsed(written(Changed(frames), tmp_path / "all", "archive"))
    assert len(raw.frames) == 5


def test_a_frame_without_depth_gets_an_empty_picture(tmp_path: Path) -> None:
    frames = list(BoxRoom(count=3).frames())
    frames[1] = replace(frames[1], depth_m=None, confidence=None)
    raw = parsed(written(Changed(frames), tmp_path / "scan", "tum"))
    assert raw.frames[1].depth is not None
    assert not raw.frames[1].depth().any()


@pytest.mark.parametrize(
    ("layout", "facts", "says"),
    [
        ("tum", {"has_color": False}, "has no colour"),
        ("nerfstudio", {"has_poses": False}, "has no poses"),
        ("polycam", {"has_depth": False}, "has no depth"),
        ("ios-logger", {"is_metric": False}, "has no metres"),
    ],
)
def test_a_source_that_lacks_what_the_layout_needs_is_refused(
    layout: str, facts: dict[str, bool], says: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=says):
        written(Changed(list(BoxRoom(count=1).frames()), **facts), tmp_path / "scan", layout)
    assert list(tmp_path.iterdir()) == []


def test_a_source_without_depth_can_be_written_where_that_makes_sense(tmp_path: Path) -> None:
    for layout in ("nerfstudio", "ios-logger", "archive"):
        source = BoxRoom(count=3, has_depth=False)
        raw = parsed(written(source, tmp_path / layout, layout))
        assert [frame.depth for frame in raw.frames] == [None] * 3
        raw.close()


def test_an_unknown_layout_is_refused_with_the_list_of_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no recording format 'vhs'") as refused:
        written(BoxRoom(count=1), tmp_path / "scan", "vhs")
    assert all(name in refused.value.remedy for name in NAMES)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    full, file, empty = tmp_path / "full", tmp_path / "file", tmp_path / "empty"
    full.mkdir()
    empty.mkdir()
    (full / "mine.txt").write_text("precious")
    file.write_text("precious")
    for path in (full, file):
        with pytest.raises(BadInput, match="exists already"):
            written(BoxRoom(count=1), path, "tum")
    assert (full / "mine.txt").read_text() == file.read_text() == "precious"
    assert written(BoxRoom(count=2), empty, "tum") == empty


@pytest.mark.parametrize("layout", NAMES)
def test_a_stopped_job_leaves_nothing(layout: str, tmp_path: Path) -> None:
    job = write_recording(BoxRoom(count=4), tmp_path / "scan", layout)
    assert next(job) == Progress("writing", 0, 4)
    assert next(job) == Progress("writing", 1, 4)
    job.close()
    assert list(tmp_path.iterdir()) == []


def test_a_source_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has no frame that tum can hold"):
        written(BoxRoom(count=0), tmp_path / "scan", "tum")
    assert list(tmp_path.iterdir()) == []


@contextmanager
def small_disk() -> Iterator[None]:
    """No file may grow beyond 3 kB: the system refuses as it does when the disk is full.

    Only round the writing itself: the test runner's own log is a file too.
    """
    resource = pytest.importorskip("resource", reason="needs limits on file sizes")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("layout", NAMES)
def test_a_full_disk_is_said_and_leaves_nothing(layout: str, tmp_path: Path) -> None:
    with small_disk(), pytest.raises(CannotWrite) as refused:
        written(BoxRoom(count=6), tmp_path / "scan", layout)
    assert refused.value.exit_code == 1
    assert "could not be written" in refused.value.says
    # The journal of an archive calls its frames safe; here nothing is kept.
    assert "safe" not in refused.value.remedy
    assert list(tmp_path.iterdir()) == []
