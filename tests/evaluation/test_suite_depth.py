"""Errors by range, means over pictures, and what confidence is worth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.camera import Intrinsics
from engine.depth.base import DepthMap
from engine.evaluation import suite_depth
from engine.evaluation.suite_depth import (
    JudgedPicture,
    confidence_table,
    depth_group,
    judge_picture,
    mean_group,
    range_group,
)

CAMERA = Intrinsics(40, 30, 35.0, 35.0, 20.0, 15.0)


def estimate(depth_m: np.ndarray, confidence: np.ndarray | float = 1.0) -> DepthMap:
    sure = np.broadcast_to(np.float32(confidence), depth_m.shape).copy()
    return DepthMap(depth_m.astype(np.float32), sure, CAMERA)


def flat(depth_m: float) -> np.ndarray:
    return np.full((30, 40), depth_m, np.float32)


def samples(confidence: list[float], error: list[float]) -> JudgedPicture:
    near = [float(e < 0.05) for e in error]
    table = np.array([confidence, error, near], np.float32).T
    return JudgedPicture(None, 1.0, np.zeros((4, 2)), table)


def test_the_group_has_the_errors_of_the_protocol_and_unknown_pixels_lower_coverage_alone():
    wrong = flat(2.2)
    half = np.where(np.arange(40) < 20, flat(2.0), 0)
    pictures = [judge_picture(estimate(d), flat(2.0), CAMERA) for d in (wrong, half)]
    group = depth_group(pictures, 0.25)
    assert list(group) == ["absrel", "sqrel", "rmse", "d105", "d125", "coverage", "cpu_s"]
    assert group["absrel"] == pytest.approx(0.05, rel=1e-5)
    assert group["sqrel"] == pytest.approx(0.01, rel=1e-5)
    assert group["rmse"] == pytest.approx(0.1, rel=1e-5)
    assert (group["d105"], group["d125"]) == (0.5, 1.0)
    assert (group["coverage"], group["cpu_s"]) == (0.75, 0.25)


def test_a_picture_without_any_estimate_has_no_error_but_counts_as_uncovered():
    pictures = [judge_picture(estimate(flat(d)), flat(2.0), CAMERA) for d in (0.0, 2.0)]
    assert depth_group(pictures, 0)["absrel"] == 0
    assert depth_group(pictures, 0)["coverage"] == 0.5
    assert depth_group(pictures[:1], 0)["absrel"] is None
    assert confidence_table([pictures[:1]]) == []


def test_each_range_of_true_depth_has_its_own_error():
    true = np.zeros((30, 40), np.float32)
    true[:, :10], true[:, 10:20], true[:, 20:30] = 0.5, 1.5, 4.5
    true[0, 39] = 4.6
    found = np.where(true == 0.5, 0.55, np.where(true == 1.5, 1.2, 4.5))
    picture = judge_picture(estimate(found), true, CAMERA)
    assert range_group([picture]) == {
        "0.3-1": pytest.approx(0.1, rel=1e-5),
        "1-2": pytest.approx(0.2, rel=1e-5),
        "2-3": None,
        "3-4.5": pytest.approx(0.0),
    }
    # Pixels count, not pictures: the second has a tenth as many at half a metre.
    few = np.where(np.arange(40) < 1, 0.5, 0)[None].repeat(30, 0).astype(np.float32)
    other = judge_picture(estimate(flat(0.5)), few, CAMERA)
    assert range_group([picture, other])["0.3-1"] == pytest.approx(0.1 * 10 / 11, rel=1e-5)


def test_the_surest_share_is_kept_first():
    picture = samples([0.9, 0.1, 0.5, 0.7], [0.0, 0.4, 0.2, 0.1])
    table = {row["share"]: row for row in confidence_table([[picture]])}
    assert table[1.0]["absrel"] == pytest.approx(0.175)
    assert table[0.5] == {
        "share": 0.5,
        "confidence": pytest.approx(0.7),
        "absrel": pytest.approx(0.05),
        "d105": pytest.approx(0.5),
    }
    # Between two pixels, the next one is kept in part.
    assert table[0.6]["absrel"] == pytest.approx((0.0 + 0.1 + 0.4 * 0.2) / 2.4)


def test_equally_sure_pixels_are_kept_in_equal_parts_whatever_their_order():
    picture = samples([0.5, 0.5, 0.5, 0.5], [0.0, 0.0, 0.4, 0.4])
    for row in confidence_table([[picture]]):
        assert row["absrel"] == pytest.approx(0.2)
        assert row["d105"] == pytest.approx(0.5)


def test_one_threshold_holds_for_all_and_every_row_counts_the_same():
    long = [samples([0.2] * 8, [0.3] * 8)] * 5
    short = [samples([0.8, 0.8], [0.1, 0.1])]
    table = {row["share"]: row for row in confidence_table([long, short])}
    assert table[1.0]["absrel"] == pytest.approx(0.2)
    assert table[0.5]["absrel"] == pytest.approx(0.1)
    assert table[0.5]["confidence"] == pytest.approx(0.8)
    assert table[0.6]["confidence"] == pytest.approx(0.2)


@given(st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_the_table_is_what_sorting_by_hand_gives(seed):
    dice = np.random.default_rng(seed)
    confidence, error = dice.permutation(200) / 200, dice.random(200) ** 2
    order = np.argsort(-confidence)
    for row in confidence_table([[samples(list(confidence), list(error))]]):
        kept = order[: round(row["share"] * 200)]
        assert row["absrel"] == pytest.approx(error[kept].mean(), rel=1e-5)
        assert row["d105"] == pytest.approx((error[kept].astype(np.float32) < 0.05).mean())
        assert row["confidence"] == pytest.approx(confidence[kept[-1]], abs=1e-6)


def test_a_large_picture_is_sampled_evenly(monkeypatch):
    monkeypatch.setattr(suite_depth, "SAMPLES", 100)
    found = flat(2.0) * (1 + np.linspace(0, 0.2, 1200).reshape(30, 40))
    picture = judge_picture(estimate(found), flat(2.0), CAMERA)
    assert len(picture.samples) == 100
    assert picture.samples[:, 1].mean() == pytest.approx(0.1, abs=0.002)
    assert picture.errors is not None
    assert picture.errors.abs_rel == pytest.approx(0.1, abs=1e-4)


def test_what_is_unknown_is_left_out_of_means():
    groups = [{"a": 1.0, "b": None}, {"a": 3.0, "b": None}, {"a": None, "b": None}]
    assert mean_group(groups) == {"a": 2.0, "b": None}
