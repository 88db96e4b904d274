"""Furniture from a palette; every function returns one `Piece`."""

import math

from engine.synth.materials import Material
from engine.synth.palette import DARK, WHITE, Palette
from engine.synth.pieces import Piece
from engine.synth.shapes import box, capsule, cone, cylinder, sphere

# Width, depth, height of the chest, and its colour: no other piece has one as strong.
CHEST_M = (1.0, 0.5, 0.5)
CHEST_RGB = (0.13, 0.36, 0.46)


def table(p: Palette, width_m: float, depth_m: float, height_m: float) -> Piece:
    """Return a four-legged table."""
    wood = p.timber()
    piece = Piece("table", (width_m, depth_m, height_m))
    piece.add(box(width_m, depth_m, 0.035), (0, 0, height_m - 0.0175), wood)
    inset, leg = 0.05, 0.055
    for x in (-1, 1):
        for y in (-1, 1):
            at = (x * (width_m / 2 - inset), y * (depth_m / 2 - inset), (height_m - 0.035) / 2)
            piece.add(box(leg, leg, height_m - 0.035), at, wood)
    rail = 0.07
    for y in (-1, 1):
        at = (0.0, y * (depth_m / 2 - inset), height_m - 0.035 - rail / 2)
        piece.add(box(width_m - 2 * inset - leg, 0.02, rail), at, wood)
    piece.tops.append((0, 0, height_m, width_m - 0.08, depth_m - 0.08))
    return piece


def round_table(p: Palette, radius_m: float, height_m: float) -> Piece:
    """Return a table on one column."""
    wood, foot = p.timber(), p.paint(DARK)
    piece = Piece("table", (2 * radius_m, 2 * radius_m, height_m))
    piece.add(cylinder(radius_m, 0.03, 0.006), (0, 0, height_m - 0.015), wood)
    piece.add(cylinder(0.035, height_m - 0.05), (0, 0, height_m / 2 - 0.005), foot)
    piece.add(cone(radius_m * 0.55, 0.05, 0.03, 0.005), (0, 0, 0.015), foot)
    piece.tops.append((0, 0, height_m, radius_m * 1.35, radius_m * 1.35))
    return piece


def chair(p: Palette, wood: Material, seat: Material) -> Piece:
    """Return a dining chair, its back towards +y."""
    piece = Piece("chair", (0.44, 0.46, 0.88))
    for x in (-0.18, 0.18):
        piece.add(cylinder(0.018, 0.43), (x, -0.18, 0.215), wood)
        piece.add(box(0.034, 0.034, 0.88), (x, 0.19, 0.44), wood)
    piece.add(box(0.43, 0.42, 0.05, 0.02), (0, -0.01, 0.455), seat)
    for z in (0.62, 0.74, 0.84):
        piece.add(box(0.34, 0.018, 0.06), (0, 0.19, z), wood)
    return piece


def office_chair(p: Palette) -> Piece:
    """Return a swivel chair on five feet."""
    cloth, black = p.cloth(), p.paint(DARK, 0.4)
    piece = Piece("office chair", (0.58, 0.58, 0.98))
    for i in range(5):
        piece.add(capsule(0.022, 0.27), _spoke(0.14, 72 * i, 0.06), black, (0, 90, 72 * i))
        piece.add(sphere(0.03), _spoke(0.26, 72 * i, 0.03), black)
    piece.add(cylinder(0.03, 0.36), (0, 0, 0.24), p.steel())
    piece.add(box(0.48, 0.46, 0.09, 0.04), (0, 0, 0.46), cloth)
    piece.add(box(0.44, 0.08, 0.48, 0.035), (0, 0.23, 0.74), cloth, (-8, 0, 0))
    return piece


