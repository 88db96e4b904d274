import json

import cv2
import numpy as np
import pytest

from app.inspect_source import (
    SHEET_COLUMNS,
    SHEET_PICTURES,
    contact_sheet,
    summary,
    write_trajectory,
)
from engine.core.faults import BadInput, CannotWrite
from engine.core.frames import Frame
from engine.core.poses import Pose
from tests.app.fakes import CAMERA, FakeSource, frame_at


def test_the_summary_is_what_the_source_says_and_fits_into_json():
    source = FakeSource(count=5)
    source.skipped["torn"] = 2
    row = json.loads(json.dumps(summary(source)))
    assert (row["name"], row["format"], row["frames"]) == ("sand hills", "fake", 5)
    assert (row["has_color"], row["has_depth"], row["has_poses"]) == (True, True, True)
    assert row["skipped"] == {"torn": 2}
    assert row["T_world_source"] == np.eye(4).tolist()
    assert row["camera"] is None


class OfFrames(FakeSource):
    def __init__(self, frames):
        super().__init__(count=len(frames))
        self.given = frames

    def frames(self):
        yield from self.given


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (12, 12), (30, 10), (500, 12)])
def test_the_sheet_shows_frames_from_all_over_the_beginning(tmp_path, count, shown):
    path = tmp_path / "new" / "sheet.png"
    source = FakeSource(count=count)
    contact_sheet(source, path)
    sheet = cv2.imread(str(path))[..., ::-1]
    height, width = CAMERA.height, sheet.shape[1] // SHEET_COLUMNS
    assert shown <= SHEET_PICTURES
    assert sheet.shape[0] == -(-shown // SHEET_COLUMNS) * height
    corners = sheet[::height, ::width][:, :SHEET_COLUMNS].reshape(-1, 3)
    is_filled = (corners != 255).any(axis=1)
    assert is_filled.tolist() == [True] * shown + [False] * (len(corners) - shown)


def test_a_recording_without_a_picture_has_no_sheet(tmp_path):
    blind = [Frame(i, i, CAMERA, T_world_cam=Pose.identity()) for i in range(3)]
    with pytest.raises(BadInput, match="picture"):
        contact_sheet(OfFrames(blind), tmp_path / "sheet.png")
    assert list(tmp_path.iterdir()) == []


def test_the_trajectory_reads_back_as_the_poses(tmp_path):
    frames = [frame_at(i, 6) for i in range(6)]
    lost = Frame(9, 10**9, CAMERA, frames[0].color)
    write_trajectory(OfFrames([*frames, lost]), tmp_path / "poses.txt")
    rows = np.loadtxt(tmp_path / "poses.txt")
    assert rows.shape == (6, 8)
    for frame, row in zip(frames, rows, strict=True):
        assert row[0] == pytest.approx(frame.t_ns / 1e9, abs=1e-6)
        found = Pose.from_quaternion(row[4:], row[1:4])
        np.testing.assert_allclose(found.matrix, frame.T_world_cam.matrix, atol=1e-7)
    assert "camera-to-world" in (tmp_path / "poses.txt").read_text().splitlines()[0]


def test_where_nothing_can_be_written_it_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite):
        write_trajectory(FakeSource(count=2), tmp_path / "file" / "poses.txt")
    with pytest.raises(CannotWrite):
        contact_sheet(FakeSource(count=2), tmp_path / "file" / "sheet.png")
