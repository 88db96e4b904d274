import math
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput, Severity
from engine.core.frames import Frame, PoseUpdate
from engine.core.grid import unpack
from engine.core.poses import Pose
from engine.core.settings import VolumeSettings
from engine.volume import moves as moves_module
from engine.volume.history import History
from engine.volume.moves import Moves, Taken
from engine.volume.pool import Pool
from engine.volume.volume import Volume
from tests.scenes import ball_and_wall
from tests.volume.test_volume import contents

CAMERA = Intrinsics(80, 60, 70.0, 70.0, 40.0, 30.0)
SMALL = VolumeSettings(voxel_m=0.04, memory_mb=64)
FAR = Pose.exp((0.1, 0, 0, 30, 0, 0))


def turn_round(count: int) -> list[Frame]:
    return [ball_and_wall(i, a, CAMERA) for i, a in enumerate(np.linspace(-1, 1, count))]


FRAMES = turn_round(8)


def elsewhere(frame: Frame, *twist: float) -> Frame:
    assert frame.T_world_cam is not None
    return replace(frame, T_world_cam=Pose.exp(twist) @ frame.T_world_cam)


def built(frames: list[Frame], settings: VolumeSettings = SMALL) -> Volume:
    volume = Volume(settings)
    for frame in frames:
        volume.add(frame)
    return volume


class Log:
    """Stands in for keyframes and remembers what it was told."""

    def __init__(self):
        self.told = []

    def move(self, index, T_world_cam):
        self.told.append((index, T_world_cam))

    def drop(self, index):
        self.told.append((index, None))


class Scan:
    """A volume with its history and moves, as whoever runs a scan holds them."""

    def __init__(self, folder=None, memory_mb=16, settings=SMALL):
        self.volume = Volume(settings)
        self.history = History(memory_mb, 100, folder)
        self.keyframes = Log()
        self.moves = Moves(self.volume, self.history, self.keyframes)

    def add(self, *frames):
        for frame in frames:
            self.volume.add(frame)
            assert self.history.keep(frame) is None

    def finish(self):
        self.moves.work(math.inf)
        assert self.moves.waiting == 0
        assert self.moves.take_faults() == []

    def assert_is(self, frames):
        assert contents(self.volume) == contents(built(frames, self.volume_settings()))
        assert sorted(self.volume.frames) == self.history.indices() == [f.index for f in frames]

    def volume_settings(self):
        return VolumeSettings(voxel_m=self.volume.grid.voxel_m, memory_mb=64)

    def close(self):
        self.history.close()
        self.volume.close()


@pytest.fixture
def new_scan(tmp_path):
    """Return what makes a scan that is closed after the test."""
    made = []

    def make(**options):
        made.append(Scan(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def scan(new_scan):
    return new_scan()


def right(frames):
    return {frame.index: frame.T_world_cam for frame in frames}


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_after_any_moves_the_volume_is_the_one_built_right(data):
    with closing(Scan(memory_mb=0)) as scan:  # every frame comes back from disk
        drift = st.tuples(*[st.floats(-0.2, 0.2)] * 6)
        gone = data.draw(st.sets(st.integers(0, 7), max_size=3))
        later = data.draw(st.integers(1, 7))
        for frame in FRAMES[:later]:
            scan.add(elsewhere(frame, *data.draw(drift)))
        for frame in FRAMES[later:]:
            wrong = {i: Pose.exp(data.draw(drift)) for i in data.draw(st.sets(st.integers(0, 7)))}
            scan.moves.take(PoseUpdate(wrong, "a loop that was none"))
            scan.moves.work(0)
            scan.add(elsewhere(frame, *data.draw(drift)))
            scan.moves.work(0)
        order = data.draw(st.permutations(range(8)))
        final = {i: None if i in gone else FRAMES[i].T_world_cam for i in order}
        assert scan.moves.take(PoseUpdate(final, "right at last")) == Taken(8, (), ())
        scan.finish()
        scan.assert_is([frame for frame in FRAMES if frame.index not in gone])


def crossings(volume: Volume, x: float, z: float) -> int:
    """Return how often space turns from free to solid along +y."""
    voxel = volume.grid.voxel_m
    keys = volume.pool.keys()
    slots = volume.slots(keys)
    column, values = [], []
    for cell, slot in zip(unpack(keys).tolist(), slots.tolist(), strict=True):
        i, k = round(x / voxel) - 16 * cell[0], round(z / voxel) - 16 * cell[2]
        if 0 <= i < 16 and 0 <= k < 16:
            seen = volume.layers.weight[slot][i, :, k] > 0
            column += (16 * cell[1] + np.flatnonzero(seen)).tolist()
            values += volume.layers.tsdf[slot][i, :, k][seen].tolist()
    signs = np.sign(np.array(values)[np.argsort(column)])
    return int(((signs[:-1] > 0) & (signs[1:] <= 0)).sum())


def wall(index: int, forward_m: float) -> Frame:
    """Return the plane y = 2.007 seen head on, by a camera misplaced by `forward_m` along y."""
    T = Pose.from_parts(np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]), (0.1 * index, forward_m, 0))
    return Frame(index, index, CAMERA, None, np.full((60, 80), 2.007, np.float32), CAMERA, None, T)


