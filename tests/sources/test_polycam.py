import contextlib
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.sources import polycam
from engine.sources.raw import Convention
from engine.sources.recording import Recording
from tests.sources.boxroom import BoxRoom, written, zipped
from tests.sources.phone_samples import assert_true_poses, sample, true_poses


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(BoxRoom(count=4), tmp_path / "scan", "polycam")


def cameras(folder: Path) -> list[Path]:
    return sorted((folder / "keyframes" / "cameras").iterdir())


def test_the_shared_export_has_the_true_corrected_poses() -> None:
    raw = polycam.read(sample("arkit", "from-hololens", "polycam-raw"))
    assert raw.declared == Convention("c2w", "gl")
    assert any("Corrected" in note for note in raw.notes)
    assert_true_poses(raw, every=2)


def test_the_drifted_poses_are_used_when_one_corrected_picture_is_missing(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(sample("arkit", "from-hololens", "polycam-raw"), copy)
    next((copy / "keyframes" / "corrected_images").iterdir()).unlink()
    raw = polycam.read(copy)
    assert any("only 11 of 12 key frames are corrected" in note for note in raw.notes)
    truth = true_poses(2, 12)
    errors_m = [
        np.linalg.norm(frame.pose[:3, 3] - pose.translation)
        for frame, pose in zip(raw.frames, truth, strict=True)
        if frame.pose is not None
    ]
    assert 0.005 < max(errors_m) < 0.02


def test_depth_beyond_the_lidar_is_unknown_and_confidence_is_a_fraction(tmp_path: Path) -> None:
    far = polycam.read(sample("arkit", "from-hololens", "polycam-raw")).frames[0]
    assert far.confidence is not None
    assert set(np.unique(far.confidence())) <= {0.0, np.float32(127 / 255), 1.0}
    folder = written(BoxRoom(count=2), tmp_path / "scan", "polycam")
    depth = sorted((folder / "keyframes" / "depth").iterdir())[0]
    cv2.imwrite(str(depth), np.array([[4999, 5000, 5001, 9000] * 4] * 16, np.uint16))
    load = polycam.read(folder).frames[0].depth
    assert load is not None
    np.testing.assert_allclose(load()[0, :4], [4.999, 5.0, 0, 0], atol=1e-6)


def test_a_damaged_camera_file_costs_its_frame_only(folder: Path) -> None:
    first, second, *_ = cameras(folder)
    first.write_text("{")
    second.write_text(json.dumps(json.loads(second.read_text()) | {"t_11": None}))
    raw = polycam.read(folder)
    assert len(raw.frames) == 2
    assert "2 key frames have a camera file that cannot be used." in raw.notes


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "word", None, 0, -5, 1e30])
def test_no_number_of_a_camera_raises_anything_but_a_fault(folder: Path, value: object) -> None:
    for key in ("fx", "width", "t_03"):
        for file in cameras(folder):
            file.write_text(json.dumps(json.loads(file.read_text()) | {key: value}))
        with contextlib.suppress(BadInput), Recording(polycam.read(folder)) as recording:
            list(recording.frames())


def test_an_export_without_cameras_is_refused(folder: Path) -> None:
    for file in cameras(folder):
        file.unlink()
    with pytest.raises(BadInput, match="no usable camera"):
        polycam.read(folder)


def test_a_zip_and_the_inner_folder_open_too(folder: Path, tmp_path: Path) -> None:
    for prefix in ("scan/", ""):
        archive = zipped(folder, tmp_path / "scan.zip", prefix)
        assert polycam.sniff(archive)
        raw = polycam.read(archive)
        assert len(raw.frames) == 4
        assert raw.frames[0].color is not None
        assert raw.frames[0].color().shape == (240, 320, 3)
        raw.close()
