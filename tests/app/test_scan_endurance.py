"""Many scans, begun and ended in every way: nothing stays behind, nothing hangs."""

import contextlib
import gc
import pickle
import random
import threading
import time
import tracemalloc

import psutil
import pytest

from app.fuser import NotNow
from app.scan import ScanController
from engine.archive.journal import ArchiveWriter
from engine.core.faults import CannotWrite
from engine.core.frames import PoseUpdate
from engine.core.news import ScanState
from engine.runtime import channels
from tests.app.fakes import FakeSource, Unplugged
from tests.app.helped import HelpedFuser, PlainRecorder
from tests.app.viewer import FINAL, WAIT_S, Viewer

CYCLES, WARM_UP = 100, 20
# Seen: 44 kB. One kept frame a cycle would be two megabytes.
GROWTH_LIMIT_BYTES = 200_000


class SmallFuser(HelpedFuser):
    reach_cells = 1.0


def crash(at):
    def before(item):
        if getattr(item, "index", None) == at:
            raise ZeroDivisionError("oops")

    return before


def one_scan(number, folder):
    """Run a scan that ends in one of many ways, with all threads it can have."""
    source = FakeSource(count=4 + number % 3, is_live=number % 2 == 0)
    way = number % 5
    fuser = SmallFuser(
        before_think=crash(1) if way == 3 else lambda message: None,
        before_add=crash(2) if way == 4 else lambda frame: None,
    )
    recorder = ArchiveWriter(folder / f"{number}")
    scan = ScanController(source, lambda info: fuser, recorder=recorder)
    if way == 0:
        scan.abort()
        return scan.state
    scan.start()
    if way == 1:
        assert scan.abort() == ()
        return scan.state
    if way == 2:
        try:
            scan.pause()
            scan.undo(1.0)
            scan.finish()
        except NotNow:
            assert scan.state in (ScanState.FINISHING, ScanState.DONE)
    Viewer(scan).until_over()
    assert scan.abort() == ()
    return scan.state


def test_a_hundred_scans_leave_nothing_behind(tmp_path, monkeypatch):
    # Records of what was logged are kept for the report of a failing test, with all they point to.
    monkeypatch.setattr("app.scan.log.disabled", True)
    me = psutil.Process()
    ends = [one_scan(number, tmp_path) for number in range(WARM_UP)]
    gc.collect()
    threads, handles = set(threading.enumerate()), me.num_fds()
    tracemalloc.start()
    try:
        one_scan(WARM_UP, tmp_path)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        numbers = range(WARM_UP + 1, WARM_UP + 1 + CYCLES)
        ends += [one_scan(number, tmp_path) for number in numbers]
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert set(ends) == {ScanState.DONE, ScanState.ABORTED, ScanState.FAILED}
    assert set(threading.enumerate()) == threads
    assert me.num_fds() == handles
    assert [file.path for file in me.open_files() if str(tmp_path) in file.path] == []
    assert after - before < GROWTH_LIMIT_BYTES


def chaos(seed):
    """Return a scan whose parts fail at random or not at all, and are slow at random."""
    chance = random.Random(seed)

    def pace(item):
        time.sleep(chance.choice([0, 0, 0.001, 0.003]))

    def maybe(share, error):
        at = chance.randrange(1, 25) if chance.random() < share else None

        def before(item):
            pace(item)
            if at is not None and getattr(item, "index", None) == at:
                raise error

        return before

    is_live = chance.random() < 0.5
    source = FakeSource(
        count=chance.choice([3, 30, 100_000]),
        fails_at=chance.choice([None, None, 12]),
        error=chance.choice([Unplugged("Gone."), ZeroDivisionError("oops")]),
        is_live=is_live,
        gate=lambda: time.sleep(0.001),
    )
    fuser = SmallFuser(
        before_think=maybe(0.3, ZeroDivisionError("oops")),
        before_add=maybe(0.2, ZeroDivisionError("oops")),
    )
    fuser.settles = chance.random() < 0.5
    recorder = PlainRecorder(before=maybe(0.3, CannotWrite("The disk is full.")))
    if chance.random() < 0.3:
        recorder = None
    scan = ScanController(source, lambda info: fuser, recorder=recorder)
    return scan, chance, fuser, recorder


@pytest.mark.parametrize("seed", range(60))
def test_commands_at_every_moment_never_hang(seed):
    scan, chance, fuser, recorder = chaos(seed)
    commands = [
        scan.pause,
        scan.resume,
        scan.pause,
        scan.resume,
        lambda: scan.undo(1.0),
        lambda: scan.update(PoseUpdate({0: None}, "wrong")),
        lambda: scan.poll(chance.choice([0, 1000, None])),
        lambda: time.sleep(0.002),
        lambda: time.sleep(0.01),
        scan.finish,
    ]
    scan.start()
    for _ in range(chance.randrange(40)):
        command = chance.choice(commands[: 9 if chance.random() < 0.7 else 10])
        with contextlib.suppress(NotNow):
            command()
    if chance.random() < 0.6:
        with contextlib.suppress(NotNow):
            scan.finish()
        end = time.monotonic() + WAIT_S
        while scan.poll().state not in FINAL:
            assert time.monotonic() < end, scan._crew.stacks()
            time.sleep(0.001)
        assert scan.state is not ScanState.DONE or not scan.result.is_empty
    assert scan.abort() == ()
    assert scan.state in FINAL
    assert fuser.is_closed
    if recorder is not None:
        assert recorder.closed == 1
        frames = [kept for kept in recorder.kept if not isinstance(kept, PoseUpdate)]
        assert frames == sorted(frames)


def test_everything_that_crosses_a_channel_can_travel(monkeypatch, tmp_path):
    kinds = set()

    def travelling(put):
        def wrapped(self, *given, **options):
            item = given[-1]
            again = pickle.loads(pickle.dumps(item))
            assert type(again) is type(item)
            kinds.add(type(item).__name__)
            return put(self, *given, **options)

        return wrapped

    for kind in (channels.Latest, channels.Bounded, channels.KeyedLatest):
        monkeypatch.setattr(kind, "put", travelling(kind.put))
    fuser = SmallFuser(before_think=crash(10))
    scan = ScanController(
        FakeSource(count=100), lambda info: fuser, recorder=ArchiveWriter(tmp_path / "kept")
    )
    scan.start()
    viewer = Viewer(scan)
    viewer.until(lambda news: fuser.patches)
    scan.undo(1.0)
    scan.update(PoseUpdate({0: None}, "wrong"))
    viewer.until_over()
    assert scan.abort() == ()
    assert scan.state is ScanState.DONE
    assert kinds >= {
        "Frame",
        "MeshPatch",
        "Note",
        "Ask",
        "Answer",
        "Command",
        "TrackView",
        "ScanStats",
        "FaultNews",
        "Progress",
    }
