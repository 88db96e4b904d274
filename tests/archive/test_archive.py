import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.archive.journal import ArchiveWriter
from engine.archive.layout import JOURNAL, MANIFEST, read_manifest
from engine.archive.recover import recover
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput, CannotWrite
from engine.core.frames import Frame, PoseUpdate
from engine.core.poses import Pose
from engine.sources.detect import detect, open_source
from tests.sources.boxroom import BoxRoom

ROOT = Path(__file__).resolve().parents[2]
TOF = Intrinsics(200, 150, 170.0, 171.0, 99.3, 76.1)
OFFSET = Pose.exp((0.01, -0.02, 0.005, 0.024, 0.001, -0.003))


def written(folder: Path, frames: list[Frame], **options: object) -> Path:
    with ArchiveWriter(folder, **options) as writer:
        for frame in frames:
            writer.add(frame)
    return folder


def box_frames(count: int = 5) -> list[Frame]:
    room = BoxRoom(count, depth_camera=TOF, T_cam_depth=OFFSET)
    return list(room.frames())


def read(folder: Path) -> list[Frame]:
    with open_source(str(folder)) as source:
        return list(source.frames())


def test_a_scan_comes_back_as_it_was(tmp_path: Path) -> None:
    frames = box_frames()
    folder = written(tmp_path / "scan", frames, color="png")
    assert detect(str(folder)) == "finescan"
    for before, after in zip(frames, read(folder), strict=True):
        assert (after.t_ns, after.segment) == (before.t_ns, before.segment)
        assert after.intrinsics == before.intrinsics
        assert after.depth_intrinsics == before.depth_intrinsics
        np.testing.assert_allclose(after.T_world_cam.matrix, before.T_world_cam.matrix, atol=1e-14)
        np.testing.assert_allclose(after.T_cam_depth.matrix, before.T_cam_depth.matrix, atol=1e-14)
        np.testing.assert_array_equal(after.color, before.color)
        np.testing.assert_array_equal(after.depth_m == 0, before.depth_m == 0)
        assert np.abs(after.depth_m - before.depth_m).max() <= 0.0001 + 1e-6
        assert np.abs(after.confidence - before.confidence).max() <= 0.5 / 255 + 1e-6


def test_the_world_of_a_scan_is_ours_and_stays(tmp_path: Path) -> None:
    info = open_source(str(written(tmp_path / "scan", box_frames()))).describe()
    assert info.T_world_source == Pose.identity()
    assert not any("not closed" in note for note in info.notes)
    assert info.layout == "finescan"


def test_jpeg_colour_is_close(tmp_path: Path) -> None:
    frames = box_frames(3)
    for before, after in zip(frames, read(written(tmp_path / "scan", frames)), strict=True):
        difference = np.abs(after.color.astype(int) - before.color.astype(int))
        assert 0 < difference.mean() < 3


@pytest.mark.parametrize("unit_m", [0.0001, 0.0002, 0.001])
def test_depth_beyond_reach_is_unknown(tmp_path: Path, unit_m: float) -> None:
    frame = box_frames(1)[0]
    depth = frame.depth_m.copy()
    depth[:20] = np.float32(65535 * unit_m)
    depth[20:40] = np.float32(65540 * unit_m)
    frame = replace(frame, depth_m=depth)
    found = read(written(tmp_path / "scan", [frame], depth_unit_m=unit_m))[0].depth_m
    np.testing.assert_allclose(found[:20], 65535 * unit_m, rtol=1e-6)
    assert not found[20:40].any()


def test_millimetres_are_kept_exactly(tmp_path: Path) -> None:
    frame = box_frames(1)[0]
    mm = np.rint(frame.depth_m * 1000)
    frame = replace(frame, depth_m=(mm / 1000).astype(np.float32))
    found = read(written(tmp_path / "scan", [frame]))[0].depth_m
    np.testing.assert_array_equal(np.rint(found * 1000), mm)
    np.testing.assert_allclose(found, frame.depth_m, rtol=3e-7)


def test_colour_only_and_frames_without_pose(tmp_path: Path) -> None:
    plain = [
        replace(f, depth_m=None, depth_intrinsics=None, confidence=None, T_world_cam=None)
        for f in box_frames(3)
    ]
    frames = read(written(tmp_path / "scan", plain))
    assert len(frames) == 3
    assert all(frame.T_world_cam is None and frame.depth_m is None for frame in frames)


