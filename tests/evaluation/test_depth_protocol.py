"""Who is a reference, who its sources are, and what the numbers mean."""

from dataclasses import replace

import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.frames import Frame, Photo
from engine.core.poses import Pose
from engine.depth.base import DepthMap
from engine.depth.keyframes import pose_distance
from engine.depth.views import ViewRule, choose_sources
from engine.evaluation.depth_protocol import SOURCES, cases, mean_row, score, true_depth

CAMERA = Intrinsics(40, 30, 35.0, 35.0, 20.0, 15.0)


def at(x_m: float, turn_rad: float = 0.0) -> Pose:
    return Pose.from_parts(Pose.exp([0, turn_rad, 0, 0, 0, 0]).rotation, [x_m, 0, 0])


def photo(x_m: float, index: int = 0, turn_rad: float = 0.0) -> Photo:
    return Photo(np.zeros((30, 40, 3), np.uint8), CAMERA, at(x_m, turn_rad), index)


def frame(index: int, x_m: float, depth_m: float = 2.0) -> Frame:
    depth = np.full((30, 40), depth_m, np.float32)
    color = np.zeros((30, 40, 3), np.uint8)
    return Frame(index, index, CAMERA, color, depth, CAMERA, None, at(x_m))


def flat(depth_m: float, confidence: float = 1.0, camera: Intrinsics = CAMERA) -> DepthMap:
    shape = (camera.height, camera.width)
    return DepthMap(
        np.full(shape, depth_m, np.float32), np.full(shape, confidence, np.float32), camera
    )


def test_sources_are_neither_near_nor_far_nor_turned_away():
    reference = photo(0)
    others = [photo(x, i) for i, x in enumerate((0.04, 0.06, 0.2, 0.69, 0.71, -0.21))]
    turned = photo(0.2, 9, turn_rad=0.6)
    found = choose_sources(reference, [*others, turned], 9, SOURCES)
    # Nearest to the best distance first; 0.04 m does not count as moved, 0.71 is too far.
    assert [p.index for p in found] == [2, 5, 1, 3]


def test_sources_keep_apart_from_each_other():
    others = [photo(0.2 + 0.02 * i, i) for i in range(8)]
    found = choose_sources(photo(0), others, 4, SOURCES)
    gaps = [
        pose_distance((a.T_world_cam.inverse @ b.T_world_cam).matrix)[0]
        for a in found
        for b in found
        if a is not b
    ]
    assert len(found) >= 2
    assert min(gaps) > 0.05
    assert found[0].index == 0


def test_sources_that_look_past_half_the_picture_are_left_out():
    near_limit = ViewRule(max_distance=5.0)
    # At 1.8 m this camera sees 2.06 m across.
    assert choose_sources(photo(0), [photo(0.9)], 4, near_limit)
    assert not choose_sources(photo(0), [photo(1.2)], 4, near_limit)


def test_every_fifth_picture_is_a_reference_and_sources_lie_on_both_sides():
    walk = [frame(i, 0.06 * i) for i in range(23)]
    found = list(cases(walk, 4))
    assert [c.reference.index for c in found] == [0, 5, 10, 15, 20]
    middle = found[2]
    assert {p.index < 10 for p in middle.sources} == {True, False}
    assert all(p.index != 10 for p in middle.sources)
    past = list(cases(walk, 4, past_only=True))
    assert [c.reference.index for c in past] == [5, 10, 15, 20]
    assert all(p.index < c.reference.index for c in past for p in c.sources)


def test_nobody_farther_than_forty_pictures_helps():
    # The camera moves once, after picture 41: only pictures close to that have a source.
    xs = [0.0] * 42 + [0.2] * 60
    found = list(cases([frame(i, x) for i, x in enumerate(xs)], 4))
    assert found[0].reference.index == 5
    assert found[-1].reference.index == 80
    for case in found:
        assert all(abs(p.index - case.reference.index) <= 40 for p in case.sources)


