"""Depth estimators judged on a synthetic room, whose sensor depth is exact."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.suites import judge_depth as judge_module
from app.suites.judge_depth import judge_depth, judge_estimator
from engine.core.faults import BadInput, MissingPart
from engine.depth.base import DepthMap
from engine.sources.detect import open_source
from tests.app.fakes import FakeSource

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
ROOM = "synthetic:room?seed=3&frames=18&size=160x120&noise=0&rate=8"


def silent(_):
    pass


class Knows:
    """Says the same depth everywhere."""

    source_count = 2

    def estimate(self, reference, sources):
        shape = (reference.intrinsics.height, reference.intrinsics.width)
        assert 1 <= len(sources) <= 2
        return DepthMap(
            np.full(shape, 2, np.float32), np.ones(shape, np.float32), reference.intrinsics
        )


class Recorded(FakeSource):
    """A room drawn once for all tests."""

    def __init__(self, info, frames):
        self._info, self._frames = info, frames
        self.skipped = {}

    def describe(self):
        return self._info

    def frames(self):
        return iter(self._frames)

    def close(self):
        pass


@pytest.fixture(scope="module")
def room():
    with open_source(ROOM) as source:
        return Recorded(source.describe(), list(source.frames()))


def test_the_sweep_beats_a_constant_and_is_drawn(room, tmp_path, monkeypatch):
    sheet = tmp_path / "sheet.png"
    monkeypatch.setattr(judge_module, "open_source", lambda _: room)
    row = judge_depth(ROOM, "plane-sweep", silent, sheet=sheet)
    constant = judge_estimator(room, Knows(), silent)
    assert row["pictures"] == constant["pictures"] >= 3
    assert row["kept_abs_rel"] < 0.05
    assert row["kept_coverage"] > 0.3
    assert row["every_abs_rel"] < 0.5 * constant["every_abs_rel"]
    assert row["cpu_s"] > 0
    assert "both sides" in row["protocol"]
    assert (row["source"], row["estimator"]) == (ROOM, "plane-sweep")
    picture = cv2.imread(str(sheet))
    assert picture.shape[1] == 5 * 320
    assert picture.std() > 20


def test_live_scanning_has_only_the_past(room):
    seen = []

    class Watches(Knows):
        def estimate(self, reference, sources):
            seen.append(all(s.index < reference.index for s in sources))
            return super().estimate(reference, sources)

    row = judge_estimator(room, Watches(), silent, past_only=True)
    assert "before" in row["protocol"]
    assert seen
    assert all(seen)


def test_an_unknown_estimator_is_refused():
    with pytest.raises(BadInput, match="oracle"):
        judge_depth(ROOM, "oracle", silent)


def test_a_network_without_installed_weights_says_how_to_get_them(monkeypatch, tmp_path):
    monkeypatch.setenv("FINESCAN_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingPart, match="SimpleRecon needs weights"):
        judge_depth(ROOM, "simplerecon", silent)


def test_a_recording_without_depth_cannot_judge(room):
    blind = Recorded(replace(room.describe(), has_depth=False), [])
    with pytest.raises(BadInput, match="cannot judge"):
        judge_estimator(blind, Knows(), silent)


def test_a_camera_that_stands_still_cannot_judge(room):
    still = Recorded(room.describe(), [next(room.frames())] * 3)
    with pytest.raises(BadInput, match="no picture with another"):
        judge_estimator(still, Knows(), silent)


@pytest.mark.slow
def test_the_kitchen_meets_its_aim():
    folder = SHARED / "data/rgbd/7scenes-kitchen"
    if not folder.is_dir():
        pytest.skip("the recording is not beside this checkout")
    row = judge_depth(str(folder), "plane-sweep", silent)
    assert row["kept_coverage"] >= 0.65
    assert row["kept_abs_rel"] <= 0.040
    assert row["kept_within_1_05"] >= 0.78
    assert row["cpu_s"] < 1.0
