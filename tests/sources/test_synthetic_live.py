"""A made-up room as a live camera: the clock decides which picture comes."""

import threading
import time
from collections import deque
from dataclasses import replace

import numpy as np
import pytest

from engine.core.faults import BadInput, Fault
from engine.sources.detect import open_source
from engine.sources.synthetic import SyntheticSource, parse_spec
from engine.sources.synthetic_live import NOT_DRAWN, LiveSynthetic

SMALL = "synthetic:room?seed=3&size=32x24&area=10&live=1"
WAIT_S = 20


class Clock:
    """Time that passes when someone sleeps."""

    def __init__(self):
        self.now_s = 100.0

    def sleep(self, seconds):
        # As with a real clock, some time passes however short the sleep.
        self.now_s += max(seconds, 1e-5)


class Album:
    """A world whose pictures are there at once, or only when it is allowed to draw."""

    def __init__(self, frames=4):
        self.spec = parse_spec(f"{SMALL}&frames={frames}")
        self.may_draw = threading.Event()
        self.drew = threading.Condition()
        self.calls = []
        self.error = None
        self._world = SyntheticSource(f"{SMALL}&frames={frames}")
        self._one = self._world.frame(0)

    def describe(self):
        return self._world.describe()

    def frame(self, index):
        if index:
            assert self.may_draw.wait(WAIT_S)
            if self.error:
                raise self.error
        with self.drew:
            self.calls.append(index)
            self.drew.notify_all()
        return replace(self._one, index=index, color=np.full((24, 32, 3), index, np.uint8))

    def all_drawn(self):
        self.may_draw.set()
        with self.drew:
            assert self.drew.wait_for(lambda: len(self.calls) == self.spec.frames, WAIT_S)

    def close(self):
        self.may_draw.set()


@pytest.fixture
def camera_of():
    before = set(threading.enumerate())
    made = []

    def make(album, clock):
        made.append(LiveSynthetic(album, lambda: clock.now_s, clock.sleep))
        return made[-1]

    yield make
    for camera in made:
        camera._world.close()
        camera.close()
    assert set(threading.enumerate()) == before


def shown(frame):
    return int(frame.color[0, 0, 0])


def test_the_walk_goes_to_and_fro_thirty_times_a_second(camera_of):
    album, clock = Album(frames=4), Clock()
    camera = camera_of(album, clock)
    frames = camera.frames()
    next(frames)
    album.all_drawn()
    until = time.monotonic() + WAIT_S
    while len(camera._drawn) < 4 and time.monotonic() < until:
        time.sleep(0.001)
    # From here on everything is drawn, so that every tick gives its picture.
    later = [next(frames) for _ in range(40)]
    start = later[0].index
    assert [f.index for f in later] == list(range(start, start + 40))
    order = [0, 1, 2, 3, 2, 1]
    assert [shown(f) for f in later] == [order[f.index % 6] for f in later]
    assert [f.t_ns for f in later] == [round(f.index / 30 * 1e9) for f in later]
    assert clock.now_s - 100 == pytest.approx(later[-1].index / 30, abs=1 / 30)
    assert sorted(album.calls) == [0, 1, 2, 3]


def test_what_is_not_drawn_in_time_is_left_out_and_counted(camera_of):
    album, clock = Album(frames=4), Clock()
    camera = camera_of(album, clock)
    frames = camera.frames()
    first = next(frames)
    # Only the first picture is drawn: it comes round every sixth tick.
    again = [next(frames) for _ in range(3)]
    assert [shown(f) for f in (first, *again)] == [0, 0, 0, 0]
    assert [f.index for f in again] == [6, 12, 18]
    assert camera.skipped == {NOT_DRAWN: 15}


def test_who_takes_long_finds_the_newest_picture(camera_of):
    album, clock = Album(frames=4), Clock()
    camera = camera_of(album, clock)
    frames = camera.frames()
    next(frames)
    album.all_drawn()
    before = next(frames).index
    clock.sleep(1.0)
    assert next(frames).index - before in (30, 31)


def test_closing_ends_the_walk_and_the_drawing(camera_of):
    album, clock = Album(frames=30), Clock()
    camera = camera_of(album, clock)
    frames = camera.frames()
    next(frames)
    album.may_draw.set()
    camera.close()
    assert list(frames) == []
    assert list(camera.frames()) == []
    assert 0 < len(album.calls) <= 30


def test_a_failure_while_drawing_reaches_whoever_reads(camera_of):
    album, clock = Album(frames=4), Clock()
    album.error = ValueError("no paint")
    camera = camera_of(album, clock)
    frames = camera.frames()
    next(frames)
    album.may_draw.set()
    with pytest.raises(Fault, match="no paint"):
        deque(frames, maxlen=0)


def test_the_practice_camera_is_opened_by_its_name():
    with open_source(f"{SMALL}&frames=3") as camera:
        info = camera.describe()
        assert (info.is_live, info.frame_count, info.name) == (True, None, "Practice camera")
        frames = camera.frames()
        frame = next(frames)
        assert frame.color.shape == (24, 32, 3)
        assert frame.T_world_cam == SyntheticSource(f"{SMALL}&frames=3").frame(0).T_world_cam


def test_it_walks_at_the_speed_of_a_person():
    world = SyntheticSource("synthetic:room?seed=3&live=1")
    assert (world.spec.frames, world.spec.rate_hz, world.spec.width) == (360, 30.0, 240)
    steps = [
        world.true_pose(i).distance_to(world.true_pose(i + 1))[0] * 30 for i in range(0, 359, 7)
    ]
    assert 0.1 < np.median(steps) < 1.0


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ("synthetic:room?live=2", "0 to 1"),
        ("synthetic:room?live=1&rate=10", "30 Hz"),
        ("synthetic:object?live=1", "live=1"),
        ("synthetic:room?live=1&frames=100000", "frames=887"),
    ],
)
def test_what_cannot_be_a_live_camera_is_refused(spec, word):
    with pytest.raises(BadInput, match=word):
        open_source(spec)
