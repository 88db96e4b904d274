"""What the settings make of the parts of a scan."""

import pytest
import torch

from app import build
from app.build import make_fuser, swept
from app.live import LivePipeline
from app.method import Method
from engine.core.faults import BadInput
from engine.core.settings import DepthSettings, Settings
from engine.depth.guided import GuidedDepth
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


def info(**changes):
    has = {"has_color": True, "has_depth": True, "has_poses": True} | changes
    return SourceInfo("walk", "test", 3, **has)


@pytest.mark.parametrize(
    ("method", "source", "says"),
    [
        ({"name": "finerecon"}, {"has_color": False}, "no colour, which finerecon needs"),
        ({"name": "finerecon-offline", "depth": "guided"}, {}, "not from both"),
        ({"depth": "guided"}, {"has_depth": False}, "no metric depth"),
        ({"depth": "guided"}, {"has_color": False}, "no colour"),
        ({"name": "finerecon", "weights": "nothing-like-it"}, {}, "nothing-like-it"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_sentence(method, source, says):
    with pytest.raises(BadInput, match=says) as caught:
        make_fuser(Settings(), info(**source), method=Method(**method))
    assert str(caught.value.says).count(".") <= 2
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["fusion", "finerecon"])
@pytest.mark.parametrize("is_movable", [True, False])
def test_only_what_can_move_is_remembered(name, is_movable):
    method = Method(name=name, depth="guided")
    fuser = make_fuser(Settings(), info(), method=method, is_movable=is_movable)
    try:
        assert isinstance(fuser, LivePipeline) is (name == "finerecon")
        assert isinstance(fuser._keyframe_depth, GuidedDepth)
        assert (fuser.history is not None) is is_movable
        assert (fuser.helper is not None) is (name == "finerecon")
    finally:
        fuser.close()


@pytest.mark.parametrize(
    ("wanted", "able", "quick", "exact"),
    [
        ("auto", True, "bf16", "float32"),
        ("auto", False, "float32", "float32"),
        ("float32", True, "float32", "float32"),
        ("bf16", False, "bf16", "bf16"),
    ],
)
def test_only_what_is_replaced_later_is_computed_in_halves(monkeypatch, wanted, able, quick, exact):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able})
    method = Method(precision=wanted)
    assert build._quick(method).precision == quick
    assert build._compute(method).precision == exact
