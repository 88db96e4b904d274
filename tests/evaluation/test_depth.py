import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.evaluation.depth import compare_depth, compare_rendered_depth
from engine.kernels.raster import MeshScene
from tests.evaluation.shapes import BallWorld, sphere


def _flat(metres: float) -> np.ndarray:
    return np.full((4, 5), metres, np.float32)


def test_known_errors():
    score = compare_depth([(_flat(2.2), _flat(2.0))]).overall
    assert score.abs_rel == pytest.approx(0.1, abs=1e-6)
    assert score.sq_rel_m == pytest.approx(0.02, abs=1e-6)
    assert score.rmse_m == pytest.approx(0.2, abs=1e-6)
    assert score.mean_abs_m == pytest.approx(0.2, abs=1e-6)
    assert (score.within_1_05, score.within_1_25) == (0.0, 1.0)
    assert (score.coverage, score.pixels) == (1.0, 20)


def test_ratio_counts_both_ways():
    assert compare_depth([(_flat(1.0), _flat(1.3))]).overall.within_1_25 == 0.0
    assert compare_depth([(_flat(1.3), _flat(1.0))]).overall.within_1_25 == 0.0


def test_unknown_pixels_are_left_out_and_counted():
    predicted, true = _flat(1.0), _flat(1.0)
    predicted[0] = 0
    true[3] = 0
    score = compare_depth([(predicted, true)]).overall
    assert score.rmse_m == 0
    assert score.pixels == 10
    assert score.coverage == pytest.approx(10 / 15)


def test_ranges_part_the_pixels():
    true = np.array([[0.5, 1.5, 4.0, 20.0]], np.float32)
    report = compare_depth([(true + np.float32(0.1), true)])
    assert set(report.by_range) == {(0.0, 1.0), (1.0, 2.0), (3.0, 5.0)}
    assert report.by_range[(0.0, 1.0)].abs_rel == pytest.approx(0.2, abs=1e-5)
    assert report.by_range[(3.0, 5.0)].abs_rel == pytest.approx(0.025, abs=1e-5)


def test_a_rendered_ball_agrees_with_the_exact_one():
    report = compare_rendered_depth(MeshScene(sphere(1.0)), BallWorld().all_round(count=3))
    assert report.overall.rmse_m < 0.01
    assert report.overall.coverage > 0.98
    larger = compare_rendered_depth(MeshScene(sphere(1.05)), BallWorld().all_round(count=3))
    assert larger.overall.mean_abs_m > 0.05, "along the axis, never less than along the normal"


def test_bad_input_is_refused():
    with pytest.raises(BadInput, match="cannot be compared"):
        compare_depth([(_flat(1.0), np.zeros((2, 2), np.float32))])
    with pytest.raises(BadInput, match="No pixel"):
        compare_depth([(np.zeros((4, 5), np.float32), _flat(1.0))])
    with pytest.raises(BadInput, match="No pixel"):
        compare_depth([])
