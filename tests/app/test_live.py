"""A draft at once, refined behind it, the last word at the end."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from app.build import make_fuser
from app.bundled import bundled
from app.lockstep import catch_up
from app.method import Method
from engine.core.faults import Cancelled
from engine.core.frames import PoseUpdate
from engine.core.poses import Pose
from engine.core.settings import DepthSettings, RefineSettings
from engine.core.surface import Grade, Mesh
from engine.meshing.seams import weld
from engine.recon.chunks import ChunkRequest, KeyframeGone, KeyframeMoved, KeyframeView
from engine.runtime.progress import run_job
from engine.sources.synthetic import SyntheticSource
from tests.app.helped import same_mesh
from tests.app.rooms import (
    SETTINGS,
    STEP_S,
    Shown,
    held,
    live_pipeline,
    pipeline,
    same_cells,
    same_state,
    walk,
)

MEASURED = ("tsdf", "weight", "color")


@pytest.fixture
def make():
    made = []

    def make(maker=live_pipeline, *arguments, **options):
        made.append(maker(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def fed(fuser, frames):
    for frame in frames:
        fuser.add(frame)
    return fuser


def finished(fuser, is_cancelled=lambda: False):
    steps = []
    return run_job(fuser.finish(), steps.append, is_cancelled), steps


def mesh_of(fuser):
    return weld(fuser.mesher.patches.values())


def test_drafts_come_with_the_frame_and_refined_patches_behind_it(make):
    fuser, plain = make(), make(pipeline)
    shown = Shown()
    for frame in walk()[:4]:
        patches, drafts = fuser.add(frame), plain.add(frame)
        # Nobody has been asked yet: this is what fusing alone shows.
        assert [patch.key for patch in patches] == [patch.key for patch in drafts]
        shown.take(patches)
    assert shown.grades == {Grade.DRAFT}
    assert fuser.stats().chunks_waiting > 2
    asked = []
    while not asked or fuser.has_work:
        for message in fuser.take_messages(1):
            asked.append(message)
            answer = fuser.helper.handle(message)
            if answer is not None:
                fuser.give_result(answer)
                changed = fuser.idle(1.0)
                assert {patch.grade for patch in changed if len(patch.faces)} <= {
                    Grade.REFINED,
                    Grade.DRAFT,
                }
                shown.take(changed)
    assert Grade.REFINED in shown.grades
    assert sum(isinstance(each, KeyframeView) for each in asked) == 4
    requests = [each for each in asked if isinstance(each, ChunkRequest)]
    assert fuser.stats().chunks_refined == len(requests) >= 3
    assert fuser.stats().chunks_waiting == 0
    assert shown.patches.keys() == fuser.mesher.patches.keys()
    # What was measured is as it was.
    assert same_cells(held(fuser.volume.pool, MEASURED), held(plain.volume.pool, MEASURED))
    # A network that believes what was measured shows the same surface.
    near, _ = cKDTree(mesh_of(fuser).vertices).query(mesh_of(plain).vertices)
    assert np.quantile(near, 0.9) < 0.03


def test_the_network_that_ships_leaves_the_surface_where_it_is():
    source = SyntheticSource("synthetic:room?seed=3&frames=120&size=160x120&area=10&noise=0")
    settings = SETTINGS.model_copy(
        update={
            "depth": DepthSettings(max_m=2.5),
            "refine": RefineSettings(halo_vox=8, reach_m=2.5, features_mb=128, keyframes_mb=16),
        }
    )
    method = Method(
        name="finerecon", weights=bundled("finerecon"), width_px=160, height_px=128, memory_mb=4096
    )
    fuser = make_fuser(settings, source.describe(), with_texture=False, method=method)
    fed(fuser, (source.frame(number) for number in range(0, 20, 5)))
    draft = mesh_of(fuser)
    catch_up(fuser)
    refined = mesh_of(fuser)
    assert {patch.grade for patch in fuser.mesher.patches.values()} >= {Grade.REFINED}
    final, _ = finished(fuser)
    scores = [_f1_5cm(mesh, draft) for mesh in (refined, final)]
    assert min(scores) > 0.9, scores
    assert fuser.details()["refinement"]["keyframes"] == 4
    fuser.close()


def _f1_5cm(mesh, wanted):
    """Agreement of what was measured of a mesh with another."""
    seen = mesh.vertices if mesh.is_observed is None else mesh.vertices[mesh.is_observed]
    precision = (cKDTree(wanted.vertices).query(seen)[0] < 0.05).mean()
    recall = (cKDTree(mesh.vertices).query(wanted.vertices)[0] < 0.05).mean()
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("seed", range(2))
def test_requests_never_overtake_news_of_their_keyframes(make, seed):
    dice = np.random.default_rng(seed)
    fuser = make()
    # What is on its way: taken in order, and answered when the other thread comes to it.
    box, known = [], set()
    seen = {"moved": 0, "most": 0}

    def take():
        box.extend(fuser.take_messages(int(dice.integers(0, 5))))
        waiting = sum(isinstance(each, ChunkRequest) for each in box)
        assert waiting <= 2
        seen["most"] = max(seen["most"], waiting)

    def handle():
        message = box.pop(0)
        if isinstance(message, ChunkRequest):
            assert set(np.unique(message.block_views).tolist()) - {-1} <= known
        elif isinstance(message, KeyframeGone):
            known.remove(message.number)
        else:
            seen["moved"] += isinstance(message, KeyframeMoved)
            known.add(message.number)
        answer = fuser.helper.handle(message)
        if answer is not None:
            fuser.give_result(answer)

    for frame in walk():
        fuser.add(frame)
        for _ in range(int(dice.integers(0, 4))):
            take()
        for _ in range(int(dice.integers(0, 3))):
            if box:
                handle()
        if frame.index in (4, 7):
            fuser.undo(1.5 * STEP_S)
        if frame.index in (3, 6):
            there = Pose.exp([0, 0, 0, 0.01 * frame.index, 0, 0]) @ walk()[1].T_world_cam
            fuser.update(PoseUpdate({1: there}, "a correction"))
        fuser.idle(float(dice.choice([0.0, 1.0])))
    while fuser.has_work or box:
        take()
        while box:
            handle()
        fuser.idle(1.0)
    assert seen == {"moved": 2, "most": 2}
    assert known == set(fuser.recon.keyframes) == set(range(9)) - {3, 4, 6, 7}


def test_without_its_helper_a_scan_goes_on_with_drafts(make):
    fuser, plain = make(), make(pipeline)
    fed(fuser, walk()[:3])
    given = fuser.take_messages(32)
    requests = [each for each in given if isinstance(each, ChunkRequest)]
    assert len(requests) == 2
    answers = [fuser.helper.handle(each) for each in given]
    fuser.give_result(answers[-2])
    fuser.idle(1.0)
    refined = held(fuser.volume.pool, ("refined",))
    assert refined
    fuser.lose_helper()
    assert fuser.helper is None
    assert not fuser.has_work
    assert list(fuser.take_messages(32)) == []
    for frame in walk()[3:]:
        assert fuser.add(frame)
    # Nobody will ever take them: news of keyframes may not pile up.
    assert not fuser.has_work
    assert len(fuser._messages) == 0
    assert same_cells(held(fuser.volume.pool, ("refined",)), refined)
    fed(plain, walk())
    assert same_cells(held(fuser.volume.pool, MEASURED), held(plain.volume.pool, MEASURED))
    assert fuser.stats().keyframes == 9
    fuser.undo(1.5 * STEP_S)
    catch_up(fuser)
    assert not fuser.has_work
    assert fuser.stats().keyframes == 7
    mesh, _ = finished(fuser)
    assert len(mesh.faces) > 500


def test_what_loses_its_evidence_is_shown_no_more(make):
    fuser = make()
    shown = Shown()
    for frame in walk()[:2]:
        shown.take(fuser.add(frame))
    # Far behind the camera of before.
    away = Pose.exp([0, 0, 0, 20.0, 0, 0])
    for frame in walk()[2:4]:
        shown.take(fuser.add(replace(frame, T_world_cam=away @ frame.T_world_cam)))
    shown.take(catch_up(fuser))
    far = {key for key, patch in shown.patches.items() if patch.vertices[:, 0].max() > 10}
    assert {shown.patches[key].grade for key in far} >= {Grade.REFINED}
    near = len(shown.patches) - len(far)
    assert min(near, len(far)) > 5
    fuser.undo(1.5 * STEP_S)
    shown.take(catch_up(fuser))
    assert not far & shown.patches.keys()
    assert len(shown.patches) == near
    assert not far & held(fuser.volume.pool).keys()
    fuser.undo(100.0)
    shown.take(catch_up(fuser))
    assert shown.patches == {}
    assert held(fuser.volume.pool) == {}
    assert len(fuser.recon.lattice.keys()) == 0
    assert fuser.stats().keyframes == fuser.stats().chunks_waiting == 0


def test_a_chunk_in_hand_while_its_frames_leave_is_refined_again(make):
    fuser, never = make(), make()
    fed(fuser, walk()[:4])
    fed(never, walk()[:2])
    given = list(fuser.take_messages(32))
    fuser.undo(1.5 * STEP_S)
    while fuser._has_moves:
        fuser.idle(1.0)
    for message in given:
        answer = fuser.helper.handle(message)
        if answer is not None:
            fuser.give_result(answer)
    catch_up(fuser)
    assert fuser.stats().chunks_waiting == 0
    catch_up(never)
    assert set(held(never.volume.pool)) <= set(held(fuser.volume.pool))
    one, other = held(fuser.volume.pool, ("refined",)), held(never.volume.pool, ("refined",))
    # Wherever both were asked the network says the same.
    assert all(np.array_equal(one[key]["refined"], cell["refined"]) for key, cell in other.items())


# The last pass.


def test_the_end_does_not_depend_on_what_was_refined_on_the_way(make):
    one, hurried, lost = make(), make(), make()
    for frame in walk()[:4]:
        one.add(frame)
        catch_up(one, 4)
    fed(hurried, walk()[:4])
    catch_up(hurried)
    fed(lost, walk()[:4])
    lost.lose_helper()
    mesh, steps = finished(one)
    assert same_mesh(mesh, finished(hurried)[0])
    assert same_mesh(mesh, finished(lost)[0])
    assert {"tiles", "final", "weld", "clean"} <= {step.stage for step in steps}
    assert mesh.is_observed is not None
    assert mesh.is_observed.any()
    assert {patch.grade for patch in one.mesher.patches.values()} >= {Grade.REFINED}
    assert one.details()["refinement"]["tiles"] == 1
    assert one.take_faults() == []


def test_a_last_pass_that_is_left_midway_changes_nothing(make):
    fuser, other = make(), make()
    for each in (fuser, other):
        fed(each, walk()[:3])
        catch_up(each)
    before, kept = held(fuser.volume.pool), fuser.stats()
    for stage in ("views", "volume", "points", "final"):
        told = []
        with pytest.raises(Cancelled):
            run_job(
                fuser.finish(),
                lambda step, told=told: told.append(step.stage),
                lambda told=told, stage=stage: stage in told,
            )
        assert same_cells(held(fuser.volume.pool), before), stage
    assert fuser.stats() == kept
    assert same_mesh(finished(fuser)[0], finished(other)[0])


def test_under_too_low_a_ceiling_the_end_is_the_surface_that_was_shown(make):
    fuser = make(memory_mb=1)
    fed(fuser, walk()[:2])
    catch_up(fuser)
    shown = mesh_of(fuser)
    mesh, _ = finished(fuser)
    [fault] = fuser.take_faults()
    assert "1 MB may be used" in fault.says
    assert "--memory-mb" in fault.remedy
    assert "tiles" not in fuser.details()["refinement"]
    near, _ = cKDTree(shown.vertices).query(mesh.vertices)
    assert np.quantile(near, 0.95) < 0.01


def test_a_moved_scan_ends_as_one_that_stood_right(make):
    one, right = make(), make()
    off = Pose.exp([0, 0, 0.03, 0.06, 0, 0])
    for frame in walk()[:6]:
        wrong = frame.index in (2, 4)
        one.add(replace(frame, T_world_cam=off @ frame.T_world_cam) if wrong else frame)
        catch_up(one, 3)
        right.add(frame)
    poses = {index: walk()[index].T_world_cam for index in (2, 4)}
    one.update(PoseUpdate(poses, "a loop closed"))
    # The end waits for frames that still have to move.
    mesh, steps = finished(one)
    assert "moves" in {step.stage for step in steps}
    right.lose_helper()
    assert same_mesh(mesh, finished(right)[0])
    assert same_state(one, right)


def test_guesses_are_left_out_where_they_are_not_wanted(make):
    square = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0], [2, 1, 0]])
    faces = np.int32([[0, 1, 2], [1, 3, 2], [1, 4, 3]])
    observed = np.array([True, True, True, False, False])
    mesh = Mesh(square, faces, None, observed)
    keeping, dropping = (
        make(
            settings=SETTINGS.model_copy(
                update={"mesh": SETTINGS.mesh.model_copy(update={"guessed": what})}
            )
        )
        for what in ("keep", "drop")
    )
    assert keeping._without_guesses(mesh) is mesh
    # A face is measured if all of its corners are.
    assert dropping._without_guesses(mesh).faces.tolist() == [[0, 1, 2]]


def test_under_pressure_keyframes_are_put_off_and_counted(make):
    fuser = make()
    fuser.add(walk()[0])
    assert fuser.stats().keyframes == 1
    fuser.pressure = 0.5
    fuser.add(walk()[1])
    # Fused all the same.
    assert sorted(fuser.volume.frames) == [0, 1]
    assert fuser.stats().keyframes == 1
    assert fuser.stats().keyframes_thinned == 1
    fuser.pressure = 0.0
    fuser.add(walk()[2])
    assert list(fuser.recon.keyframes) == [0, 2]
