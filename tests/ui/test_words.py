import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.news import Progress, ScanState, ScanStats, TrackHealth, Tracking, TrackView
from engine.core.poses import Pose
from ui.gl.markers import PATH_LIMIT, PATH_STEP_M, Path, frustum_lines
from ui.pace import Pace
from ui.words import coverage_words, ready_steps, still_to_do


def test_pace_names_stage_share_and_rest():
    pace = Pace()
    assert pace.sentence(Progress("unwrap", 0, 200), now_s=0) == "Unwrapping the mesh · 0 %"
    paints = [
        pace.sentence(Progress("paint", done, 200), now_s=now_s)
        for done, now_s in [(0, 0), (10, 2), (50, 10), (60, 120)]
    ]
    assert paints == [
        "Painting the texture · 0 %",
        "Painting the texture · 5 %",
        "Painting the texture · 25 % · 30 s left",
        "Painting the texture · 30 % · 5 min left",
    ]
    assert pace.sentence(Progress("write", 0, 0), now_s=121) == "Writing …"
    assert pace.sentence(Progress("simplify", 0, 1), now_s=121) == "Reducing triangles …"
    assert pace.sentence(Progress("check", 3, 4), now_s=130) == "Reading back and checking · 75 %"


def test_a_stage_without_words_keeps_its_name():
    assert Pace().sentence(Progress("looking at RGB", 0), now_s=0) == "Looking at RGB …"


def test_what_goes_on_beside_a_scan_is_told_most_urgent_first():
    both = ScanStats(moves_waiting=1200, chunks_waiting=12)
    assert still_to_do(ScanState.PAUSED, both) == "Moving 1,200 frames"
    assert still_to_do(ScanState.SCANNING, ScanStats(moves_waiting=1)) == "Moving 1 frame"
    refining = ScanStats(chunks_waiting=12)
    assert still_to_do(ScanState.SCANNING, refining) == "Refining: 12 places left"
    assert still_to_do(ScanState.SCANNING, ScanStats(chunks_waiting=1)) == "Refining: 1 place left"
    assert still_to_do(ScanState.SCANNING, ScanStats()) == ""


def test_a_scan_that_finishes_has_its_progress_instead():
    both = ScanStats(moves_waiting=3, chunks_waiting=12)
    for state in set(ScanState) - {ScanState.SCANNING, ScanState.PAUSED}:
        assert still_to_do(state, both) == ""


@given(st.lists(st.tuples(*[st.floats(-5, 5)] * 3), min_size=1, max_size=50))
def test_a_path_keeps_its_start_and_no_points_too_close(points):
    path = Path()
    kept = [path.add(np.array(point, np.float32)) for point in points]
    way = path.points()
    assert len(way) == sum(kept)
    assert np.array_equal(way[0], np.array(points[0], np.float32))
    if len(way) > 1:
        assert np.linalg.norm(np.diff(way, axis=0), axis=1).min() >= PATH_STEP_M * 0.99


def test_a_long_path_stays_bounded_and_whole():
    path = Path()
    for i in range(5 * PATH_LIMIT):
        path.add(np.array([i * 0.05, 0, 0], np.float32))
    way = path.points()
    assert len(way) <= PATH_LIMIT
    assert way[0, 0] == 0
    assert way[-1, 0] == pytest.approx(5 * PATH_LIMIT * 0.05, rel=0.01)


def test_the_frustum_opens_where_the_camera_looks():
    ahead_is_x = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    pose = Pose.from_parts(ahead_is_x, [3, 2, 1])
    lines = frustum_lines(pose).reshape(-1, 2, 3)
    assert np.allclose(lines[:4, 0], [3, 2, 1])
    assert (lines[:4, 1, 0] > 3.2).all()
    assert lines[:4, 1, 2].max() > 1 > lines[:4, 1, 2].min()


HEALTH = TrackHealth(Tracking.GOOD, depth_share=0.8)
PICTURE = np.zeros((4, 5, 3), np.uint8)


@pytest.mark.parametrize(
    ("track", "steps"),
    [
        (None, ["✓ Camera found", "… Waiting for its first picture"]),
        (TrackView(0, 0, None, PICTURE), ["✓ Camera found", "✓ Picture"]),
        (
            TrackView(0, 0, None, PICTURE, HEALTH),
            ["✓ Camera found", "✓ Picture", "✓ Depth", "✓ Place known"],
        ),
        (
            TrackView(0, 0, None, None, TrackHealth(Tracking.LOST, depth_share=0.0)),
            ["✓ Camera found", "✗ No picture", "✗ No depth", "✗ Place unknown"],
        ),
        (
            TrackView(0, 0, None, PICTURE, TrackHealth(Tracking.WEAK)),
            [
                "✓ Camera found",
                "✓ Picture",
                "– No depth camera: depth is estimated",
                "✓ Place known",
            ],
        ),
    ],
)
def test_what_is_ready_is_told_line_by_line(track, steps):
    assert ready_steps(track).splitlines() == steps


def test_coverage_is_told_during_a_scan_only():
    assert coverage_words(ScanState.SCANNING, 0.618) == "62 % of what you see is measured well."
    assert coverage_words(ScanState.PAUSED, 0.0) == "0 % of what you see is measured well."
    assert coverage_words(ScanState.SCANNING, None) == ""
    for state in set(ScanState) - {ScanState.SCANNING, ScanState.PAUSED}:
        assert coverage_words(state, 0.6) == ""
