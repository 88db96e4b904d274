"""What stands in kitchens and offices: glossy fronts, worktops, appliances, and thin things."""

from engine.synth.materials import Material
from engine.synth.palette import DARK, STEEL, WHITE, Palette
from engine.synth.pieces import Piece
from engine.synth.shapes import box, capsule, cone, cylinder, sphere

GLASS = (0.03, 0.03, 0.035)


def fronts(p: Palette) -> Material:
    """Return what cupboard doors are made of: lacquer, foil or timber, mostly shiny."""
    kind = p.dice.random()
    if kind < 0.6:
        strong = p.color(0.75, 0.5) if p.dice.random() < 0.5 else WHITE
        return Material("plastic", (strong,), p.seed(), 0.9, float(p.dice.uniform(0.5, 0.95)))
    if kind < 0.75:
        return Material("plastic", (DARK,), p.seed(), 0.9, float(p.dice.uniform(0.3, 0.9)))
    return Material("wood", p.furniture_wood, p.seed(), 0.9, 0.35)


def worktop(p: Palette) -> Material:
    """Return stone or wood for a worktop."""
    kind = p.dice.random()
    if kind < 0.35:
        return Material("wood", p.furniture_wood, p.seed(), 1.1, 0.4)
    recipe = "marble" if kind < 0.65 else "terrazzo"
    tone = (0.1, 0.1, 0.11) if p.dice.random() < 0.5 else (0.72, 0.7, 0.66)
    chips = (p.color(0.1, 0.5), p.color(0.1, 0.7))
    return Material(recipe, (tone, *chips), p.seed(), 0.8, float(p.dice.uniform(0.5, 0.9)))


def counter(p: Palette, width_m: float, front: Material, top: Material, hung: bool) -> Piece:
    """Return a run of base cupboards with worktop, splashback and, if hung, cupboards above."""
    depth, high = 0.62, 0.9
    piece = Piece("counter", (width_m, depth, 2.2 if hung else 1.4))
    body, plinth = p.paint(WHITE, 0.2), p.steel() if p.dice.random() < 0.5 else p.paint(DARK, 0.2)
    piece.add(box(width_m, depth - 0.05, high - 0.14), (0, 0.02, high / 2 + 0.03), body)
    piece.add(box(width_m, depth - 0.12, 0.1), (0, 0.05, 0.05), plinth)
    piece.add(box(width_m + 0.01, depth, 0.04), (0, 0, high - 0.02), top)
    doors = max(1, round(width_m / 0.55))
    each = width_m / doors
    has_bars = p.dice.random() < 0.7
    for i in range(doors):
        x = -width_m / 2 + each * (i + 0.5)
        drawers = int(p.dice.choice([1, 1, 3]))
        tall = (high - 0.16) / drawers
        for k in range(drawers):
            z = 0.11 + tall * (k + 0.5)
            piece.add(box(each - 0.006, 0.02, tall - 0.006), (x, -depth / 2 + 0.035, z), front)
            if has_bars:
                at = (x, -depth / 2 + 0.005, z + tall / 2 - 0.05)
                piece.add(capsule(0.006, min(0.16, each * 0.5)), at, p.steel(), (0, 90, 0))
    _splashback(p, piece, width_m, depth, high)
    if hung:
        _hung_cupboards(p, piece, width_m, depth, front, has_bars)
    _sink_and_tap(p, piece, float(p.dice.uniform(-0.3, 0.3)) * width_m, high)
    piece.tops.append((0, -0.03, high, width_m - 0.1, depth - 0.14))
    return piece


def _splashback(p: Palette, piece: Piece, width_m: float, depth: float, high: float) -> None:
    tone = p.color(0.12, 0.7)
    tile = Material("tiles", (tone, p.color(0.12, 0.6), (0.8, 0.8, 0.78)), p.seed(), 0.45, 0.65)
    face = tile if p.dice.random() < 0.7 else p.paint(None, 0.7)
    piece.add(box(width_m, 0.012, 0.55), (0, depth / 2 - 0.006, high + 0.275), face)


def _hung_cupboards(
    p: Palette, piece: Piece, width_m: float, depth: float, front: Material, has_bars: bool
) -> None:
    body, low, tall, deep = p.paint(WHITE, 0.2), 1.45, 0.68, 0.34
    middle = depth / 2 - deep / 2
    piece.add(box(width_m, deep - 0.03, tall), (0, middle + 0.015, low + tall / 2), body)
    doors = max(1, round(width_m / 0.5))
    each = width_m / doors
    for i in range(doors):
        x = -width_m / 2 + each * (i + 0.5)
        at = (x, middle - deep / 2 + 0.01, low + tall / 2)
        piece.add(box(each - 0.006, 0.02, tall - 0.006), at, front)
        if has_bars:
            at = (x + each / 2 - 0.05, middle - deep / 2 - 0.012, low + 0.1)
            piece.add(capsule(0.006, 0.13), at, p.steel())


