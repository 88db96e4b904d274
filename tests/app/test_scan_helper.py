"""The helper beside the map: order, priority, limits, and what happens when it fails."""

import os
import pickle
import sys
import threading
import time

import numpy as np
import pytest

from app import mailboxes
from app.fuser import thinning
from app.mailboxes import LIVE_FRAMES_AHEAD
from engine.core.faults import BadInput
from engine.core.news import ScanState
from engine.runtime.priority import NICENESS
from engine.runtime.sizes import bytes_of
from tests.app.fakes import FakeSource
from tests.app.helped import Ask, HelpedFuser, Note
from tests.app.viewer import WAIT_S, Viewer


def channel(stats, name):
    return next(one for one in stats.channels if one.name == name)


def test_answers_come_back_on_the_map_thread_and_are_shown(scan_of):
    fuser = HelpedFuser()
    scan = scan_of(FakeSource(count=12), fuser)
    viewer = Viewer(scan)
    scan.start()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert fuser.thinker.threads == {"refine"}
    assert fuser.threads == {"map"}
    assert fuser.thinker.heard == 24
    # What the last answers changed was shown before the end.
    shown = {key: patch.vertices for key, patch in viewer.patches.items()}
    assert all(np.array_equal(shown[key], fuser.patches[key].vertices) for key in fuser.heights)
    last = viewer.stats[-1]
    assert (last.chunks_refined, last.chunks_waiting) == (len(fuser.heights), 0)
    assert (channel(last, "refine").offered, channel(last, "refine").dropped) == (24, 0)
    assert channel(last, "results").offered == 24
    stages = {stage.name: stage.count for stage in last.stages}
    assert (stages["refine Ask"], stages["refine Note"], stages["frame"]) == (12, 12, 12)
    assert stages["capture"] >= 12


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts niceness by thread")
def test_the_helper_gives_way_and_nobody_else_does(scan_of):
    map_niceness = []
    fuser = HelpedFuser(
        before_add=lambda frame: map_niceness.append(
            os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        )
    )
    scan = scan_of(FakeSource(count=2), fuser)
    scan.start()
    Viewer(scan).until_over()
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    assert fuser.thinker.niceness == max(mine, NICENESS)
    assert map_niceness == [mine, mine]


def test_without_a_helper_there_is_no_thread_for_it(scan_of):
    seen = set()
    scan = scan_of(FakeSource(count=5))
    scan.start()
    viewer = Viewer(scan)
    viewer.until(
        lambda news: (
            seen.update(thread.name for thread in threading.enumerate())
            or news.state is ScanState.DONE
        )
    )
    assert "refine" not in seen


def test_a_slow_helper_is_never_asked_more_than_there_is_room_for(scan_of, monkeypatch):
    monkeypatch.setattr(mailboxes, "REFINE_LIMIT", 4)
    ask_bytes = bytes_of(Ask(0, np.zeros((48, 64), np.float32)))
    monkeypatch.setattr(mailboxes, "REFINE_LIMIT_BYTES", ask_bytes)
    go = threading.Event()
    fuser = HelpedFuser(lambda message: go.wait(WAIT_S))
    scan = scan_of(FakeSource(count=40), fuser)
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: len(fuser.added) == 40 and scan.state is ScanState.FINISHING)
    # The map is through although the helper has not done a thing, and nothing queued beside it.
    refine = scan._boxes.refine.counters()
    assert refine.waiting <= 4
    assert refine.waiting_bytes <= ask_bytes
    assert refine.dropped == 0
    assert len(fuser.asked) > 70
    assert min(fuser.rooms) > 0
    go.set()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert fuser.thinker.heard == 80


def test_frames_do_not_wait_for_the_helper(scan_of):
    go = threading.Event()
    fuser = HelpedFuser(lambda message: go.wait(WAIT_S))
    fuser.settles = False

    def gate():
        # The camera is never so far ahead that a frame would be lost, however slow the machine.
        end = time.monotonic() + WAIT_S
        while source.next_index - len(fuser.added) > LIVE_FRAMES_AHEAD - 2:
            assert time.monotonic() < end
            time.sleep(0.001)

    source = FakeSource(count=30, is_live=True, gate=gate)
    scan = scan_of(source, fuser)
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: len(fuser.added) == 30)
    assert fuser.thinker.heard == 0
    go.set()
    viewer.until_over()
    assert fuser.added == list(range(30))
    # The rest was let go of when the frames had ended.
    assert fuser.thinker.heard < 60


