"""Furnished rooms from a seed."""

import math

import numpy as np

from engine.core.arrays import F64
from engine.core.faults import BadInput
from engine.synth import clutter, furniture, shell
from engine.synth.floorplan import FloorPlan
from engine.synth.materials import Material
from engine.synth.palette import Palette
from engine.synth.pieces import Piece, rigid
from engine.synth.shapes import box
from engine.synth.world import Light, World

CHEST_SEED = 1
MIN_AREA_M2, MAX_AREA_M2 = 6.0, 400.0
DAY: tuple[float, float, float] = (1.0, 1.0, 1.06)
LAMP: tuple[float, float, float] = (1.0, 0.9, 0.76)


def build_room(seed: int, area_m2: float = 20.0, with_chest: bool = False) -> World:
    """Return a furnished room; the same seed and area always give the same.

    The floor is at z = 0 and centred on the origin; walls run along x and y. A chest of exactly
    one metre can be had beside what stands there anyway.

    Raises:
        BadInput: an area no room has.
    """
    if not MIN_AREA_M2 <= area_m2 <= MAX_AREA_M2:
        raise BadInput(
            f"A room of {area_m2:g} m2 cannot be furnished.",
            f"Use {MIN_AREA_M2:g} to {MAX_AREA_M2:g}.",
        )
    dice = np.random.default_rng(seed)
    ratio = float(dice.uniform(1.1, 1.45))
    depth = math.sqrt(area_m2 / ratio)
    height = float(dice.uniform(2.45, 2.75)) + (0.4 if area_m2 > 60 else 0.0)
    width = area_m2 / depth
    plan = FloorPlan(width, depth, height, Palette.draw(dice), dice, shell.walls(width, depth))
    build_shell(plan)
    furnish(plan, max(1, round(area_m2 / 20)))
    hang_pictures(plan)
    if with_chest:
        # Dice of its own: everything else stays as it is without it.
        plan.dice = np.random.default_rng((seed, CHEST_SEED))
        put_chest(plan)
    low = np.array([-width / 2, -depth / 2, 0.0])
    return World(
        plan.parts, plan.lights, plan.names, (low, np.array([width / 2, depth / 2, height]))
    )


def build_shell(plan: FloorPlan) -> None:
    """Set up floor, ceiling, walls, door, windows and lamps."""
    p, dice = plan.palette, plan.dice
    for piece, pose in shell.surfaces(p, plan.width_m, plan.depth_m, plan.height_m):
        plan.put(piece, pose)
    door_wall = plan.walls[int(dice.integers(4))]
    door = shell.free_along([], door_wall, 1.04, 0, 2.1, dice)
    if door is not None:
        middle = (door.start_m + door.end_m) / 2
        pose = door_wall.T_world_wall @ rigid((middle, 0, 0))
        plan.put(shell.door(p), pose)
        plan.spans.append(door)
        # Nobody blocks a door: a square metre before it stays clear.
        x, y, _ = (pose @ np.array([0, -0.5, 0, 1]))[:3]
        plan.floor.append((x, y, 0.52, 0.52))
    board = p.paint(None if dice.random() < 0.2 else (0.88, 0.87, 0.85), 0.35)
    for wall in plan.walls:
        gap = door if door is not None and wall is door_wall else None
        plan.put(shell.skirting(wall, gap, board), wall.T_world_wall)
    _add_windows(plan, max(1, round(plan.width_m * plan.depth_m / 25)))
    columns = max(1, round(plan.width_m / 4.6))
    rows = max(1, round(plan.depth_m / 4.6))
    for i in range(columns):
        for j in range(rows):
            x = plan.width_m * ((i + 0.5) / columns - 0.5)
            y = plan.depth_m * ((j + 0.5) / rows - 0.5)
            plan.put(shell.ceiling_lamp(p), rigid((x, y, plan.height_m)))
            # Few shadows are affordable, so in a hall one light stands for several lamps.
            if columns * rows <= 2 or (i + j) % 2 == 0:
                position = (x, y, plan.height_m - 0.14)
                plan.lights.append(Light(position, _times(LAMP, 3.2), radius_m=0.3))


