"""Orders that reach the map between frames: moving frames and taking them back."""

import threading

import pytest

from app.fuser import FramesOnly, NotNow
from app.mailboxes import COMMANDS_LIMIT, FRAMES_AHEAD
from engine.core.faults import BadInput
from engine.core.frames import PoseUpdate
from engine.core.news import ScanState
from engine.core.poses import Pose
from tests.app.fakes import FakeFuser, FakeSource
from tests.app.helped import HelpedFuser
from tests.app.viewer import WAIT_S, Viewer


@pytest.fixture
def held():
    """A fuser that stops at a frame until it is let go, and its scan's other strings."""

    class Held:
        at, arrived, go = 5, threading.Event(), threading.Event()

        def __call__(self, frame):
            if frame.index == self.at:
                self.arrived.set()
                assert self.go.wait(WAIT_S)

    return Held()


def test_undo_in_a_pause_acts_without_another_frame(scan_of):
    fuser = HelpedFuser()
    scan = scan_of(FakeSource(count=100_000), fuser)
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: len(fuser.added) > 5)
    scan.pause()
    viewer.until(lambda news: not fuser.has_work)
    fused, revision = len(fuser.added), fuser.revision
    scan.undo(2.5)
    viewer.until(lambda news: fuser.orders)
    viewer.until(lambda news: any(p.revision > revision for p in viewer.patches.values()))
    assert fuser.orders[0][0] == 2.5
    # The frame in the reader's hand may have slipped in before the pause; none came after it.
    assert len(fuser.added) <= fused + FRAMES_AHEAD + 1
    assert scan.state is ScanState.PAUSED


def test_an_order_waits_for_the_frames_before_it_and_no_longer(scan_of, held):
    fuser = HelpedFuser(before_add=held)
    scan = scan_of(FakeSource(count=60), fuser)
    viewer = Viewer(scan)
    scan.start()
    assert held.arrived.wait(WAIT_S)
    viewer.until(lambda news: scan._boxes.frames.counters().offered >= 5 + 1 + FRAMES_AHEAD)
    before = scan._boxes.frames.counters().offered
    scan.update(PoseUpdate({2: None}, "a mistake"))
    after = scan._boxes.frames.counters().offered
    held.go.set()
    viewer.until_over()
    [(reason, fused)] = fuser.orders
    assert reason == "a mistake"
    assert before <= fused <= after + 1
    assert viewer.faults == []


def test_orders_given_before_the_finish_are_carried_out(scan_of, held):
    fuser = HelpedFuser(before_add=held)
    scan = scan_of(FakeSource(count=1000), fuser)
    scan.start()
    viewer = Viewer(scan)
    assert held.arrived.wait(WAIT_S)
    scan.undo(1.0)
    scan.update(PoseUpdate({0: Pose.identity()}, "a loop"))
    scan.finish()
    with pytest.raises(NotNow, match="Cannot undo a scan that is finishing"):
        scan.undo(1.0)
    held.go.set()
    viewer.until_over()
    assert [what for what, _ in fuser.orders] == [1.0, "a loop"]
    assert scan.state is ScanState.DONE


def test_more_orders_than_can_wait_are_refused_with_the_reason(scan_of, held):
    fuser = HelpedFuser(before_add=held)
    scan = scan_of(FakeSource(count=10), fuser)
    scan.start()
    assert held.arrived.wait(WAIT_S)
    for _ in range(COMMANDS_LIMIT):
        scan.undo(1.0)
    with pytest.raises(NotNow, match="32 commands wait already"):
        scan.undo(1.0)
    held.go.set()
    viewer = Viewer(scan)
    viewer.until_over()
    assert len(fuser.orders) == COMMANDS_LIMIT
    commands = next(one for one in viewer.stats[-1].channels if one.name == "commands")
    assert (commands.offered, commands.dropped, commands.limit) == (33, 1, 32)


def test_an_order_that_cannot_be_carried_out_is_told_and_the_scan_goes_on(scan_of, held):
    scan = scan_of(FakeSource(count=10), HelpedFuser(before_add=held))
    viewer = Viewer(scan)
    scan.start()
    assert held.arrived.wait(WAIT_S)
    scan.update(PoseUpdate({77: None}, "nonsense"))
    held.go.set()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert [(f.says, f.severity) for f in viewer.faults] == [("There is no such frame.", "degrade")]


def test_a_fuser_that_cannot_move_frames_says_so(scan_of, held):
    scan = scan_of(FakeSource(count=10), FakeFuser(held))
    viewer = Viewer(scan)
    scan.start()
    assert held.arrived.wait(WAIT_S)
    scan.undo(3.0)
    scan.update(PoseUpdate({}, "a loop"))
    held.go.set()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert len(viewer.faults) == 2
    assert "take frames back" in viewer.faults[0].says
    assert "move frames" in viewer.faults[1].says
    with pytest.raises(ValueError, match="no helper"):
        FramesOnly().give_result(1)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_only_a_length_of_time_can_be_taken_back(scan_of, seconds):
    with pytest.raises(BadInput, match="cannot be taken back"):
        scan_of().undo(seconds)


def test_orders_that_do_not_fit_are_refused(scan_of):
    scan = scan_of(FakeSource(count=2))
    with pytest.raises(NotNow, match="Cannot undo a scan that is ready"):
        scan.undo(1.0)
    scan.start()
    Viewer(scan).until_over()
    with pytest.raises(NotNow, match="Cannot update a scan that is done"):
        scan.update(PoseUpdate({}, "late"))