def test_a_double_wall_becomes_one(new_scan):
    scan = new_scan(settings=VolumeSettings(voxel_m=0.02, memory_mb=64))
    places = [(x, z) for x in (-0.2, 0, 0.3) for z in (-0.2, 0.1, 0.24)]
    scan.add(*[wall(i, 0.1 * (i % 2)) for i in range(6)])
    assert {crossings(scan.volume, x, z) for x, z in places} == {2}
    corrected = [wall(i, 0) for i in range(6)]
    scan.moves.take(PoseUpdate(right(corrected[1::2]), "loop closed"))
    scan.finish()
    assert {crossings(scan.volume, x, z) for x, z in places} == {1}
    scan.assert_is(corrected)


def test_undo_equals_never_having_added(scan):
    scan.add(*FRAMES)  # a frame each 33 ms
    assert scan.moves.undo(0.08) == 3
    scan.finish()
    scan.assert_is(FRAMES[:5])
    assert scan.keyframes.told == [(5, None), (6, None), (7, None)]
    scan.add(FRAMES[6])  # seen again
    scan.assert_is([*FRAMES[:5], FRAMES[6]])


def test_undoing_twice_goes_back_twice_as_far(scan):
    scan.add(*FRAMES)
    scan.moves.take(PoseUpdate({7: FAR, 2: FAR}, "moved"))
    assert scan.moves.undo(0.05) == 2
    assert scan.moves.undo(0.05) == 2
    assert scan.moves.waiting == 5
    scan.finish()
    scan.assert_is([*FRAMES[:2], replace(FRAMES[2], T_world_cam=FAR), FRAMES[3]])
    assert scan.moves.undo(1000) == 4
    assert scan.moves.undo(1000) == 0
    scan.finish()
    assert scan.volume.pool.resident == 0
    assert scan.moves.undo(1) == 0


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf])
def test_only_a_positive_time_can_be_undone(scan, seconds):
    scan.add(FRAMES[0])
    with pytest.raises(BadInput, match="cannot be undone"):
        scan.moves.undo(seconds)
    assert scan.moves.waiting == 0


def test_later_updates_replace_waiting_ones(scan):
    scan.add(*[elsewhere(frame, 0, 0, 0.1, 0.1, 0, 0) for frame in FRAMES[:3]])
    scan.moves.take(PoseUpdate({0: FAR, 1: FAR, 2: FAR}, "first"))
    scan.moves.take(PoseUpdate(right(FRAMES[1:3]), "second"))
    assert scan.moves.waiting == 3
    assert scan.moves.work(math.inf) == 3
    scan.assert_is([replace(FRAMES[0], T_world_cam=FAR), *FRAMES[1:3]])
    assert scan.keyframes.told == [(0, FAR), *right(FRAMES[1:3]).items()]


def test_what_leaves_is_not_called_back(scan):
    scan.add(*FRAMES[:2])
    scan.moves.undo(0.01)
    assert scan.moves.take(PoseUpdate({0: FAR, 1: FAR}, "loop")) == Taken(1, (), (1,))
    scan.finish()
    assert scan.moves.take(PoseUpdate({1: FAR}, "loop")) == Taken(0, (), (1,))
    scan.assert_is([replace(FRAMES[0], T_world_cam=FAR)])


def test_a_pose_that_is_the_present_one_costs_nothing(scan, monkeypatch):
    scan.add(*FRAMES[:2])
    monkeypatch.setattr(Volume, "subtract", None)
    scan.moves.take(PoseUpdate(right(FRAMES[:2]), "nothing new"))
    scan.finish()
    assert scan.keyframes.told == []


@pytest.mark.parametrize("number", [math.nan, math.inf, 1.5, -1])
def test_one_pose_that_is_none_refuses_the_whole_update(scan, number):
    scan.add(*FRAMES[:3])
    scan.moves.take(PoseUpdate({0: FAR}, "before"))
    bad = np.eye(4)
    bad[0, 0] = number
    with pytest.raises(BadInput, match="new pose of frame 2 holds NaN or is not rigid"):
        scan.moves.take(PoseUpdate({1: FAR, 2: Pose(bad), 0: None}, "bad"))
    scan.finish()
    scan.assert_is([replace(FRAMES[0], T_world_cam=FAR), *FRAMES[1:3]])


def test_settled_and_unknown_frames_are_counted_and_named(new_scan):
    scan = new_scan()
    scan.history._memory_limit, scan.history._disk_limit = 40_000, 70_000  # a frame has 33,600
    scan.add(*FRAMES)
    assert scan.history.indices() == [5, 6, 7]
    taken = scan.moves.take(PoseUpdate(dict.fromkeys((9, 7, 4, 0, 1, 2, 3), FAR), "loop"))
    assert taken == Taken(1, (4, 0, 1, 2, 3), (9,))
    assert scan.moves.undo(0.15) == 3
    (fault,) = scan.moves.take_faults()
    assert fault.says == "Fused too long ago to be moved: frames 0, 1, 2, 3, 4."
    assert fault.severity is Severity.DEGRADE
    assert scan.moves.take_faults() == []
    scan.finish()
    assert sorted(scan.volume.frames) == [0, 1, 2, 3, 4]