def sofa(p: Palette, width_m: float) -> Piece:
    """Return a sofa with cushions; a width under 1.2 m makes an armchair."""
    cloth, pillow, feet = p.cloth(), p.cloth(), p.timber()
    depth, arm = 0.86, 0.18
    piece = Piece("sofa" if width_m > 1.2 else "armchair", (width_m, depth, 0.82))
    piece.add(box(width_m, depth, 0.24, 0.03), (0, 0, 0.2), cloth)
    piece.add(box(width_m, 0.22, 0.62, 0.07), (0, depth / 2 - 0.11, 0.5), cloth, (-4, 0, 0))
    for x in (-1, 1):
        piece.add(box(arm, depth, 0.5, 0.06), (x * (width_m - arm) / 2, 0, 0.33), cloth)
        for y in (-1, 1):
            at = (x * (width_m / 2 - 0.08), y * (depth / 2 - 0.08), 0.045)
            piece.add(cone(0.02, 0.03, 0.09), at, feet)
    seats = max(1, round((width_m - 2 * arm) / 0.65))
    each = (width_m - 2 * arm) / seats
    for i in range(seats):
        middle = -width_m / 2 + arm + each * (i + 0.5)
        piece.add(box(each - 0.015, 0.62, 0.15, 0.05), (middle, -0.1, 0.385), cloth)
        piece.add(box(each - 0.03, 0.15, 0.4, 0.06), (middle, 0.19, 0.63), cloth, (-12, 0, 0))
    for side, turn in ((-1, 14), (1, -18)):
        if width_m > 1.2 and p.dice.random() < 0.8:
            at = (side * (width_m / 2 - arm - 0.22), 0.02, 0.63)
            piece.add(box(0.4, 0.12, 0.4, 0.055), at, pillow, (-24, turn, turn))
    return piece


def shelf(p: Palette, width_m: float, height_m: float) -> Piece:
    """Return an open shelf full of books, boxes and ornaments."""
    wood = p.timber() if p.dice.random() < 0.65 else p.paint(WHITE, 0.3)
    depth, board = 0.3, 0.022
    piece = Piece("shelf", (width_m, depth, height_m))
    for x in (-1, 1):
        at = (x * (width_m - board) / 2, 0.0, height_m / 2)
        piece.add(box(board, depth, height_m), at, wood)
    piece.add(box(width_m - 2 * board, 0.01, height_m), (0, depth / 2 - 0.006, height_m / 2), wood)
    levels = max(2, round(height_m / 0.36))
    step = (height_m - board - 0.06) / levels
    for i in range(levels + 1):
        z = 0.06 + i * step + board / 2
        piece.add(box(width_m - 2 * board, depth - 0.012, board), (0, -0.006, z), wood)
        if i < levels:
            _fill_shelf(p, piece, z + board / 2, step - board, width_m - 2 * board - 0.02)
    return piece


def _fill_shelf(p: Palette, piece: Piece, z: float, room_m: float, width_m: float) -> None:
    """Stand books and things in one compartment, from the left until it is full."""
    x = -width_m / 2
    while x < width_m / 2 - 0.12:
        kind = p.dice.random()
        if kind < 0.72:
            for _ in range(int(p.dice.integers(3, 8))):
                thick = float(p.dice.uniform(0.02, 0.05))
                if x + thick > width_m / 2:
                    return
                tall = min(float(p.dice.uniform(0.18, 0.29)), room_m - 0.02)
                deep = float(p.dice.uniform(0.15, 0.21))
                at = (x + thick / 2, 0.12 - deep / 2, z + tall / 2)
                piece.add(box(thick - 0.001, deep, tall), at, p.book())
                x += thick
        elif kind < 0.9:
            wide, tall = float(p.dice.uniform(0.16, 0.26)), min(0.2, room_m - 0.04)
            if x + wide > width_m / 2:
                return
            piece.add(box(wide - 0.02, 0.22, tall), (x + wide / 2, 0, z + tall / 2), p.cloth())
            x += wide
        else:
            tall = min(0.2, room_m - 0.04)
            piece.add(
                cone(0.05, 0.025, tall, 0.01), (x + 0.07, 0, z + tall / 2), p.paint(None, 0.7)
            )
            x += 0.14
        x += float(p.dice.uniform(0, 0.06))


def cabinet(p: Palette, width_m: float) -> Piece:
    """Return a sideboard with doors and handles."""
    wood, front = p.timber(), p.timber() if p.dice.random() < 0.5 else p.paint(WHITE, 0.3)
    depth, height = 0.42, 0.72
    piece = Piece("cabinet", (width_m, depth, height))
    piece.add(box(width_m, depth - 0.02, height - 0.08), (0, 0.01, height / 2 + 0.04), wood)
    piece.add(box(width_m - 0.06, depth - 0.08, 0.08), (0, 0.02, 0.04), p.paint(DARK, 0.1))
    doors = max(2, round(width_m / 0.45))
    each = width_m / doors
    for i in range(doors):
        x = -width_m / 2 + each * (i + 0.5)
        at = (x, -depth / 2 + 0.01, height / 2 + 0.04)
        piece.add(box(each - 0.012, 0.018, height - 0.11), at, front)
        side = x + (each / 2 - 0.05) * (1 if i % 2 == 0 else -1)
        piece.add(capsule(0.007, 0.12), (side, -depth / 2 - 0.012, height * 0.62), p.steel())
    piece.tops.append((0, 0, height, width_m - 0.08, depth - 0.08))
    return piece


