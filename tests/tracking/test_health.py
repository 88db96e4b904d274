"""Every cause is found when it is made, and none is on a walk that is led well."""

import time
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.news import Cause, Tracking
from engine.core.poses import Pose
from engine.sources.synthetic import SyntheticSource
from engine.tracking.health import MOTION_S, HealthMeter

CAMERA = Intrinsics(320, 240, 262, 262, 160, 120)
HZ = 30


@lru_cache(maxsize=1)
def walk():
    """Two seconds of a walk through a room, as a camera sees it."""
    with SyntheticSource("synthetic:room?seed=5&frames=40&rate=20") as source:
        return tuple(source.frames())


def still(count=20, color=None, depth_m=1.5, **named):
    """Frames of a camera that stands before a furnished wall, thirty a second."""
    picture = walk()[0].color if color is None else color
    depth = np.full((CAMERA.height, CAMERA.width), depth_m, np.float32)
    plain = Frame(0, 0, CAMERA, picture, depth, CAMERA, T_world_cam=Pose.identity(), **named)
    return [replace(plain, index=i, t_ns=round(i * 1e9 / HZ)) for i in range(count)]


def moved(frames, speed_m_s=0.0, turn_deg_s=0.0):
    out = []
    for frame in frames:
        s = frame.t_ns * 1e-9
        pose = Pose.exp([0, np.radians(turn_deg_s) * s, 0, 0, 0, 0])
        turned = Pose.from_parts(pose.rotation, [speed_m_s * s, 0, 0])
        out.append(replace(frame, T_world_cam=turned))
    return out


def last(frames, meter=None):
    meter = meter or HealthMeter()
    return [meter.look(frame) for frame in frames][-1]


@pytest.mark.parametrize("spec", ["room?seed=7&frames=36&rate=5", "room?seed=2&frames=24&rate=15"])
def test_a_walk_that_is_led_well_is_good_all_the_way(spec):
    meter = HealthMeter()
    with SyntheticSource(f"synthetic:{spec}") as source:
        told = [meter.look(frame) for frame in source.frames()]
    assert {health.state for health in told} == {Tracking.GOOD}
    assert {health.causes for health in told} == {()}
    assert min(health.margin for health in told) > 0.5
    assert 0.05 < np.median([health.speed_m_s for health in told[1:]]) < 0.8
    assert all(0.5 < health.distance_m < 5 for health in told)
    assert all(health.depth_share > 0.7 for health in told)


@pytest.mark.parametrize(("speed", "turn"), [(0.3, 20.0), (1.7, 0.0), (0.0, 120.0)])
def test_speed_and_turn_are_measured_in_metres_and_degrees_a_second(speed, turn):
    health = last(moved(still(), speed, turn))
    assert health.speed_m_s == pytest.approx(speed, abs=1e-6)
    assert health.turn_deg_s == pytest.approx(turn, abs=1e-3)
    expected = (Cause.TOO_FAST,) * (speed > 1) + (Cause.TURNING_TOO_FAST,) * (turn > 80)
    assert health.causes == expected
    assert health.state is (Tracking.WEAK if expected else Tracking.GOOD)
    assert (health.margin < 0.5) == bool(expected)


def test_the_worse_of_two_causes_comes_first():
    assert last(moved(still(), 1.2, 150)).causes == (Cause.TURNING_TOO_FAST, Cause.TOO_FAST)
    assert last(moved(still(), 1.6, 90)).causes == (Cause.TOO_FAST, Cause.TURNING_TOO_FAST)


def test_a_trembling_hand_is_not_a_fast_one():
    frames = still()
    shaken = [
        replace(f, T_world_cam=Pose.from_parts(np.eye(3), [0.012 * (-1) ** f.index, 0, 0]))
        for f in frames
    ]
    meter = HealthMeter()
    told = [meter.look(frame) for frame in shaken]
    assert max(health.speed_m_s for health in told[12:]) < 0.1


def test_motion_stops_counting_soon_after_it_stops():
    fast = moved(still(20), 2.0)
    after = replace(fast[-1], t_ns=0)
    rest = [replace(after, t_ns=fast[-1].t_ns + round(i * 1e9 / HZ)) for i in range(1, 15)]
    meter = HealthMeter()
    assert last(fast, meter).causes == (Cause.TOO_FAST,)
    told = [meter.look(frame) for frame in rest]
    calm = next(i for i, health in enumerate(told) if health.state is Tracking.GOOD)
    assert (calm + 1) / HZ <= MOTION_S + 0.1


def test_a_jump_to_another_segment_is_no_motion():
    here = still(10)
    there = [
        replace(
            f,
            segment=1,
            t_ns=f.t_ns + here[-1].t_ns + 33_000_000,
            T_world_cam=Pose.from_parts(np.eye(3), [5, 0, 0]),
        )
        for f in still(10)
    ]
    meter = HealthMeter()
    told = [meter.look(frame) for frame in [*here, *there]]
    assert {health.state for health in told} == {Tracking.GOOD}


def test_lost_without_a_pose_and_back_with_one():
    frames = still(12)
    frames[5:8] = [replace(frame, T_world_cam=None) for frame in frames[5:8]]
    meter = HealthMeter()
    told = [meter.look(frame) for frame in frames]
    lost = [health.state is Tracking.LOST for health in told]
    assert lost == [5 <= i < 8 for i in range(12)]
    assert told[5].causes == (Cause.NO_POSE,)
    assert told[5].margin == 0
    assert told[5].speed_m_s is None
    assert told[9].speed_m_s == pytest.approx(0, abs=1e-9)


