import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput, Severity
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.volume import history as history_module
from engine.volume.history import FramesSettled, History

OFFSET = Pose.exp((0.01, -0.02, 0.005, 0.024, 0.001, -0.003))
WIDE, TALL = Intrinsics(512, 256, 300.0, 301.0, 250.0, 130.0), Intrinsics(256, 256, 1, 1, 1, 1)
MB = 2**20


def frame(index: int, color=False, confidence=False, camera=WIDE) -> Frame:
    """Return noise: half a megabyte of depth, as much confidence, 0.4 of colour at wide size."""
    rng = np.random.default_rng(index)
    shape = (camera.height, camera.width)
    return Frame(
        index,
        index * 100_000_000,
        camera,
        rng.integers(0, 256, (*shape, 3), np.uint8) if color else None,
        rng.random(shape, np.float32),
        camera,
        rng.random(shape, np.float32) if confidence else None,
        Pose.exp(rng.normal(size=6)),
        OFFSET,
        segment=index % 3,
    )


def assert_same(one: Frame | None, other: Frame) -> None:
    assert one is not None
    for name in Frame.__slots__:
        ours, theirs = getattr(one, name), getattr(other, name)
        if isinstance(theirs, np.ndarray):
            assert ours.dtype == theirs.dtype
            assert ours.shape == theirs.shape
            assert ours.tobytes() == theirs.tobytes()
            assert not ours.flags.writeable
        else:
            assert ours == theirs


@pytest.fixture
def history(tmp_path):
    made = History(1, 1000, tmp_path)
    yield made
    made.close()


@pytest.fixture
def tiny(tmp_path):
    """Two frames of depth fit in memory and three on disk."""
    made = History(1, 0, tmp_path)
    made._disk_limit = 3 * MB // 2
    yield made
    made.close()


def test_frames_come_back_to_the_bit_from_memory_and_from_disk(history):
    strange = np.full((256, 512), np.nan, np.float32)
    strange.view(np.uint32)[0, :4] = (0x7FC12345, 0x80000000, 1, 0xFF800000)
    turned = np.asfortranarray(frame(7).depth_m)
    frames = [
        frame(0, color=True, confidence=True),
        frame(1),
        replace(frame(2, color=True), depth_m=strange),
        frame(3, confidence=True, camera=TALL),
        replace(frame(4, color=True), depth_intrinsics=None, depth_m=None, T_world_cam=None),
        replace(frame(5), depth_m=turned),
        *(frame(i) for i in range(6, 9)),
    ]
    for each in frames:
        assert history.keep(each) is None
    assert history.used_mb <= 1
    assert history.on_disk_mb > 3
    assert history.indices() == list(range(9))
    for each in frames:
        assert_same(history.frame(each.index), each)
    assert history.settled == 0


def test_nothing_goes_to_disk_while_memory_lasts(tiny, tmp_path):
    tiny.keep(frame(0))
    tiny.keep(frame(1))
    assert (tiny.used_mb, tiny.on_disk_mb) == (1, 0)
    assert tiny._file is None


def test_the_oldest_frames_beyond_both_budgets_settle(tiny):
    for i in range(8):
        assert tiny.keep(frame(i)) is None  # as planned: no fault
    assert tiny.indices() == [3, 4, 5, 6, 7]
    assert tiny.settled == 3
    assert tiny.settled_since(0) == [1, 2]
    assert tiny.is_settled(0)
    assert not tiny.is_settled(3)
    assert tiny.frame(0) is None
    assert tiny.on_disk_mb == 1.5
    assert os.fstat(tiny._file.fileno()).st_size == 3 * MB // 2
    for i in tiny.indices():
        assert_same(tiny.frame(i), frame(i))


