"""Small things that lie about on tables and floors; each is one `Piece` standing at z = 0."""

from engine.synth.materials import Material
from engine.synth.palette import DARK, WHITE, Palette
from engine.synth.pieces import Piece
from engine.synth.shapes import box, capsule, cone, cylinder, sphere, torus


def cup(p: Palette) -> Piece:
    """Return a mug with a handle, filled."""
    glaze = p.paint(None, 0.6) if p.dice.random() < 0.5 else p.print("label", 3, 0.5)
    piece = Piece("cup", (0.13, 0.09, 0.1))
    piece.add(cylinder(0.04, 0.095, 0.004), (0, 0, 0.0475), glaze)
    piece.add(cylinder(0.034, 0.002), (0, 0, 0.0955), p.paint((0.2, 0.12, 0.08), 0.5))
    piece.add(torus(0.026, 0.006), (0.046, 0, 0.05), glaze, (90, 0, 0))
    return piece


def bottle(p: Palette) -> Piece:
    """Return a labelled bottle."""
    glass = p.paint(p.color(0.6, 0.35), 0.85)
    piece = Piece("bottle", (0.08, 0.08, 0.29))
    piece.add(cylinder(0.037, 0.18, 0.008), (0, 0, 0.09), glass)
    piece.add(cone(0.036, 0.014, 0.06, 0.003), (0, 0, 0.205), glass)
    piece.add(cylinder(0.014, 0.06), (0, 0, 0.255), glass)
    piece.add(cylinder(0.0376, 0.09), (0, 0, 0.085), p.print("label", 3, 0.2))
    return piece


def packet(p: Palette) -> Piece:
    """Return a printed box, like one for cereals."""
    wide, deep, tall = (float(p.dice.uniform(*r)) for r in ((0.1, 0.2), (0.05, 0.09), (0.12, 0.28)))
    piece = Piece("packet", (wide, deep, tall))
    piece.add(box(wide, deep, tall), (0, 0, tall / 2), p.print("poster", 5, 0.25))
    return piece


def books(p: Palette) -> Piece:
    """Return books lying on one another."""
    piece = Piece("books", (0.26, 0.26, 0.15))
    z = 0.0
    for _ in range(int(p.dice.integers(2, 5))):
        wide, deep, thick = (
            float(p.dice.uniform(*r)) for r in ((0.16, 0.24), (0.13, 0.18), (0.018, 0.04))
        )
        turn = float(p.dice.uniform(-25, 25))
        piece.add(box(wide, deep, thick), (0, 0, z + thick / 2), p.print("poster"), (0, 0, turn))
        z += thick
    return piece


def fruit_bowl(p: Palette) -> Piece:
    """Return a dish of fruit."""
    piece = Piece("fruit bowl", (0.28, 0.28, 0.14))
    piece.add(cone(0.07, 0.14, 0.05, 0.008), (0, 0, 0.025), p.paint(WHITE, 0.5))
    skins = ((0.75, 0.2, 0.12), (0.85, 0.6, 0.12), (0.5, 0.62, 0.15))
    for i, (x, y) in enumerate(((-0.06, 0.0), (0.03, 0.06), (0.04, -0.05), (0.0, 0.0))):
        skin = Material("plaster", (skins[i % 3],), p.seed(), 0.2, 0.45)
        piece.add(sphere(0.04), (x, y, 0.075 + 0.03 * (i == 3)), skin)
    return piece


def laptop(p: Palette) -> Piece:
    """Return an open laptop, screen towards -y."""
    shell = p.steel((0.6, 0.61, 0.63))
    face = Material(
        "screen", ((0.2, 0.35, 0.55), (0.4, 0.6, 0.75), (0.12, 0.14, 0.2)), p.seed(), 0, 0.6, 0.5
    )
    piece = Piece("laptop", (0.34, 0.34, 0.24))
    piece.add(box(0.33, 0.23, 0.018), (0, -0.03, 0.009), shell)
    piece.add(box(0.29, 0.1, 0.002), (0, 0.0, 0.0185), p.print("checker", 2, 0.2))
    piece.add(box(0.33, 0.008, 0.22), (0, 0.125, 0.118), shell, (-18, 0, 0))
    piece.add(box(0.31, 0.002, 0.19), (0, 0.1195, 0.117), face, (-18, 0, 0))
    return piece


def monitor(p: Palette) -> Piece:
    """Return a screen on a foot, facing -y."""
    black = p.paint(DARK, 0.5)
    face = Material(
        "screen", ((0.16, 0.2, 0.4), (0.5, 0.4, 0.6), (0.15, 0.2, 0.3)), p.seed(), 0, 0.7, 0.5
    )
    piece = Piece("screen", (0.58, 0.2, 0.48))
    piece.add(box(0.22, 0.18, 0.012), (0, 0, 0.006), black)
    piece.add(cylinder(0.018, 0.16), (0, 0.03, 0.09), black)
    piece.add(box(0.57, 0.03, 0.34), (0, 0, 0.3), black)
    piece.add(box(0.55, 0.002, 0.32), (0, -0.0155, 0.3), face)
    return piece


def ball(p: Palette) -> Piece:
    """Return a ball."""
    piece = Piece("ball", (0.24, 0.24, 0.24))
    skin = Material("checker", p.colors(2), p.seed(), 0.38, 0.3)
    piece.add(sphere(0.11), (0, 0, 0.11), skin, (30, 20, 0))
    return piece


def table_lamp(p: Palette) -> Piece:
    """Return a small lamp with a glowing shade."""
    shade = Material("fabric", ((0.95, 0.85, 0.66), (0.85, 0.72, 0.52)), p.seed(), 0.2, 0.0, 1.0)
    piece = Piece("table lamp", (0.24, 0.24, 0.4))
    piece.add(sphere(0.07), (0, 0, 0.085), p.paint(None, 0.7))
    piece.add(cylinder(0.06, 0.02, 0.005), (0, 0, 0.01), p.paint(DARK, 0.4))
    piece.add(cylinder(0.01, 0.12), (0, 0, 0.2), p.steel())
    piece.add(cone(0.12, 0.07, 0.16), (0, 0, 0.31), shade)
    return piece


def vase(p: Palette) -> Piece:
    """Return a vase with twigs."""
    glaze = p.paint(None, 0.7)
    piece = Piece("vase", (0.16, 0.16, 0.5))
    piece.add(cone(0.04, 0.065, 0.12, 0.01), (0, 0, 0.06), glaze)
    piece.add(cone(0.065, 0.03, 0.1, 0.006), (0, 0, 0.165), glaze)
    for i in range(4):
        lean = float(p.dice.uniform(-14, 14))
        twig = capsule(0.005, 0.32)
        piece.add(
            twig, (lean * 0.002, 0, 0.34), p.paint((0.35, 0.42, 0.18), 0.1), (lean / 2, lean, 0)
        )
        piece.add(
            sphere(0.022), (lean * 0.0048, -lean * 0.0012, 0.5 - 0.01 * i), p.paint(None, 0.1)
        )
    return piece


ON_TABLES = (cup, bottle, packet, books, fruit_bowl, laptop, table_lamp, vase, cup, packet, ball)