def test_a_camera_that_is_always_ahead_does_not_keep_answers_waiting(scan_of, monkeypatch):
    monkeypatch.setattr("app.map_loop.STARVING_S", 0.05)
    fuser = HelpedFuser(before_add=lambda frame: time.sleep(0.01))
    source = FakeSource(count=100_000, is_live=True, gate=lambda: time.sleep(0.001))
    scan = scan_of(source, fuser)
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: viewer.stats and viewer.stats[-1].dropped > 10)
    heaps = fuser.heaped
    viewer.until(lambda news: viewer.stats[-1].dropped > 50 and fuser.heaped > heaps + 3)


def test_a_map_that_falls_behind_is_told_how_far(scan_of):
    held, go = threading.Event(), threading.Event()

    def hold(frame):
        held.set()
        assert go.wait(WAIT_S)

    source = FakeSource(count=40, is_live=True)
    shots = iter(range(40))
    source.gate = lambda: next(shots) == 1 and held.wait(WAIT_S)
    fuser = HelpedFuser(before_add=hold)
    scan = scan_of(source, fuser)
    viewer = Viewer(scan)
    scan.start()
    viewer.until_state(ScanState.FINISHING)
    go.set()
    viewer.until_over()
    waiting = range(LIVE_FRAMES_AHEAD, 0, -1)
    assert fuser.pressures[1:] == [count / LIVE_FRAMES_AHEAD for count in waiting]


def test_a_recording_never_presses(scan_of):
    fuser = HelpedFuser(before_add=lambda frame: time.sleep(0.002))
    scan = scan_of(FakeSource(count=20), fuser)
    scan.start()
    Viewer(scan).until_over()
    assert set(fuser.pressures) == {0.0}


def test_pressure_thins_keyframes():
    assert [thinning(p) for p in (0, 0.49, 0.5, 0.74)] == [1, 1, 4, 4]
    assert thinning(0.75) == thinning(1.0) == float("inf")


@pytest.mark.parametrize("error", [ZeroDivisionError("oops"), BadInput("No.", "Do.")])
def test_a_helper_that_fails_is_done_without(scan_of, error):
    def fail(message):
        if isinstance(message, Ask) and fuser.thinker.heard == 9:
            raise error

    fuser = HelpedFuser(fail)
    scan = scan_of(FakeSource(count=30), fuser)
    viewer = Viewer(scan)
    scan.start()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert fuser.added == list(range(30))
    assert fuser.helper is None
    [fault] = viewer.faults
    assert fault.severity == "degrade"
    assert "without refinement" in fault.remedy
    assert scan.failure is None
    assert len(scan.result.faces) > 0


def test_a_fuser_that_only_wants_what_is_in_hand_does_not_wait_for_more(scan_of):
    held, go = threading.Event(), threading.Event()

    def hold(message):
        held.set()
        go.wait(WAIT_S)

    fuser = HelpedFuser(hold)
    fuser.settles = False
    scan = scan_of(FakeSource(count=5), fuser)
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: held.is_set() and news.state is ScanState.FINISHING)
    viewer.until(lambda news: viewer.progress)
    time.sleep(0.05)
    viewer.look()
    # It is being waited for: finish may use what the helper owned only when that is gone.
    assert scan.state is ScanState.FINISHING
    assert [step.stage for step in viewer.progress] == ["refine"]
    go.set()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert fuser.thinker.heard == 1


def test_messages_and_answers_can_travel():
    ask = Ask(3, np.zeros(4, np.float32))
    again = pickle.loads(pickle.dumps(ask))
    assert again.key == ask.key
    assert pickle.loads(pickle.dumps(Note(1))) == Note(1)
    answer = mailboxes.Answer(Note(2))
    assert pickle.loads(pickle.dumps(answer)) == answer
    order = mailboxes.Command(mailboxes.Undo(2.0), 7)
    assert pickle.loads(pickle.dumps(order)) == order