def bed(p: Palette, width_m: float) -> Piece:
    """Return a bed, its head towards +y."""
    wood, sheet, cover = p.timber(), p.paint((0.86, 0.85, 0.83), 0.0), p.cloth()
    length = 2.05
    piece = Piece("bed", (width_m, length, 0.95))
    piece.add(box(width_m, length - 0.04, 0.26), (0, -0.02, 0.17), wood)
    piece.add(box(width_m, 0.05, 0.95), (0, length / 2 - 0.025, 0.475), wood)
    piece.add(box(width_m - 0.06, length - 0.12, 0.2, 0.06), (0, -0.03, 0.38), sheet)
    piece.add(box(width_m - 0.02, length * 0.62, 0.12, 0.05), (0, -length * 0.17, 0.45), cover)
    heads = 1 if width_m < 1.2 else 2
    for i in range(heads):
        x = (i - (heads - 1) / 2) * 0.7
        piece.add(box(0.6, 0.38, 0.14, 0.065), (x, length / 2 - 0.3, 0.53), sheet, (12, 0, 0))
    return piece


def floor_lamp(p: Palette) -> Piece:
    """Return a standing lamp; its shade glows."""
    metal = p.paint(DARK, 0.5)
    shade = Material("fabric", ((0.95, 0.88, 0.72), (0.86, 0.76, 0.58)), p.seed(), 0.3, 0.0, 1.2)
    piece = Piece("floor lamp", (0.42, 0.42, 1.62))
    piece.add(cylinder(0.14, 0.025, 0.008), (0, 0, 0.0125), metal)
    piece.add(cylinder(0.012, 1.35), (0, 0, 0.7), metal)
    piece.add(cone(0.2, 0.13, 0.26), (0, 0, 1.47), shade)
    return piece


def plant(p: Palette, height_m: float) -> Piece:
    """Return a pot with a plant of round leaves."""
    pot, soil = p.paint(None, 0.5), p.paint((0.2, 0.14, 0.1), 0.0)
    green = (0.16, 0.36, 0.14)
    foliage = Material("leaf", (green, (0.34, 0.52, 0.24)), p.seed(), 0.25, 0.25)
    stem = p.paint((0.3, 0.28, 0.14), 0.1)
    pot_m = min(0.3, height_m * 0.28)
    piece = Piece("plant", (height_m * 0.55, height_m * 0.55, height_m))
    piece.add(cone(pot_m * 0.36, pot_m * 0.5, pot_m, 0.01), (0, 0, pot_m / 2), pot)
    piece.add(cylinder(pot_m * 0.43, 0.02), (0, 0, pot_m), soil)
    piece.add(capsule(0.012, height_m * 0.6), (0, 0, pot_m + height_m * 0.24), stem)
    for i in range(13):
        turn = 137.5 * i
        lean = float(p.dice.uniform(35, 75)) - i * 2.5
        length = height_m * float(p.dice.uniform(0.2, 0.3))
        z = pot_m + (height_m - pot_m) * (0.25 + 0.55 * i / 12)
        x, y, _ = _spoke(length * 0.45, turn, 0)
        blade = cylinder(length * 0.34, 0.01)
        tilt = (float(p.dice.uniform(-15, 15)), lean - 55, turn)
        piece.add(blade, (x, y, z), foliage, tilt)
    return piece


def box_stack(p: Palette) -> Piece:
    """Return moving boxes, one on the other."""
    piece = Piece("boxes", (0.55, 0.5, 0.8))
    z = 0.0
    for i in range(int(p.dice.integers(1, 4))):
        wide, deep, tall = (
            float(p.dice.uniform(*r)) for r in ((0.3, 0.48), (0.26, 0.4), (0.18, 0.3))
        )
        board = Material("cardboard", ((0.68, 0.52, 0.35), (0.80, 0.72, 0.55)), p.seed(), 0.0, 0.02)
        piece.add(box(wide, deep, tall), (0, 0, z + tall / 2), board, (0, 0, 9 * (-1) ** i * i))
        z += tall
    return piece


def chest(p: Palette) -> Piece:
    """Return a plain chest exactly one metre wide, to hold a measurement against."""
    width, depth, height = CHEST_M
    piece = Piece("chest", CHEST_M)
    piece.add(box(width, depth, height), (0, 0, height / 2), p.paint(CHEST_RGB, 0.1))
    return piece


def _spoke(radius_m: float, angle_deg: float, z_m: float) -> tuple[float, float, float]:
    a = math.radians(angle_deg)
    return radius_m * math.cos(a), radius_m * math.sin(a), z_m
