from dataclasses import replace

import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.sources.recording import Recording
from engine.sources.trajectory import put_in_order, segments
from tests.sources.boxroom import look
from tests.sources.walk import recording, walk


def moved(poses: list[Pose], start: int, metres: float) -> list[Pose]:
    shift = Pose.from_parts(np.eye(3), (metres, 0, 0))
    return [pose if k < start else shift @ pose for k, pose in enumerate(poses)]


def tracks(
    poses: list[Pose], t_ns: list[int] | None = None, step_ns: int = 33_000_000
) -> list[int]:
    stamps = t_ns or [k * step_ns for k in range(len(poses))]
    return segments(np.array(stamps, np.int64), np.stack([p.matrix for p in poses]))


@pytest.mark.parametrize("step_ns", [1, 33_000_000, 500_000_000])
def test_a_walk_is_one_track(step_ns: int) -> None:
    assert set(tracks(walk(30), step_ns=step_ns)) == {0}


@pytest.mark.parametrize("step_ns", [1, 33_000_000])
def test_a_jump_starts_a_new_track(step_ns: int) -> None:
    found = tracks(moved(walk(30), 11, 1.5), step_ns=step_ns)
    assert found == [0] * 11 + [1] * 19


@pytest.mark.parametrize("step_ns", [1, 33_000_000])
def test_a_turn_in_no_time_starts_a_new_track(step_ns: int) -> None:
    poses = [look(0.02 * k + (2.0 if k >= 9 else 0.0), (0, 0, 1.0)) for k in range(20)]
    assert tracks(poses, step_ns=step_ns) == [0] * 9 + [1] * 11


def test_a_way_walked_while_the_clock_ran_is_no_jump() -> None:
    stamps = [k * 33_000_000 + (2_000_000_000 if k >= 11 else 0) for k in range(30)]
    assert set(tracks(moved(walk(30), 11, 1.5), stamps)) == {0}


def test_a_camera_at_rest_that_sets_off_is_one_track() -> None:
    poses = [walk()[0]] * 10 + moved(walk(20), 0, 0.0)
    assert set(tracks(poses)) == {0}


def test_two_stamps_close_together_are_no_jump() -> None:
    stamps = [k * 33_000_000 for k in range(30)]
    stamps[11] = stamps[10] + 1000
    assert set(tracks(walk(30), stamps)) == {0}


def test_every_jump_counts_once() -> None:
    poses = moved(moved(walk(40), 12, 2.0), 30, -2.0)
    assert tracks(poses)[-1] == 2


def test_the_recording_notes_the_split_and_numbers_its_frames() -> None:
    source = Recording(recording(moved(walk(12), 6, 0.9)))
    assert [frame.segment for frame in source.frames()] == [0] * 6 + [1] * 6
    assert any("split in 2" in note for note in source.describe().notes)


def test_frames_are_sorted_by_time() -> None:
    raw = recording()
    source = Recording(replace(raw, frames=raw.frames[::-1]))
    stamps = [frame.t_ns for frame in source.frames()]
    assert stamps == sorted(stamps)
    assert any("sorted" in note for note in source.describe().notes)


def test_a_repeated_stamp_drops_the_later_frame() -> None:
    raw = recording()
    frames = list(raw.frames)
    frames[5] = replace(frames[5], t_ns=frames[4].t_ns)
    source = Recording(replace(raw, frames=tuple(frames)))
    assert [frame.index for frame in source.frames()] == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11]
    assert source.skipped == {"time stamp used twice": 1}
    assert any(
        "1 frame was left out: time stamp used twice." in note for note in source.describe().notes
    )


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (None, "no pose"),
        (np.full((4, 4), np.nan), "pose not usable"),
        (np.full((4, 4), -np.inf), "pose not usable"),
        (np.diag([1.0, 1.0, 1.0, 1.0]) + 1e300 * np.eye(4, k=3), "pose not usable"),
        (np.diag([1.2, 1.2, 1.2, 1.0]), "pose not usable"),
        (np.diag([-1.0, 1.0, 1.0, 1.0]), "pose not usable"),
    ],
)
def test_frames_without_a_usable_pose_are_skipped(damage: np.ndarray | None, reason: str) -> None:
    raw = recording()
    frames = list(raw.frames)
    frames[3] = replace(frames[3], pose=damage)
    source = Recording(replace(raw, frames=tuple(frames)))
    assert len(list(source.frames())) == 11
    assert source.skipped == {reason: 1}


def test_a_recording_of_bad_poses_only_is_refused() -> None:
    raw = recording()
    frames = tuple(replace(frame, pose=np.full((4, 4), np.nan)) for frame in raw.frames)
    with pytest.raises(BadInput, match=r"None of the 12 poses of walk can be used.*NaN"):
        Recording(replace(raw, frames=frames))


def test_a_recording_without_poses_is_read_without() -> None:
    raw = recording()
    frames = tuple(replace(frame, pose=None) for frame in raw.frames)
    source = Recording(replace(raw, frames=frames))
    assert not source.describe().has_poses
    assert all(frame.T_world_cam is None for frame in source.frames())
    assert not source.skipped


def test_an_empty_recording_is_refused() -> None:
    with pytest.raises(BadInput, match="holds no frame"):
        put_in_order(replace(recording(), frames=()))


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("step_ns", [1, 33_000_000])
def test_the_shortest_recordings_open(count: int, step_ns: int) -> None:
    source = Recording(recording(walk(count), step_ns=step_ns))
    assert [frame.segment for frame in source.frames()] == [0] * count


def test_poses_beyond_the_earth_are_left_out() -> None:
    raw = recording()
    frames = list(raw.frames)
    far = np.array(frames[3].pose)
    far[0, 3] = 1.1e7
    frames[3] = replace(frames[3], pose=far)
    source = Recording(replace(raw, frames=tuple(frames)))
    assert source.skipped == {"pose not usable": 1}
    assert source.describe().details["track_frames"] == [11]
