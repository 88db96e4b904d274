import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.sources import nerfstudio
from engine.sources.raw import Convention
from engine.sources.recording import Recording
from tests.sources.boxroom import CAMERA, BoxRoom, written, zipped
from tests.sources.phone_samples import assert_true_poses, sample


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return written(BoxRoom(count=4), tmp_path / "capture", "nerfcapture")


@pytest.fixture
def studio(tmp_path: Path) -> Path:
    return written(BoxRoom(count=4), tmp_path / "studio", "nerfstudio")


def change(folder: Path, top: dict[str, Any], each: dict[str, Any] | None = None) -> None:
    """Set keys of the file and of every frame; None takes a key out."""
    file = folder / "transforms.json"
    content = json.loads(file.read_text()) | top
    if each and isinstance(content.get("frames"), list):
        content["frames"] = [without_none(frame | each) for frame in content["frames"]]
    file.write_text(json.dumps(without_none(content)))


def without_none(content: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if value is not None}


def test_the_shared_capture_has_the_true_poses_and_metric_depth() -> None:
    raw = nerfstudio.read(sample("arkit", "from-hololens", "nerfcapture"))
    assert raw.layout == "nerfcapture"
    assert raw.declared == Convention("c2w", "gl")
    assert raw.is_metric
    assert raw.frames[0].depth is not None
    depth_m = raw.frames[0].depth()
    assert 1.0 < np.median(depth_m[depth_m > 0]) < 4.0
    truth = json.loads(sample("arkit/from-hololens/truth.json").read_text())["frames"]
    every = 1 + next(
        i
        for i, f in enumerate(truth[1:])
        if raw.frames[1].t_ns == pytest.approx(f["timestamp"] * 1e9, abs=1e6)
    )
    assert_true_poses(raw, every=every)


def test_the_fox_has_a_lens_no_depth_and_no_unit() -> None:
    raw = nerfstudio.read(sample("objects", "fox"))
    assert (raw.layout, raw.is_metric, raw.up_source) == ("nerfstudio", False, None)
    camera = raw.frames[0].color_camera
    assert camera is not None
    assert camera.distortion[:4] == (0.0578421, -0.0805099, -0.000980296, 0.00015575)
    assert (camera.width, camera.height, camera.cx) == (1080, 1920, 554.558)
    with Recording(raw) as recording:
        frame = next(recording.frames())
        assert frame.intrinsics.distortion == ()
        assert frame.color is not None
        assert frame.color.shape == (1920, 1080, 3)
        assert recording.describe().warnings == ()


def test_previews_saved_by_the_app_are_not_taken_for_depth(capture: Path) -> None:
    change(capture, {"integer_depth_scale": None, "depth_integer_scale": 1.0})
    raw = nerfstudio.read(capture)
    assert raw.layout == "nerfcapture"
    assert all(frame.depth is None for frame in raw.frames)
    assert any("previews" in note for note in raw.notes)
    assert raw.is_metric


def test_depth_without_a_unit_is_left_out(capture: Path) -> None:
    change(capture, {"integer_depth_scale": None})
    raw = nerfstudio.read(capture)
    assert raw.layout == "nerfcapture"
    assert all(frame.depth is None for frame in raw.frames)
    assert any("no stated unit" in note for note in raw.notes)


def test_depth_of_other_writers_is_read_but_their_world_is_not_taken_for_arkits(
    studio: Path,
) -> None:
    file = studio / "transforms.json"
    content = json.loads(file.read_text()) | {"integer_depth_scale": 0.001}
    for frame in content["frames"]:
        frame["depth_path"] = frame.pop("depth_file_path")
    file.write_text(json.dumps(content))
    raw = nerfstudio.read(studio)
    assert (raw.layout, raw.up_source, raw.is_metric) == ("nerfstudio", None, True)
    assert raw.frames[0].depth is not None
    assert 1 < np.median(raw.frames[0].depth()) < 4


def test_pixel_centres_differ_between_the_dialects(capture: Path, studio: Path) -> None:
    stated = [
        json.loads((folder / "transforms.json").read_text())["frames"][0]["cx"]
        for folder in (capture, studio)
    ]
    assert stated == [pytest.approx(CAMERA.cx - 0.5), pytest.approx(CAMERA.cx)]
    for folder in (capture, studio):
        camera = nerfstudio.read(folder).frames[0].color_camera
        assert camera is not None
        assert camera.cx == pytest.approx(CAMERA.cx, abs=1e-6)