@given(
    st.lists(st.one_of(st.integers(-3, 3), st.integers(-(10**9), 10**11)), min_size=1, max_size=30)
)
@settings(max_examples=60, deadline=None)
def test_stamps_that_are_no_times_do_no_harm(steps):
    meter, t_ns = HealthMeter(), 0
    picture = still(1)[0]
    for i, step in enumerate(steps):
        t_ns += step
        pose = Pose.from_parts(np.eye(3), [0.01 * i, 0, 0])
        health = meter.look(replace(picture, index=i, t_ns=t_ns, T_world_cam=pose))
        assert 0 <= health.margin <= 1
        assert health.speed_m_s is None or 0 <= health.speed_m_s < 100 * 0.01 * len(steps) * 10
        assert (health.state is Tracking.GOOD) == (health.margin >= 0.5)


def test_equal_stamps_give_no_speed():
    frames = [replace(frame, t_ns=7) for frame in moved(still(), 2.0)]
    health = last(frames)
    assert (health.speed_m_s, health.turn_deg_s) == (None, None)
    assert health.state is Tracking.GOOD


def test_darkness_is_found_and_blamed_alone():
    dark = (walk()[0].color // 12).astype(np.uint8)
    health = last(still(color=dark))
    assert health.causes == (Cause.TOO_DARK,)
    dim = (walk()[0].color // 2).astype(np.uint8)
    assert last(still(color=dim)).state is Tracking.GOOD


def test_a_bare_wall_has_little_texture():
    rng = np.random.default_rng(3)
    wall = np.clip(170 + 3 * rng.standard_normal((240, 320, 3)), 0, 255).astype(np.uint8)
    health = last(still(color=wall))
    assert health.causes == (Cause.LITTLE_TEXTURE,)


def smeared(frame, across_px):
    return replace(frame, color=cv2.blur(frame.color, (across_px, 1)))


def out_of_focus(frame, sigma_px):
    return replace(frame, color=cv2.GaussianBlur(frame.color, (0, 0), sigma_px))


@pytest.mark.parametrize("blur", [lambda f: smeared(f, 13), lambda f: out_of_focus(f, 2.0)])
def test_pictures_much_less_sharp_than_before_are_blurred(blur):
    frames = list(walk())
    meter = HealthMeter()
    before = [meter.look(frame) for frame in frames[:25]]
    told = [meter.look(blur(frame)) for frame in frames[25:]]
    assert {health.causes for health in before} == {()}
    assert told[-1].causes == (Cause.BLURRED,)
    # A single odd picture is passed over.
    assert told[0].state is Tracking.GOOD


def test_blur_from_haste_is_called_haste():
    meter = HealthMeter()
    last(still(20), meter)
    blurred = [smeared(f, 13) for f in moved(still(40), 0, 140)[20:]]
    assert last(blurred, meter).causes == (Cause.TURNING_TOO_FAST,)


@pytest.mark.parametrize(
    ("depth_m", "causes"),
    [
        (0.2, (Cause.TOO_NEAR,)),
        (0.29, (Cause.TOO_NEAR,)),
        (0.4, ()),
        (3.5, ()),
        (4.9, ()),
        (5.2, (Cause.TOO_FAR,)),
        (0.0, (Cause.BLOCKED,)),
    ],
)
def test_distance_has_a_band(depth_m, causes):
    health = last(still(depth_m=depth_m))
    assert health.causes == causes
    assert health.distance_m == (pytest.approx(depth_m) if depth_m else None)
    assert health.depth_share == float(depth_m > 0)


def test_the_farthest_depth_is_the_settings():
    assert last(still(depth_m=3.0), HealthMeter(max_m=2.5)).causes == (Cause.TOO_FAR,)


def test_a_share_of_depth_is_enough_and_a_trace_is_not():
    frames = still()
    for rows, expected in ((120, ()), (12, (Cause.BLOCKED,))):
        some = np.zeros((240, 320), np.float32)
        some[:rows] = 1.2
        health = last([replace(frame, depth_m=some) for frame in frames])
        assert health.causes == expected
        assert health.depth_share == pytest.approx(rows / 240)


def test_one_odd_picture_does_not_change_the_verdict():
    frames = still(20)
    black = np.zeros_like(frames[0].color)
    frames[12] = replace(frames[12], color=black, depth_m=np.zeros((240, 320), np.float32))
    meter = HealthMeter()
    assert {meter.look(frame).state for frame in frames} == {Tracking.GOOD}


def test_what_a_frame_lacks_is_not_judged():
    bare = Frame(0, 0, CAMERA, T_world_cam=Pose.identity())
    health = HealthMeter().look(bare)
    assert health.state is Tracking.GOOD
    assert health.margin == 1
    assert (health.distance_m, health.depth_share, health.speed_m_s) == (None, None, None)


@given(st.floats(0, 3), st.floats(0, 3))
@settings(max_examples=25, deadline=None)
def test_faster_is_never_safer(one, other):
    slow, fast = sorted((one, other))
    assert last(moved(still(6), fast)).margin <= last(moved(still(6), slow)).margin


def test_a_full_picture_costs_little():
    with SyntheticSource("synthetic:room?seed=5&frames=2&size=640x480") as source:
        frame = next(source.frames())
    meter = HealthMeter()
    meter.look(frame)
    start = time.process_time()
    for i in range(40):
        meter.look(replace(frame, index=i, t_ns=i * 33_000_000))
    # Twice what it should take, for machines that are busy.
    assert (time.process_time() - start) / 40 < 0.004
