from dataclasses import replace

import numpy as np
import pytest

from engine.core.grid import BLOCK_M, pack
from engine.core.poses import Pose
from engine.recon.best_views import BestViews, appraise
from engine.recon.chunks import KeyframeView
from engine.recon.views import to_cam
from tests.recon.small import view_of, views
from tests.scenes import BALL_CENTER, BALL_RADIUS, ball_and_wall, look_at

KEYFRAMES = [KeyframeView.of(number, view) for number, view in enumerate(views(5))]
CELLS = np.stack(np.unravel_index(np.arange(343), (7, 7, 7)), axis=1) + np.array([-3, -3, 1])
BLOCKS = pack(CELLS)


def moved(view, T_world_cam, number=0):
    T = to_cam(T_world_cam.matrix).numpy()
    return replace(view, number=number, T_cam_world=T, T_depth_world=T)


def block_at(point):
    return pack(np.floor(np.asarray(point)[None] / BLOCK_M).astype(int))


def test_nearer_pictures_are_worth_more_and_those_that_look_away_nothing():
    """A wall would hide the difference: the pictures here know no depth."""
    target = BALL_CENTER
    eyes = [target - [0, distance, 0] for distance in (1.0, 1.6, 2.5)]
    blind = replace(KEYFRAMES[0], depth_hw=None)
    worth = [appraise(moved(blind, look_at(eye, target)), block_at(target))[0][0] for eye in eyes]
    assert worth[0] > worth[1] > worth[2] > 0
    away = moved(blind, look_at(eyes[0], eyes[0] - [0, 1, 0]))
    assert appraise(away, block_at(target))[0][0] == 0


def test_a_picture_that_measured_the_block_is_worth_more():
    front = BALL_CENTER - [0, BALL_RADIUS, 0]
    view = KEYFRAMES[2]
    sees, hidden = block_at(front), block_at(BALL_CENTER + np.array([0, BALL_RADIUS, 0]))
    assert appraise(view, sees)[1][0]
    # The other side of the ball is in the picture but behind what was measured.
    assert not appraise(view, hidden)[1][0]
    blind = replace(view, depth_hw=None)
    assert appraise(view, sees)[0][0] > 5 * appraise(blind, sees)[0][0] > 0


def test_a_block_at_the_edge_of_the_picture_is_worth_less_than_in_the_middle():
    target = BALL_CENTER
    eye = target - [0, 1.6, 0]
    blind = replace(KEYFRAMES[0], depth_hw=None)
    ahead = appraise(moved(blind, look_at(eye, target)), block_at(target))[0][0]
    aside = appraise(moved(blind, look_at(eye, target - [0.6, 0, 0])), block_at(target))[0][0]
    assert ahead > 1.5 * aside > 0


def filled(numbers):
    best = BestViews()
    for number in numbers:
        best.add(KEYFRAMES[number], BLOCKS)
    return best


def test_order_of_arrival_does_not_matter_and_equal_ones_rank_by_age():
    first, other = filled([0, 1, 2, 3, 4]), filled([4, 2, 0, 3, 1])
    assert (first.best(BLOCKS.tolist(), 9) == other.best(BLOCKS.tolist(), 9)).all()
    twins = BestViews()
    for number in (7, 3, 5):
        twins.add(replace(KEYFRAMES[0], number=number), BLOCKS)
    ranked = twins.best(block_at(BALL_CENTER).tolist(), 9)
    assert ranked.tolist() == [[3, 5, 7]]


def test_best_are_the_worthiest_first_padded_with_minus_one():
    best = filled(range(5))
    unheard_of = block_at(BALL_CENTER + np.array([0, 0, 50.0])).tolist()
    found = best.best(BLOCKS.tolist() + unheard_of, 2)
    assert found.shape == (len(BLOCKS) + 1, 2)
    assert (found[-1] == -1).all()
    worth = np.stack([appraise(view, BLOCKS)[0] for view in KEYFRAMES], axis=1)
    for row, values in zip(found[:-1], worth, strict=True):
        assert row.tolist() == np.lexsort((np.arange(5), -values))[:2].tolist()


def test_a_picture_with_no_more_than_a_corner_of_a_block_comes_last_but_is_not_forgotten():
    worth = np.stack([appraise(view, BLOCKS)[0] for view in KEYFRAMES], axis=1)
    found = filled(range(5)).best(BLOCKS.tolist(), 9)
    assert (worth == 0).any()
    assert (np.sort(found, axis=1) == np.arange(5)).all()


def test_every_picture_that_shows_any_point_of_a_block_is_listed():
    """Blocks are told of by the middles of their voxels; points of the surface lie between them."""
    steps = (np.arange(16) + 0.5) / 16
    inside = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    best = BestViews()
    for view in KEYFRAMES:
        best.add(view, BLOCKS[appraise(view, BLOCKS)[0] > 0])
    listed = best.best(BLOCKS.tolist(), 9)
    between = 0
    for view in KEYFRAMES:
        height, width = view.image_3hw.shape[1:]
        points = (CELLS[:, None, :] + inside) * BLOCK_M
        camera = points @ view.T_cam_world[:3, :3].T + view.T_cam_world[:3, 3]
        uvz = camera @ view.K.T
        uv = uvz[..., :2] / np.where(uvz[..., 2:] > 0, uvz[..., 2:], 1)
        shown = (uvz[..., 2] > 0) & (uv > -0.5).all(-1)
        shown &= (uv[..., 0] < width - 0.5) & (uv[..., 1] < height - 0.5)
        needed = shown.any(axis=1)
        assert (listed == view.number).any(axis=1)[needed].all()
        between += (needed & (appraise(view, BLOCKS)[0] == 0)).sum()
    assert between > 0


def test_a_dropped_keyframe_leaves_nothing_behind():
    best = filled(range(5))
    for number in (1, 3, 4):
        best.drop(number)
    again = filled([0, 2])
    assert (best.best(BLOCKS.tolist(), 9) == again.best(BLOCKS.tolist(), 9)).all()
    best.drop(0)
    best.drop(2)
    assert best.best(BLOCKS.tolist(), 9).shape == (len(BLOCKS), 0)
    best.drop(17)


def test_depth_is_looked_up_with_its_own_camera():
    frame = ball_and_wall(0, 0.0)
    aside = replace(frame, T_cam_depth=Pose.exp(np.array([0, 2.0, 0, 0, 0, 0])))
    front = block_at(BALL_CENTER - [0, BALL_RADIUS, 0])
    assert appraise(KeyframeView.of(0, view_of(frame)), front)[1][0]
    assert not appraise(KeyframeView.of(0, view_of(aside)), front)[1][0]
    assert appraise(KeyframeView.of(0, view_of(aside)), front)[0][0] == pytest.approx(
        appraise(replace(KEYFRAMES[0], depth_hw=None, **cameras(frame)), front)[0][0]
    )


def cameras(frame):
    view = KeyframeView.of(0, view_of(frame))
    return {"T_cam_world": view.T_cam_world, "K": view.K}
