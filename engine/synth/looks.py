"""What the materials of a furnished world wear when it is dressed for training.

A world from `interiors` names its materials by recipe and colour. Here each draws a picture from a
bank: a photograph of such stuff, a painted picture, or none at all. Whole rooms are plain, because
plain walls and glossy fronts are where depth from pictures goes wrong.
"""

from dataclasses import dataclass

import numpy as np

from engine.synth.bank import ANY, FLAT, Bank
from engine.synth.materials import Material
from engine.synth.packed import Look
from engine.synth.world import World

PAINT, METAL, MIRROR = 0.04, 0.55, 0.88
# Recipes of large or plain things, which a plain room leaves without any picture.
COVERINGS = {"plaster", "wallpaper", "plastic", "concrete", "metal", "wood", "carpet", "fabric"}
TINT_LOW, TINT_HIGH = 0.12, 3.0


@dataclass(frozen=True, slots=True)
class Taste:
    """How one room is dressed.

    Attributes:
        plain: chance that a covering has no picture.
        photographed: chance that a picture is a photograph where there are some.
        odd: chance that a thing wears a picture meant for something else.
        glossy: adds to the gloss of paint, wood, tiles and stone.
    """

    plain: float
    photographed: float
    odd: float
    glossy: float

    @staticmethod
    def draw(dice: np.random.Generator) -> "Taste":
        """Return a taste: one room in four is almost bare of texture."""
        plain = float(dice.uniform(0.6, 0.95) if dice.random() < 0.25 else dice.uniform(0, 0.45))
        return Taste(
            plain,
            float(dice.uniform(0.4, 1.0)),
            float(dice.uniform(0.0, 0.15)),
            float(dice.choice([0.0, 0.15, 0.35])),
        )


def dress(world: World, bank: Bank, dice: np.random.Generator) -> list[Look]:
    """Return the look of every part; parts of one material look alike."""
    taste = Taste.draw(dice)
    worn: dict[Material, Look] = {}
    for part in world.parts:
        if part.material not in worn:
            worn[part.material] = _wear(part.material, bank, taste, dice)
    return [worn[p.material] for p in world.parts]


def _wear(material: Material, bank: Bank, taste: Taste, dice: np.random.Generator) -> Look:
    recipe = material.recipe
    base, gloss = _finish(material, taste, dice)
    if base >= MIRROR:
        return Look(0, tint=(0.8, 0.8, 0.8), gloss=gloss, base=base)
    photographs = bank.photographed.get(recipe, [])
    if recipe in COVERINGS and dice.random() < taste.plain:
        layer, fold = bank.painted[FLAT][0], False
    elif dice.random() < taste.odd and bank.photographs:
        everything = bank.photographs
        layer, fold = everything[int(dice.integers(len(everything)))], True
    elif photographs and dice.random() < taste.photographed:
        stray = bank.photographed.get(ANY, [])
        pool = stray if stray and dice.random() < 0.05 else photographs
        layer, fold = pool[int(dice.integers(len(pool)))], material.tile_m > 0
    else:
        painted = bank.painted[recipe]
        layer, fold = painted[int(dice.integers(len(painted)))], False
    tint = _tint(material, bank.mean[layer].numpy(), layer == bank.painted[FLAT][0], dice)
    size = float(np.exp(dice.uniform(-0.7, 0.5)))
    return Look(layer, fold, tint, gloss, base, material.glow, size)


def _finish(material: Material, taste: Taste, dice: np.random.Generator) -> tuple[float, float]:
    """Return the share reflected head-on and the gloss."""
    gloss = material.gloss
    if material.recipe == "mirror":
        return MIRROR, 1.0
    if material.recipe == "metal":
        return METAL, float(np.clip(gloss + dice.uniform(-0.25, 0.15), 0.3, 0.95))
    if gloss > 0.15:
        gloss += taste.glossy * float(dice.random())
    return PAINT, float(np.clip(gloss + dice.uniform(-0.1, 0.15), 0.0, 1.0))


def _tint(
    material: Material, mean: np.ndarray, is_flat: bool, dice: np.random.Generator
) -> tuple[float, float, float]:
    """Return factors: mostly the picture's own colour, sometimes the material's."""
    own = np.array(material.colors[0]) ** 2.2
    # Palettes are bold; most of what people live with is nearly grey.
    own = np.maximum(own, 0.2 * own.max())
    own = own + (own.mean() - own) * float(dice.choice([0.0, 0.5, 0.85], p=[0.12, 0.38, 0.5]))
    gain = np.exp(dice.normal(0, 0.22)) * np.exp(dice.normal(0, 0.06, 3))
    printed = material.tile_m == 0
    if is_flat or (not printed and dice.random() < 0.35):
        # Recoloured: the picture's pattern in the colour that the room was planned with.
        gain = gain * own / np.maximum(mean, 1e-3)
    tint = np.clip(gain, TINT_LOW, TINT_HIGH)
    return float(tint[0]), float(tint[1]), float(tint[2])