def _add_windows(plan: FloorPlan, count: int) -> None:
    p, dice = plan.palette, plan.dice
    for n in range(count):
        width, height = float(dice.uniform(1.0, 1.7)), float(dice.uniform(1.0, 1.3))
        sill = float(dice.uniform(0.85, 0.95))
        for index in dice.permutation(4):
            wall = plan.walls[int(index)]
            span = shell.free_along(
                plan.spans, wall, width + 0.7, sill - 0.1, sill + height + 0.3, dice
            )
            if span is not None:
                middle = (span.start_m + span.end_m) / 2
                plan.spans.append(span)
                plan.put(
                    shell.window(p, width, height, sill), wall.T_world_wall @ rigid((middle, 0, 0))
                )
                if n < 2:
                    outward = wall.T_world_wall[:3, :3] @ np.array([0, -1.0, 0])
                    at = (wall.T_world_wall @ np.array([middle, -0.3, sill + height * 0.6, 1]))[:3]
                    plan.lights.append(
                        Light(_triple(at), _times(DAY, 3.0), _triple(outward), radius_m=0.5)
                    )
                break


def furnish(plan: FloorPlan, times: int) -> None:
    """Set up what a home has, so many times over."""
    p, dice = plan.palette, plan.dice
    small = plan.width_m * plan.depth_m < 15
    for _ in range(times):
        sitting_corner(plan, small)
        if not small:
            dining_group(plan)
        desk_corner(plan)
        plan.against_wall(
            furniture.shelf(p, float(dice.uniform(0.7, 1.1)), float(dice.uniform(1.5, 2.0)))
        )
        if dice.random() < 0.35:
            plan.against_wall(furniture.bed(p, 1.0 if small else 1.5))
        plan.against_wall(furniture.cabinet(p, float(dice.uniform(0.9, 1.6))))
        plan.against_wall(furniture.plant(p, float(dice.uniform(0.9, 1.4))))
        lamp = furniture.floor_lamp(p)
        plan.against_wall(lamp)
        if dice.random() < 0.6:
            plan.against_wall(furniture.box_stack(p))
        if dice.random() < 0.5:
            plan.against_wall(furniture.sofa(p, 0.92))
    for _ in range(2 * times):
        toy = (clutter.ball, clutter.packet, clutter.books)[int(dice.integers(3))](p)
        place = plan.in_the_open(0.16, 0.16)
        if place is not None:
            plan.put(toy, rigid((*place, 0), (0, 0, float(dice.uniform(0, 90)))))


def sitting_corner(plan: FloorPlan, small: bool) -> None:
    """Put a sofa at a wall, and before it a rug with a low table."""
    p, dice = plan.palette, plan.dice
    sofa = furniture.sofa(p, 1.45 if small else float(dice.uniform(1.6, 2.1)))
    pose = plan.against_wall(sofa)
    if pose is None:
        return
    front = pose @ rigid((0, -sofa.size_m[1] / 2 - 0.72, 0))
    turned = abs(pose[0, 0]) < 0.5
    half_w, half_d = (0.28, 0.5) if turned else (0.5, 0.28)
    x, y = float(front[0, 3]), float(front[1, 3])
    if not plan.is_free(x, y, half_w, half_d):
        return
    plan.floor.append((x, y, half_w, half_d))
    low_table = furniture.table(p, 0.95, 0.52, 0.42)
    rug = Piece("rug", (1.9, 1.3, 0.012))
    tones = (p.color(0.35, 0.5, 0.2), p.color(0.2, 0.82), p.color(0.45, 0.36, 0.2))
    rug.add(box(1.9, 1.3, 0.012), (0, 0, 0.006), Material("rug", tones, p.seed(), 0.0, 0.0))
    reach_x, reach_y = (0.65, 0.95) if turned else (0.95, 0.65)
    inside = abs(x) + reach_x < plan.width_m / 2 and abs(y) + reach_y < plan.depth_m / 2
    if inside:
        plan.put(rug, front)
    plan.put(low_table, front @ rigid((0, 0, 0.012 if inside else 0)))
    plan.lay_on(low_table, front @ rigid((0, 0, 0.012 if inside else 0)))


