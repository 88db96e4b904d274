import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.faults import BadFrame, BadInput
from engine.sources import stray
from engine.sources.raw import Convention
from engine.sources.recording import Recording
from tests.sources.boxroom import CAMERA, BoxRoom, written, zipped
from tests.sources.phone_samples import HOLOLENS, assert_true_poses, sample

HEADING = "timestamp, frame, x, y, z, qx, qy, qz, qw\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(BoxRoom(count=4), tmp_path / "scan", "stray-scanner")


def change_log(folder: Path, row: int, cell: int, value: str) -> None:
    lines = (folder / "odometry.csv").read_text().splitlines()
    cells = lines[row].split(", ")
    cells[cell] = value
    lines[row] = ", ".join(cells)
    (folder / "odometry.csv").write_text("\n".join(lines))


def test_the_shared_container_has_the_true_poses_intrinsics_and_depth() -> None:
    path = sample("arkit", "from-hololens", "stray-scanner")
    raw = stray.read(path)
    assert raw.declared == Convention("c2w", "cv")
    K = json.loads((HOLOLENS / "truth.json").read_text())["K_rgb"]
    frame = raw.frames[3]
    assert frame.color_camera is not None
    np.testing.assert_allclose(frame.color_camera.opencv_matrix(), K, atol=1e-3)
    assert frame.depth is not None
    assert frame.confidence is not None
    units = cv2.imread(str(path / "depth" / "000003.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(frame.depth(), units / 1000, atol=1e-6)
    levels = cv2.imread(str(path / "confidence" / "000003.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(frame.confidence(), levels / 2)
    assert_true_poses(raw)


def test_the_real_log_is_read_with_changing_focal_length_and_empty_last_columns() -> None:
    text = sample("arkit", "stray-odometry-excerpt", "odometry.csv").read_text()
    rows, notes = stray.parse_odometry(text)
    assert len(rows) == 20
    assert notes == []
    assert rows[0].camera == pytest.approx((1597.8881, 1597.8881, 955.3694, 717.7071))
    assert len({row.camera for row in rows}) > 1
    assert abs(rows[0].t_ns - 65575597600791) < 100
    np.testing.assert_allclose(rows[0].pose[:3, 3], [-0.05574204, 0.019246144, 0.23901562])
    assert [row.number for row in rows] == list(range(20))


def test_a_log_without_intrinsics_takes_the_one_matrix(folder: Path) -> None:
    lines = (folder / "odometry.csv").read_text().splitlines()
    short = [", ".join(line.split(", ")[:9]) for line in lines]
    (folder / "odometry.csv").write_text("\n".join(short))
    raw = stray.read(folder)
    camera = raw.frames[0].color_camera
    assert camera is not None
    np.testing.assert_allclose(camera.opencv_matrix(), CAMERA.opencv_matrix(), atol=1e-3)
    assert any("one camera matrix" in note for note in raw.notes)
    raw.close()


def test_columns_are_found_by_name_in_any_order() -> None:
    rows, _ = stray.parse_odometry(
        "timestamp, qw, qx, qy, qz, z, y, x, frame, extra\n1.5, 1, 0, 0, 0, 3, 2, 1, 7, word\n"
    )
    assert rows[0].number == 7
    assert rows[0].camera is None
    np.testing.assert_array_equal(rows[0].pose[:3, 3], [1, 2, 3])
    np.testing.assert_array_equal(rows[0].pose[:3, :3], np.eye(3))


def test_a_log_without_heading_or_frame_numbers_counts_rows() -> None:
    rows, _ = stray.parse_odometry("1.0, 0, 1, 2, 3, 0, 0, 0, 1\n1.1, 1, 1, 2, 3, 0, 0, 0, 1\n")
    assert [row.number for row in rows] == [0, 1]
    rows, _ = stray.parse_odometry(
        "timestamp, x, y, z, qx, qy, qz, qw\n1, 1, 2, 3, 0, 0, 0, 1\n2, 1, 2, 3, 0, 0, 0, 1\n"
    )
    assert [row.number for row in rows] == [0, 1]


def test_a_missing_depth_picture_leaves_the_frame_without_depth(folder: Path) -> None:
    (folder / "depth" / "000002.png").unlink()
    raw = stray.read(folder)
    assert [frame.depth is None for frame in raw.frames] == [False, False, True, False]
    assert "1 frames have no depth picture." in raw.notes
    raw.close()


def test_depth_as_numpy_file_is_in_millimetres(folder: Path) -> None:
    picture = folder / "depth" / "000001.png"
    units = cv2.imread(str(picture), cv2.IMREAD_UNCHANGED)
    picture.unlink()
    np.save(picture.with_suffix(".npy"), units)
    raw = stray.read(folder)
    assert raw.frames[1].depth is not None
    np.testing.assert_allclose(raw.frames[1].depth(), units / 1000, atol=1e-6)
    raw.close()


def test_a_shrunk_video_keeps_the_intrinsics_of_the_full_picture(folder: Path) -> None:
    """The box is filmed at 320x240; its intrinsics are rewritten for 1920x1440."""
    lines = (folder / "odometry.csv").read_text().splitlines()
    scale = 1920 / CAMERA.width
    numbers = [scale * CAMERA.fx, scale * CAMERA.fy, scale * CAMERA.cx, scale * CAMERA.cy]
    full = [f"{n - 0.5 * (i > 1):.9g}" for i, n in enumerate(numbers)]
    lines[1:] = [", ".join([*line.split(", ")[:9], *full]) for line in lines[1:]]
    (folder / "odometry.csv").write_text("\n".join(lines))
    with Recording(stray.read(folder)) as recording:
        frame = next(recording.frames())
    np.testing.assert_allclose(frame.intrinsics.opencv_matrix(), CAMERA.opencv_matrix(), atol=1e-3)


def test_poses_of_nan_are_left_out_and_counted(folder: Path) -> None:
    change_log(folder, 2, 3, "nan")
    with Recording(stray.read(folder)) as recording:
        assert len(list(recording.frames())) == 3
        assert sum(recording.skipped.values()) == 1


def test_more_rows_than_video_frames_are_noted_and_skipped(folder: Path) -> None:
    last = (folder / "odometry.csv").read_text().splitlines()[-1].split(", ")
    with (folder / "odometry.csv").open("a") as log:
        log.write(", ".join(["99.0", "000004", *last[2:]]) + "\n")
    raw = stray.read(folder)
    assert "The log has 5 lines, the video 4 frames." in raw.notes
    assert raw.frames[4].color is not None
    with pytest.raises(BadFrame, match="no readable frame 4"):
        raw.frames[4].color()
    raw.close()


def test_damaged_lines_are_left_out_and_counted(folder: Path) -> None:
    change_log(folder, 2, 4, "12;7")
    change_log(folder, 3, 0, "")
    raw = stray.read(folder)
    assert [frame.name for frame in raw.frames] == ["000000", "000003"]
    assert "2 damaged lines of odometry.csv were left out." in raw.notes
    raw.close()


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("", "no row of"),
        (HEADING, "no row of"),
        ("timestamp, frame, x, y, z\n1, 2, 3, 4, 5\n", "no column qx"),
        (HEADING + "a, b, c\n", "no row of"),
        (HEADING + "nan, 0, 0, 0, 0, 0, 0, 0, 1\n", "no row with a time"),
        (HEADING + "1, -3, 0, 0, 0, 0, 0, 0, 1\n", "no row with a time"),
        (HEADING + "1, inf, 0, 0, 0, 0, 0, 0, 1\n", "no row with a time"),
    ],
)
def test_a_log_that_is_none_is_refused(folder: Path, log: str, says: str) -> None:
    (folder / "odometry.csv").write_text(log)
    with pytest.raises(BadInput, match=says):
        stray.read(folder)


def test_a_cut_video_is_refused_in_one_sentence(folder: Path) -> None:
    video = folder / "rgb.mp4"
    video.write_bytes(video.read_bytes()[:4000])
    with pytest.raises(BadInput, match="damaged or was cut off"):
        stray.read(folder)


def test_a_missing_matrix_is_only_missed_when_needed(folder: Path) -> None:
    (folder / "camera_matrix.csv").unlink()
    stray.read(folder).close()
    change_log(folder, 1, 9, "")
    with pytest.raises(BadInput, match=r"camera_matrix\.csv is missing"):
        stray.read(folder)


def test_a_zip_is_read_like_its_folder_and_leaves_nothing_behind(
    folder: Path, tmp_path: Path
) -> None:
    archive = zipped(folder, tmp_path / "scan.zip")
    assert stray.sniff(archive)
    raw, plain = stray.read(archive), stray.read(folder)
    assert len(raw.frames) == 4
    load, same = raw.frames[2].depth, plain.frames[2].depth
    assert load is not None
    assert same is not None
    np.testing.assert_array_equal(load(), same())
    raw.close()
    plain.close()
    with pytest.raises(BadFrame):
        load()


CELL = st.one_of(
    st.floats().map(str),
    st.integers().map(str),
    st.text(max_size=6),
    st.sampled_from(["", "nan", "inf", "-1", "1e400", "0x10", "1_0", "١"]),
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=300),
        st.lists(st.lists(CELL, max_size=17), max_size=6).map(
            lambda rows: HEADING + "\n".join(", ".join(row) for row in rows)
        ),
    )
)
def test_no_log_raises_anything_but_a_fault(text: str) -> None:
    try:
        rows, _ = stray.parse_odometry(text)
    except BadInput:
        return
    for row in rows:
        assert row.pose.shape == (4, 4)
        assert row.number >= 0
