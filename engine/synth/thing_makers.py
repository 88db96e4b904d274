"""Objects laid out by chance: clusters, vessels, furniture, creatures, things made of boxes.

Designs are drawn in any size and place, +Y up; `make_thing` then brings them into the box.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from engine.core.arrays import F64
from engine.synth import shapes
from engine.synth.bank import FLAT, Bank
from engine.synth.shapes import Shape
from engine.synth.thing import PROFILE, SHELL, Thing

# Solids' own z to the object's +Y.
UPRIGHT = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
PROBES = 40
# How large an object is: the farthest point of its surface from the origin.
LEAST_RADIUS, MOST_RADIUS = 0.72, 0.95
Dice = np.random.Generator


@dataclass(frozen=True, slots=True)
class Piece:
    """A solid before it is dressed: its place, and which of the object's materials it wears."""

    form: int
    size: tuple[float, float, float]
    round: float
    at: F64
    turn: F64 = field(default_factory=lambda: UPRIGHT)
    material: int = 0
    profile: tuple[tuple[float, float], ...] = ((0.0, 0.0),)


def make_thing(dice: Dice, bank: Bank) -> Thing:
    """Return an object of the design, the size and the look that the dice say."""
    design = DESIGNS[int(dice.integers(len(DESIGNS)))]
    pieces = design(dice)
    blend = float(dice.uniform(0.03, 0.2)) if dice.random() < BLENDED[design.__name__] else 0.0
    spin = _about_y(float(dice.uniform(0, 2 * np.pi)))
    if dice.random() < 0.25:
        spin = spin @ _any_turn(dice)
    pieces = [replace(p, at=spin @ p.at, turn=spin @ p.turn) for p in pieces]
    thing = _dressed(pieces, blend, bank, dice)
    middle, radius = _extent(thing)
    return thing.placed(middle, float(dice.uniform(LEAST_RADIUS, MOST_RADIUS)) / radius)


def _cluster(dice: Dice) -> list[Piece]:
    pieces = [_solid(dice, np.zeros(3), 0.55)]
    for _ in range(int(dice.integers(1, 5))):
        host = pieces[int(dice.integers(len(pieces)))]
        out = dice.normal(size=3)
        at = host.at + out / np.linalg.norm(out) * dice.uniform(0.3, 0.7)
        pieces.append(_solid(dice, at, 0.4))
    return pieces


def _mirrored(dice: Dice) -> list[Piece]:
    pieces = [_solid(dice, np.zeros(3), 0.55, is_upright=True)]
    flip = np.diag([-1.0, 1.0, 1.0])
    for _ in range(int(dice.integers(1, 4))):
        at = np.array([dice.uniform(0.15, 0.75), *dice.uniform(-0.7, 0.7, 2)])
        piece = _solid(dice, at, 0.35)
        # A mirrored solid is one that is turned: its own z may point either way.
        other = flip @ piece.turn @ np.diag([-1.0, 1.0, 1.0])
        pieces += [piece, replace(piece, at=flip @ at, turn=other)]
    return pieces


def _vessel(dice: Dice) -> list[Piece]:
    inner = int(dice.integers(1, PROFILE - 2))
    heights = np.sort(dice.uniform(0.1, 1, inner)) * dice.uniform(0.6, 1.8)
    top = float(heights[-1]) + float(dice.uniform(0.2, 0.5))
    radii = dice.uniform(0.2, 0.7, inner + 2)
    line = [(0.0, 0.0), (float(radii[0]), 0.0)]
    line += [(float(r), float(h)) for r, h in zip(radii[1:-1], heights, strict=True)]
    line.append((float(radii[-1]), top))
    thick = float(dice.uniform(0.045, 0.09))
    pieces = [Piece(SHELL, (0, 0, 0), thick, np.zeros(3), profile=tuple(line))]
    if dice.random() < 0.4:
        side = float(np.mean(radii)) * 1.05
        ring = shapes.torus(float(dice.uniform(0.16, 0.3)), float(dice.uniform(0.05, 0.08)))
        across = np.array([side, top * dice.uniform(0.4, 0.7), 0.0])
        pieces.append(_piece(ring, across, np.eye(3), int(dice.integers(2))))
    if dice.random() < 0.3:
        knob = shapes.sphere(float(dice.uniform(0.1, 0.22)))
        lid = shapes.cylinder(float(radii[-1]) * 1.05, 0.1, 0.03)
        pieces.append(_piece(lid, np.array([0, top + 0.05, 0]), UPRIGHT, 1))
        pieces.append(_piece(knob, np.array([0, top + 0.15, 0]), UPRIGHT, 2))
    return pieces


