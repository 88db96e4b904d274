"""The live suite's parts on tiny tapes, and its whole JSON once."""

import json
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from app.bench.live_aims import AIMS, Aim, for_people
from app.bench.live_drive import driven
from app.bench.live_sets import NORMAL, QUICK, draw
from app.bench.live_tape import MISSED, Play, TapeSource, record
from app.bench.live_watch import Log, percentiles
from app.cli import console
from app.cli import main as cli
from app.fuser import FuserStats
from engine.core.surface import Grade
from engine.runtime.meters import Meters
from tests.app.fakes import FakeFuser, FakeSource, patch_at

CONTRACT = {
    "sensor": ("draft_ms_p50", "draft_ms_p95", "input_hz", "keyframes_dropped"),
    "learned": ("keyframe_ms_p50", "refine_chunk_ms_p50"),
    "agreement": ("tsdf_max_abs", "f1_2cm"),
    "pose_update": ("max_abs", "seconds"),
}
GRADES = ("draft", "refined", "final")


@pytest.fixture
def tape(tmp_path):
    source = FakeSource(count=12)
    return record(tmp_path / "tape", source.describe(), source.frames())


def patch(x, revision, grade=Grade.DRAFT):
    return replace(patch_at(x, 0, revision), grade=grade)


def is_same(one, other):
    pairs = zip((one.color, one.depth_m), (other.color, other.depth_m), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs) and one.T_world_cam == other.T_world_cam


def test_a_tape_gives_back_what_was_recorded(tape):
    frames = list(FakeSource(count=12).frames())
    played = list(TapeSource(tape, Play()).frames())
    assert [frame.index for frame in played] == list(range(12))
    assert all(is_same(*pair) for pair in zip(frames, played, strict=True))


def test_what_a_frame_lacks_it_lacks_on_tape_and_without_a_pose_it_is_left_out(tmp_path):
    full = next(FakeSource(count=1).frames())
    sure = np.full(full.depth_m.shape, 0.5, np.float32)
    dark = replace(full, color=None, confidence=sure)
    lost = replace(full, T_world_cam=None)
    flat = replace(full, depth_m=None)
    info = FakeSource().describe()
    tape = record(tmp_path / "tape", info, [dark, lost, flat, full])
    assert len(tape.kept) == 3
    assert tape.frame(0).color is None
    assert np.array_equal(tape.frame(0).confidence, sure)
    assert tape.frame(1).depth_m is None
    assert is_same(tape.frame(2), full)


def test_enlarged_pictures_come_with_their_cameras_and_depth_is_not_mixed(tape):
    frame = next(TapeSource(tape, Play(size=(128, 96))).frames())
    assert frame.color.shape == (96, 128, 3)
    assert (frame.intrinsics.width, frame.depth_intrinsics.height) == (128, 96)
    assert set(np.unique(frame.depth_m)) == {0, np.float32(1.5)}


def test_rounds_stand_beside_each_other_and_are_numbered_on(tape):
    source = TapeSource(tape, Play(start=2, stop=5, rounds=2, apart_m=20, with_depth=False))
    frames = list(source.frames())
    assert [frame.index for frame in frames] == list(range(6))
    assert len(source) == 6
    moved = frames[3].T_world_cam.translation - frames[0].T_world_cam.translation
    assert moved == pytest.approx([20, 0, 0])
    assert frames[0].depth_m is None
    assert not source.describe().has_depth


def test_a_camera_keeps_its_clock_and_a_slow_reader_misses_frames(tape):
    quick = TapeSource(tape, Play(rate_hz=100))
    began = time.perf_counter()
    assert len(list(quick.frames())) + quick.skipped.get(MISSED, 0) == 12
    assert time.perf_counter() - began >= 0.11
    slow = TapeSource(tape, Play(rate_hz=100))
    taken = []
    for frame in slow.frames():
        taken.append(frame.index)
        time.sleep(0.045)
    assert slow.skipped[MISSED] == 12 - len(taken)
    assert len(taken) <= 4
    # As old as the camera's driver let it become.
    assert slow.left_s[taken[-1]] - slow.left_s[0] == pytest.approx(taken[-1] / 100)
    assert taken == sorted(taken)
    assert slow.describe().is_live
    assert not TapeSource(tape, Play()).describe().is_live


def test_a_closed_camera_stops_waiting(tape):
    source = TapeSource(tape, Play(rate_hz=0.01))
    frames = source.frames()
    next(frames)
    source.close()
    assert list(frames) == []


def test_a_draft_is_shown_when_its_last_patch_or_a_newer_one_is():
    log = Log({0: time.perf_counter() - 1.0, 1: time.perf_counter()})
    log.added(0, [patch(1, 1), patch(2, 1)], 5.0, 7.0, is_keyframe=True)
    log.shown([patch(1, 1)])
    assert log.draft_ms == []
    log.added(1, [patch(2, 2)], 6.0, 8.0, is_keyframe=False)
    assert log.never_shown == 2
    log.shown([patch(2, 2)])
    assert [round(ms / 1000) for ms in log.draft_ms] == [1, 0]
    assert (log.keyframe_ms, log.frame_ms, log.never_shown) == ([5.0], [6.0], 0)
    assert log.keyframe_cpu_ms == [7.0]


def test_a_frame_meshed_with_the_next_is_shown_with_it():
    log = Log({0: time.perf_counter() - 2.0, 1: time.perf_counter(), 2: time.perf_counter()})
    log.added(0, [], 5.0, 7.0, is_keyframe=False)
    log.added(1, [], 0.1, 0.1, is_keyframe=False, is_fused=False)
    assert log.never_shown == 0
    log.added(2, [patch(1, 1)], 5.0, 7.0, is_keyframe=False)
    assert log.never_shown == 2
    log.shown([patch(1, 1)])
    assert [round(ms / 1000) for ms in log.draft_ms] == [2, 0]


