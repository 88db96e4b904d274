"""Rooms to learn from: homes, kitchens, offices, stores, bare rooms, heaps of solids.

Wider than `build_room` in every direction: narrow and large rooms, glossy fronts, mirrors, racks
of thin rods, empty corners. A room is a function of its dice.
"""

import math

import numpy as np

from engine.synth import clutter, furniture, kitchen, shell
from engine.synth.floorplan import FloorPlan
from engine.synth.materials import Material
from engine.synth.palette import Palette
from engine.synth.pieces import Piece, rigid
from engine.synth.rooms import build_shell, desk_corner, dining_group, furnish, hang_pictures
from engine.synth.shapes import Shape, box, capsule, cone, cylinder, sphere
from engine.synth.world import World

STYLES = ("home", "kitchen", "office", "store", "bare", "heap")
SHARES = (0.22, 0.3, 0.18, 0.12, 0.08, 0.1)


def build_interior(dice: np.random.Generator) -> World:
    """Return a room of some style; floor at z = 0, centred on the origin, walls along x and y."""
    style = str(dice.choice(STYLES, p=SHARES))
    area = float(np.exp(dice.uniform(math.log(6.5), math.log(30))))
    ratio = float(dice.uniform(1.0, 2.0))
    depth = math.sqrt(area / ratio)
    width, height = area / depth, float(dice.uniform(2.3, 3.1))
    palette = Palette.draw(dice)
    plan = FloorPlan(width, depth, height, palette, dice, shell.walls(width, depth))
    build_shell(plan)
    {
        "home": _home,
        "kitchen": _kitchen,
        "office": _office,
        "store": _store,
        "bare": _bare,
        "heap": _heap,
    }[style](plan)
    if dice.random() < 0.25:
        _stand_in_the_open(plan, kitchen.pillar(palette, height))
    if style != "bare" or dice.random() < 0.3:
        hang_pictures(plan)
    _relight(plan)
    low = np.array([-width / 2, -depth / 2, 0.0])
    high = np.array([width / 2, depth / 2, height])
    return World(plan.parts, plan.lights, plan.names, (low, high))


def _home(plan: FloorPlan) -> None:
    p, dice = plan.palette, plan.dice
    furnish(plan, 1)
    if dice.random() < 0.5:
        plan.against_wall(kitchen.television(p))
    if dice.random() < 0.4:
        plan.against_wall(kitchen.standing_mirror(p))
    if dice.random() < 0.3:
        _stand_in_the_open(plan, kitchen.drying_rack(p))


def _kitchen(plan: FloorPlan) -> None:
    p, dice = plan.palette, plan.dice
    front, top = kitchen.fronts(p), kitchen.worktop(p)
    longest = max(wall.length_m for wall in plan.walls)
    for _ in range(int(dice.integers(1, 4))):
        width = min(float(dice.uniform(1.2, 3.2)), longest - 1.0)
        run = kitchen.counter(p, width, front, top, bool(dice.random() < 0.6))
        tops, run.tops = run.tops, []
        pose = plan.against_wall(run)
        if pose is not None:
            run.tops = tops
            _lay_kitchen(plan, run, pose)
    for make, chance in (
        (kitchen.oven, 0.5),
        (kitchen.fridge, 0.7),
        (kitchen.wire_shelf, 0.3),
        (kitchen.standing_mirror, 0.08),
    ):
        if dice.random() < chance:
            plan.against_wall(make(p))
    _table_with_papers(plan)
    for _ in range(int(dice.integers(0, 3))):
        _stand_in_the_open(plan, kitchen.stool(p))
    if dice.random() < 0.4:
        plan.against_wall(furniture.shelf(p, 0.8, 1.8))


def _office(plan: FloorPlan) -> None:
    p, dice = plan.palette, plan.dice
    for _ in range(int(dice.integers(1, 4))):
        desk_corner(plan)
    for _ in range(int(dice.integers(1, 3))):
        wide, tall = float(dice.uniform(0.7, 1.0)), float(dice.uniform(1.0, 1.9))
        plan.against_wall(furniture.shelf(p, wide, tall))
    plan.against_wall(furniture.cabinet(p, float(dice.uniform(0.9, 1.6))))
    plan.against_wall(kitchen.radiator(p, float(dice.uniform(0.7, 1.3))))
    _table_with_papers(plan)
    if dice.random() < 0.4:
        plan.against_wall(furniture.plant(p, float(dice.uniform(0.9, 1.5))))


def _store(plan: FloorPlan) -> None:
    p, dice = plan.palette, plan.dice
    for _ in range(int(dice.integers(1, 3))):
        plan.against_wall(kitchen.wire_shelf(p))
    for _ in range(int(dice.integers(2, 6))):
        plan.against_wall(furniture.box_stack(p))
    for _ in range(int(dice.integers(1, 4))):
        _stand_in_the_open(plan, furniture.box_stack(p))
    if dice.random() < 0.6:
        _stand_in_the_open(plan, kitchen.drying_rack(p))
    if dice.random() < 0.5:
        plan.against_wall(kitchen.fridge(p))


def _bare(plan: FloorPlan) -> None:
    p, dice = plan.palette, plan.dice
    makers = (
        lambda: furniture.cabinet(p, 1.2),
        lambda: furniture.floor_lamp(p),
        lambda: furniture.plant(p, 1.1),
        lambda: kitchen.radiator(p, 1.0),
        lambda: kitchen.standing_mirror(p),
        lambda: furniture.sofa(p, 1.6),
    )
    for _ in range(int(dice.integers(1, 4))):
        plan.against_wall(makers[int(dice.integers(len(makers)))]())
    if dice.random() < 0.5:
        _stand_in_the_open(plan, furniture.chair(p, p.timber(), p.cloth()))


