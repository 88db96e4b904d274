"""What is kept of the frames while they are scanned, and what a record that fails does."""

import threading
import time

import pytest

from app import mailboxes
from app.fuser import NotNow
from engine.archive.journal import ArchiveWriter
from engine.archive.recover import recover
from engine.core.faults import BadInput, CannotWrite
from engine.core.news import ScanState
from engine.runtime.sizes import bytes_of
from engine.sources.detect import open_source
from tests.app.fakes import FakeFuser, FakeSource, Unplugged, frame_at
from tests.app.helped import PlainRecorder
from tests.app.viewer import WAIT_S, Viewer

FULL = CannotWrite("The disk is full.", "Free some space.")


def recorded(stats):
    return next(one for one in stats.channels if one.name == "record")


def test_every_frame_that_is_fused_is_kept_and_the_record_is_complete_when_the_scan_is(
    scan_of, tmp_path
):
    writer = ArchiveWriter(tmp_path / "kept")
    scan = scan_of(FakeSource(count=15), recorder=writer)
    scan.start()
    viewer = Viewer(scan)
    viewer.until_over()
    assert scan.state is ScanState.DONE
    found = recover(tmp_path / "kept")
    assert found.notes == ()
    assert found.manifest.frame_count == 15
    assert [entry.index for entry in found.entries] == scan.fuser[0].added == list(range(15))
    with open_source(str(tmp_path / "kept")) as again:
        poses = [frame.T_world_cam for frame in again.frames()]
    assert poses[3].distance_to(frame_at(3, 15).T_world_cam)[0] < 1e-6
    assert (recorded(viewer.stats[-1]).offered, recorded(viewer.stats[-1]).dropped) == (15, 0)
    assert "record" in {stage.name for stage in viewer.stats[-1].stages}


def test_paused_frames_are_not_kept(scan_of):
    stop = threading.Event()
    source = FakeSource(count=100_000, is_live=True, gate=lambda: stop.wait(0.002))
    recorder = PlainRecorder()
    scan = scan_of(source, recorder=recorder)
    viewer = Viewer(scan)
    scan.start()
    viewer.until(lambda news: recorder.kept)
    scan.pause()
    paused_at = source.next_index
    viewer.until(lambda news: source.next_index > paused_at + 2)
    offered = scan._boxes.record.counters().offered
    viewer.until(lambda news: len(recorder.kept) == offered)
    kept = len(recorder.kept)
    seen = source.next_index
    viewer.until(lambda news: source.next_index > seen + 5)
    assert len(recorder.kept) == kept
    scan.finish()
    viewer.until_over()
    assert recorder.threads == {"record"}
    assert recorder.closed == 1


def test_a_disk_that_is_full_pauses_the_scan_and_it_can_be_finished(scan_of):
    recorder = PlainRecorder(fails_at=7, error=FULL)
    scan = scan_of(FakeSource(count=300), recorder=recorder)
    viewer = Viewer(scan)
    scan.start()
    viewer.until_state(ScanState.PAUSED)
    [fault] = viewer.faults
    assert (fault.says, fault.severity) == ("The disk is full.", "stop")
    assert scan.failure is FULL
    assert not scan.can_resume
    with pytest.raises(NotNow):
        scan.resume()
    assert recorder.kept == list(range(7))
    assert recorder.closed == 1
    scan.finish()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    fused = scan.fuser[0].added
    assert len(fused) >= 1
    assert fused == list(range(len(fused)))


def test_an_unforeseen_error_of_the_recorder_is_treated_alike(scan_of):
    scan = scan_of(
        FakeSource(count=300), recorder=PlainRecorder(fails_at=2, error=ZeroDivisionError("oops"))
    )
    viewer = Viewer(scan)
    scan.start()
    viewer.until_state(ScanState.PAUSED)
    assert "record" in viewer.faults[0].says
    scan.finish()
    viewer.until_over()
    assert scan.state is ScanState.DONE


def test_a_record_that_cannot_be_marked_complete_is_told_and_costs_no_mesh(scan_of):
    scan = scan_of(FakeSource(count=3), recorder=PlainRecorder(end_error=FULL))
    viewer = Viewer(scan)
    scan.start()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert [fault.says for fault in viewer.faults] == ["The disk is full."]


