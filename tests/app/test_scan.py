import pickle
import threading
import time

import numpy as np
import pytest

from app.fuser import NotNow
from app.mailboxes import FRAMES_AHEAD, LIVE_FRAMES_AHEAD
from app.scan import ScanController
from engine.core.faults import BadFrame, BadInput
from engine.core.news import ScanState
from tests.app.fakes import FakeFuser, FakeSource, Unplugged
from tests.app.viewer import FINAL, WAIT_S, Viewer


def test_a_recording_is_fused_whole_and_finished(scan_of):
    source = FakeSource(count=40)
    scan = scan_of(source)
    viewer = Viewer(scan)
    viewer.look()
    scan.start()
    viewer.until_over()
    [fuser] = scan.fuser
    assert fuser.added == list(range(40))
    assert scan.state is ScanState.DONE
    assert viewer.states[0] is ScanState.READY
    assert viewer.states[-1] is ScanState.DONE
    assert viewer.patches.keys() == fuser.patches.keys()
    assert viewer.revisions_went_back == 0
    assert len(scan.result.faces) == sum(len(p.faces) for p in fuser.patches.values())
    last = viewer.stats[-1]
    assert scan.last_stats == last
    assert scan.failure is None
    assert (last.frames_read, last.frames_used, last.frames_total) == (40, 40, 40)
    assert last.dropped == 0
    assert last.faces == len(scan.result.faces)
    assert last.frames_per_second > 0
    assert viewer.progress
    assert viewer.faults == []
    assert scan.meters.timings()["frame"].count == 40


def test_each_thread_owns_its_things(scan_of):
    source = FakeSource()
    scan = scan_of(source)
    scan.start()
    Viewer(scan).until_over()
    assert scan.fuser[0].threads == {"map"}
    assert source.closed_on == "capture"
    assert source.closed == 1


def test_the_last_patch_of_every_cell_arrives_although_nobody_looked(scan_of):
    scan = scan_of(FakeSource(count=60))
    scan.start()
    while scan.state not in FINAL:
        time.sleep(0.002)
    viewer = Viewer(scan)
    viewer.look()
    fuser = scan.fuser[0]
    assert {k: p.revision for k, p in viewer.patches.items()} == {
        k: p.revision for k, p in fuser.patches.items()
    }


def test_poll_hands_out_patches_in_helpings(scan_of):
    scan = scan_of(FakeSource(count=8))
    scan.start()
    while scan.state not in FINAL:
        time.sleep(0.002)
    assert scan.poll(0).patches == ()
    helpings = []
    while patches := scan.poll(20_000).patches:
        helpings.append(sum(p.vertices.nbytes + p.faces.nbytes + p.colors.nbytes for p in patches))
    assert len(helpings) > 3
    assert max(helpings) < 30_000


def test_a_source_that_fails_midway_leaves_the_scan_to_be_finished(scan_of):
    source = FakeSource(fails_at=10, error=BadInput("The disk went away.", "Copy it first."))
    scan = scan_of(source)
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: news.state is ScanState.PAUSED)
    viewer.until(lambda news: viewer.stats and viewer.stats[-1].frames_used == 10)
    assert [(f.says, f.remedy) for f in viewer.faults] == [
        ("The disk went away.", "Copy it first.")
    ]
    assert not scan.can_resume
    with pytest.raises(NotNow, match="cannot go on"):
        scan.resume()
    assert source.closed == 1
    scan.finish()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert scan.fuser[0].added == list(range(10))
    assert not scan.result.is_empty


def test_an_unforeseen_error_of_the_source_is_treated_alike(scan_of):
    scan = scan_of(FakeSource(fails_at=3, error=ZeroDivisionError("oops")))
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: news.state is ScanState.PAUSED)
    [fault] = viewer.faults
    assert "capture" in fault.says
    assert "oops" in fault.says
    scan.finish()
    viewer.until_over()
    assert scan.state is ScanState.DONE


def test_a_camera_that_was_unplugged_can_go_on(scan_of):
    source = FakeSource(count=20, fails_at=8, error=Unplugged("Gone."), is_live=True)
    scan = scan_of(source)
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: news.state is ScanState.PAUSED)
    assert scan.can_resume
    scan.resume()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert source.closed == 2
    assert max(scan.fuser[0].added) == 19