def _turned(dice: Dice) -> list[Piece]:
    """Bottles, lamps, chess men: frusta on one axis."""
    pieces, height = [], 0.0
    radius = float(dice.uniform(0.2, 0.5))
    for number in range(int(dice.integers(2, 6))):
        tall = float(dice.uniform(0.12, 0.6))
        if dice.random() < 0.25:
            ball = max(0.12, float(dice.uniform(0.5, 1.1)) * radius)
            height += ball * 0.8
            shape = shapes.sphere(ball)
            pieces.append(_piece(shape, np.array([0, height, 0]), UPRIGHT, number % 3))
            height += ball * 0.8
            continue
        end = float(dice.uniform(0.08, 0.5)) if dice.random() < 0.6 else radius
        shape = shapes.cone(radius, end, tall, 0.03)
        pieces.append(_piece(shape, np.array([0, height + tall / 2, 0]), UPRIGHT, number % 3))
        height += tall * 0.97
        radius = end if dice.random() < 0.6 else float(dice.uniform(0.1, 0.55))
    return pieces


def _furniture(dice: Dice) -> list[Piece]:
    wide, deep = dice.uniform(0.6, 1.4), dice.uniform(0.5, 1.0)
    high, thick = dice.uniform(0.4, 0.9), dice.uniform(0.08, 0.2)
    rim = float(dice.choice([0.0, 0.02, 0.05]))
    slab = shapes.box(wide, deep, thick, rim)
    pieces = [_piece(slab, np.array([0, high, 0]), UPRIGHT, 0)]
    leg = float(dice.uniform(0.08, 0.14))
    if dice.random() < 0.25:
        post = shapes.cylinder(leg * 0.8, high, 0.02)
        foot = shapes.cylinder(0.35 * deep, 0.08, 0.02)
        pieces.append(_piece(post, np.array([0, high / 2, 0]), UPRIGHT, 1))
        pieces.append(_piece(foot, np.array([0, 0.04, 0]), UPRIGHT, 1))
    else:
        is_round = dice.random() < 0.5
        shape = shapes.cylinder(leg / 2, high) if is_round else shapes.box(leg, leg, high)
        for x in (-1, 1):
            for z in (-1, 1):
                corner = np.array([x * (wide - leg) / 2, high / 2, z * (deep - leg) / 2])
                pieces.append(_piece(shape, corner, UPRIGHT, 1))
    if dice.random() < 0.6:
        back = shapes.box(wide, thick, float(dice.uniform(0.4, 0.9)), rim)
        at = np.array([0, high + back.outer_half_m()[2], -(deep - thick) / 2])
        pieces.append(_piece(back, at, UPRIGHT, int(dice.integers(2))))
        if dice.random() < 0.5:
            arm = shapes.box(thick, deep, 0.3, rim)
            for x in (-1, 1):
                at = np.array([x * (wide - thick) / 2, high + 0.15, 0])
                pieces.append(_piece(arm, at, UPRIGHT, 1))
    return pieces


def _creature(dice: Dice) -> list[Piece]:
    long, thick = dice.uniform(0.5, 1.0), dice.uniform(0.22, 0.4)
    body = shapes.capsule(thick, long + thick)
    lying = np.eye(3)
    pieces = [_piece(body, np.zeros(3), lying, 0)]
    head = float(dice.uniform(0.18, 0.34))
    front = np.array([0, dice.uniform(0.1, 0.6), long / 2 + thick * 0.6])
    pieces.append(_piece(shapes.sphere(head), front, UPRIGHT, int(dice.integers(2))))
    if dice.random() < 0.7:
        nose = shapes.cone(head * 0.6, head * 0.35, head * 1.4, head * 0.2)
        pieces.append(_piece(nose, front + np.array([0, -0.04, head]), lying, 2))
    leg = float(dice.uniform(0.3, 0.6))
    limb = shapes.capsule(float(dice.uniform(0.07, 0.13)), leg)
    for x in (-1, 1):
        for z in (-0.35, 0.35):
            at = np.array([x * thick * 0.65, -thick * 0.6 - leg / 2 + 0.1, z * long])
            pieces.append(_piece(limb, at, UPRIGHT, 1))
        if dice.random() < 0.8:
            ear = shapes.sphere(head * float(dice.uniform(0.25, 0.45)))
            pieces.append(_piece(ear, front + np.array([x * head * 0.7, head * 0.8, 0]), lying, 1))
    return pieces


def _boxes(dice: Dice) -> list[Piece]:
    """Appliances: a large rounded box with smaller things on its faces."""
    half = dice.uniform(0.25, 0.75, 3)
    x, y, z = (2 * half).tolist()
    main = shapes.box(x, y, z, float(dice.uniform(0, 0.25) * half.min()))
    pieces = [_piece(main, np.zeros(3), np.eye(3), 0)]
    for _ in range(int(dice.integers(1, 5))):
        axis, sign = int(dice.integers(3)), float(dice.choice([-1.0, 1.0]))
        at = dice.uniform(-0.6, 0.6, 3) * half
        at[axis] = sign * half[axis]
        turn = np.roll(np.eye(3), axis + 1, axis=0)
        material = int(dice.integers(1, 3))
        if dice.random() < 0.5:
            knob = shapes.cylinder(float(dice.uniform(0.08, 0.25)), float(dice.uniform(0.1, 0.5)))
            pieces.append(_piece(knob, at, turn, material))
        else:
            x, y, z = dice.uniform(0.12, 0.5, 3).tolist()
            pieces.append(_piece(shapes.box(x, y, z, 0.02), at, turn, material))
    return pieces


