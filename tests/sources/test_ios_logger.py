import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import BadInput
from engine.sources import ios_logger
from engine.sources.raw import Convention
from tests.sources.boxroom import BoxRoom, written, zipped
from tests.sources.phone_samples import HOLOLENS, assert_true_poses, sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(BoxRoom(count=4, has_depth=False), tmp_path / "scan", "ios-logger")


def test_the_shared_container_has_the_true_poses_and_intrinsics() -> None:
    raw = ios_logger.read(sample("arkit", "from-hololens", "ios-logger"))
    assert raw.declared == Convention("c2w", "gl")
    assert raw.frames[0].depth is None
    K = json.loads((HOLOLENS / "truth.json").read_text())["K_rgb"]
    assert raw.frames[3].color_camera is not None
    np.testing.assert_allclose(raw.frames[3].color_camera.opencv_matrix(), K, atol=1e-3)
    assert_true_poses(raw)


def test_the_nearest_of_many_poses_is_taken(folder: Path) -> None:
    log = folder / "ARposes.txt"
    lines = log.read_text().splitlines()
    extra = []
    for line in lines:
        time, *rest = line.split(",")
        for offset in (-0.016, 0.016):
            extra.append(",".join([f"{float(time) + offset:.9f}", "7", *rest[1:]]))
    log.write_text("\r\n".join(extra + lines))
    raw = ios_logger.read(folder)
    assert all(frame.pose is not None and frame.pose[0, 3] != 7 for frame in raw.frames)
    raw.close()


def test_a_picture_without_a_pose_in_time_has_none(folder: Path) -> None:
    log = folder / "ARposes.txt"
    lines = log.read_text().splitlines()
    log.write_text("\n".join(lines[:2] + lines[3:]))
    raw = ios_logger.read(folder)
    assert [frame.pose is None for frame in raw.frames] == [False, False, True, False]
    assert "1 pictures have no pose within 9 ms." in raw.notes
    raw.close()


def test_a_thinned_video_is_noted(folder: Path) -> None:
    frames = folder / "Frames.txt"
    frames.write_text("".join(line + "\n" for line in frames.read_text().splitlines()[:3]))
    raw = ios_logger.read(folder)
    assert "Frames.txt has 3 lines, the video 4 frames." in raw.notes
    raw.close()


def test_a_zip_is_read_like_its_folder(folder: Path, tmp_path: Path) -> None:
    archive = zipped(folder, tmp_path / "scan.zip")
    assert ios_logger.sniff(archive)
    raw = ios_logger.read(archive)
    assert raw.frames[3].color is not None
    assert raw.frames[3].color().shape == (240, 320, 3)
    raw.close()


@pytest.mark.parametrize("name", ["Frames.txt", "ARposes.txt", "Frames.m4v"])
def test_each_part_is_missed_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert not ios_logger.sniff(folder)
    with pytest.raises(BadInput, match=f"{name.replace('.', '[.]')} is missing"):
        ios_logger.read(folder)


@pytest.mark.parametrize("name", ["Frames.txt", "ARposes.txt"])
def test_text_that_is_no_log_is_refused(folder: Path, name: str) -> None:
    for text in ("", "hello\n", "1,2\n", "nan,nan,nan,nan,nan,nan,nan,nan\n", "\x00\x01"):
        (folder / name).write_text(text)
        with pytest.raises(BadInput):
            ios_logger.read(folder)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_text_raises_anything_but_a_fault(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "garbage-ios"
    if not folder.exists():
        written(BoxRoom(count=2, has_depth=False), folder, "ios-logger")
    number = st.one_of(st.floats().map(str), st.integers().map(str), st.text(max_size=3))
    rows = st.lists(st.lists(number, max_size=9).map(",".join), max_size=4).map("\n".join)
    for name in ("Frames.txt", "ARposes.txt"):
        (folder / name).write_text(data.draw(rows), encoding="utf-8", errors="replace")
    with contextlib.suppress(BadInput):
        ios_logger.read(folder).close()
