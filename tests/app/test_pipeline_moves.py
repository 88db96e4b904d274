"""Frames that are moved or taken back: what is left is what there would have been without."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from app.fuser import NotNow
from app.lockstep import catch_up, run_lockstep
from app.pipeline import ScanPipeline
from app.scan import ScanController
from engine.archive.journal import ArchiveWriter
from engine.archive.recover import recover
from engine.core.faults import BadFrame, BadInput
from engine.core.frames import PoseUpdate
from engine.core.news import ScanState
from engine.core.poses import Pose
from engine.meshing.seams import weld
from engine.runtime.progress import run_job
from engine.sources.detect import open_source
from engine.volume.history import FramesSettled
from tests.app.rooms import (
    SETTINGS,
    STEP_S,
    KnowsTheBall,
    Walk,
    colour_only,
    held,
    live_pipeline,
    pipeline,
    same_cells,
    same_state,
    walk,
)
from tests.app.viewer import Viewer

KINDS = {"fusion": pipeline, "finerecon": live_pipeline}
WRONG = Pose.exp([0.0, 0.0, np.radians(3.0), 0.1, -0.05, 0.04])


@pytest.fixture
def make(request):
    """Makes pipelines of a kind that nobody helps, and closes them."""
    made = []

    def make(kind="fusion", **options):
        made.append(KINDS[kind](**options))
        made[-1].lose_helper()
        return made[-1]

    yield make
    for one in made:
        one.close()


def fed(fuser, frames):
    for frame in frames:
        fuser.add(frame)
    return fuser


def displaced(frames, which):
    return [
        replace(f, T_world_cam=WRONG @ f.T_world_cam) if f.index in which else f for f in frames
    ]


def photos(fuser):
    return [photo.index for photo in fuser.album.photos()]


@pytest.mark.parametrize("depth", ["sensor", "learned"])
@pytest.mark.parametrize("kind", KINDS)
def test_undone_frames_were_never_seen(make, kind, depth):
    frames = walk() if depth == "sensor" else colour_only(walk())
    is_learned = depth == "learned"
    one, never = (make(kind, estimator=KnowsTheBall() if is_learned else None) for _ in range(2))
    fed(one, frames)
    fed(never, frames[:6])
    assert not same_state(one, never)
    before = one.stats().keyframes
    update = one.undo(2.5 * STEP_S)
    assert update.T_world_cam == {6: None, 7: None, 8: None}
    assert one.stats().moves_waiting == 3
    assert one.has_work
    catch_up(one)
    assert one.take_faults() == []
    assert same_state(one, never)
    assert one.stats().keyframes == never.stats().keyframes == before - 3
    assert one.frames_used == never.frames_used
    assert photos(one) == photos(never)
    # Scanning goes on at the place where it stopped, and where it had been since.
    later = [replace(f, index=f.index + 9, t_ns=f.t_ns + 10**9) for f in frames]
    for fuser in (one, never):
        if is_learned:
            fuser._keyframe_depth._walk._estimator = KnowsTheBall(
                [replace(f, index=f.index + 9) for f in walk()]
            )
        fed(fuser, later[6:])
    assert {15, 16, 17} <= set(one.volume.frames)
    assert same_state(one, never)


def test_learned_depth_forgets_what_it_was_told_of_undone_frames(make):
    one_estimator, never_estimator = KnowsTheBall(), KnowsTheBall()
    frames = walk(25)
    for estimator in (one_estimator, never_estimator):
        estimator._frames = {frame.index: frame for frame in frames}
    one, never = make(estimator=one_estimator), make(estimator=never_estimator)
    frames = colour_only(frames)
    fed(one, frames[:9])
    fed(never, frames[:7])
    one.undo(1.5 * STEP_S)
    catch_up(one)
    for fuser in (one, never):
        fed(fuser, frames[9:11])
    # Neither asked for as help, nor in the way of a keyframe.
    assert [who for who, _ in never_estimator.asked] == [1, 2, 3, 4, 5, 6, 9, 10]
    assert one_estimator.asked[-2:] == never_estimator.asked[-2:]
    assert same_state(one, never)


def test_keyframes_that_still_wait_are_undone_too(make):
    one, never = (make(estimator=KnowsTheBall(), can_wait=True) for _ in range(2))
    frames = colour_only(walk())
    fed(one, frames)
    fed(never, frames)
    fused = sorted(one.volume.frames)
    assert len(fused) < 6
    update = one.undo(0.5 * STEP_S)
    # The newest that was fused, and everything seen after it.
    assert list(update.T_world_cam) == list(range(fused[-1], 9))
    run_job(one.settled(), lambda step: None, lambda: False)
    run_job(never.settled(), lambda step: None, lambda: False)
    assert sorted(one.volume.frames) == fused[:-1]
    assert sorted(never.volume.frames) == list(range(9))
    assert max(photos(one)) < fused[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_moved_frames_always_stood_there(make, kind):
    which = {2, 3, 7}
    one, right = make(kind), make(kind)
    fed(one, displaced(walk(), which))
    fed(right, walk())
    assert not same_state(one, right)
    poses = {index: walk()[index].T_world_cam for index in which}
    one.update(PoseUpdate(poses, "a loop closed"))
    assert one.stats().moves_waiting == 3
    catch_up(one)
    assert same_state(one, right)
    assert one.take_faults() == []
    for photo in one.album.photos():
        assert photo.T_world_cam == walk()[photo.index].T_world_cam
    assert one.frames_used == right.frames_used


def test_photographs_of_frames_that_were_not_fused_follow_too(make):
    fuser = make(estimator=KnowsTheBall(), hold_out=3)
    fed(fuser, colour_only(walk()))
    # Nobody to compare it with: a photograph, and no more.
    assert 0 in photos(fuser)
    assert 0 not in fuser.volume.frames
    elsewhere = {index: WRONG @ walk()[index].T_world_cam for index in (0, 2)}
    fuser.update(PoseUpdate(elsewhere, "a loop closed"))
    assert fuser.album.photos()[0].T_world_cam == elsewhere[0]
    assert [photo.index for photo in fuser.withheld] == [2, 5, 8]
    assert fuser.withheld[0].T_world_cam == elsewhere[2]
    fuser.update(PoseUpdate({0: None, 5: None}, "not these"))
    assert 0 not in photos(fuser)
    assert [photo.index for photo in fuser.withheld] == [2, 8]
    # Photographs alone are no reason to tell that frames stay where they are.
    assert fuser.take_faults() == []


def test_learned_depth_is_computed_from_where_keyframes_stand_now(make):
    estimator = KnowsTheBall()
    fuser = make(estimator=estimator)
    frames = colour_only(displaced(walk(), set(range(6))))
    fed(fuser, frames[:6])
    fuser.update(PoseUpdate({i: walk()[i].T_world_cam for i in range(6)}, "a loop closed"))
    catch_up(fuser)
    fed(fuser, frames[6:])
    for index, sources in estimator.asked[-3:]:
        assert index >= 6
        assert sources
        for number, pose in sources:
            assert pose == walk()[number].T_world_cam


def test_without_a_history_nothing_moves(make):
    fuser = make(history=None)
    fed(fuser, walk()[:2])
    with pytest.raises(NotNow):
        fuser.undo(1.0)
    with pytest.raises(NotNow):
        fuser.update(PoseUpdate({0: None}, "no"))


def test_a_pose_that_is_none_changes_nothing(make):
    fuser, other = make("finerecon"), make("finerecon")
    fed(fuser, walk()[:4])
    fed(other, walk()[:4])
    nan = Pose(np.full((4, 4), np.nan))
    with pytest.raises(BadInput, match="frame 2"):
        fuser.update(PoseUpdate({1: WRONG, 2: nan}, "nonsense"))
    with pytest.raises(BadInput, match="undone"):
        fuser.undo(-1.0)
    assert not fuser.has_work
    assert same_state(fuser, other)
    assert photos(fuser) == photos(other)


def test_guided_frames_may_lack_one_picture_and_not_both(make):
    fuser = make(estimator=KnowsTheBall(), is_guided=True)
    fuser.add(walk()[0])
    fuser.add(replace(walk()[1], color=None))
    fuser.add(replace(walk()[2], depth_m=None, depth_intrinsics=None))
    assert sorted(fuser.volume.frames) == [0, 1]
    assert [photo.index for photo in fuser.album.photos()] == [0, 2]
    with pytest.raises(BadFrame, match="Frame 3 has no colour"):
        fuser.add(replace(walk()[3], color=None, depth_m=None, depth_intrinsics=None))
    with pytest.raises(BadFrame, match="Frame 4 has no pose"):
        fuser.add(replace(walk()[4], T_world_cam=None))


def test_of_guided_frames_the_merged_are_the_networks_keyframes(make):
    # Small steps: most frames are too near to the last keyframe to be one.
    frames = walk(61)
    estimator = KnowsTheBall()
    estimator._frames = {frame.index: frame for frame in frames}
    fuser = make("finerecon", estimator=estimator, is_guided=True)
    fed(fuser, frames)
    merged = [index for index, _ in estimator.asked]
    assert 10 < len(merged) < 40
    assert sorted(fuser.volume.frames) == list(range(61))
    # The first one had nobody to compare itself with; it has the sensor's depth alone.
    assert list(fuser.recon.keyframes) == [0, *merged]
    assert fuser.stats().keyframes == len(merged) + 1
    fuser.undo(10 * STEP_S)
    catch_up(fuser)
    assert max(fuser.recon.keyframes) <= max(fuser.volume.frames) < 51


# What the threads make of it.


def over(scan):
    Viewer(scan).until_over()
    return scan


@pytest.mark.parametrize("depth", ["sensor", "learned"])
def test_a_record_knows_what_was_undone_and_where_frames_stand(tmp_path, depth):
    options = {"estimator": KnowsTheBall()} if depth == "learned" else {}
    frames = displaced(walk() if depth == "sensor" else colour_only(walk()), {1})
    fuser = pipeline(**options)
    right = walk()[1].T_world_cam
    orders = {5: lambda: scan.update(PoseUpdate({1: right}, "a loop")), 8: lambda: scan.undo(0.07)}

    def order(frame):
        if frame.index in orders:
            orders[frame.index]()

    # The order to undo waits for the frames before it: the last one comes after it.
    scan = ScanController(
        Walk(frames, before=order), lambda info: fuser, recorder=ArchiveWriter(tmp_path / "kept")
    )
    scan.start()
    viewer = Viewer(scan)
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert viewer.faults == []
    found = recover(tmp_path / "kept")
    left = [entry.index for entry in found.entries]
    assert left == [0, 1, 2, 3, 4, 8] or left == [0, 1, 2, 3, 4, 5, 8]
    assert any("taken back" in note for note in found.notes)
    with open_source(str(tmp_path / "kept")) as again:
        poses = {frame.index: frame.T_world_cam for frame in again.frames()}
    assert poses[1].distance_to(right)[0] < 1e-9
    # The volume holds exactly these frames of the record.
    fused = set(fuser.volume.frames)
    assert fused <= set(left)
    # Of the first keyframe, and of the one after the gap, learned depth knows nothing.
    assert fused >= set(left) - ({0, 8} if depth == "learned" else set())
    scan.abort()


def test_what_was_recorded_and_undone_scans_to_the_same_volume(tmp_path):
    fuser = pipeline()
    scan = ScanController(
        Walk(before=lambda frame: frame.index == 7 and scan.undo(0.05)),
        lambda info: fuser,
        recorder=ArchiveWriter(tmp_path / "kept", depth_unit_m=0.0001),
    )
    scan.start()
    over(scan)
    again = pipeline()
    with open_source(str(tmp_path / "kept")) as source:
        times = [frame.t_ns for frame in source.frames() if again.add(frame) is not None]
    fused = sorted(fuser.volume.frames)
    assert 5 not in fused
    assert times == [walk()[index].t_ns for index in fused]
    # Pictures were rounded on their way to the disk, poses were not.
    one, other = (weld(each.mesher.patches.values()) for each in (fuser, again))
    near, _ = cKDTree(one.vertices).query(other.vertices)
    assert len(again.volume.frames) == len(fused)
    assert np.quantile(near, 0.99) < 0.002
    scan.abort()
    again.close()


def test_an_order_that_comes_last_is_recorded_and_one_without_a_record_is_not_missed(tmp_path):
    for recorder in (ArchiveWriter(tmp_path / "kept"), None):
        fuser = pipeline()

        made = []

        def order(frame, made=made):
            if frame.index == 8:
                # Obeyed when the way in is closed already.
                made[0].undo(0.05)
                made[0].finish()

        scan = ScanController(Walk(before=order), lambda info, f=fuser: f, recorder=recorder)
        made.append(scan)
        scan.start()
        over(scan)
        assert scan.state is ScanState.DONE
        assert scan.failure is None
        assert max(fuser.volume.frames) < 8
        if recorder is not None:
            kept = {entry.index for entry in recover(tmp_path / "kept").entries}
            assert max(kept - {8}) == max(fuser.volume.frames)
        scan.abort()


class Troubled(ScanPipeline):
    """Has something to tell after each of its steps."""

    def __init__(self):
        super().__init__(SETTINGS, with_texture=False)
        self.told = 0

    def trouble(self, what):
        self.told += 1
        self._faults.append(FramesSettled(f"{what} {self.told}"))

    def add(self, frame):
        self.trouble("add")
        return super().add(frame)

    def update(self, update):
        self.trouble("update")

    def finish(self):
        self.trouble("finish")
        return (yield from super().finish())


def test_what_a_scan_goes_on_in_spite_of_is_told():
    fuser = Troubled()
    scan = ScanController(
        Walk(before=lambda frame: frame.index == 4 and scan.update(PoseUpdate({}, "x"))),
        lambda info: fuser,
    )
    viewer = Viewer(scan)
    scan.start()
    viewer.until_over()
    assert scan.state is ScanState.DONE
    assert scan.last_stats.dropped == 0
    kinds = [fault.says.split()[0] for fault in viewer.faults]
    assert sorted(kinds) == ["add"] * 9 + ["finish", "update"]
    assert {fault.severity for fault in viewer.faults} == {"degrade"}
    scan.abort()
    faults, plain = [], Troubled()
    run_lockstep(Walk(), plain, on_fault=faults.append)
    assert [fault.says.split()[0] for fault in faults] == ["add"] * 9 + ["finish"]
    plain.close()


def test_frames_that_can_no_longer_move_are_told_and_their_pictures_stay(make):
    fuser = make()
    fed(fuser, walk()[:4])
    # As when memory and disk were full.
    fuser.history._settled[0] = fuser.history._memory.pop(0).t_ns
    pose = next(photo for photo in fuser.album.photos() if photo.index == 0).T_world_cam
    fuser.update(PoseUpdate({0: WRONG, 1: WRONG @ walk()[1].T_world_cam}, "a loop closed"))
    [fault] = fuser.take_faults()
    assert "frame 0" in fault.says
    assert fuser.take_faults() == []
    assert next(p for p in fuser.album.photos() if p.index == 0).T_world_cam == pose
    catch_up(fuser)
    whole = make()
    fed(whole, displaced(walk()[:4], {1}))
    assert same_cells(held(fuser.volume.pool), held(whole.volume.pool))


@pytest.mark.parametrize("kind", KINDS)
def test_on_a_busy_way_every_other_frame_is_meshed_with_the_next(make, kind):
    busy, calm = make(kind), make(kind)
    busy.pressure = 0.4
    handed_out = [len(busy.add(frame)) for frame in walk()[:3]]
    assert handed_out[0] == handed_out[2] == 0 < handed_out[1]
    # Nothing more comes: what is owed is made up for between frames.
    assert busy.has_work
    assert busy.idle(0.01)
    assert not busy._owes_mesh
    assert not busy.idle(0.01)
    fed(calm, walk()[:3])
    assert busy.mesher.patches.keys() == calm.mesher.patches.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_to_be_meshed_with_the_next_is_finished_all_the_same(make, kind):
    busy = make(kind)
    busy.pressure = 0.4
    assert busy.add(walk()[0]) == []
    assert not run_job(busy.finish(), lambda step: None, lambda: False).is_empty
