"""The studio keeps what is scanned, shows it again, and remembers what was chosen."""

import pickle
import shutil
import threading
import time
from contextlib import nullcontext

import pytest

from app.library_note import read_note
from app.studio import Studio
from engine.archive.recover import recover
from engine.core.faults import BadInput
from engine.core.news import ScanState
from engine.core.settings import Settings, preset
from engine.export.load import load_mesh
from engine.sources import detect
from tests.app.fakes import FakeFuser, FakeSource

WAIT_S = 20


def end_of(task):
    deadline = time.monotonic() + WAIT_S
    while not (news := task.poll()).is_over:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    return news


def result_of(task):
    news = end_of(task)
    assert news.fault is None, news.fault
    return news.result


def reach(scan, state):
    """Poll as a window does until the scan is there."""
    deadline = time.monotonic() + WAIT_S
    while scan.poll().state is not state:
        assert time.monotonic() < deadline, (scan.state, scan.failure)
        time.sleep(0.005)


class Bench:
    """A studio over a camera, a recording and whatever lies on disk."""

    def __init__(self):
        self.camera = FakeSource(count=96, is_live=True)
        self.made = []
        self.studio = Studio(preset("preview"), self.open_source, self.make_fuser)

    def open_source(self, spec):
        if spec == "camera":
            return self.camera
        if spec == "recording":
            return FakeSource(count=24)
        return detect.open_source(spec)

    def make_fuser(self, settings, info, method):
        self.made.append((settings, method, info.name))
        return FakeFuser()

    def opened(self, spec):
        return result_of(self.studio.open(str(spec)))

    def scanned(self, spec):
        scan = self.opened(spec)
        # A camera is looked at before the scan already: it must not be over by then.
        self.camera.gate = lambda: None if scan.last_stats.frames_used else time.sleep(0.02)
        scan.start()
        reach(scan, ScanState.DONE)
        return scan

    def cut_short(self, frames=5):
        """Scan with a camera that waits after some frames, and stop."""
        gate, scans = threading.Event(), []

        def wait():
            # A camera is looked at before the scan already; what counts is what was fused.
            if scans and scans[0].last_stats.frames_used >= frames:
                gate.wait(WAIT_S)
            else:
                time.sleep(0.002)

        # Slow enough round the hills that no step is taken for a jump of the pose.
        self.camera = FakeSource(count=600, is_live=True, gate=wait)
        scan = self.opened("camera")
        scans.append(scan)
        scan.start()
        deadline = time.monotonic() + WAIT_S
        while scan.last_stats.frames_used < frames:
            assert time.monotonic() < deadline
            scan.poll()
            time.sleep(0.005)
        return scan, gate

    def cards(self):
        return result_of(self.studio.scans())


@pytest.fixture
def bench():
    before = set(threading.enumerate())
    made = Bench()
    yield made
    made.studio.close()
    assert set(threading.enumerate()) == before


def test_a_scan_with_a_camera_is_in_the_library_with_its_frames(bench, home_of_its_own):
    scan = bench.scanned("camera")
    (card,) = bench.cards()
    assert (card.state, card.title) == ("finished", scan.title)
    assert card.title.startswith("Scan of ")
    assert card.path.parent == home_of_its_own / "scans"
    assert card.thumbnail is not None
    assert len(load_mesh(card.path / "mesh.glb").faces) == len(scan.result.faces)
    kept = recover(card.path)
    assert kept.notes == ()
    assert len(kept.entries) == scan.last_stats.frames_read
    note = read_note(card.path)
    assert (note.source, note.settings) == ("camera", preset("preview"))
    assert pickle.loads(pickle.dumps(bench.cards()))[0].path == card.path


def test_a_recording_is_named_but_not_copied(bench):
    bench.scanned("recording")
    (card,) = bench.cards()
    assert (card.state, card.title) == ("finished", "sand hills")
    assert read_note(card.path).source == "recording"
    assert {file.name for file in card.path.iterdir()} == {"mesh.glb", "scan.json", "thumbnail.png"}


def test_looking_at_a_camera_leaves_nothing_behind(bench, home_of_its_own):
    scan = bench.opened("camera")
    scan.abort()
    assert bench.cards() == ()
    assert not home_of_its_own.exists()


def test_a_running_scan_is_neither_offered_nor_deleted(bench, home_of_its_own):
    scan, gate = bench.cut_short()
    (folder,) = (home_of_its_own / "scans").glob("[!.]*")
    assert bench.cards() == ()
    assert "open" in end_of(bench.studio.delete_scan(folder)).fault.says
    gate.set()
    reach(scan, ScanState.DONE)
    assert [card.path for card in bench.cards()] == [folder]


