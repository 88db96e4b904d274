import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import lzfse
import numpy as np
import pytest

from engine.core.faults import BadFrame, BadInput
from engine.sources import record3d
from engine.sources.raw import Convention
from engine.sources.recording import Recording
from tests.sources.boxroom import CAMERA, BoxRoom, written
from tests.sources.phone_samples import sample


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return written(BoxRoom(count=4), tmp_path / "scan", "record3d")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return written(BoxRoom(count=4), tmp_path / "packed", "record3d-r3d")


def change_metadata(folder: Path, **changes: Any) -> None:
    file = folder / "EXR_RGBD" / "metadata.json"
    content = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def repacked(archive: Path, changes: dict[str, bytes | None]) -> Path:
    """Return a copy with some entries replaced, or left out where None."""
    copy = archive.with_name("copy.r3d")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(copy, "w") as new:
        for name in old.namelist():
            data = changes.get(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return copy


def test_the_real_export_opens_with_the_declared_convention() -> None:
    raw = record3d.read(sample("arkit", "record3d-export"))
    assert raw.declared == Convention("c2w", "gl")
    assert len(raw.frames) == 56
    # Numbered 0, 3, 6 ...: the pose of picture N is entry N, not the N-th used.
    assert raw.frames[1].name == "frame 3"
    metadata = json.loads(sample("arkit/record3d-export/EXR_RGBD/metadata.json").read_text())
    assert raw.frames[1].pose is not None
    np.testing.assert_array_equal(raw.frames[1].pose[:3, 3], metadata["poses"][3][4:])
    assert raw.frames[1].t_ns == round(metadata["frameTimestamps"][3] * 1e9)
    camera = raw.frames[1].color_camera
    assert camera is not None
    assert (camera.width, camera.height) == (1440, 1920)
    assert camera.cx == pytest.approx(724.6458740234375 + 0.5)
    with Recording(raw) as recording:
        info = recording.describe()
        assert info.warnings == ()
        assert info.details["convention"] == "c2w gl"


def test_the_archive_holds_what_the_export_holds() -> None:
    """The archive has pictures 0, 4, 8 ... or so of the export; they are found by their pose."""
    export = record3d.read(sample("arkit", "record3d-export"))
    archive = record3d.read(sample("arkit", "record3d-r3d", "door-handle-12.r3d"))
    assert len(archive.frames) == 12
    pairs = [
        (a, b)
        for a in archive.frames
        for b in export.frames
        if a.pose is not None and b.pose is not None and np.allclose(a.pose, b.pose, atol=1e-9)
    ]
    assert len(pairs) == 12
    packed, plain = pairs[5]
    for load in (packed.depth, plain.depth, packed.color, plain.color, packed.confidence):
        assert load is not None
    np.testing.assert_array_equal(packed.depth(), plain.depth())
    np.testing.assert_array_equal(packed.color(), plain.color())
    assert packed.depth().shape == (256, 192)
    assert packed.depth().dtype == np.float32
    assert 0.1 < np.median(packed.depth()) < 1.5
    assert set(np.unique(packed.confidence())) <= {0.0, 0.5, 1.0}
    archive.close()


def test_unknown_depth_becomes_zero(folder: Path, archive: Path) -> None:
    for path in (folder, archive):
        raw = record3d.read(path)
        assert raw.frames[0].depth is not None
        depth_m = raw.frames[0].depth()
        assert np.isfinite(depth_m).all()
        assert (depth_m[:4, :6] == 0).all()
        assert (depth_m[20:, 20:] > 0).all()
        raw.close()


def test_one_camera_serves_all_frames_of_older_logs(folder: Path) -> None:
    change_metadata(folder, perFrameIntrinsicCoeffs=None)
    raw = record3d.read(folder)
    assert "The metadata has one camera for all frames." in raw.notes
    camera = raw.frames[2].color_camera
    assert camera is not None
    np.testing.assert_allclose(camera.opencv_matrix(), CAMERA.opencv_matrix(), atol=1e-9)


def test_k_is_rescaled_to_larger_pictures(folder: Path) -> None:
    half = [0.5 * CAMERA.fx, 0, 0, 0, 0.5 * CAMERA.fy, 0]
    half += [0.5 * CAMERA.cx - 0.5, 0.5 * CAMERA.cy - 0.5, 1]
    change_metadata(folder, w=160, h=120, K=half, perFrameIntrinsicCoeffs=[])
    with Recording(record3d.read(folder)) as recording:
        camera = next(recording.frames()).intrinsics
    np.testing.assert_allclose(camera.opencv_matrix(), CAMERA.opencv_matrix(), atol=1e-9)


def test_the_inner_folder_and_metadata_beside_it_open_too(folder: Path) -> None:
    inner = folder / "EXR_RGBD"
    assert record3d.sniff(inner)
    shutil.move(inner / "metadata.json", folder / "metadata.json")
    assert record3d.sniff(folder)
    assert len(record3d.read(folder).frames) == 4


def test_pictures_beyond_the_poses_have_none(folder: Path) -> None:
    poses = json.loads((folder / "EXR_RGBD" / "metadata.json").read_text())["poses"]
    change_metadata(folder, poses=poses[:3])
    raw = record3d.read(folder)
    assert [frame.pose is None for frame in raw.frames] == [False, False, False, True]
    assert "1 pictures have no pose in the metadata." in raw.notes


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"K": None}, "no K of nine"),
        ({"K": [1, 2, 3]}, "K are not rows of 9"),
        ({"K": "word"}, "K are not rows of 9"),
        ({"K": [float("nan")] * 9}, "not a camera"),
        ({"w": 0}, "does not say w"),
        ({"h": "tall"}, "does not say h"),
        ({"poses": [[1, 2]]}, "poses are not rows of 7"),
        ({"poses": [[1], [2, 3]]}, "poses are not rows of 7"),
    ],
)
def test_damaged_metadata_is_refused(folder: Path, changes: dict[str, Any], says: str) -> None:
    change_metadata(folder, **changes)
    with pytest.raises(BadInput, match=says):
        record3d.read(folder)