def _sink_and_tap(p: Palette, piece: Piece, x: float, high: float) -> None:
    steel = p.steel()
    piece.add(box(0.5, 0.4, 0.006), (x, -0.02, high + 0.002), steel)
    piece.add(box(0.38, 0.3, 0.004), (x, -0.03, high + 0.006), p.paint((0.3, 0.3, 0.31), 0.6))
    piece.add(cylinder(0.014, 0.26), (x, 0.19, high + 0.13), steel)
    piece.add(capsule(0.011, 0.2), (x, 0.1, high + 0.25), steel, (90, 0, 0))


def oven(p: Palette) -> Piece:
    """Return a tall unit with a dark glass door and a microwave above."""
    front, glass = fronts(p), Material("plastic", (GLASS,), p.seed(), 0.5, 0.95)
    piece = Piece("oven", (0.6, 0.62, 2.1))
    piece.add(box(0.6, 0.6, 2.1), (0, 0.01, 1.05), front)
    for z, tall in ((0.85, 0.56), (1.42, 0.36)):
        piece.add(box(0.56, 0.02, tall), (0, -0.3, z), glass)
        piece.add(capsule(0.01, 0.46), (0, -0.335, z + tall / 2 - 0.07), p.steel(), (0, 90, 0))
    return piece


def fridge(p: Palette) -> Piece:
    """Return a fridge with notes stuck to it."""
    steel = p.dice.random() < 0.5
    shell = p.steel(STEEL) if steel else p.paint(WHITE, 0.7)
    piece = Piece("fridge", (0.62, 0.66, 1.85))
    piece.add(box(0.6, 0.6, 1.8, 0.015), (0, 0.02, 0.93), shell)
    for z, tall in ((0.5, 0.82), (1.37, 0.88)):
        piece.add(box(0.6, 0.05, tall, 0.012), (0, -0.3, z), shell)
        piece.add(capsule(0.011, 0.4), (0.24, -0.345, z), p.steel())
    for _ in range(int(p.dice.integers(0, 5))):
        at = (float(p.dice.uniform(-0.2, 0.15)), -0.327, float(p.dice.uniform(1.1, 1.7)))
        piece.add(
            box(0.12, 0.002, 0.16), at, p.print("poster"), (0, float(p.dice.uniform(-9, 9)), 0)
        )
    return piece


def stool(p: Palette) -> Piece:
    """Return a bar stool on thin legs."""
    metal, seat = p.steel(DARK), p.cloth() if p.dice.random() < 0.5 else p.timber()
    piece = Piece("stool", (0.42, 0.42, 0.76))
    piece.add(cylinder(0.17, 0.05, 0.02), (0, 0, 0.73), seat)
    for x, tilt_y in ((-1, 7), (1, -7)):
        for y, tilt_x in ((-1, -7), (1, 7)):
            piece.add(capsule(0.009, 0.74), (x * 0.14, y * 0.14, 0.36), metal, (tilt_x, tilt_y, 0))
    for z in (0.25,):
        for side in (-1, 1):
            piece.add(capsule(0.007, 0.33), (0, side * 0.155, z), metal, (0, 90, 0))
    return piece


def drying_rack(p: Palette) -> Piece:
    """Return a rack of thin rods with some laundry over it."""
    wire = p.paint(WHITE, 0.4)
    piece = Piece("drying rack", (1.3, 0.6, 1.0))
    for y in (-0.27, 0.27):
        piece.add(capsule(0.008, 1.25), (0, y, 0.95), wire, (0, 90, 0))
        for x, lean in ((-0.5, 16), (0.5, -16)):
            piece.add(capsule(0.008, 1.0), (x, y, 0.48), wire, (0, lean, 0))
    for i in range(9):
        piece.add(capsule(0.0035, 0.56), (-0.56 + 0.14 * i, 0, 0.95), wire, (90, 0, 0))
    for _ in range(int(p.dice.integers(1, 5))):
        x = float(p.dice.uniform(-0.5, 0.5))
        drop = float(p.dice.uniform(0.2, 0.6))
        piece.add(box(0.02, 0.4, drop, 0.008), (x, 0, 0.96 - drop / 2), p.cloth())
    return piece


def wire_shelf(p: Palette) -> Piece:
    """Return a rack of rods and wires with boxes on it."""
    wire = p.steel()
    piece = Piece("wire shelf", (0.9, 0.38, 1.7))
    for x in (-0.43, 0.43):
        for y in (-0.17, 0.17):
            piece.add(cylinder(0.012, 1.7), (x, y, 0.85), wire)
    for level in range(4):
        z = 0.2 + 0.45 * level
        for y in (-0.17, -0.085, 0.0, 0.085, 0.17):
            piece.add(capsule(0.005, 0.86), (0, y, z), wire, (0, 90, 0))
        x = -0.36
        while x < 0.3:
            wide, tall = float(p.dice.uniform(0.1, 0.28)), float(p.dice.uniform(0.1, 0.32))
            if p.dice.random() < 0.7:
                stuff = p.cloth() if p.dice.random() < 0.4 else p.print("label", 3, 0.3)
                piece.add(box(wide, 0.28, tall), (x + wide / 2, 0, z + 0.006 + tall / 2), stuff)
            x += wide + 0.04
    return piece