def test_a_scan_cut_short_is_recovered_into_its_own_folder(bench):
    scan, gate = bench.cut_short(frames=6)
    gate.set()
    scan.abort()
    (card,) = bench.cards()
    assert card.state == "recoverable"
    safe = len(recover(card.path).entries)
    assert safe >= 5
    assert card.remark == f"{safe} frames are safe."
    again = bench.scanned(card.path)
    assert (again.title, again.last_stats.frames_read) == (card.title, safe)
    (finished,) = bench.cards()
    assert (finished.path, finished.state, finished.title) == (card.path, "finished", card.title)
    note = read_note(card.path)
    assert note.source == "camera"
    # Scanned again, it makes a scan of its own: what is finished stays.
    bench.scanned(card.path)
    other = next(c for c in bench.cards() if c.path != card.path)
    assert read_note(other.path).source == str(card.path)


def test_a_finished_scan_can_be_opened_as_a_model(bench):
    scan = bench.scanned("camera")
    (card,) = bench.cards()
    model = result_of(bench.studio.open_model(card.path))
    assert model.title == card.title
    assert model.counts.faces == len(scan.result.faces)
    model.close()


def test_deleting_a_scan_takes_it_off_the_disk(bench):
    bench.scanned("recording")
    (card,) = bench.cards()
    assert end_of(bench.studio.delete_scan(card.path)).fault is None
    assert bench.cards() == ()
    assert "not a scan" in end_of(bench.studio.delete_scan(card.path)).fault.says


def test_a_surface_that_cannot_be_saved_is_still_there(bench, home_of_its_own):
    home_of_its_own.mkdir(parents=True)
    (home_of_its_own / "scans").write_text("in the way")
    scan = bench.opened("recording")
    scan.start()
    faults = []
    deadline = time.monotonic() + WAIT_S
    while (news := scan.poll()).state is not ScanState.DONE:
        faults += news.faults
        assert time.monotonic() < deadline
        time.sleep(0.005)
    faults += news.faults
    assert any("No scan can be kept" in fault.says for fault in faults)
    assert scan.model.counts.faces == len(scan.result.faces)


def test_a_disk_without_room_is_said_before_a_camera_starts(bench, monkeypatch):
    usage = shutil.disk_usage("/")._replace(free=50 << 20)
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage)
    assert "Only 50 MB" in end_of(bench.studio.open("camera")).fault.says
    assert bench.camera.closed == 1
    # Whoever opens a recording may still export what comes of it.
    assert bench.opened("recording").state is ScanState.READY


def test_a_source_is_closed_when_it_is_not_used_after_all(bench):
    class Cold:
        held = nullcontext

        def wait(self):
            raise BadInput("Not today.")
            yield

    studio = Studio(Settings(), bench.open_source, bench.make_fuser, Cold())
    assert end_of(studio.open("camera")).fault.says == "Not today."
    assert bench.camera.closed == 1
    studio.close()


def test_settings_hold_for_scans_that_are_opened_later(bench):
    before = bench.opened("recording")
    form = result_of(bench.studio.change_settings({"depth.max_m": 2.5, "method.depth": "sensor"}))
    assert form.preset == ""
    before.start()
    reach(before, ScanState.DONE)
    bench.scanned("recording")
    (old, old_method, _), (new, new_method, _) = bench.made
    assert (old.depth.max_m, old_method.depth) == (5.0, "auto")
    assert (new.depth.max_m, new_method.depth) == (2.5, "sensor")
    fault = end_of(bench.studio.change_settings({"depth.max_m": -1.0})).fault
    assert fault.says.startswith("Farthest depth cannot be -1 m")
    assert result_of(bench.studio.use_preset("full")).preset == "full"
    later = Studio(Settings(), bench.open_source, bench.make_fuser)
    assert result_of(later.settings()).preset == "full"
    later.close()


def test_a_folder_for_scans_that_was_chosen_is_used(bench, tmp_path):
    result_of(bench.studio.change_settings({"program.scans_folder": str(tmp_path / "mine")}))
    bench.scanned("recording")
    (card,) = bench.cards()
    assert card.path.parent == tmp_path / "mine"


def test_what_the_window_has_to_know_is_kept(bench):
    assert result_of(bench.studio.preferences())["theme"] == "system"
    assert end_of(bench.studio.set_preference("theme", "dark")).fault is None
    assert end_of(bench.studio.set_preference("theme", "pink")).fault is not None
    assert result_of(bench.studio.preferences())["theme"] == "dark"


def test_cameras_and_weights_are_looked_up(bench):
    assert result_of(bench.studio.cameras())[0].is_usable
    assert {card.state for card in result_of(bench.studio.weights())} >= {"bundled"}
    assert "no weights" in end_of(bench.studio.download("nothing")).fault.says