def dining_group(plan: FloorPlan) -> None:
    """Put a table with chairs round it into the open."""
    p, dice = plan.palette, plan.dice
    is_round = bool(dice.random() < 0.4)
    width, depth = (1.0, 1.0) if is_round else (float(dice.uniform(1.2, 1.5)), 0.8)
    turned = bool(dice.random() < 0.5)
    half = (width / 2 + 0.1, depth / 2 + 0.45)
    place = plan.in_the_open(*(reversed(half) if turned else half))
    if place is None:
        return
    pose = rigid((*place, 0), (0, 0, 90 if turned else 0))
    piece = (
        furniture.round_table(p, 0.5, 0.74) if is_round else furniture.table(p, width, depth, 0.74)
    )
    plan.put(piece, pose)
    plan.lay_on(piece, pose)
    wood, seat = p.timber(), p.cloth()
    seats = (
        [(0.0, 1), (0.0, -1)]
        if is_round
        else [(s * width / 4, e) for s in (-1, 1) for e in (-1, 1)]
    )
    for x, end in seats:
        if dice.random() < 0.85:
            out = depth / 2 + float(dice.uniform(0.0, 0.14))
            chair = furniture.chair(p, wood, seat)
            turn = (0 if end > 0 else 180) + float(dice.uniform(-8, 8))
            plan.put(chair, pose @ rigid((x, end * out, 0), (0, 0, turn)))


def desk_corner(plan: FloorPlan) -> None:
    """Put a desk with a screen at a wall and a chair before it."""
    p = plan.palette
    desk = furniture.table(p, 1.25, 0.65, 0.74)
    top = desk.tops.pop()
    pose = plan.against_wall(desk)
    if pose is None:
        return
    plan.put(clutter.monitor(p), pose @ rigid((0, 0.12, top[2])))
    for make, x, y in (
        (clutter.cup, -0.45, 0.0),
        (clutter.table_lamp, 0.48, 0.12),
        (clutter.books, -0.42, 0.2),
    ):
        plan.put(make(p), pose @ rigid((x, y, top[2]), (0, 0, 20)))
    seat = pose @ rigid((0.05, -0.62, 0))
    if plan.is_free(float(seat[0, 3]), float(seat[1, 3]), 0.3, 0.3):
        plan.floor.append((float(seat[0, 3]), float(seat[1, 3]), 0.3, 0.3))
        plan.put(furniture.office_chair(p), seat @ rigid((0, 0, 0), (0, 0, 160)))


def hang_pictures(plan: FloorPlan) -> None:
    """Hang paintings and posters where walls are free."""
    dice = plan.dice
    for wall in plan.walls:
        for _ in range(max(2, round(wall.length_m / 1.6))):
            width, height = float(dice.uniform(0.4, 0.95)), float(dice.uniform(0.4, 0.85))
            middle = float(dice.uniform(1.5, 1.65))
            low, high = middle - height / 2 - 0.08, middle + height / 2 + 0.08
            span = shell.free_along(plan.spans, wall, width + 0.2, low, high, dice)
            if span is not None:
                plan.spans.append(span)
                at = rigid(((span.start_m + span.end_m) / 2, 0, middle))
                plan.put(shell.hung(plan.palette, width, height), wall.T_world_wall @ at)


def put_chest(plan: FloorPlan) -> None:
    """Put the chest at a wall, or where there is room.

    Raises:
        BadInput: the room is full.
    """
    piece = furniture.chest(plan.palette)
    if plan.against_wall(piece) is not None:
        return
    place = plan.in_the_open(piece.size_m[0] / 2, piece.size_m[1] / 2)
    if place is None:
        raise BadInput("The chest finds no place in this room.", "Use another seed or more area.")
    plan.put(piece, rigid((*place, 0)))


def _times(color: tuple[float, float, float], factor: float) -> tuple[float, float, float]:
    return color[0] * factor, color[1] * factor, color[2] * factor


def _triple(v: F64) -> tuple[float, float, float]:
    return float(v[0]), float(v[1]), float(v[2])
