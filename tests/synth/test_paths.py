"""Walks a person could walk."""

import itertools

import numpy as np
import pytest

from engine.core.camera import Intrinsics, lift
from engine.synth.objects import build_object
from engine.synth.paths import CLEARANCE_M, between, orbit, walk
from engine.synth.render import Renderer
from engine.synth.rooms import build_room
from engine.synth.world import World


@pytest.mark.parametrize(("seed", "area"), [(0, 10), (1, 20), (2, 20), (3, 40), (4, 20), (5, 12)])
def test_walk_keeps_clear_and_slow(seed: int, area: float) -> None:
    world = build_room(seed, area)
    path = walk(world, seed, 150)
    assert world.distance(path.position).min() >= CLEARANCE_M
    speed = np.linalg.norm(np.diff(path.position, axis=0), axis=1) * 30
    assert 0.3 < speed.mean() < 0.6
    assert speed.max() < 1.0
    turn = np.degrees(np.abs(np.diff(path.angles[:, 0])) * 30)
    assert turn.max() < 90
    assert path.position[:, 2].min() > 1.1
    assert path.position[:, 2].max() < 1.75


def test_stamps_follow_the_thirty_hertz_clock(room: World) -> None:
    for frames in (1, 7, 150, 2000):
        poses = walk(room, 1, frames).poses()
        stamps = np.array([t for _, t in poses])
        assert len(poses) == frames
        assert (np.diff(stamps) > 0).all()
        ticks = stamps * 30 / 1e9
        assert np.abs(ticks - np.round(ticks)).max() < 1e-6
    fast = walk(room, 1, 10, rate_hz=30.0)
    assert fast.stamps_s[-1] == pytest.approx(0.3)


def test_walks_are_repeatable_and_differ_by_seed(room: World) -> None:
    first, again, other = (walk(room, seed, 20).poses() for seed in (1, 1, 2))
    assert first == again
    assert first[5][0] != other[5][0]


def test_a_walk_sees_the_room(room: World, renderer: Renderer) -> None:
    camera = Intrinsics(40, 30, 33, 33, 20, 15)
    poses = [pose for pose, _ in walk(room, 0, 120).poses()]
    seen: set[int] = set()
    cells: set[tuple[int, int]] = set()
    for pose in poses:
        picture = renderer.render(camera, [pose])[0]
        seen |= set(np.unique(picture.instance).tolist())
        points = lift(picture.depth_m, camera, pose)
        floor = points[np.abs(points[:, 2]) < 0.02]
        cells |= {(int(x), int(y)) for x, y in np.floor(floor[:, :2] / 0.5)}
    assert len(seen) / len(room.names) > 0.9
    assert len(cells) * 0.25 > 0.4 * room.area_m2()


def test_held_out_poses_are_near_but_not_on_the_path(room: World) -> None:
    path = walk(room, 1, 60)
    own = np.array([pose.translation for pose, _ in path.poses()])
    held = between(path, room, 1, 12)
    assert len(held) == 12
    for pose in held:
        gap = np.linalg.norm(own - pose.translation, axis=1).min()
        assert 0.005 < gap < 0.6
        assert room.distance(pose.translation) >= CLEARANCE_M


def test_orbit_looks_at_the_object_from_all_sides() -> None:
    world = build_object(1)
    focus = np.array(world.focus_m)
    poses = [pose for pose, _ in orbit(world, 0, 60).poses()]
    directions = []
    for pose in poses:
        to_focus = focus - pose.translation
        distance = np.linalg.norm(to_focus)
        assert 0.5 < distance < 0.75
        assert pose.rotation[:, 2] @ to_focus / distance > 0.98
        assert world.distance(pose.translation) > 0.2
        directions.append(np.arctan2(to_focus[1], to_focus[0]))
    assert len(np.unique(np.round(np.array(directions) / (np.pi / 6)))) >= 12


def test_pixels_move_little_between_ticks(room: World) -> None:
    path = walk(room, 2, 30, rate_hz=30.0)
    poses = [pose for pose, _ in path.poses()]
    for a, b in itertools.pairwise(poses):
        metres, radians = a.distance_to(b)
        assert metres < 0.035
        assert np.degrees(radians) < 3.5