def test_one_camera_on_top_serves_all_frames(studio: Path) -> None:
    keys = {"fl_x": 300.0, "fl_y": 301.0, "cx": 160.0, "cy": 121.0, "w": 320, "h": 240}
    change(studio, keys, dict.fromkeys(keys))
    camera = nerfstudio.read(studio).frames[3].color_camera
    assert camera is not None
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (300, 301, 160, 121)


def test_a_field_of_view_alone_makes_a_camera_of_the_pictures_size(studio: Path) -> None:
    keys = ("fl_x", "fl_y", "cx", "cy", "w", "h")
    change(studio, {"camera_angle_x": np.pi / 2}, dict.fromkeys(keys))
    raw = nerfstudio.read(studio)
    camera = raw.frames[0].color_camera
    assert camera is not None
    assert (camera.width, camera.height, camera.cx, camera.cy) == (320, 240, 160, 120)
    assert camera.fx == pytest.approx(160)
    assert any("size is not stated" in note for note in raw.notes)


def test_a_homogeneous_scale_is_divided_out(studio: Path) -> None:
    plain = [frame.pose for frame in nerfstudio.read(studio).frames]
    file = studio / "transforms.json"
    content = json.loads(file.read_text())
    for frame in content["frames"]:
        frame["transform_matrix"] = (2.5 * np.array(frame["transform_matrix"])).tolist()
    file.write_text(json.dumps(content))
    for frame, pose in zip(nerfstudio.read(studio).frames, plain, strict=True):
        assert frame.pose is not None
        assert pose is not None
        np.testing.assert_allclose(frame.pose, pose, atol=1e-12)


def test_file_names_without_suffix_and_with_a_leading_dot_are_found(studio: Path) -> None:
    file = studio / "transforms.json"
    content = json.loads(file.read_text())
    for number, frame in enumerate(content["frames"]):
        frame["file_path"] = f"./images/frame_{number:05d}"
    file.write_text(json.dumps(content))
    raw = nerfstudio.read(file)
    assert raw.name == "studio"
    assert raw.frames[2].color is not None
    assert raw.frames[2].color().shape == (240, 320, 3)


def test_frames_of_nan_or_without_a_matrix_are_left_out(studio: Path) -> None:
    file = studio / "transforms.json"
    content = json.loads(file.read_text())
    content["frames"][1]["transform_matrix"][0][3] = float("nan")
    content["frames"][2]["transform_matrix"] = "word"
    content["frames"].append("not a frame")
    file.write_text(json.dumps(content))
    with Recording(nerfstudio.read(studio)) as recording:
        assert [frame.index for frame in recording.frames()] == [0, 3]


@pytest.mark.parametrize(
    ("top", "says"),
    [
        ({"frames": None}, "names no frames"),
        ({"frames": []}, "names no frames"),
        ({"frames": {"0": 1}}, "names no frames"),
        ({"frames": ["word", 3]}, "names no frames"),
        ({"camera_model": "OPENCV_FISHEYE"}, "not a pinhole"),
        ({"is_fisheye": True}, "not a pinhole"),
    ],
)
def test_what_cannot_be_used_is_refused(studio: Path, top: dict[str, Any], says: str) -> None:
    change(studio, top)
    with pytest.raises(BadInput, match=says):
        nerfstudio.read(studio)


def test_missing_intrinsics_leave_no_usable_frame(studio: Path) -> None:
    change(studio, {}, dict.fromkeys(("fl_x", "fl_y")))
    with pytest.raises(BadInput, match="has no intrinsics"):
        Recording(nerfstudio.read(studio))


def test_a_zip_is_read_like_its_folder(capture: Path, tmp_path: Path) -> None:
    archive = zipped(capture, tmp_path / "scan.zip")
    assert nerfstudio.sniff(archive)
    raw = nerfstudio.read(archive)
    assert raw.frames[3].depth is not None
    assert raw.frames[3].depth().shape == (240, 320)
    raw.close()
