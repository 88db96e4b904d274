"""What a scan shows before it starts, and what of it stays behind: nothing."""

import shutil
import threading
import time

import pytest

from app.fuser import NotNow
from app.scan import ScanController
from engine.core.faults import BadInput
from engine.core.news import Cause, ScanState
from tests.app.fakes import FakeFuser, FakeSource, Unplugged
from tests.app.viewer import WAIT_S, Viewer


def camera(count=100_000, **named):
    stop = threading.Event()
    return FakeSource(count=count, is_live=True, gate=lambda: stop.wait(0.002), **named)


def test_a_recording_shows_its_first_picture_and_waits(scan_of):
    source = FakeSource(count=30)
    scan = scan_of(source)
    scan.preview()
    scan.preview()
    viewer = Viewer(scan)
    viewer.until(lambda news: viewer.tracks)
    time.sleep(0.05)
    viewer.look()
    [track] = viewer.tracks
    assert track.index == 0
    assert track.preview.shape == (48, 64, 3)
    # A smooth ramp of colours has nothing to hold on to.
    assert track.health.causes == (Cause.LITTLE_TEXTURE,)
    assert track.health.distance_m == pytest.approx(1.5)
    assert scan.state is ScanState.READY
    assert source.next_index == 1
    assert source.closed == 0
    assert scan.fuser == []
    scan.start()
    viewer.until_over()
    assert scan.fuser[0].added == list(range(30))
    assert (source.closed, source.closed_on) == (1, "capture")
    assert viewer.stats[-1].frames_read == 30


def test_a_recording_is_read_by_one_thread_at_a_time(scan_of):
    readers, at_once, may_read = [], [], threading.Event()

    def gate():
        readers.append(threading.current_thread().name)
        at_once.append(len({*readers} & {t.name for t in threading.enumerate()}))
        assert may_read.wait(WAIT_S)

    scan = scan_of(FakeSource(count=5, gate=gate))
    scan.preview()
    scan.start()
    time.sleep(0.05)
    assert readers == ["preview"]
    may_read.set()
    viewer = Viewer(scan)
    viewer.until_over()
    assert scan.fuser[0].added == list(range(5))
    assert readers == ["preview", *["capture"] * 5]
    assert max(at_once) == 1


def test_abort_while_the_first_picture_is_read_leaves_nothing(scan_of):
    may_read = threading.Event()
    source = FakeSource(gate=lambda: may_read.wait(WAIT_S))
    scan = scan_of(source)
    scan.preview()
    assert scan.abort(0.05) == ("preview",)
    # Whoever reads it closes it.
    assert source.closed == 0
    may_read.set()
    assert scan.abort() == ()
    assert source.closed == 1
    assert scan.state is ScanState.ABORTED
    with pytest.raises(NotNow, match="Cannot preview a scan that is aborted"):
        scan.preview()


def test_abort_after_the_first_picture_closes_the_source(scan_of):
    source = FakeSource()
    scan = scan_of(source)
    scan.preview()
    viewer = Viewer(scan)
    viewer.until(lambda news: viewer.tracks)
    assert scan.abort() == ()
    assert source.closed == 1


def test_a_first_picture_that_cannot_be_read_is_told_and_the_scan_may_still_try(scan_of):
    source = FakeSource(fails_at=0, error=BadInput("The first picture is torn.", "Copy it again."))
    scan = scan_of(source)
    scan.preview()
    viewer = Viewer(scan)
    viewer.until(lambda news: viewer.faults)
    assert [fault.says for fault in viewer.faults] == ["The first picture is torn."]
    assert scan.state is ScanState.READY
    assert scan.failure is None
    scan.start()
    viewer.until_over()
    assert scan.state is ScanState.DONE


def test_a_camera_is_shown_before_the_scan_and_only_then_fused(scan_of):
    scan = scan_of(camera())
    scan.preview()
    viewer = Viewer(scan)
    viewer.until(lambda news: viewer.tracks and viewer.tracks[-1].index > 10)
    assert scan.state is ScanState.READY
    assert scan.fuser == []
    scan.start()
    viewer.until(lambda news: scan.fuser and len(scan.fuser[0].added) > 5)
    assert min(scan.fuser[0].added) > 10
    scan.finish()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    last = viewer.stats[-1]
    # What was only looked at is neither read nor lost.
    assert last.frames_read == last.frames_used + last.dropped < max(scan.fuser[0].added)


def test_what_a_camera_sees_while_the_fuser_is_made_is_not_counted_as_lost(scan_of):
    source, may_make = camera(), threading.Event()

    def slow(info):
        assert may_make.wait(WAIT_S)
        return FakeFuser()

    scan = ScanController(source, slow)
    scan.preview()
    scan.start()
    viewer = Viewer(scan)
    viewer.until(lambda news: viewer.tracks and viewer.tracks[-1].index > 40)
    assert scan._boxes.frames.counters().offered == 0
    may_make.set()
    viewer.until(lambda news: viewer.stats and viewer.stats[-1].frames_used > 3)
    assert viewer.stats[-1].dropped == 0
    assert scan.abort() == ()


def test_a_camera_that_was_only_looked_at_is_closed_by_its_thread(scan_of):
    source = camera()
    scan = scan_of(source)
    scan.preview()
    viewer = Viewer(scan)
    viewer.until(lambda news: len(viewer.tracks) > 2)
    assert scan.abort() == ()
    assert scan.state is ScanState.ABORTED
    assert source.closed >= 1
    assert "capture" not in {thread.name for thread in threading.enumerate()}


def test_a_camera_unplugged_before_the_scan_is_told_and_opened_again_by_start(scan_of):
    source = FakeSource(count=40, fails_at=6, error=Unplugged("Gone."), is_live=True)
    scan = scan_of(source)
    scan.preview()
    viewer = Viewer(scan)
    viewer.until(lambda news: viewer.faults)
    assert scan.state is ScanState.READY
    assert viewer.faults[0].says == "Gone."
    scan.start()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert max(scan.fuser[0].added) == 39


def test_every_frame_says_how_it_suits_and_the_disk_what_is_left(scan_of, tmp_path):
    fuser = FakeFuser()
    scan = ScanController(
        FakeSource(count=20),
        lambda info: fuser,
        max_depth_m=1.2,
        disk=tmp_path / "not" / "there yet",
    )
    scan.start()
    viewer = Viewer(scan)
    viewer.until_over()
    assert {cause.value for cause in viewer.tracks[-1].health.causes} >= {"too far"}
    assert viewer.tracks[-1].health.speed_m_s > 1
    free_mb = shutil.disk_usage(tmp_path).free / 1e6
    assert viewer.stats[-1].disk_free_mb == pytest.approx(free_mb, rel=0.05)
    assert not (tmp_path / "not").exists()
    scan.abort()
