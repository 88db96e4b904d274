from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.core.settings import DepthSettings
from engine.depth.sensor import clean
from tests.scenes import ball_and_wall

SETTINGS = DepthSettings(min_m=0.5, max_m=4.0, edge_ratio=0.05, min_confidence=0.4)


def frame_of(depth, confidence=None):
    camera = Intrinsics(depth.shape[1], depth.shape[0], 10.0, 10.0, 1.0, 1.0)
    return Frame(0, 0, camera, None, depth, camera, confidence, Pose.identity())


def plain(depth, confidence, settings):
    """What `clean` means, in whole-picture numpy."""
    keep = (depth >= settings.min_m) & (depth <= settings.max_m)
    if confidence is not None:
        keep &= confidence >= settings.min_confidence
    framed = np.pad(depth, 1)
    for dv, du in ((0, 1), (2, 1), (1, 0), (1, 2)):
        other = framed[dv : dv + depth.shape[0], du : du + depth.shape[1]]
        limit = settings.edge_ratio * np.minimum(other, depth).astype(np.float64)
        keep &= ~((other > 0) & (np.abs(other - depth) > limit))
    return np.where(keep, depth, np.float32(0))


# Steps under, at and over the edge ratio; range ends; unknown, broken and impossible depth.
depths = st.sampled_from(
    np.float32([0, 0.3, 0.5, 1, 1.03, 1.05, 1.06, 1.2, 3.9, 4, 4.1, 9, np.nan, np.inf, -1]).tolist()
)
sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))


@given(st.data(), sizes)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_it_does_what_the_plain_twin_does(data, size):
    depth = data.draw(arrays(np.float32, size, elements=depths))
    sure = data.draw(
        st.none() | arrays(np.float32, size, elements=st.sampled_from([0, 0.375, 0.5, 1]))
    )
    cleaned = clean(frame_of(depth, sure), SETTINGS)
    np.testing.assert_array_equal(cleaned.depth_m, plain(depth, sure, SETTINGS))


def test_a_tall_picture_is_cleaned_across_the_slices_it_is_cut_into():
    depth = np.random.default_rng(0).choice(
        np.float32([0, 1, 1.03, 1.2]), (700, 5), p=[0.1, 0.6, 0.2, 0.1]
    )
    found = clean(frame_of(depth), SETTINGS).depth_m
    np.testing.assert_array_equal(found, plain(depth, None, SETTINGS))


def test_both_sides_of_a_depth_edge_go_and_nothing_else():
    depth = np.full((6, 10), 1.0, np.float32)
    depth[:, 5:] = 2.0
    depth[3, 0] = 0  # unknown is no edge
    found = clean(frame_of(depth), SETTINGS).depth_m
    expected = depth.copy()
    expected[:, 4:6] = 0
    np.testing.assert_array_equal(found, expected)


def test_a_slope_is_no_edge_until_it_is_as_steep_as_the_settings_say():
    def kept(step):
        depth = np.tile(np.float32(1 + step) ** np.arange(8, dtype=np.float32), (3, 1))
        return (clean(frame_of(depth), SETTINGS).depth_m > 0).mean()

    assert kept(0.049) == 1
    assert kept(0.051) == 0


def test_range_and_confidence_include_their_ends():
    depth = np.float32([[0.49, 0, 0.5, 0, 4.0, 0, 4.01]])
    assert (
        clean(frame_of(depth), SETTINGS).depth_m.tolist()
        == np.float32([[0, 0, 0.5, 0, 4, 0, 0]]).tolist()
    )
    flat = np.full((1, 3), 1.0, np.float32)
    sure = np.float32([[0.39, 0.4000001, 1.0]])
    assert clean(frame_of(flat, sure), SETTINGS).depth_m.tolist() == [[0, 1, 1]]


def test_a_frame_without_depth_is_handed_back_untouched():
    full = ball_and_wall(0, 0.2)
    frame = replace(full, depth_m=None, depth_intrinsics=None)
    assert clean(frame, SETTINGS) is frame


def test_all_but_the_depth_stays_and_the_given_frame_is_not_changed():
    frame = ball_and_wall(4, 0.2)
    before = frame.depth_m.copy()
    found = clean(frame, DepthSettings())
    assert np.array_equal(frame.depth_m, before)
    assert found.color is frame.color
    assert (found.index, found.t_ns, found.T_world_cam) == (4, frame.t_ns, frame.T_world_cam)
    known = frame.depth_m > 0
    # The outline of the ball goes, and grazing views of it; most of the picture stays.
    share = (found.depth_m[known] > 0).mean()
    assert 0.8 < share < 1
    kept = found.depth_m > 0
    assert np.array_equal(found.depth_m[kept], frame.depth_m[kept])


def test_cleaning_twice_changes_no_more_than_once_on_surfaces_without_edges():
    depth = np.fromfunction(lambda v, u: 1 + 0.01 * u + 0.02 * v, (40, 50)).astype(np.float32)
    once = clean(frame_of(depth), SETTINGS)
    assert np.array_equal(once.depth_m, depth)
