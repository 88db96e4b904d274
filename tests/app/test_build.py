"""What the settings make of the parts of a scan."""

import pytest

from app.build import make_fuser, swept
from engine.core.faults import BadInput
from engine.core.settings import DepthSettings, Settings
from engine.depth.plane_sweep import SweepSettings
from engine.sources.base import SourceInfo


@pytest.mark.parametrize("max_m", [0.6, 2.0, 5.0, 12.0])
def test_planes_reach_as_far_as_the_settings_and_stay_as_dense(max_m):
    made, usual = swept(DepthSettings(max_m=max_m)), SweepSettings()
    assert made.nearest_m == usual.nearest_m
    # The last plane is never believed, so there must be one beyond what is wanted.
    assert made.farthest_m > max_m * 1.05
    assert made.step == pytest.approx(usual.step, rel=0.15)


def test_a_least_depth_beyond_the_sweeps_own_is_kept():
    assert swept(DepthSettings(min_m=0.8, max_m=3.0)).nearest_m == 0.8


def test_a_range_without_any_plane_is_refused_with_the_option():
    info = SourceInfo("walk", "test", 3, has_color=True, has_depth=False, has_poses=True)
    with pytest.raises(BadInput, match="max-depth-m"):
        make_fuser(Settings(depth=DepthSettings(max_m=0.2)), info)


@pytest.mark.parametrize("is_live", [False, True])
def test_a_recording_waits_for_later_views_and_a_camera_does_not(is_live):
    info = SourceInfo(
        "walk", "test", 3, has_color=True, has_depth=False, has_poses=True, is_live=is_live
    )
    fuser = make_fuser(Settings(), info)
    try:
        assert (fuser._keyframe_depth._walk._ahead == 0) is is_live
    finally:
        fuser.close()