def test_patches_that_come_between_frames_show_what_was_owed():
    log = Log({0: time.perf_counter()})
    log.added(0, [], 5.0, 7.0, is_keyframe=False)
    log.meshed([patch(1, 1)])
    log.shown([patch(1, 1)])
    assert len(log.draft_ms) == 1


def test_a_patch_older_than_the_frames_own_does_not_show_it():
    log = Log({0: time.perf_counter()})
    log.added(0, [patch(1, 4)], 5.0, 7.0, is_keyframe=True)
    log.shown([patch(1, 3)])
    assert log.never_shown == 1
    log.shown([patch(1, 4)])
    assert log.never_shown == 0


def test_a_cell_is_refined_once_counted_from_the_frame_that_first_saw_it():
    log = Log({0: time.perf_counter() - 2.0, 1: time.perf_counter()})
    log.added(0, [patch(1, 1), patch(2, 1)], 5.0, 7.0, is_keyframe=True)
    log.added(1, [patch(1, 2)], 5.0, 7.0, is_keyframe=True)
    log.shown([patch(1, 3, Grade.REFINED)])
    log.shown([patch(1, 4, Grade.REFINED)])
    assert [round(ms / 1000) for ms in log.refined_ms] == [2]
    assert log.refined_share == 0.5


class Fuser(FakeFuser):
    """Takes its time for every frame."""

    def __init__(self, slow_s=0.0):
        super().__init__(before_add=lambda frame: time.sleep(slow_s))
        self.meters = Meters()

    def stats(self):
        return FuserStats(fused=len(self.added), keyframes=len(self.added), memory_mb=7.0)


def test_a_scan_is_driven_to_its_end_and_measured(tape):
    source = TapeSource(tape, Play())
    with driven(source, lambda info: Fuser(), finishes=True) as run:
        figures = run.figures()
        assert len(run.result.faces) > 0
        assert run.patches.keys() >= run.fuser.patches.keys()
    assert figures["frames_fused"] == figures["keyframes"] == figures["draft_ms_count"] == 12
    assert figures["keyframes_dropped"] == figures["frames_never_shown"] == 0
    assert 0 < figures["draft_ms_p50"] <= figures["draft_ms_p95"]
    assert run.rows[0].resident_mb > 50


def test_frames_a_slow_scan_loses_are_counted(tape):
    source = TapeSource(tape, Play(rate_hz=60, rounds=3))
    with driven(source, lambda info: Fuser(slow_s=0.08)) as run:
        figures = run.figures()
    assert figures["keyframes_dropped"] > 5
    assert figures["frames_fused"] + figures["keyframes_dropped"] == figures["frames"] == 36
    assert figures["input_hz"] < 30


def test_percentiles_of_nothing_are_nothing():
    assert percentiles("ms", []) == {"ms_p50": None, "ms_p95": None, "ms_count": 0}
    assert percentiles("ms", [1.0, 2.0, 3.0])["ms_p50"] == 2.0


def test_rounds_come_back_to_the_first_place(tape):
    frames = list(TapeSource(tape, Play(stop=1, rounds=3, apart_m=20, places=2)).frames())
    assert np.ptp([frame.T_world_cam.translation[0] for frame in frames]) == pytest.approx(20)
    assert frames[2].T_world_cam == frames[0].T_world_cam


def test_an_aim_is_met_at_its_bound_and_missing_figures_have_none():
    most, least = Aim("a.b", "", most=1.0), Aim("a.b", "", least=2.0)
    assert most.row({"a": {"b": 1.0}})["is_met"]
    assert not most.row({"a": {"b": 1.1}})["is_met"]
    assert least.row({"a": {"b": 2.0}})["is_met"]
    assert not least.row({"a": {"b": 1.9}})["is_met"]
    assert most.row({"a": {}}) is most.row({"a": {"b": None}}) is None


def test_both_plans_draw_the_same_tapes(tmp_path):
    assert NORMAL.stretches.keys() == QUICK.stretches.keys()
    tape = draw(QUICK.stretches["late160"], tmp_path / "tape")
    assert len(tape.kept) == len(QUICK.stretches["late160"].picked)
    assert tape.frame(0).depth_m.max() > 0


@pytest.mark.slow
def test_the_whole_suite_prints_what_machines_rely_on(capsys, monkeypatch):
    monkeypatch.setattr(console, "prepare_process", lambda _: None)
    command = ["run_scanner.py", "bench", "--suite", "live", "--quick", "--json"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    row = json.loads(capsys.readouterr().out)
    for group, keys in CONTRACT.items():
        for key in keys:
            assert np.isfinite(row[group][key]), (group, key)
    assert row["growth_ratio"] > 0
    assert row["growth"]["hall_ratio"] > 0
    assert row["growth"]["flat"]["keyframes"] > row["growth"]["room"]["keyframes"]
    assert row["peak_rss_mb"] > 100
    for grade in GRADES:
        assert 0 <= row["surface"][grade]["f1_5cm"] <= 1
        assert row["surface"][grade]["chamfer_m"] is None or row["surface"][grade]["chamfer_m"] > 0
    assert row["pose_update"]["max_abs"] < 1e-3 < row["pose_update"]["max_abs_before"]
    assert {aim["figure"] for aim in row["aims"]} == {aim.path for aim in AIMS}
    assert all(for_people(row).values())
