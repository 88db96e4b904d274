from dataclasses import replace

import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame, BadInput
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.sources.raw import RawFrame, RawRecording
from engine.sources.recording import Recording
from tests.sources.boxroom import depth_in_box
from tests.sources.walk import SMALL, recording, still, walk


def with_frames(raw: RawRecording, **changes: object) -> RawRecording:
    return replace(raw, frames=tuple(replace(frame, **changes) for frame in raw.frames))


def with_frame(raw: RawRecording, at: int, **changes: object) -> RawRecording:
    frames = list(raw.frames)
    frames[at] = replace(frames[at], **changes)
    return replace(raw, frames=tuple(frames))


def broken() -> np.ndarray:
    raise BadFrame("The picture x.png is cut off.")


def test_frames_carry_what_the_file_holds() -> None:
    with Recording(recording()) as source:
        info = source.describe()
        frames = list(source.frames())
    assert (info.frame_count, info.has_color, info.has_depth, info.has_poses) == (
        12,
        True,
        True,
        True,
    )
    assert info.color_camera == info.depth_camera == SMALL
    for frame, pose in zip(frames, walk(), strict=True):
        np.testing.assert_allclose(frame.T_world_cam.matrix, pose.matrix, atol=1e-9)
        np.testing.assert_allclose(frame.depth_m, depth_in_box(SMALL, pose))
        assert not frame.depth_m.flags.writeable
    assert [frame.index for frame in frames] == list(range(12))


def test_frames_can_be_read_again() -> None:
    source = Recording(recording())
    assert len(list(source.frames())) == len(list(source.frames())) == 12


def test_intrinsics_follow_the_size_found() -> None:
    stated = SMALL.scaled_to(1600, 1200)
    frame = next(Recording(with_frames(recording(), color_camera=stated)).frames())
    assert frame.intrinsics == frame.depth_intrinsics == SMALL


def test_registered_depth_of_a_smaller_size_shares_the_view() -> None:
    small = SMALL.scaled_to(80, 60)
    raw = recording()
    frames = tuple(
        replace(frame, depth=still(depth_in_box(small, pose)))
        for frame, pose in zip(raw.frames, walk(), strict=True)
    )
    source = Recording(replace(raw, frames=frames))
    assert "as declared: depth" in source.describe().convention
    assert next(source.frames()).depth_intrinsics == small


def test_depth_of_another_shape_is_skipped_and_counted() -> None:
    other = still(np.ones((120, 120), np.float32))
    source = Recording(with_frame(recording(), 2, depth=other))
    assert [frame.index for frame in source.frames()] == [0, 1, *range(3, 12)]
    assert source.skipped == {"picture not usable": 1}


def test_when_every_depth_has_another_shape_the_recording_is_refused() -> None:
    other = still(np.ones((120, 120), np.float32))
    with pytest.raises(BadInput, match=r"No frame of walk can be used. A depth picture of 120x120"):
        Recording(with_frames(recording(), depth=other))


def test_unreadable_pictures_are_skipped_and_counted_anew_each_time() -> None:
    source = Recording(with_frame(with_frame(recording(), 0, color=broken), 7, depth=broken))
    for _ in range(2):
        assert len(list(source.frames())) == 10
        assert source.skipped == {"picture not usable": 2}


def test_a_recording_without_a_readable_picture_is_refused_and_closed() -> None:
    closed = []
    raw = replace(with_frames(recording(), color=broken), close=lambda: closed.append(True))
    with pytest.raises(
        BadInput, match=r"No frame of walk can be used. The picture x.png is cut off."
    ):
        Recording(raw)
    assert closed


def test_depth_without_a_single_measurement_is_refused() -> None:
    empty = still(np.zeros((120, 160), np.float32))
    with pytest.raises(BadInput, match="None of the 12 depth pictures of walk holds a measurement"):
        Recording(with_frames(recording(), depth=empty))


def test_one_empty_depth_picture_is_no_fault() -> None:
    empty = still(np.zeros((120, 160), np.float32))
    frames = list(Recording(with_frame(recording(), 0, depth=empty)).frames())
    assert len(frames) == 12
    assert not frames[0].depth_m.any()