def radiator(p: Palette, width_m: float) -> Piece:
    """Return a panel of ribs under a window."""
    white = p.paint(WHITE, 0.4)
    piece = Piece("radiator", (width_m, 0.12, 0.75))
    ribs = round(width_m / 0.07)
    for i in range(ribs):
        x = (i + 0.5 - ribs / 2) * 0.07
        piece.add(box(0.045, 0.07, 0.56, 0.015), (x, 0, 0.42), white)
    return piece


def standing_mirror(p: Palette) -> Piece:
    """Return a mirror in a frame, leaning at a wall."""
    glass = Material("mirror", ((0.8, 0.8, 0.8),), p.seed(), 1.0, 1.0)
    frame = p.timber()
    piece = Piece("mirror", (0.6, 0.16, 1.7))
    piece.add(box(0.54, 0.012, 1.62), (0, 0.0, 0.84), glass, (-4, 0, 0))
    piece.add(box(0.6, 0.02, 1.7), (0, 0.02, 0.85), frame, (-4, 0, 0))
    return piece


def television(p: Palette) -> Piece:
    """Return a large dark screen on a low board."""
    glass = Material("plastic", (GLASS,), p.seed(), 0.9, 0.9)
    piece = Piece("television", (1.5, 0.42, 1.25))
    piece.add(box(1.45, 0.4, 0.42), (0, 0, 0.25), p.timber())
    piece.add(box(1.2, 0.03, 0.7), (0, 0.05, 0.87), p.paint(DARK, 0.3))
    piece.add(box(1.16, 0.004, 0.66), (0, 0.033, 0.88), glass)
    piece.add(box(0.4, 0.2, 0.02), (0, 0.05, 0.47), p.paint(DARK, 0.3))
    piece.add(box(0.06, 0.03, 0.06), (0, 0.05, 0.5), p.paint(DARK, 0.3))
    return piece


def pillar(p: Palette, height_m: float) -> Piece:
    """Return a structural column up to the ceiling."""
    wide = float(p.dice.uniform(0.2, 0.5))
    piece = Piece("pillar", (wide, wide, height_m))
    skin = Material("plaster", (p.wall,), p.seed(), 1.5, 0.05)
    shape = cylinder(wide / 2, height_m) if p.dice.random() < 0.3 else box(wide, wide, height_m)
    piece.add(shape, (0, 0, height_m / 2), skin)
    return piece


def papers(p: Palette) -> Piece:
    """Return sheets and magazines lying flat, and perhaps a pen."""
    piece = Piece("papers", (0.34, 0.34, 0.02))
    for i in range(int(p.dice.integers(1, 5))):
        at = (
            float(p.dice.uniform(-0.07, 0.07)),
            float(p.dice.uniform(-0.07, 0.07)),
            0.002 + 0.003 * i,
        )
        sheet = p.print("poster", 6, 0.35) if p.dice.random() < 0.7 else p.paint(WHITE, 0.1)
        piece.add(box(0.21, 0.297, 0.003), at, sheet, (0, 0, float(p.dice.uniform(-180, 180))))
    if p.dice.random() < 0.5:
        turn = float(p.dice.uniform(0, 180))
        piece.add(capsule(0.005, 0.14), (0.05, 0.0, 0.022), p.paint(None, 0.5), (0, 90, turn))
    return piece


def stand(p: Palette) -> Piece:
    """Return a leaflet standing upright in a holder."""
    piece = Piece("leaflet", (0.2, 0.14, 0.3))
    piece.add(box(0.18, 0.006, 0.26), (0, 0.02, 0.135), p.print("poster", 6, 0.3), (-14, 0, 0))
    piece.add(box(0.2, 0.1, 0.008), (0, 0.0, 0.004), p.paint(WHITE, 0.6))
    return piece


def kettle(p: Palette) -> Piece:
    """Return a kettle or coffee pot of metal."""
    piece = Piece("kettle", (0.22, 0.18, 0.26))
    metal = p.steel() if p.dice.random() < 0.6 else p.paint(None, 0.8)
    piece.add(cone(0.08, 0.055, 0.19, 0.01), (0, 0, 0.1), metal)
    piece.add(sphere(0.02), (0, 0, 0.205), p.paint(DARK, 0.5))
    piece.add(capsule(0.011, 0.16), (0.095, 0, 0.12), p.paint(DARK, 0.5), (0, 8, 0))
    piece.add(cone(0.02, 0.012, 0.07), (-0.085, 0, 0.15), metal, (0, -50, 0))
    return piece


def plates(p: Palette) -> Piece:
    """Return a pile of plates with a bowl on it."""
    piece = Piece("plates", (0.26, 0.26, 0.14))
    china = p.paint(WHITE, 0.65)
    count = int(p.dice.integers(2, 6))
    for i in range(count):
        piece.add(cone(0.07, 0.12, 0.016, 0.003), (0, 0, 0.01 + 0.017 * i), china)
    piece.add(cone(0.04, 0.075, 0.05, 0.004), (0, 0, 0.017 * count + 0.03), p.paint(None, 0.6))
    return piece


ON_WORKTOPS = (papers, stand, kettle, plates, papers, stand)