def test_a_source_that_is_gone_does_not_hide_that_the_record_is(scan_of):
    recorder = PlainRecorder(fails_at=0, error=FULL)
    at_fault = threading.Event()

    def gate():
        if source.next_index == 5:
            at_fault.wait(WAIT_S)

    source = FakeSource(
        count=9, fails_at=5, error=Unplugged("Gone.", "Plug it in."), is_live=True, gate=gate
    )
    scan = scan_of(source, recorder=recorder)
    viewer = Viewer(scan)
    scan.start()
    viewer.until_state(ScanState.PAUSED)
    at_fault.set()
    viewer.until(lambda news: len(viewer.faults) == 2)
    assert scan.failure is FULL
    assert not scan.can_resume


def test_when_the_map_crashes_the_record_is_complete(scan_of, tmp_path):
    def crash(frame):
        if frame.index == 8:
            raise ZeroDivisionError("inside")

    writer = ArchiveWriter(tmp_path / "kept")
    slow = PlainRecorder(before=lambda frame: (time.sleep(0.02), writer.add(frame)))
    scan = scan_of(FakeSource(count=1000), FakeFuser(crash), slow)
    slow.close = writer.close
    viewer = Viewer(scan)
    scan.start()
    viewer.until_over()
    assert scan.state is ScanState.FAILED
    assert scan.abort() == ()
    found = recover(tmp_path / "kept")
    assert found.notes == ()
    numbers = [entry.index for entry in found.entries]
    # All that reached the map is there, the frame it crashed on included.
    assert numbers == list(range(len(numbers)))
    assert set(scan.fuser[0].added) | {8} <= set(numbers)


def test_a_camera_drops_from_the_record_what_the_disk_cannot_take_and_counts_it(
    scan_of, monkeypatch
):
    monkeypatch.setattr(mailboxes, "RECORD_LIMIT_BYTES", 3 * bytes_of(frame_at(0, 40)))
    go, held = threading.Event(), threading.Event()

    def hold(frame):
        held.set()
        assert go.wait(WAIT_S)

    source = FakeSource(count=40, is_live=True)
    shots = iter(range(40))
    source.gate = lambda: next(shots) == 1 and held.wait(WAIT_S)
    recorder = PlainRecorder(before=hold)
    scan = scan_of(source, recorder=recorder)
    viewer = Viewer(scan)
    scan.start()
    viewer.until_state(ScanState.FINISHING)
    go.set()
    viewer.until_over()
    assert recorder.kept == [0, 1, 2, 3]
    assert recorded(viewer.stats[-1]).dropped == 36


def test_a_recording_waits_for_its_copy(scan_of, monkeypatch):
    monkeypatch.setattr(mailboxes, "RECORD_LIMIT_BYTES", 2 * bytes_of(frame_at(0, 40)))
    recorder = PlainRecorder(before=lambda frame: time.sleep(0.005))
    scan = scan_of(FakeSource(count=30), recorder=recorder)
    scan.start()
    Viewer(scan).until_over()
    assert scan.state is ScanState.DONE
    assert recorder.kept == list(range(30))


def test_an_abort_keeps_what_was_read(scan_of):
    recorder = PlainRecorder(before=lambda frame: time.sleep(0.01))
    scan = scan_of(FakeSource(count=10_000), recorder=recorder)
    scan.start()
    Viewer(scan).until(lambda news: recorder.kept)
    assert scan.abort() == ()
    assert recorder.closed == 1
    assert recorder.kept == list(range(scan._boxes.record.counters().taken))


def test_abort_before_the_start_closes_the_record(scan_of):
    recorder = PlainRecorder(end_error=FULL)
    scan_of(recorder=recorder).abort()
    assert recorder.closed == 1


def test_the_command_line_records_what_it_scans(tmp_path):
    from app.headless import scan
    from engine.core.settings import preset

    options = {"with_texture": False, "record": tmp_path / "kept"}
    spec = "synthetic:room?seed=5&frames=8&size=80x60&area=10"
    with open_source(spec) as source:
        outcome = scan(source, tmp_path / "out", preset("preview"), lambda step: None, **options)
    assert outcome.report["recorded"] == {
        "folder": str(tmp_path / "kept"),
        "frames": 8,
        "dropped": 0,
    }
    with open_source(str(tmp_path / "kept")) as again:
        assert sum(1 for _ in again.frames()) == 8
    with open_source(spec) as source, pytest.raises(BadInput, match="holds something"):
        scan(source, tmp_path / "out", preset("preview"), lambda step: None, **options)