def test_nan_infinity_and_negative_depth_become_unknown() -> None:
    picture = np.full((120, 160), 1.5, np.float32)
    picture[0, :4] = np.nan, np.inf, -np.inf, -1.0
    frame = next(Recording(with_frame(recording(), 0, depth=still(picture))).frames())
    assert not frame.depth_m[0, :4].any()
    assert (frame.depth_m[1:] == 1.5).all()


def test_a_stated_calibration_places_the_depth_camera() -> None:
    tof = Intrinsics(100, 80, 90.0, 90.0, 50.0, 40.0)
    offset = Pose.from_parts(np.eye(3), (0.03, 0.0, 0.01))
    raw = recording()
    frames = tuple(
        replace(
            frame,
            depth=still(depth_in_box(tof, pose @ offset)),
            depth_camera=tof,
            T_cam_depth=offset,
        )
        for frame, pose in zip(raw.frames, walk(), strict=True)
    )
    source = Recording(replace(raw, frames=frames))
    assert source.describe().depth_camera == tof
    assert source.describe().details["c2w_cv_error"] < 0.005
    for frame in source.frames():
        assert frame.T_cam_depth == offset


def test_a_pose_of_its_own_places_the_depth_camera() -> None:
    raw = recording()
    offset = Pose.exp((0.02, -0.01, 0.03, 0.05, 0.0, 0.01))
    frames = tuple(
        replace(
            frame, pose=(pose @ offset.inverse).matrix, depth_pose=pose.matrix, depth_camera=SMALL
        )
        for frame, pose in zip(raw.frames, walk(), strict=True)
    )
    for frame, pose in zip(Recording(replace(raw, frames=frames)).frames(), walk(), strict=True):
        np.testing.assert_allclose(frame.T_cam_depth.matrix, offset.matrix, atol=1e-9)
        np.testing.assert_allclose(frame.T_world_depth.matrix, pose.matrix, atol=1e-9)


def test_without_colour_the_depth_camera_is_the_camera() -> None:
    offset = Pose.from_parts(np.eye(3), (0.03, 0.0, 0.01))
    raw = with_frames(recording(has_color=False), T_cam_depth=offset)
    frame = next(Recording(raw).frames())
    assert frame.color is None
    assert frame.intrinsics == SMALL
    assert frame.T_cam_depth == Pose.identity()
    np.testing.assert_allclose(frame.T_world_cam.matrix, (walk()[0] @ offset).matrix, atol=1e-9)


def test_a_bent_lens_is_straightened_for_colour_depth_and_confidence() -> None:
    bent = replace(SMALL, distortion=(0.2, -0.3, 0.0, 0.0))
    sure = still(np.ones((120, 160), np.float32))
    raw = with_frames(recording(), color_camera=bent, confidence=sure)
    frame: Frame = next(Recording(raw).frames())
    assert frame.intrinsics == frame.depth_intrinsics == SMALL
    original = raw.frames[0]
    assert (frame.depth_m != original.depth()).any()
    # Where the bent picture has no pixel there is no colour, no depth and no confidence.
    assert not frame.depth_m[frame.confidence == 0].any()


def test_confidence_of_another_size_is_refused() -> None:
    wrong = still(np.ones((60, 80), np.float32))
    with pytest.raises(BadInput, match="confidence picture"):
        Recording(with_frames(recording(), confidence=wrong))


def test_a_picture_without_intrinsics_is_refused() -> None:
    with pytest.raises(BadInput, match="has no intrinsics"):
        Recording(with_frames(recording(), color_camera=None))


def test_a_frame_of_nothing_is_skipped() -> None:
    nothing = RawFrame(t_ns=10**12, name="last", pose=walk()[11].matrix)
    raw = recording()
    source = Recording(replace(raw, frames=(*raw.frames, nothing)))
    assert len(list(source.frames())) == 12
    assert source.skipped == {"picture not usable": 1}