def test_a_scan_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    frames = box_frames(3)
    with ArchiveWriter(tmp_path / "scan") as writer:
        for count, frame in enumerate(frames, start=1):
            writer.add(frame)
            assert len(read(tmp_path / "scan")) == count
        info = open_source(str(tmp_path / "scan")).describe()
        assert "The scan was not closed; 3 frames were recovered." in info.notes
    assert read_manifest(tmp_path / "scan").frame_count == 3


def test_every_way_to_tear_the_journal_loses_at_most_the_last_frame(tmp_path: Path) -> None:
    folder = written(tmp_path / "scan", box_frames(4))
    journal = folder / JOURNAL
    whole = journal.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(last, len(whole) + 1, 7):
        journal.write_bytes(whole[:end])
        found = recover(folder)
        # A line that only lacks its newline is whole.
        assert len(found.entries) == (4 if end >= len(whole) - 1 else 3)
        assert any("cut off" in note for note in found.notes) == (last < end < len(whole) - 1)
    journal.write_bytes(whole[: last + 30])
    assert len(read(folder)) == 3


def test_a_damaged_line_in_the_middle_costs_one_frame(tmp_path: Path) -> None:
    folder = written(tmp_path / "scan", box_frames(4))
    lines = (folder / JOURNAL).read_bytes().split(b"\n")
    lines[1] = b"\0" * 80
    (folder / JOURNAL).write_bytes(b"\n".join(lines))
    info = open_source(str(folder)).describe()
    assert info.frame_count == 3
    assert "1 line of the journal is damaged and was left out." in info.notes
    assert "Of 4 frames, 3 are still in the journal." in info.notes


def test_a_torn_picture_costs_one_frame(tmp_path: Path) -> None:
    folder = written(tmp_path / "scan", box_frames(4))
    depth = folder / "depth" / "000003.png"
    depth.write_bytes(depth.read_bytes()[:500])
    (folder / "color" / "000001.jpg").unlink()
    with open_source(str(folder)) as source:
        assert [frame.index for frame in source.frames()] == [0, 2]
        assert source.skipped == {"picture not usable": 2}