def test_a_quarter_of_the_free_disk_is_the_most(tmp_path, monkeypatch):
    history = History(0, 1000, tmp_path)
    total = 8 * MB

    def usage(folder):
        assert folder == tmp_path
        free = total - (os.fstat(history._file.fileno()).st_size if history._file else 0)
        return history_module.shutil._ntuple_diskusage(total, total - free, free)

    monkeypatch.setattr(history_module.shutil, "disk_usage", usage)
    for i in range(20):
        assert history.keep(frame(i)) is None
    assert history.on_disk_mb == 2
    assert history.indices() == [16, 17, 18, 19]
    # Others took what was left: what is there stays, but grows no more.
    total = 2 * MB
    history.keep(frame(20))
    assert history.on_disk_mb == 2
    assert history.indices() == [17, 18, 19, 20]
    history.close()


def test_without_disk_frames_beyond_memory_settle_in_silence(tmp_path):
    history = History(1, 0, tmp_path)
    for i in range(4):
        assert history.keep(frame(i)) is None
    assert history.indices() == [2, 3]
    assert history.settled == 2
    assert history._file is None


def test_places_of_another_size_are_used_again(tiny):
    for i in range(5):
        tiny.keep(frame(i))  # fills the file with places of half a megabyte
    for i in range(5, 20):
        tiny.keep(frame(i, color=True, confidence=True))
    assert tiny.on_disk_mb <= 1.5
    assert tiny.indices() == [19]  # 1.4 MB: too large for memory, and alone on disk
    assert_same(tiny.frame(19), frame(19, color=True, confidence=True))
    assert tiny.settled == 19


def test_a_new_pose_comes_back_with_the_old_pictures(history):
    for i in range(5):
        history.keep(frame(i))
    assert history.on_disk_mb > 0
    moved = Pose.exp((0.1, 0.2, 0.3, 1, 2, 3))
    for i in (0, 4):  # on disk, in memory
        history.replace_pose(i, moved)
        assert_same(history.frame(i), replace(frame(i), T_world_cam=moved))
    with pytest.raises(BadInput, match="Frame 9 is not among"):
        history.replace_pose(9, moved)


def test_removed_frames_are_gone_and_their_room_is_used_again(tiny):
    for i in range(5):
        tiny.keep(frame(i))
    for i in (1, 4):  # on disk, in memory
        tiny.remove(i)
        assert tiny.frame(i) is None
        assert i not in tiny
        with pytest.raises(BadInput, match="not among"):
            tiny.remove(i)
    assert tiny.used_mb == 0.5
    for i in (5, 6):
        tiny.keep(frame(i))
    assert tiny.indices() == [0, 2, 3, 5, 6]
    assert tiny.settled == 0
    tiny.keep(frame(1))  # it left, so it may come again
    assert_same(tiny.frame(1), frame(1))


def test_a_frame_cannot_be_kept_twice(tiny):
    for i in range(6):
        tiny.keep(frame(i))
    assert tiny.is_settled(0)
    for i in (0, 1, 5):  # settled, on disk, in memory
        with pytest.raises(BadInput, match=f"Frame {i} was fused already"):
            tiny.keep(frame(i))
    assert tiny.indices() == [1, 2, 3, 4, 5]


def test_frames_newer_than_a_moment(history):
    for i in range(5):
        history.keep(frame(i))
    assert history.since(200_000_000) == [3, 4]
    assert history.since(-1) == [0, 1, 2, 3, 4]
    assert history.t_ns(0) == 0
    assert history.t_ns(4) == 400_000_000
    with pytest.raises(BadInput, match="not among"):
        history.t_ns(5)