def test_metadata_that_is_no_json_is_refused(folder: Path) -> None:
    (folder / "EXR_RGBD" / "metadata.json").write_text('{"w": 14')
    with pytest.raises(BadInput, match="not valid JSON"):
        record3d.read(folder)


def test_poses_of_nan_are_left_out_by_the_recording(folder: Path) -> None:
    poses = json.loads((folder / "EXR_RGBD" / "metadata.json").read_text())["poses"]
    poses[1] = [float("nan")] * 7
    poses[2] = [0.0] * 7
    change_metadata(folder, poses=poses)
    with Recording(record3d.read(folder)) as recording:
        assert len(list(recording.frames())) == 2


def test_a_damaged_picture_spoils_one_frame(archive: Path) -> None:
    stream = zipfile.ZipFile(archive).read("rgbd/1.depth")
    copy = repacked(archive, {"rgbd/1.depth": stream[: len(stream) // 2], "rgbd/2.jpg": b"word"})
    with Recording(record3d.read(copy)) as recording:
        assert [frame.index for frame in recording.frames()] == [0, 3]


def test_a_stream_larger_than_the_stated_size_is_refused_before_it_is_unpacked(
    archive: Path,
) -> None:
    bomb = lzfse.compress(bytes(5_000_000))
    assert len(bomb) < 200_000
    raw = record3d.read(repacked(archive, {"rgbd/1.depth": bomb}))
    assert raw.frames[1].depth is not None
    with pytest.raises(BadFrame, match="not of the size"):
        raw.frames[1].depth()
    raw.close()


def test_an_entry_larger_than_its_picture_can_be_is_not_read(archive: Path) -> None:
    raw = record3d.read(repacked(archive, {"rgbd/1.depth": bytes(1_000_000)}))
    assert raw.frames[1].depth is not None
    with pytest.raises(BadFrame, match="larger than"):
        raw.frames[1].depth()
    raw.close()


def test_an_archive_without_metadata_or_pictures_is_refused(archive: Path) -> None:
    assert record3d.sniff(repacked(archive, {"metadata": None}))
    with pytest.raises(BadInput, match="has no metadata"):
        record3d.read(repacked(archive, {"metadata": None}))
    nothing = {f"rgbd/{n}.jpg": None for n in range(4)}
    with pytest.raises(BadInput, match="holds no pictures"):
        record3d.read(repacked(archive, nothing))


def test_a_folder_with_one_archive_is_that_archive(archive: Path) -> None:
    assert record3d.sniff(archive.parent)
    raw = record3d.read(archive.parent)
    assert (raw.layout, len(raw.frames)) == ("record3d-r3d", 4)
    raw.close()
    archive.with_name("second.r3d").write_bytes(archive.read_bytes())
    assert not record3d.sniff(archive.parent)


def test_a_cut_archive_is_refused(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[:5000])
    with pytest.raises(BadInput, match="cut off"):
        record3d.sniff(archive)
    with pytest.raises(BadInput, match="cut off"):
        record3d.read(archive)


def test_an_empty_archive_is_called_damaged_not_unknown(tmp_path: Path) -> None:
    (tmp_path / "walk.r3d").touch()
    assert record3d.sniff(tmp_path / "walk.r3d")
    with pytest.raises(BadInput, match="cut off"):
        record3d.read(tmp_path / "walk.r3d")
