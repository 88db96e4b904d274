"""One thread or four: the same mesh."""

import pytest

from app.lockstep import lockstep, run_lockstep
from app.pipeline import ScanPipeline
from app.scan import ScanController
from engine.core.faults import BadFrame, Cancelled
from engine.core.news import ScanState
from engine.core.settings import KeyframeSettings, MeshSettings, Settings, VolumeSettings
from engine.runtime.progress import run_job
from engine.sources.base import SourceInfo
from tests.app.fakes import FakeFuser, FakeSource
from tests.app.helped import HelpedFuser, same_mesh
from tests.app.rooms import Walk, live_pipeline, walk
from tests.app.viewer import Viewer
from tests.scenes import orbit

SETTINGS = Settings(
    keyframes=KeyframeSettings(min_move_m=0.01, min_turn_deg=0.5),
    volume=VolumeSettings(voxel_m=0.04, memory_mb=128),
    mesh=MeshSettings(min_island_faces=20),
)


class Ball(FakeSource):
    """A recording of a ball before a wall."""

    pictures = orbit(7)

    def describe(self):
        return SourceInfo("ball", "fake", len(self.pictures), True, True, True)

    def frames(self):
        yield from self.pictures


# A fuser belongs here with what it scans: both must give the same every time they are made.
FUSERS = {
    "plain": (FakeSource, FakeFuser),
    "helped": (FakeSource, HelpedFuser),
    "fusion": (Ball, lambda: ScanPipeline(SETTINGS, with_texture=False)),
    "finerecon": (lambda: Walk(walk()[:4]), live_pipeline),
}


@pytest.mark.parametrize("name", FUSERS)
def test_threads_and_lockstep_make_the_same_mesh(name):
    source_of, fuser_of = FUSERS[name]
    scan = ScanController(source_of(), lambda info: fuser_of())
    scan.start()
    Viewer(scan).until_over()
    assert scan.state is ScanState.DONE
    fuser = fuser_of()
    mesh = run_lockstep(source_of(), fuser)
    fuser.close()
    assert len(mesh.faces) > 500
    assert same_mesh(scan.result, mesh)
    scan.abort()


def test_a_helper_on_a_slow_machine_ends_with_the_same_when_the_fuser_settles():
    quick, slow = HelpedFuser(), HelpedFuser()
    behind = []
    mesh = run_lockstep(FakeSource(), quick)
    same = run_lockstep(
        FakeSource(),
        slow,
        messages_per_frame=1,
        on_frame=lambda frame, patches: behind.append(len(slow.asked)),
    )
    # Two messages a frame and one heard: one more is left after every frame.
    assert behind == list(range(1, 25))
    assert same_mesh(mesh, same)
    unsettled = HelpedFuser()
    unsettled.settles = False
    other = run_lockstep(FakeSource(), unsettled, messages_per_frame=1)
    assert unsettled.thinker.heard == 24
    assert not same_mesh(mesh, other)


def test_whoever_looks_on_sees_every_frame_and_may_command():
    fuser = HelpedFuser()
    seen = {}

    def look(frame, patches):
        seen[frame.index] = {patch.revision for patch in patches}
        if frame.index == 3:
            fuser.undo(1.5)

    run_lockstep(FakeSource(count=6), fuser, on_frame=look)
    assert list(seen) == list(range(6))
    # The frame's own patches and those that the helper changed.
    assert all(len(revisions) == 2 for index, revisions in seen.items() if index != 4)
    assert len(seen[4]) == 3
    assert fuser.orders == [(1.5, 4)]


def test_a_bad_frame_is_told_and_left_out():
    def refuse(frame):
        if frame.index == 2:
            raise BadFrame("Torn.")

    fuser, faults = FakeFuser(refuse), []
    run_lockstep(FakeSource(count=5), fuser, on_fault=faults.append)
    assert fuser.added == [0, 1, 3, 4]
    assert [fault.says for fault in faults] == ["Torn."]


def test_it_can_be_cancelled_between_frames():
    fuser = FakeFuser()
    job = lockstep(FakeSource(count=100), fuser)
    with pytest.raises(Cancelled):
        run_job(job, lambda step: None, lambda: len(fuser.added) == 4)
    assert len(fuser.added) == 4
