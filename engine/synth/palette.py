"""Colours and materials that go together, drawn once for a room."""

import colorsys
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from engine.synth.materials import Color, Material

WOODS: tuple[tuple[Color, Color], ...] = (
    ((0.80, 0.64, 0.44), (0.60, 0.42, 0.25)),
    ((0.62, 0.42, 0.26), (0.40, 0.24, 0.13)),
    ((0.45, 0.29, 0.19), (0.25, 0.15, 0.10)),
    ((0.86, 0.77, 0.62), (0.70, 0.58, 0.42)),
)
WALLS: tuple[Color, ...] = (
    (0.86, 0.83, 0.76),
    (0.78, 0.82, 0.80),
    (0.84, 0.78, 0.70),
    (0.74, 0.79, 0.84),
    (0.85, 0.80, 0.82),
    (0.80, 0.82, 0.72),
)
WHITE: Color = (0.88, 0.87, 0.85)
DARK: Color = (0.14, 0.14, 0.15)
STEEL: Color = (0.62, 0.62, 0.63)


@dataclass(frozen=True, slots=True)
class Palette:
    """What one room draws from; every method may be called again for another picture."""

    dice: np.random.Generator
    furniture_wood: tuple[Color, Color]
    floor_wood: tuple[Color, Color]
    wall: Color
    hue: float
    kept: dict[str, list[Material]] = field(default_factory=dict)

    @staticmethod
    def draw(dice: np.random.Generator) -> "Palette":
        """Return a palette from the dice."""
        first, second = dice.choice(len(WOODS), 2, replace=False)
        wall = WALLS[int(dice.integers(len(WALLS)))]
        return Palette(dice, WOODS[int(first)], WOODS[int(second)], wall, float(dice.random()))

    def seed(self) -> int:
        """Return a fresh number for a material's picture."""
        return int(self.dice.integers(1 << 31))

    def color(self, saturation: float = 0.5, value: float = 0.6, spread: float = 0.5) -> Color:
        """Return a colour whose hue strays from the room's by up to `spread` of the circle."""
        hue = (self.hue + float(self.dice.uniform(-spread, spread))) % 1
        red, green, blue = colorsys.hsv_to_rgb(
            hue,
            float(np.clip(saturation * self.dice.uniform(0.7, 1.2), 0, 1)),
            float(np.clip(value * self.dice.uniform(0.8, 1.2), 0, 1)),
        )
        return red, green, blue

    def colors(self, count: int, saturation: float = 0.45) -> tuple[Color, ...]:
        """Return so many colours of all hues, light and dark in turn."""
        return tuple(self.color(saturation, 0.85 if i % 2 else 0.42, 0.5) for i in range(count))

    def _one_of(self, name: str, count: int, make: Callable[[], Material]) -> Material:
        """Return one of a few materials of a name; every picture costs time and memory."""
        pool = self.kept.setdefault(name, [])
        while len(pool) < count:
            pool.append(make())
        return pool[int(self.dice.integers(count))]

    def timber(self) -> Material:
        """Return a board of the room's furniture wood."""
        return self._one_of(
            "timber", 3, lambda: Material("wood", self.furniture_wood, self.seed(), 0.9, 0.3)
        )

    def floor(self) -> Material:
        """Return a floor: boards, tiles, stone or carpet."""
        choice = int(self.dice.integers(6))
        if choice <= 2:
            return Material("planks", self.floor_wood, self.seed(), 1.3, 0.32)
        if choice == 3:
            light = (0.80, 0.78, 0.73)
            return Material(
                "tiles", (light, self.color(0.3, 0.55), (0.5, 0.49, 0.47)), self.seed(), 1.6, 0.45
            )
        if choice == 4:
            ground = (0.74, 0.72, 0.69)
            chips = ((0.86, 0.84, 0.8), self.color(0.15, 0.6), (0.5, 0.46, 0.42))
            return Material("terrazzo", (ground, *chips), self.seed(), 1.0, 0.4)
        tone = self.color(0.22, 0.52, 0.15)
        return Material("carpet", (tone, _darker(tone, 0.72)), self.seed(), 1.2, 0.0)

    def walls(self) -> tuple[Material, Material]:
        """Return the ordinary wall and the one that differs."""
        plain = Material("plaster", (self.wall,), self.seed(), 1.5, 0.05)
        choice = int(self.dice.integers(4))
        if choice == 0:
            tone = (0.66, 0.36, 0.26)
            accent = Material(
                "brick", (tone, _darker(tone, 0.7), (0.74, 0.71, 0.66)), self.seed(), 0.9, 0.02
            )
        elif choice == 1:
            accent = Material("concrete", ((0.66, 0.65, 0.63),), self.seed(), 1.6, 0.08)
        else:
            tone = self.color(0.18, 0.78, 0.15)
            accent = Material("wallpaper", (tone, _darker(tone, 0.78)), self.seed(), 0.8, 0.05)
        return plain, accent

    def cloth(self) -> Material:
        """Return upholstery."""
        return self._one_of("cloth", 7, self._weave)

    def _weave(self) -> Material:
        tone = self.color(0.34, 0.5, 0.18)
        if self.dice.random() < 0.25:
            threads = (tone, _darker(tone, 0.6), self.color(0.25, 0.85))
            return Material("plaid", threads, self.seed(), 0.5, 0.0)
        return Material("fabric", (tone, _darker(tone, 0.68)), self.seed(), 0.5, 0.0)

    def paint(self, color: Color | None = None, gloss: float = 0.35) -> Material:
        """Return painted or moulded stuff of a colour, by default one of some strong ones."""

        def mixed() -> Material:
            own = color or self.color(0.55, 0.55)
            return Material("plastic", (own,), self.seed(), 0.5, gloss)

        return self._one_of(f"paint {color} {gloss}", 1 if color else 5, mixed)

    def steel(self, color: Color = STEEL) -> Material:
        """Return brushed metal: shiny enough to trouble a depth camera."""
        return self._one_of(
            f"steel {color}", 1, lambda: Material("metal", (color,), self.seed(), 0.3, 0.75)
        )

    def book(self) -> Material:
        """Return one of a dozen book covers."""

        def cover() -> Material:
            cloth, print_ = self.color(0.5, 0.45), self.color(0.25, 0.9)
            return Material("spine", (cloth, print_), self.seed(), 0.0, 0.2)

        return self._one_of("book", 12, cover)

    def print(self, recipe: str, count: int = 5, gloss: float = 0.15) -> Material:
        """Return a picture stretched over its face."""

        def printed() -> Material:
            return Material(recipe, self.colors(count), self.seed(), 0.0, gloss)

        return self._one_of(f"print {recipe} {count} {gloss}", 6, printed)


def _darker(color: Color, factor: float) -> Color:
    return color[0] * factor, color[1] * factor, color[2] * factor