DESIGNS: tuple[Callable[[Dice], list[Piece]], ...] = (
    _cluster, _mirrored, _vessel, _turned, _furniture, _creature, _boxes,
)  # fmt: skip
BLENDED = {
    "_cluster": 0.5, "_mirrored": 0.5, "_vessel": 0.4, "_turned": 0.4, "_furniture": 0.1,
    "_creature": 0.9, "_boxes": 0.2,
}  # fmt: skip


def _solid(dice: Dice, at: F64, about: float, is_upright: bool = False) -> Piece:
    a, b, c = (about * dice.uniform(0.4, 1.3, 3)).tolist()
    pick = int(dice.integers(5))
    if pick == 0:
        shape = shapes.box(2 * a, 2 * b, 2 * c, float(dice.choice([0.0, 0.05, 0.12])))
    elif pick == 1:
        shape = shapes.cone(a, b, 2 * c, 0.03)
    elif pick == 2:
        shape = shapes.capsule(min(a, b), 2 * c + 2 * min(a, b))
    elif pick == 3:
        shape = shapes.torus(max(a, 0.25), min(b, 0.35 * max(a, 0.25)))
    else:
        shape = shapes.sphere(a)
    turn = UPRIGHT if is_upright or dice.random() < 0.5 else _any_turn(dice)
    return _piece(shape, at, turn, int(dice.integers(3)))


def _piece(shape: Shape, at: F64, turn: F64, material: int) -> Piece:
    return Piece(int(shape.kind), shape.size, shape.round_m, at, turn, material)


def _any_turn(dice: Dice) -> F64:
    turn, _ = np.linalg.qr(dice.normal(size=(3, 3)))
    proper: F64 = turn * np.sign(np.linalg.det(turn))
    return proper


def _about_y(angle: float) -> F64:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _dressed(pieces: list[Piece], blend: float, bank: Bank, dice: Dice) -> Thing:
    looks = [_look(bank, dice) for _ in range(3)]
    profiles = [list(p.profile) + [p.profile[-1]] * (PROFILE - len(p.profile)) for p in pieces]
    worn = [looks[p.material] for p in pieces]
    return Thing(
        torch.tensor([p.form for p in pieces]),
        _floats([p.turn for p in pieces]),
        _floats([p.at for p in pieces]),
        _floats([p.size for p in pieces]),
        _floats([p.round for p in pieces]),
        _floats(profiles),
        torch.tensor(blend),
        torch.tensor([layer for layer, _, _ in worn]),
        _floats([tint for _, tint, _ in worn]),
        _floats([tile for _, _, tile in worn]),
    )


def _floats(values: object) -> Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


def _look(bank: Bank, dice: Dice) -> tuple[int, F64, float]:
    """Return a picture, a tint and how large the picture is."""
    draw = dice.random()
    if draw < 0.3:
        layer = bank.painted[FLAT][0]
        tint = dice.uniform(0.06, 1.1, 3) ** 1.5
    else:
        painted = [one for name, some in bank.painted.items() if name != FLAT for one in some]
        pool = bank.photographs if bank.photographs and draw < 0.75 else painted
        layer = pool[int(dice.integers(len(pool)))]
        tint = np.exp(dice.normal(0, 0.25)) * np.exp(dice.normal(0, 0.3, 3))
    return layer, np.clip(tint, 0.05, 2.5), float(dice.uniform(0.4, 1.6))


def _extent(thing: Thing) -> tuple[Tensor, float]:
    """Return the middle of the box about it, and how far from there its surface reaches."""
    reach = float((thing.center.norm(dim=-1) + _outer(thing)).max())
    axis = torch.linspace(-reach, reach, PROBES)
    grid = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).reshape(-1, 3)
    step = 2 * reach / (PROBES - 1)
    far = thing.distance(grid)
    shell = far.abs() < step
    # Points near the surface, moved onto it.
    near = grid[shell] - thing.normals(grid[shell]) * far[shell, None]
    low, high = near.amin(0), near.amax(0)
    middle = (low + high) / 2
    return middle, float((near - middle).norm(dim=-1).max())


def _outer(thing: Thing) -> Tensor:
    """Return a bound on how far each solid reaches from its own middle."""
    own = thing.size.norm(dim=-1) * 1.5 + thing.round
    reach: Tensor = own + thing.profile.norm(dim=-1).amax(-1)
    return reach