KILLED = """
import sys
from pathlib import Path
from engine.archive.journal import ArchiveWriter
from tests.sources.boxroom import BoxRoom
writer = ArchiveWriter(Path(sys.argv[1]))
for frame in BoxRoom(40).frames():
    writer.add(frame)
    print(writer.frame_count, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is a word of POSIX")
def test_killing_the_writer_loses_at_most_the_last_frame(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "scan")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = 0
        while told < 9:
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read().split()
    told = int(rest[-1]) if rest else told
    frames = read(tmp_path / "scan")
    assert told <= len(frames) <= told + 1


def moved_on(frames: list[Frame], forward_m: float) -> dict[int, Pose | None]:
    """Return poses a bit farther along x."""
    step = Pose.from_parts(np.eye(3), (forward_m, 0, 0))
    return {frame.index: step @ frame.T_world_cam for frame in frames}


def poses_of(folder: Path) -> dict[int, list[float]]:
    found = recover(folder)
    return {entry.index: list(entry.T_world_cam) for entry in found.entries}


def numbers(poses: dict[int, Pose | None]) -> dict[int, list[float]]:
    return {i: pose.matrix.ravel().tolist() for i, pose in poses.items() if pose is not None}


def test_corrected_poses_are_those_that_come_back(tmp_path: Path) -> None:
    frames = box_frames(6)
    first, second = moved_on(frames[:4], 0.1), moved_on(frames[2:3], 0.7)
    with ArchiveWriter(tmp_path / "scan") as writer:
        for frame in frames[:4]:
            writer.add(frame)
        writer.move(PoseUpdate({**first, 3: None, 5: None, 77: None}, "loop closed"))
        writer.move(PoseUpdate(second, "again"))
        for frame in frames[4:]:
            writer.add(frame)  # 5 comes after the line that names it
        expected = numbers({**first, **second, 3: None, **moved_on(frames[4:], 0)})
        assert poses_of(tmp_path / "scan") == expected
        writer.move(PoseUpdate({0: None}, "undone"))
        assert writer.frame_count == 6
    after = read(tmp_path / "scan")
    assert [frame.t_ns for frame in after] == [frames[i].t_ns for i in (1, 2, 4, 5)]
    for frame, right in zip(after, (first[1], second[2]), strict=False):
        np.testing.assert_allclose(frame.T_world_cam.matrix, right.matrix, atol=1e-14)
    notes = open_source(str(tmp_path / "scan")).describe().notes
    assert "Frames taken back while scanning and left out: 2." in notes
    assert not any("still in the journal" in note for note in notes)


def test_a_frame_that_was_taken_back_may_come_again(tmp_path: Path) -> None:
    (frame,) = box_frames(1)
    again = replace(frame, t_ns=frame.t_ns + 10**9)
    with ArchiveWriter(tmp_path / "scan") as writer:
        writer.add(frame)
        writer.move(PoseUpdate({frame.index: None}, "undone"))
        writer.add(again)
    assert [entry.t_ns for entry in recover(tmp_path / "scan").entries] == [again.t_ns]


def test_a_torn_correction_is_none(tmp_path: Path) -> None:
    frames = box_frames(3)
    with ArchiveWriter(tmp_path / "scan") as writer:
        add_all(writer, frames)
        writer.move(PoseUpdate({0: None, **moved_on(frames[1:], 0.2)}, "loop closed"))
    journal = tmp_path / "scan" / JOURNAL
    whole = journal.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for end in range(last, len(whole) + 1, 5):
        journal.write_bytes(whole[:end])
        is_whole = end >= len(whole) - 1
        expected = moved_on(frames[1:], 0.2) if is_whole else moved_on(frames, 0)
        assert poses_of(tmp_path / "scan") == numbers(expected)
        torn = any("cut off" in note for note in recover(tmp_path / "scan").notes)
        assert torn == (last < end and not is_whole)


def test_only_corrections_need_a_newer_program(tmp_path: Path) -> None:
    frames = box_frames(2)
    with ArchiveWriter(tmp_path / "scan") as writer:
        add_all(writer, frames)
        assert read_manifest(tmp_path / "scan").version == 1
        writer.move(PoseUpdate({0: None}, "undone"))
        assert read_manifest(tmp_path / "scan").version == 2
    closed = read_manifest(tmp_path / "scan")
    assert (closed.version, closed.frame_count) == (2, 2)


def test_corrections_that_cannot_be_written_change_nothing(tmp_path: Path) -> None:
    frames = box_frames(2)
    writer = ArchiveWriter(tmp_path / "scan")
    add_all(writer, frames)
    with pytest.raises(BadInput, match="holds NaN or infinity"):
        writer.move(PoseUpdate({0: None, 1: Pose(np.full((4, 4), np.nan))}, "bad"))
    assert read_manifest(tmp_path / "scan").version == 1
    writer._journal = ShortFile(writer._journal, 100)
    with pytest.raises(CannotWrite, match="No space left"):
        writer.move(PoseUpdate({0: None, **moved_on(frames[1:], 0.2)}, "loop closed"))
    assert poses_of(tmp_path / "scan") == numbers(moved_on(frames, 0))
    writer._journal.room = 10**9
    writer.move(PoseUpdate({0: None}, "undone"))
    writer.close()
    assert poses_of(tmp_path / "scan") == numbers(moved_on(frames[1:], 0))
    with pytest.raises(CannotWrite, match="closed already"):
        writer.move(PoseUpdate({1: None}, "late"))


def test_a_scan_of_which_every_frame_was_taken_back_holds_none(tmp_path: Path) -> None:
    with ArchiveWriter(tmp_path / "scan") as writer:
        writer.add(box_frames(1)[0])
        writer.move(PoseUpdate({0: None}, "undone"))
    with pytest.raises(BadInput, match="holds no frame"):
        open_source(str(tmp_path / "scan"))


def add_all(writer: ArchiveWriter, frames: list[Frame]) -> None:
    for frame in frames:
        writer.add(frame)


class FullDisk:
    """Stands in for a disk that has room for so many bytes, then for none."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bytes_left: int) -> None:
        self.bytes_left = bytes_left
        real = Path.write_bytes

        def write_bytes(path: Path, data: bytes) -> int:
            if len(data) > self.bytes_left:
                real(path, data[: self.bytes_left])
                self.bytes_left = 0
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self.bytes_left -= len(data)
            return real(path, data)

        monkeypatch.setattr(Path, "write_bytes", write_bytes)