class FullFile:
    """Stands in for a file on a disk with room for so many bytes more."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        if self.room == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = bytes(data[: min(self.room, 100_000)])  # takes only some at a time
        self.room -= len(part)
        return self.file.write(part)

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_a_disk_that_fills_up_is_told_once_and_the_scan_goes_on(history):
    for i in range(4):
        history.keep(frame(i))
    history._file = FullFile(history._file, 3 * MB // 4)
    faults = [history.keep(frame(i)) for i in range(4, 8)]
    assert [fault is not None for fault in faults] == [False, True, False, False]
    assert faults[1].severity is Severity.DEGRADE
    assert "No space left" in faults[1].says
    assert "Free space" in faults[1].remedy
    assert history.settled_since(-1) == [3, 4, 5]
    history._file.room = 10 * MB
    for i in range(8, 12):
        assert history.keep(frame(i)) is None
    assert history.indices() == [0, 1, 2, *range(6, 12)]
    assert history.on_disk_mb == 3.5  # seven frames: places that failed are used again
    for i in history.indices():
        assert_same(history.frame(i), frame(i))


def test_a_folder_that_is_gone_is_told_once(tmp_path):
    history = History(1, 1000, tmp_path / "nowhere")
    faults = [history.keep(frame(i)) for i in range(5)]
    assert [fault is not None for fault in faults] == [False, False, True, False, False]
    assert "No such file" in str(faults[2])
    assert history.indices() == [3, 4]
    assert history.settled == 3


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_file_that_cannot_be_read_settles_the_frame(history, damage):
    for i in range(6):
        history.keep(frame(i))
    if damage == "cut":
        os.ftruncate(history._file.fileno(), MB + 7)
    else:
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), history._file.fileno())
    lost = 2 if damage == "cut" else 0
    with pytest.raises(FramesSettled, match=f"frame {lost} cannot be read back") as caught:
        history.frame(lost)
    assert caught.value.remedy
    assert history.frame(lost) is None
    assert history.is_settled(lost)
    assert_same(history.frame(5), frame(5))
    history.close()


def test_closing_leaves_no_file_and_no_handle(tmp_path):
    def handles():
        return psutil.Process().num_fds() if os.name == "posix" else 0

    before = handles()
    for _ in range(20):
        history = History(0, 1000, tmp_path)
        history.keep(frame(0))
        assert history.on_disk_mb == 0.5
        history.close()
        history.close()
    assert handles() == before
    assert list(tmp_path.iterdir()) == []
    assert history.indices() == []
    assert (history.settled, history.used_mb, history.on_disk_mb) == (0, 0, 0)


SMALL = [frame(i, color=i % 2 == 0, confidence=i % 3 == 0, camera=TALL) for i in range(24)]


class HistoryIsADict(RuleBasedStateMachine):
    """Whatever is done, what is kept is what a dict would hold, less the oldest, which settle."""

    def __init__(self):
        super().__init__()
        self.history = History(1, 2)
        self.model, self.settled = {}, set()

    numbers = st.integers(0, len(SMALL) - 1)

    @rule(number=numbers)
    def keep(self, number):
        if number in self.model or number in self.settled:
            with pytest.raises(BadInput):
                self.history.keep(SMALL[number])
            return
        assert self.history.keep(SMALL[number]) is None
        self.model[number] = SMALL[number]
        gone = [n for n in self.model if self.history.is_settled(n)]
        assert gone == list(self.model)[: len(gone)]
        for n in gone:
            del self.model[n]
            self.settled.add(n)

    @rule(number=numbers)
    def remove(self, number):
        if number in self.model:
            self.history.remove(number)
            del self.model[number]

    @rule(number=numbers, twist=st.tuples(*[st.floats(-1, 1)] * 6))
    def move(self, number, twist):
        if number in self.model:
            self.history.replace_pose(number, Pose.exp(twist))
            self.model[number] = replace(self.model[number], T_world_cam=Pose.exp(twist))

    @rule(number=numbers)
    def look(self, number):
        if number in self.model:
            assert_same(self.history.frame(number), self.model[number])
        else:
            assert self.history.frame(number) is None

    @invariant()
    def budgets_hold(self):
        assert self.history.indices() == sorted(self.model)
        assert self.history.settled == len(self.settled)
        assert self.history.used_mb <= 1
        assert self.history.on_disk_mb <= 2

    def teardown(self):
        try:
            for number, kept in self.model.items():
                assert_same(self.history.frame(number), kept)
        finally:
            self.history.close()


TestHistory = HistoryIsADict.TestCase
TestHistory.settings = settings(max_examples=20, stateful_step_count=40, deadline=None)