def test_a_recording_waits_for_a_slow_fuser(scan_of):
    source = FakeSource(count=12)
    ahead = []
    fuser = FakeFuser(lambda frame: ahead.append(source.next_index - frame.index))
    slow = fuser.before_add
    fuser.before_add = lambda frame: (time.sleep(0.01), slow(frame))
    scan = scan_of(source, fuser)
    scan.start()
    viewer = Viewer(scan)
    viewer.until_over()
    assert fuser.added == list(range(12))
    # The one in hand, those in the channel, and the one waiting to get in.
    assert max(ahead) <= FRAMES_AHEAD + 2
    assert viewer.stats[-1].dropped == 0


def test_a_camera_does_not_wait_and_its_losses_are_counted(scan_of):
    in_hand, all_shot = threading.Event(), threading.Event()

    def hold(frame):
        in_hand.set()
        assert all_shot.wait(WAIT_S)

    source = FakeSource(count=30, is_live=True)
    shots = iter(range(30))

    def gate():
        if next(shots) == 1:
            assert in_hand.wait(WAIT_S)

    source.gate = gate
    scan = scan_of(source, FakeFuser(hold))
    scan.start()
    viewer = Viewer(scan)
    viewer.until(lambda news: news.state is ScanState.FINISHING)
    all_shot.set()
    viewer.until_over()
    assert scan.fuser[0].added == [0, *range(30 - LIVE_FRAMES_AHEAD, 30)]
    assert viewer.stats[-1].frames_read == 30
    assert viewer.stats[-1].dropped == 29 - LIVE_FRAMES_AHEAD


def test_pause_holds_a_recording_and_resume_loses_nothing(scan_of):
    source = FakeSource(count=200)
    scan = scan_of(source, FakeFuser(lambda frame: time.sleep(0.002)))
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: len(viewer.tracks) > 3)
    scan.pause()
    time.sleep(0.1)
    held = source.next_index
    time.sleep(0.1)
    assert source.next_index == held < 200
    viewer.look()
    assert viewer.states[-1] is ScanState.PAUSED
    scan.resume()
    viewer.until_over()
    assert scan.fuser[0].added == list(range(200))


def test_a_paused_camera_shows_its_picture_but_fuses_nothing(scan_of):
    stop = threading.Event()
    source = FakeSource(count=100_000, is_live=True, gate=lambda: stop.wait(0.002))
    scan = scan_of(source)
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: len(viewer.tracks) > 3)
    scan.pause()
    paused_at = viewer.tracks[-1].index
    viewer.until(lambda news: viewer.tracks[-1].index > paused_at + 2)
    frames = scan._boxes.frames
    viewer.until(lambda news: frames.counters().waiting == 0)
    viewer.until(lambda news: frames.counters().taken == len(scan.fuser[0].added))
    fused, seen = len(scan.fuser[0].added), viewer.tracks[-1].index
    viewer.until(lambda news: viewer.tracks[-1].index > seen + 5)
    assert len(scan.fuser[0].added) == fused
    scan.finish()
    viewer.until_over()
    assert scan.state is ScanState.DONE


def test_finish_drains_what_was_read(scan_of):
    gate = threading.Semaphore(0)
    fuser = FakeFuser(lambda frame: gate.acquire(timeout=WAIT_S))
    scan = scan_of(FakeSource(count=50), fuser)
    viewer = Viewer(scan)
    scan.start()
    gate.release()

    def is_full_behind_one(news):
        frames = scan._boxes.frames.counters()
        # One was let through, another is at the gate.
        return frames.waiting == FRAMES_AHEAD and frames.taken == 2

    viewer.until(is_full_behind_one)
    scan.finish()
    for _ in range(50):
        gate.release()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    # Everything that got into the channel was fused, in order, and little else was read.
    assert fuser.added == list(range(len(fuser.added)))
    assert FRAMES_AHEAD < len(fuser.added) <= FRAMES_AHEAD + 2


def test_finish_works_from_a_pause(scan_of):
    scan = scan_of(FakeSource(count=500))
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: viewer.tracks)
    scan.pause()
    scan.finish()
    viewer.until_over()
    assert scan.state is ScanState.DONE


@pytest.mark.parametrize("is_live", [False, True])
def test_abort_ends_at_once_and_leaves_no_thread(scan_of, is_live):
    source = FakeSource(count=100_000, is_live=is_live)
    scan = scan_of(source)
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: viewer.tracks)
    assert scan.abort() == ()
    assert scan.state is ScanState.ABORTED
    assert scan.result is None
    assert source.closed == 1
    assert not {"capture", "map"} & {thread.name for thread in threading.enumerate()}