def test_a_full_disk_keeps_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = box_frames(6)
    disk = FullDisk(monkeypatch, 60_000)
    writer = ArchiveWriter(tmp_path / "scan")
    with pytest.raises(CannotWrite, match=r"cannot be written to .*: No space left") as caught:
        add_all(writer, frames)
    safe = writer.frame_count
    assert 0 < safe < 6
    assert f"{safe} frames are safe there" in caught.value.remedy
    assert len(read(tmp_path / "scan")) == safe
    assert len(list((tmp_path / "scan" / "color").iterdir())) == safe
    # Space was freed: the scan goes on where it stopped.
    disk.bytes_left = 10**9
    for frame in frames[safe:]:
        writer.add(frame)
    writer.close()
    assert [frame.t_ns for frame in read(tmp_path / "scan")] == [frame.t_ns for frame in frames]


class ShortFile:
    """Stands in for a journal of which only a few bytes more fit on the disk."""

    def __init__(self, file: object, room: int) -> None:
        self.file, self.room = file, room

    def write(self, data: bytes) -> int:
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = bytes(data[: self.room])
        self.room -= len(part)
        return self.file.write(part)

    def __getattr__(self, name: str) -> object:
        return getattr(self.file, name)


def test_a_journal_line_that_only_fits_in_part_is_taken_back(tmp_path: Path) -> None:
    frames = box_frames(3)
    writer = ArchiveWriter(tmp_path / "scan")
    writer.add(frames[0])
    writer._journal = ShortFile(writer._journal, 100)
    with pytest.raises(CannotWrite, match="No space left"):
        writer.add(frames[1])
    writer._journal.room = 10**9
    writer.add(frames[2])
    writer.close()
    assert [frame.t_ns for frame in read(tmp_path / "scan")] == [frames[0].t_ns, frames[2].t_ns]


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "holiday.jpg").touch()
    with pytest.raises(BadInput, match="holds something already"):
        ArchiveWriter(tmp_path / "taken")
    with pytest.raises(BadInput, match="holds something already"):
        ArchiveWriter(tmp_path / "taken" / "holiday.jpg")
    with pytest.raises(CannotWrite, match="cannot be written"):
        ArchiveWriter(tmp_path / "taken" / "holiday.jpg" / "scan")
    with pytest.raises(BadInput, match=r"outside 0.1 to 1 mm"):
        ArchiveWriter(tmp_path / "scan", depth_unit_m=0.01)
    writer = ArchiveWriter(tmp_path / "closed")
    writer.close()
    writer.close()
    with pytest.raises(CannotWrite, match="closed already"):
        writer.add(box_frames(1)[0])


def test_manifests_that_cannot_be_read(tmp_path: Path) -> None:
    folder = written(tmp_path / "scan", box_frames(1))
    content = json.loads((folder / MANIFEST).read_text())
    cases = [
        ({**content, "version": 3}, "format version 3; this program reads 1 to 2"),
        ({**content, "version": "1"}, "format version 1; this"),
        ({**content, "depth_unit_m": 7}, "is damaged"),
        ({**content, "surprise": 1}, "is damaged"),
    ]
    for changed, sentence in cases:
        (folder / MANIFEST).write_text(json.dumps(changed))
        with pytest.raises(BadInput, match=sentence):
            open_source(str(folder))
    (folder / MANIFEST).write_text(json.dumps(content)[:-5])
    with pytest.raises(BadInput, match="is damaged"):
        open_source(str(folder))
    (folder / MANIFEST).unlink()
    with pytest.raises(BadInput, match="so it is no scan"):
        recover(folder)


def test_a_scan_without_frames_and_one_without_a_journal(tmp_path: Path) -> None:
    folder = written(tmp_path / "scan", [])
    with pytest.raises(BadInput, match="holds no frame"):
        open_source(str(folder))
    (folder / JOURNAL).unlink()
    with pytest.raises(BadInput, match="journal of the scan scan cannot be read"):
        open_source(str(folder))


@pytest.mark.parametrize("escape", ["../secret.png", "/etc/secret.png", "a/../../b.png"])
def test_a_journal_cannot_name_files_outside(tmp_path: Path, escape: str) -> None:
    folder = written(tmp_path / "scan", box_frames(1))
    entry = json.loads((folder / JOURNAL).read_text())
    (folder / JOURNAL).write_text(json.dumps({**entry, "depth": escape}) + "\n")
    with pytest.raises(BadInput, match="lies outside the scan"):
        open_source(str(folder))