def test_frames_that_settle_or_are_lost_by_the_disk_while_waiting_stay(new_scan):
    scan = new_scan()
    scan.history._memory_limit, scan.history._disk_limit = 40_000, 70_000
    scan.add(*FRAMES[:3])
    scan.moves.take(PoseUpdate({0: FAR, 1: FAR, 2: FAR}, "loop"))
    scan.add(FRAMES[3])  # sends 2 away and settles nothing; the next settles 0
    scan.add(FRAMES[4])
    scan.history._file.truncate(0)
    scan.history.keep(replace(FRAMES[5], depth_m=None, color=None))
    assert scan.moves.work(math.inf) == 3
    said = [fault.says for fault in scan.moves.take_faults()]
    assert said[0] == "Fused too long ago to be moved: frames 0, 1."
    assert said[1].startswith("Not moved, because they cannot be read back: frame 2. ")
    assert contents(scan.volume) == contents(built(FRAMES[:5]))
    assert scan.keyframes.told == []


def full(self):
    raise OSError(28, "No space left on device")


def test_a_frame_that_finds_no_room_leaves_as_a_whole(scan, monkeypatch):
    scan.add(*FRAMES)
    scan.volume.pool.capacity = scan.volume.pool.resident
    monkeypatch.setattr(Pool, "_file", full)
    moved = elsewhere(FRAMES[2], 0, 0, 0, 0.001, 0, 0)
    scan.moves.take(PoseUpdate({1: FAR, 2: moved.T_world_cam}, "loop"))
    assert scan.moves.work(math.inf) == 2
    (fault,) = scan.moves.take_faults()
    assert fault.says.startswith(
        "Left out of the scan, for lack of room at the new place: frame 1."
    )
    assert "No space left on device" in fault.says
    assert fault.remedy
    scan.assert_is([FRAMES[0], moved, *FRAMES[3:]])
    assert scan.keyframes.told == [(1, None), (2, moved.T_world_cam)]
    monkeypatch.undo()
    scan.volume.pool.capacity = 300
    scan.add(FRAMES[1])  # seen again once there is room
    scan.assert_is([FRAMES[0], FRAMES[1], moved, *FRAMES[3:]])


def test_a_frame_that_cannot_be_taken_out_stays_as_a_whole(scan, monkeypatch):
    monkeypatch.setattr("engine.volume.pool.EVICT_AT_ONCE", 4)
    scan.add(FRAMES[0])
    scan.volume.pool.capacity = scan.volume.pool.resident + 30
    scan.add(elsewhere(FRAMES[1], *FAR.log()))
    assert scan.volume.pool.spilled > 0
    before = scan.volume.pool.keys().tolist()
    monkeypatch.setattr(Pool, "_file", full)
    scan.moves.take(PoseUpdate({0: FAR}, "loop"))
    assert scan.moves.work(math.inf) == 1
    (fault,) = scan.moves.take_faults()
    assert fault.says.startswith("Not moved, for lack of room: frame 0.")
    assert scan.moves.waiting == 0
    assert scan.volume.pool.keys().tolist() == before
    assert scan.keyframes.told == []
    # The disk is well again, so the same move works.
    monkeypatch.undo()
    scan.volume.pool.capacity = 300
    scan.moves.take(PoseUpdate({0: FAR, 1: None}, "loop"))
    scan.finish()
    scan.assert_is([replace(FRAMES[0], T_world_cam=FAR)])


def test_a_crash_leaves_no_frame_half(scan, monkeypatch):
    scan.add(*FRAMES[:3])

    def crash(self, frame):
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Volume, "add", crash)
        scan.moves.take(PoseUpdate({1: FAR, 2: FAR}, "loop"))
        with pytest.raises(MemoryError):
            scan.moves.work(math.inf)
    scan.assert_is([FRAMES[0], FRAMES[2]])
    assert scan.keyframes.told == [(1, None)]
    assert scan.moves.waiting == 1
    scan.finish()
    scan.assert_is([FRAMES[0], replace(FRAMES[2], T_world_cam=FAR)])


def test_work_ends_before_the_frame_that_would_pass_the_budget(scan, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(moves_module.time, "perf_counter", lambda: now[0])
    subtract = Volume.subtract

    def slow(volume, frame):
        now[0] += 0.005
        return subtract(volume, frame)

    monkeypatch.setattr(Volume, "subtract", slow)
    scan.add(*FRAMES)
    scan.moves.take(PoseUpdate(dict.fromkeys(range(8), FAR), "loop"))
    assert scan.moves.work(0.0175) == 3
    assert scan.moves.work(0) == 1
    assert scan.moves.waiting == 4
    assert scan.moves.work(1) == 4
    assert scan.moves.work(1) == 0
