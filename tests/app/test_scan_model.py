"""Done means saved: what a scan leaves when it has come to its end."""

import numpy as np
import pytest

from app.fuser import Keepsakes
from app.scan import ScanController
from engine.core.frames import Photo
from engine.core.news import Progress, ScanState
from engine.core.surface import Mesh
from tests.app.fakes import FakeFuser, FakeSource, frame_at
from tests.app.test_model import Folder, result_of
from tests.app.viewer import Viewer


class Painter(FakeFuser):
    """Leaves a photograph and a draft."""

    def keepsakes(self):
        frame = frame_at(0, 24)
        photo = Photo(frame.color, frame.intrinsics, frame.T_world_cam, 0)
        nothing = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32))
        return Keepsakes((photo,), {"draft": nothing})


@pytest.fixture
def scan_of(tmp_path):
    made = []

    def make(place=None, fuser=Painter):
        made.append(ScanController(FakeSource(4), lambda info: fuser(), place=place))
        return made[-1]

    yield make
    for scan in made:
        assert scan.abort() == ()


def run(scan):
    viewer = Viewer(scan)
    assert scan.model is None
    scan.start()
    viewer.until_over()
    return viewer


def test_a_scan_is_done_when_its_surface_is_on_disk(scan_of, tmp_path):
    place = Folder(tmp_path)
    states = []

    class Watching(Folder):
        def keep(self, surface):
            states.append(scan.state)
            yield from place.keep(surface)

    scan = scan_of(Watching(tmp_path))
    viewer = run(scan)
    assert scan.state is ScanState.DONE
    assert states == [ScanState.FINISHING]
    assert place.kept == [scan.result]
    assert "save" in {step.stage for step in viewer.progress}


def test_its_model_has_what_the_fuser_left(scan_of):
    scan = scan_of()
    run(scan)
    model = scan.model
    assert model is not None
    assert model.surface is scan.result
    assert model.title == "sand hills"
    assert model.grades == ("draft", "final")
    assert model.can_texture
    assert len(result_of(model.grade("draft")).faces) == 1
    assert "No texture" in model.texture_note
    model.close()


def test_a_scan_that_cannot_be_saved_is_done_all_the_same_and_says_so(scan_of, tmp_path):
    scan = scan_of(Folder(tmp_path, fails=True))
    viewer = run(scan)
    assert scan.state is ScanState.DONE
    assert scan.model is not None
    told = [fault for fault in viewer.faults if "disk is full" in fault.says]
    assert [fault.severity for fault in told] == ["degrade"]


def test_a_scan_given_up_while_it_is_saved_has_no_model(scan_of, tmp_path):
    class Endless(Folder):
        def keep(self, surface):
            scan.abort(0)
            while True:
                yield Progress("save", 0)

    scan = scan_of(Endless(tmp_path))
    run(scan)
    assert scan.state is ScanState.ABORTED
    assert scan.model is None


def test_a_place_that_breaks_in_an_unforeseen_way_costs_no_scan_either(scan_of, tmp_path):
    class Broken(Folder):
        def keep(self, surface):
            yield Progress("save", 0)
            raise ZeroDivisionError

    scan = scan_of(Broken(tmp_path))
    viewer = run(scan)
    assert scan.state is ScanState.DONE
    assert scan.model is not None
    assert any("ZeroDivisionError" in fault.says for fault in viewer.faults)


def test_a_finished_scan_is_closed_once_it_was_let_go_of(scan_of):
    scan = scan_of()
    run(scan)
    assert not scan.is_closed
    scan.abort()
    assert scan.is_closed
    assert scan.state is ScanState.DONE
    assert scan.model is not None