def test_abort_while_the_window_takes_no_patches(scan_of, monkeypatch):
    monkeypatch.setattr("app.mailboxes.PATCHES_LIMIT_BYTES", 30_000)
    scan = scan_of(FakeSource(count=100))
    scan.start()
    end = time.monotonic() + WAIT_S
    while scan._boxes.patches.counters().waiting_bytes < 20_000 and time.monotonic() < end:
        time.sleep(0.002)
    time.sleep(0.05)
    assert len(scan.fuser[0].added) < 3
    assert scan.abort() == ()
    assert scan.state is ScanState.ABORTED


def test_a_window_that_was_away_is_shown_what_a_camera_saw_meanwhile(scan_of, monkeypatch):
    monkeypatch.setattr("app.mailboxes.PATCHES_LIMIT_BYTES", 30_000)
    source = FakeSource(count=100_000, is_live=True, gate=lambda: time.sleep(0.002))
    scan = scan_of(source)
    scan.start()
    end = time.monotonic() + WAIT_S
    while scan._boxes.patches.counters().dropped < 50 and time.monotonic() < end:
        time.sleep(0.002)
    scan.pause()
    viewer = Viewer(scan)
    fuser = scan.fuser[0]
    viewer.until(
        lambda news: (
            {key: patch.revision for key, patch in viewer.patches.items()}
            == {key: patch.revision for key, patch in fuser.patches.items()}
        )
    )


def test_abort_during_finishing(scan_of):
    scan = scan_of(FakeSource(count=3), FakeFuser(finish_steps=10**9))
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: viewer.progress)
    assert scan.abort() == ()
    assert (scan.state, scan.result) == (ScanState.ABORTED, None)


def test_abort_before_the_start_closes_the_source(scan_of):
    source = FakeSource()
    scan = scan_of(source)
    scan.abort()
    assert source.closed == 1
    with pytest.raises(NotNow, match="aborted"):
        scan.start()


def test_abort_after_the_end_keeps_the_result(scan_of):
    scan = scan_of(FakeSource(count=3))
    scan.start()
    Viewer(scan).until_over()
    scan.abort()
    assert scan.state is ScanState.DONE
    assert scan.result is not None


def test_a_crash_in_the_fuser_stops_everything_and_is_told(scan_of):
    def crash(frame):
        if frame.index == 5:
            raise ZeroDivisionError("inside")

    scan = scan_of(FakeSource(count=1000), FakeFuser(crash))
    viewer = Viewer(scan)
    scan.start()
    viewer.until_over()
    assert scan.state is ScanState.FAILED
    [fault] = viewer.faults
    assert str(scan.failure) == f"{fault.says} {fault.remedy}"
    assert "map" in fault.says
    assert fault.severity == "stop"


def test_one_bad_frame_is_counted_and_the_scan_goes_on(scan_of):
    def refuse(frame):
        if frame.index == 5:
            raise BadFrame("This frame has no depth.")

    scan = scan_of(FakeSource(count=10), FakeFuser(refuse))
    viewer = Viewer(scan)
    scan.start()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert [fault.severity for fault in viewer.faults] == ["ignore"]
    assert viewer.stats[-1].frames_used == 9
    assert viewer.stats[-1].dropped == 1


def test_a_fault_in_finishing_fails_the_scan(scan_of):
    fuser = FakeFuser(error=BadInput("No surface was found.", "Come closer."))
    scan = scan_of(FakeSource(count=3), fuser)
    viewer = Viewer(scan)
    scan.start()
    viewer.until_over()
    assert scan.state is ScanState.FAILED
    assert [fault.says for fault in viewer.faults] == ["No surface was found."]


def test_a_fuser_that_cannot_be_made_fails_the_scan():
    def refuse(info):
        raise BadInput("The source has no poses.", "Choose another.")

    scan = ScanController(FakeSource(), refuse)
    scan.start()
    viewer = Viewer(scan)
    viewer.until_over()
    assert scan.abort() == ()
    assert scan.state is ScanState.FAILED
    assert viewer.faults[0].says == "The source has no poses."


@pytest.mark.parametrize("command", ["pause", "resume", "finish"])
def test_commands_that_do_not_fit_are_refused_with_the_reason(scan_of, command):
    scan = scan_of()
    with pytest.raises(NotNow, match=f"Cannot {command} a scan that is ready"):
        getattr(scan, command)()


def test_all_news_can_travel_to_another_process(scan_of):
    scan = scan_of(FakeSource(count=4))
    scan.start()
    while scan.state not in FINAL:
        time.sleep(0.002)
    news = scan.poll()
    again = pickle.loads(pickle.dumps(news))
    assert again.stats == news.stats
    assert np.array_equal(again.patches[0].vertices, news.patches[0].vertices)
    assert again.track.T_world_cam == news.track.T_world_cam
