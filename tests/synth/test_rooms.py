"""Rooms and objects: repeatable, varied, physically possible."""

import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.synth.furniture import CHEST_M
from engine.synth.objects import STAND_M, build_object
from engine.synth.rooms import build_room
from engine.synth.shapes import Kind, Solids
from engine.synth.world import World


def _fingerprint(world: World) -> list[object]:
    return [
        (p.shape, p.T_world_obj.tobytes(), p.material, p.instance, p.shift) for p in world.parts
    ]


@pytest.mark.parametrize("build", [build_room, build_object])
def test_a_seed_always_gives_the_same_world(build: type) -> None:
    first, second = build(4), build(4)
    assert _fingerprint(first) == _fingerprint(second)
    assert first.lights == second.lights
    assert _fingerprint(first) != _fingerprint(build(5))


@pytest.mark.parametrize("area", [10.0, 20.0, 40.0, 160.0])
def test_area_is_as_asked_and_the_room_is_furnished(area: float) -> None:
    world = build_room(1, area)
    assert world.area_m2() == pytest.approx(area)
    names = list(world.names.values())
    assert {"floor", "ceiling", "wall", "skirting", "door", "window", "ceiling lamp"} <= set(names)
    assert len(set(names)) >= 14
    assert len(world.lights) >= 2
    assert 0 not in world.names
    assert {p.instance for p in world.parts} == set(world.names)


@pytest.mark.parametrize("area", [1.0, 0.0, 5000.0, float("nan")])
def test_impossible_rooms_are_refused(area: float) -> None:
    with pytest.raises(BadInput, match="cannot be furnished"):
        build_room(0, area)


@pytest.mark.parametrize("seed", range(12))
def test_furniture_does_not_run_through_other_furniture(seed: int) -> None:
    world = build_room(seed, 20.0)
    # What stands on, hangs on or touches another thing is left out; big pieces remain.
    big = {"sofa", "armchair", "shelf", "cabinet", "bed", "plant", "floor lamp", "boxes", "door"}
    dice = np.random.default_rng(seed)
    for number, name in world.names.items():
        if name not in big:
            continue
        mine = [p for p in world.parts if p.instance == number]
        others = [
            p
            for p in world.parts
            if p.instance != number and world.names[p.instance] in big | {"wall", "table"}
        ]
        solids = Solids.build([p.shape for p in others], [p.T_world_obj for p in others])
        for part in mine:
            half = np.array(part.shape.outer_half_m())
            inside = dice.uniform(-0.9, 0.9, (40, 3)) * half
            points = inside @ part.T_world_obj[:3, :3].T + part.T_world_obj[:3, 3]
            own = World([part], [], {}, world.bounds_m).distance(points)
            elsewhere = World(others, [], {}, world.bounds_m).distance(points)
            assert not ((own < -0.005) & (elsewhere < -0.005)).any(), (name, len(solids))


@pytest.mark.parametrize("seed", range(12))
def test_everything_stays_within_the_walls(seed: int) -> None:
    world = build_room(seed, 20.0)
    low, high = world.bounds_m
    for part in world.parts:
        if part.shape.kind is Kind.PLANE:
            continue
        half = np.abs(part.T_world_obj[:3, :3]) @ np.array(part.shape.outer_half_m())
        assert (part.T_world_obj[:3, 3] - half > low - 0.12).all(), world.names[part.instance]
        assert (part.T_world_obj[:3, 3] + half < high + 0.12).all(), world.names[part.instance]


def test_distance_in_the_open_room_is_the_nearest_wall() -> None:
    world = build_room(2, 20.0)
    low, high = world.bounds_m
    top = np.array([low[0] + 0.4, low[1] + 0.3, high[2] - 0.1])
    # Up in a corner under the ceiling there is nothing but the shell and perhaps a curtain rod.
    assert world.distance(top) <= 0.1 + 1e-6
    outside = np.array([high[0] + 0.5, 0, 1.0])
    assert world.distance(outside) < 0
    assert world.distance(np.zeros((2, 5, 3))).shape == (2, 5)


def test_object_stands_on_its_stand() -> None:
    for seed in range(12):
        world = build_object(seed)
        mine = [p for p in world.parts if p.instance == 1]
        assert mine
        lowest = min(
            p.T_world_obj[2, 3]
            - float(np.abs(p.T_world_obj[2, :3]) @ np.array(p.shape.outer_half_m()))
            for p in mine
        )
        assert lowest > STAND_M - 0.08
        assert world.focus_m is not None


@pytest.mark.parametrize("seed", [0, 7, 11])
def test_the_chest_is_a_metre_wide_stands_free_and_moves_nothing(seed):
    plain, world = build_room(seed), build_room(seed, with_chest=True)
    assert _fingerprint(world)[:-1] == _fingerprint(plain)
    chest = world.parts[-1]
    assert world.names[chest.instance] == "chest"
    assert tuple(2 * half for half in chest.shape.size) == CHEST_M
    # Its upper edges lie on its surface and in the free, so that they can be seen and measured.
    half = np.array(chest.shape.size)
    x, y = np.meshgrid([-1, 1], [-1, 1])
    corners = np.stack([x.ravel(), y.ravel(), np.ones(4)], axis=1) * half
    world_m = corners @ chest.T_world_obj[:3, :3].T + chest.T_world_obj[:3, 3]
    assert np.abs(world.distance(world_m)).max() < 1e-5
    assert (plain.distance(world_m) > 0.01).all()