def test_frames_without_colour_or_pose_are_passed_over():
    walk = [frame(i, 0.06 * i) for i in range(12)]
    walk[1] = replace(walk[1], T_world_cam=None)
    walk[2] = replace(walk[2], color=None)
    found = list(cases(walk, 4))
    assert [c.reference.T_world_cam.translation[0] for c in found] == pytest.approx([0, 0.42])


def test_depth_of_another_camera_is_carried_over_and_the_nearest_wins():
    depth = np.full((30, 40), 2.0, np.float32)
    depth[10:20, 10:20] = 1.0
    seen = replace(frame(0, 0), depth_m=depth, T_cam_depth=at(0.1))
    carried, camera = true_depth(seen)
    assert camera == CAMERA
    # 0.1 m to the side: 3.5 px at 1 m and 1.75 px at 2 m.
    assert carried[15, 22] == pytest.approx(1.0)
    # Nobody knows what the nearer square uncovers on its left.
    assert not carried[15, 12:14].any()
    assert carried[15, 11] == pytest.approx(2.0)
    assert carried[5, 20] == pytest.approx(2.0)
    assert carried[5, 0] == 0


def test_registered_depth_is_left_as_it_is():
    given = frame(0, 0)
    assert true_depth(given)[0] is given.depth_m


def test_errors_are_those_by_hand():
    true = np.zeros((30, 40), np.float32)
    true[0, :4] = [1.0, 2.0, 4.0, 4.6]
    estimate = flat(2.0)
    errors = score(estimate, true, CAMERA).every
    assert errors is not None
    # 4.6 m is not judged.
    assert errors.abs_rel == pytest.approx((1 + 0 + 0.5) / 3)
    assert errors.sq_rel_m == pytest.approx((1 + 0 + 1) / 3)
    assert errors.rmse_m == pytest.approx(np.sqrt(5 / 3))
    assert errors.median_rel == pytest.approx(0.5)
    assert errors.within_1_25 == pytest.approx(1 / 3)
    assert errors.coverage == 1


def test_what_is_not_sure_is_not_kept_and_unknown_is_not_known():
    true = np.full((30, 40), 2.0, np.float32)
    depth, sure = np.full((2, 30, 40), 2.0, np.float32)
    sure[:, :20], sure[:, 20:] = 0.39, 0.41
    depth[:15] = 0
    found = score(DepthMap(depth, sure, CAMERA), true, CAMERA)
    assert found.every is not None
    assert found.kept is not None
    assert found.every.coverage == pytest.approx(0.5)
    assert found.kept.coverage == pytest.approx(0.25)


def test_estimates_of_another_size_are_fetched_from_the_nearest_pixel():
    small = CAMERA.scaled_to(20, 15)
    depth = np.arange(300, dtype=np.float32).reshape(15, 20) / 100 + 1
    estimate = DepthMap(depth, np.ones_like(depth), small)
    true = np.repeat(np.repeat(depth, 2, axis=0), 2, axis=1)
    errors = score(estimate, true, CAMERA).every
    assert errors is not None
    assert errors.abs_rel == 0


def test_estimates_are_clipped():
    errors = score(flat(50.0), np.full((30, 40), 4.0, np.float32), CAMERA).every
    assert errors is not None
    assert errors.rmse_m == pytest.approx(1.0)


def test_means_are_over_pictures_and_an_empty_one_lowers_coverage():
    true = np.full((30, 40), 2.0, np.float32)
    half = np.where(np.arange(40) < 20, true, 0).astype(np.float32)
    row = mean_row(
        [
            score(flat(2.2), true, CAMERA),
            score(flat(2.0), half, CAMERA),
            score(flat(2.0, 0.1), true, CAMERA),
        ]
    )
    assert row["pictures"] == 3
    assert row["every_abs_rel"] == pytest.approx(0.1 / 3, rel=1e-5)
    assert row["kept_abs_rel"] == pytest.approx(0.05, rel=1e-5)
    assert row["kept_coverage"] == pytest.approx(2 / 3)
    with pytest.raises(BadInput, match="No picture"):
        mean_row([score(flat(0.0), true, CAMERA)])