def _heap(plan: FloorPlan) -> None:
    """Fill the room with solids of any size, standing, lying and leaning."""
    p, dice = plan.palette, plan.dice
    for _ in range(int(dice.integers(15, 70))):
        size = float(np.exp(dice.uniform(math.log(0.03), math.log(0.5))))
        long = size * float(np.exp(dice.uniform(0, 1.6)))
        shape: Shape = (
            box(size, size * float(dice.uniform(0.2, 1.5)), long, size * 0.1),
            box(size, size * float(dice.uniform(0.05, 1.0)), long),
            cylinder(size / 2, long),
            cone(size / 2, size * float(dice.uniform(0, 0.6)), long, size * 0.05),
            capsule(size * 0.1, 2 * long),
            sphere(size / 2),
        )[int(dice.integers(6))]
        piece = Piece("solid", (size, size, long))
        recipe = ("plastic", "wood", "fabric", "checker", "marble", "label", "poster", "metal")
        skin = str(dice.choice(recipe))
        gloss = float(dice.uniform(0, 0.9))
        tile = float(dice.uniform(0.15, 0.8)) if skin not in ("label", "poster") else 0.0
        turn = dice.uniform(-180, 180, 3) if dice.random() < 0.5 else np.array([0, 0, 30.0])
        piece.add(
            shape,
            (0, 0, 0),
            Material(skin, p.colors(5), p.seed(), tile, gloss),
            (float(turn[0]), float(turn[1]), float(turn[2])),
        )
        x = float(dice.uniform(-0.5, 0.5)) * plan.width_m
        y = float(dice.uniform(-0.5, 0.5)) * plan.depth_m
        # Most lies near the floor; what hangs in the air teaches that anything may be anywhere.
        z = long / 2 if dice.random() < 0.6 else float(dice.uniform(0, plan.height_m))
        plan.put(piece, rigid((x, y, z)))
    for _ in range(2):
        plan.against_wall(furniture.cabinet(p, 1.0))


def _table_with_papers(plan: FloorPlan) -> None:
    p, dice = plan.palette, plan.dice
    if dice.random() < 0.35:
        dining_group(plan)
        return
    width, depth = float(dice.uniform(0.9, 1.6)), float(dice.uniform(0.6, 0.85))
    table = furniture.table(p, width, depth, float(dice.uniform(0.68, 0.78)))
    tops, table.tops = table.tops, []
    place = plan.in_the_open(width / 2 + 0.05, depth / 2 + 0.45)
    if place is None:
        return
    pose = rigid((*place, 0), (0, 0, float(dice.choice([0, 180]))))
    plan.put(table, pose)
    table.tops = tops
    _lay_kitchen(plan, table, pose)
    wood, seat = p.timber(), p.cloth()
    for side in (-1, 1):
        if dice.random() < 0.8:
            x = float(dice.uniform(-0.3, 0.3)) * width
            out = depth / 2 + float(dice.uniform(0.05, 0.25))
            turn = (0 if side > 0 else 180) + float(dice.uniform(-25, 25))
            chair = furniture.chair(p, wood, seat)
            plan.put(chair, pose @ rigid((x, side * out, 0), (0, 0, turn)))


def _lay_kitchen(plan: FloorPlan, piece: Piece, pose: np.ndarray) -> None:
    """Lay papers and kitchen things on a piece, then what lies on any table."""
    dice = plan.dice
    for x, y, z, width, depth in piece.tops:
        for _ in range(int(dice.integers(1, max(2, round(width * 4))))):
            make = kitchen.ON_WORKTOPS[int(dice.integers(len(kitchen.ON_WORKTOPS)))]
            thing = make(plan.palette)
            reach = max(thing.size_m[:2]) / 2
            px = float(dice.uniform(-1, 1)) * max(width / 2 - reach, 0)
            py = float(dice.uniform(-1, 1)) * max(depth / 2 - reach, 0)
            turn = float(dice.uniform(-50, 50))
            plan.put(thing, pose @ rigid((x + px, y + py, z), (0, 0, turn)))
    if dice.random() < 0.6:
        plan.lay_on(piece, pose, density=5.0)


def _stand_in_the_open(plan: FloorPlan, piece: Piece) -> None:
    half = (piece.size_m[0] / 2, piece.size_m[1] / 2)
    place = plan.in_the_open(*half)
    if place is not None:
        plan.put(piece, rigid((*place, 0)))


def _relight(plan: FloorPlan) -> None:
    """Give every lamp a strength and colour of its own; sometimes the day is gone."""
    dice = plan.dice
    warm = np.exp(dice.normal(0, 0.12, 3) * np.array([1.0, 0.3, 1.0]))
    fresh = []
    for light in plan.lights:
        factor = float(np.exp(dice.normal(-0.1, 0.5)))
        if any(light.axis) and dice.random() < 0.3:
            factor *= 0.05
        power = np.array(light.power) * factor * warm
        fresh.append(
            type(light)(
                light.position_m,
                (float(power[0]), float(power[1]), float(power[2])),
                light.axis,
                light.radius_m,
            )
        )
    plan.lights[:] = fresh
    if not any(sum(light.power) > 1.0 for light in plan.lights):
        plan.put(clutter.table_lamp(plan.palette), rigid((0.3, 0.2, 0)))
