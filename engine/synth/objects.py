"""Single objects on a table top in a plain studio, for capturing from all sides."""

import math

import numpy as np

from engine.core.arrays import F64
from engine.synth import clutter, shell
from engine.synth.materials import Material
from engine.synth.palette import WHITE, Palette
from engine.synth.pieces import Piece, rigid
from engine.synth.shapes import box, capsule, cone, cylinder, sphere, torus
from engine.synth.world import Light, Part, World

STUDIO_M = 3.2
STAND_M = 0.75


def build_object(seed: int) -> World:
    """Return a studio with one object about 30 cm large; instance 1 is the object.

    It stands on a round stand of `STAND_M`, above the origin, which `focus_m` names.
    """
    dice = np.random.default_rng((seed, 11))
    p = Palette.draw(dice)
    thing = _figure(p)
    stand = Piece("stand", (0.6, 0.6, STAND_M))
    cloth = Material("checker", ((0.85, 0.84, 0.8), p.color(0.35, 0.55)), p.seed(), 0.6, 0.05)
    stand.add(cylinder(0.3, 0.03, 0.004), (0, 0, STAND_M - 0.015), cloth)
    stand.add(cone(0.16, 0.06, STAND_M - 0.03), (0, 0, (STAND_M - 0.03) / 2), p.paint(WHITE, 0.2))
    placed: list[tuple[Piece, F64]] = [(thing, rigid((0, 0, STAND_M))), (stand, rigid((0, 0, 0)))]
    placed += shell.surfaces(p, STUDIO_M, STUDIO_M, 2.6)
    parts: list[Part] = []
    names: dict[int, str] = {}
    for number, (piece, pose) in enumerate(placed, start=1):
        names[number] = piece.name
        parts += piece.place(pose, number)
    lights = [
        Light((1.1, -0.9, 2.3), (2.6, 2.5, 2.3), radius_m=0.3),
        Light((-1.2, 0.3, 2.1), (1.3, 1.35, 1.5), radius_m=0.4),
        Light((0.2, 1.2, 2.2), (1.2, 1.15, 1.1), radius_m=0.4),
    ]
    half = STUDIO_M / 2
    bounds = (np.array([-half, -half, 0.0]), np.array([half, half, 2.6]))
    return World(parts, lights, names, bounds, (0.0, 0.0, STAND_M + 0.13))


def _figure(p: Palette) -> Piece:
    """Return something to capture: an everyday thing, or solids grown onto one another."""
    everyday = (clutter.vase, clutter.fruit_bowl, clutter.table_lamp, clutter.books, clutter.laptop)
    choice = int(p.dice.integers(len(everyday) + 4))
    if choice < len(everyday):
        return everyday[choice](p)
    piece = Piece("figure", (0.34, 0.34, 0.34))
    base = float(p.dice.uniform(0.07, 0.1))
    body = float(p.dice.uniform(0.12, 0.18))
    piece.add(box(2 * base, 1.6 * base, body, 0.02), (0, 0, body / 2), _skin(p))
    for _ in range(int(p.dice.integers(4, 8))):
        angle, high = (
            float(p.dice.uniform(0, 2 * math.pi)),
            float(p.dice.uniform(0.05, body + 0.06)),
        )
        out = float(p.dice.uniform(0.3, 0.9)) * base
        at = (out * math.cos(angle), out * math.sin(angle), high)
        size = float(p.dice.uniform(0.03, 0.055))
        shape = (
            sphere(size),
            capsule(size * 0.5, size * 3),
            cone(size, size * 0.3, size * 2, 0.004),
            torus(size, size * 0.35),
            box(size * 1.6, size * 1.3, size * 2, size * 0.3),
        )[int(p.dice.integers(5))]
        lift = max(at[2], size * 1.6)
        turn = tuple(float(a) for a in p.dice.uniform(-60, 60, 3))
        piece.add(shape, (at[0], at[1], lift), _skin(p), (turn[0], turn[1], turn[2]))
    return piece


def _skin(p: Palette) -> Material:
    recipe = ("wood", "plaid", "checker", "marble", "terrazzo", "plastic", "fabric")[
        int(p.dice.integers(7))
    ]
    return Material(recipe, p.colors(4), p.seed(), 0.18, float(p.dice.uniform(0.05, 0.5)))
