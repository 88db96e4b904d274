import time
from dataclasses import replace

import numpy as np
import pytest

from engine.core.camera import Intrinsics
from engine.core.poses import Pose
from engine.sources.conventions import EVERY_CONVENTION, as_written
from engine.sources.raw import Convention
from engine.sources.recording import Recording
from tests.sources.walk import CV, recording, walk


def worst_pose_error(source: Recording, poses: list[Pose]) -> float:
    found = [frame.T_world_cam for frame in source.frames()]
    return max(
        float(np.abs(a.matrix - b.matrix).max())
        for a, b in zip(found, poses, strict=True)
        if a is not None
    )


@pytest.mark.parametrize("declared", EVERY_CONVENTION)
@pytest.mark.parametrize("actual", EVERY_CONVENTION)
def test_depth_finds_the_convention_whatever_is_declared(
    actual: Convention, declared: Convention
) -> None:
    source = Recording(recording(actual=actual, declared=declared))
    info = source.describe()
    assert info.details["convention"] == f"{actual.maps} {actual.axes}"
    assert bool(info.warnings) == (actual != declared)
    assert ("NOT as declared" in info.convention) == (actual != declared)
    assert worst_pose_error(source, walk()) < 1e-9


@pytest.mark.parametrize("actual", EVERY_CONVENTION)
def test_colour_alone_finds_the_convention_too(actual: Convention) -> None:
    camera = Intrinsics(480, 360, 393.0, 393.0, 240.0, 180.0)
    source = Recording(recording(actual=actual, camera=camera, has_depth=False))
    info = source.describe()
    assert info.details["convention"] == f"{actual.maps} {actual.axes}"
    assert bool(info.warnings) == (actual != CV)
    assert "epipolar" in info.convention
    assert worst_pose_error(source, walk()) < 1e-9


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("actual", EVERY_CONVENTION)
def test_jumps_do_not_confuse_it(actual: Convention, seed: int) -> None:
    random = np.random.default_rng(seed)
    starts = random.choice(np.arange(3, 28), 3, replace=False)
    raw = recording(walk(30))
    shift, frames = Pose.identity(), []
    for number, (frame, pose) in enumerate(zip(raw.frames, walk(30), strict=True)):
        if number in starts:
            twist = np.append(random.uniform(-1, 1, 3), random.uniform(-2, 2, 3))
            shift = Pose.exp(twist) @ shift
        frames.append(replace(frame, pose=as_written((shift @ pose).matrix, actual)))
    info = Recording(replace(raw, frames=tuple(frames))).describe()
    assert info.details["convention"] == f"{actual.maps} {actual.axes}"
    assert info.details["tracks"] == 4
    assert bool(info.warnings) == (actual != CV)


def test_a_camera_that_does_not_move_keeps_the_declared_convention() -> None:
    declared = Convention("w2c", "gl")
    info = Recording(recording([walk()[0]] * 5, actual=declared, declared=declared)).describe()
    assert "not verified because the camera hardly moves" in info.convention
    assert info.details["convention"] == "w2c gl"
    assert not info.warnings


def test_poses_that_fit_no_convention_are_warned_about() -> None:
    random = np.random.default_rng(3)
    raw = recording()
    frames = tuple(
        replace(
            frame, pose=Pose.exp(np.append(random.uniform(-1, 1, 3), walk()[0].translation)).matrix
        )
        for frame in raw.frames
    )
    warnings = Recording(replace(raw, frames=frames)).describe().warnings
    assert any("No pose convention fits" in sentence for sentence in warnings)


@pytest.mark.parametrize(("factor", "cure"), [(0.2, "by 5 "), (5.0, "by 0.2 "), (0.1, "by 10 ")])
def test_depth_in_another_unit_is_noticed(factor: float, cure: str) -> None:
    warnings = Recording(recording(depth_factor=factor)).describe().warnings
    assert any(f"multiplied {cure}" in sentence for sentence in warnings)


def test_dotted_depth_with_holes_is_still_verified() -> None:
    random = np.random.default_rng(0)
    raw = recording()

    def dotted(load):
        picture = load()
        picture[random.uniform(size=picture.shape) > 0.3] = 0
        return picture

    frames = tuple(replace(f, depth=lambda f=f: dotted(f.depth)) for f in raw.frames)
    info = Recording(replace(raw, frames=frames, declared=Convention("c2w", "gl"))).describe()
    assert info.details["convention"] == "c2w cv"


def test_verification_is_quick() -> None:
    camera = Intrinsics(640, 480, 525.0, 525.0, 320.0, 240.0)
    raw = recording(walk(8), camera=camera)
    started = time.process_time()
    Recording(raw)
    assert time.process_time() - started < 1.5


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_poses_in_millimetres_are_named(factor: float) -> None:
    raw = recording()
    frames = []
    for frame in raw.frames:
        pose = np.array(frame.pose)
        pose[:3, 3] *= factor
        frames.append(replace(frame, pose=pose))
    info = Recording(replace(raw, frames=tuple(frames))).describe()
    assert any(f"multiplied by {factor:g}" in warning for warning in info.warnings)
