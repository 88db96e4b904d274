"""A synthetic world behaves like any other camera."""

import numpy as np
import pytest

from engine.core.camera import lift
from engine.core.faults import BadInput
from engine.sources.base import FrameSource
from engine.sources.synthetic import SyntheticSource, parse_spec


@pytest.fixture(scope="module")
def source() -> SyntheticSource:
    return SyntheticSource("synthetic:room?seed=3&frames=6&size=96x72&area=10")


def test_spec_is_read() -> None:
    spec = parse_spec("synthetic:room?seed=3&frames=9&size=640x480&noise=0.5&area=40&rate=30")
    assert (spec.kind, spec.seed, spec.frames, spec.width, spec.height) == ("room", 3, 9, 640, 480)
    assert (spec.noise, spec.area_m2, spec.rate_hz, spec.drift) == (0.5, 40.0, 30.0, 0.0)
    assert parse_spec("synthetic:object?seed=1").kind == "object"
    assert parse_spec("synthetic:room").frames == 150


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("synthetic:moon", "synthetic:room"),
        ("room?seed=3", "synthetic:room"),
        ("synthetic:room?colour=3", "seed, frames, size, noise, drift, rate, area"),
        ("synthetic:object?area=3", "seed, frames, size, noise, drift, rate."),
        ("synthetic:room?seed", "seed"),
        ("synthetic:room?seed=1&seed=2", "once"),
        ("synthetic:room?seed=x", "0 to"),
        ("synthetic:room?seed=-1", "0 to"),
        ("synthetic:room?frames=0", "1 to"),
        ("synthetic:room?frames=2.5", "1 to"),
        ("synthetic:room?size=10", "320x240"),
        ("synthetic:room?size=4x4", "320x240"),
        ("synthetic:room?noise=nan", "0 to 10"),
        ("synthetic:room?area=2", "6 to 400"),
        ("synthetic:room?rate=0", "0.1 to"),
    ],
)
def test_bad_specs_are_refused_with_a_cure(text: str, remedy: str) -> None:
    with pytest.raises(BadInput) as caught:
        SyntheticSource(text)
    assert remedy in caught.value.remedy


def test_frames_come_in_order_and_again(source: SyntheticSource) -> None:
    plain: FrameSource = source
    with plain as opened:
        info = opened.describe()
        frames = list(opened.frames())
    again = next(iter(source.frames()))
    assert info.layout == "synthetic"
    assert info.frame_count == len(frames) == 6
    assert info.details["seed"] == 3
    assert [f.index for f in frames] == list(range(6))
    assert (np.diff([f.t_ns for f in frames]) > 0).all()
    assert np.array_equal(again.color, frames[0].color)
    assert np.array_equal(again.depth_m, frames[0].depth_m)
    assert again.T_world_cam == frames[0].T_world_cam
    assert source.skipped == {}
    for frame in frames:
        assert frame.color.shape == (72, 96, 3)
        assert frame.depth_m.shape == (72, 96)
        assert frame.depth_m.dtype == np.float32


def test_measured_depth_lies_near_the_true_surface(source: SyntheticSource) -> None:
    for frame in source.frames():
        gap = np.abs(source.world.distance(lift(frame.depth_m, source.camera, frame.T_world_cam)))
        assert (frame.depth_m > 0).mean() > 0.7
        assert np.median(gap) < 0.01
        assert np.quantile(gap, 0.95) < 0.05


def test_truth_is_exact_and_colour_is_close_to_it(source: SyntheticSource) -> None:
    frame, truth = source.frame(2), source.truth_frame(2)
    assert (
        np.abs(source.world.distance(lift(truth.depth_m, source.camera, source.true_pose(2)))).max()
        < 1e-3
    )
    error = frame.color.astype(float) - truth.color
    assert 1 < np.sqrt((error**2).mean()) < 22
    assert truth.instance.max() in source.world.names


def test_without_noise_frames_are_the_truth() -> None:
    clean = SyntheticSource("synthetic:room?seed=3&frames=3&size=64x48&area=10&noise=0")
    frame, truth = clean.frame(1), clean.truth_frame(1)
    assert np.array_equal(frame.color, truth.color)
    assert np.array_equal(frame.depth_m, truth.depth_m)


def test_drift_moves_the_told_pose_only() -> None:
    text = "synthetic:room?seed=3&frames=4&size=32x24&area=10"
    straight, drifting = SyntheticSource(text), SyntheticSource(text + "&drift=1")
    told = drifting.frame(3).T_world_cam
    assert told is not None
    assert 1e-4 < told.distance_to(drifting.true_pose(3))[0] < 0.05
    assert drifting.true_pose(3) == straight.true_pose(3)
    assert np.array_equal(straight.frame(3).color, drifting.frame(3).color)


def test_held_out_poses_are_new(source: SyntheticSource) -> None:
    own = [source.true_pose(i) for i in range(6)]
    for pose in source.heldout_poses(4):
        assert all(pose.distance_to(o)[0] > 1e-3 for o in own)
        assert source.truth_at(pose).depth_m.min() > 0.2


def test_object_source() -> None:
    source = SyntheticSource("synthetic:object?seed=1&frames=4&size=64x48")
    for frame in source.frames():
        assert (source.truth_frame(frame.index).instance == 1).mean() > 0.03
