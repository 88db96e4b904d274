"""What surfaces are made of: recipes that paint a square picture each, from a seed.

A picture holds the square root of linear reflectance, which spends 8 bits where eyes want them and
needs one multiplication to undo. Pictures repeat without a seam unless the material is fitted to
its face (posters, book spines, rugs).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.synth import pictures, surfaces

Color = tuple[float, float, float]
Recipe = Callable[[int, torch.Generator, Tensor], Tensor]

RECIPES: dict[str, Recipe] = {
    "plaster": surfaces.plaster,
    "wallpaper": surfaces.wallpaper,
    "planks": surfaces.planks,
    "wood": surfaces.wood,
    "tiles": surfaces.tiles,
    "brick": surfaces.brick,
    "marble": surfaces.marble,
    "terrazzo": surfaces.terrazzo,
    "concrete": surfaces.concrete,
    "fabric": surfaces.fabric,
    "plaid": surfaces.plaid,
    "carpet": surfaces.carpet,
    "metal": surfaces.metal,
    "plastic": surfaces.plastic,
    "leaf": surfaces.leaf,
    "checker": surfaces.checker,
    "cardboard": surfaces.cardboard,
    "rug": pictures.rug,
    "spine": pictures.spine,
    "label": pictures.label,
    "poster": pictures.poster,
    "painting": pictures.painting,
    "outdoors": pictures.outdoors,
    "screen": pictures.screen,
}
GRAINED = {"wood", "planks"}
# Pictures without fine detail are painted small and enlarged: a room has many of them.
SMOOTH = {"plastic", "metal", "leaf", "cardboard", "spine", "label", "fabric", "marble"}


@dataclass(frozen=True, slots=True)
class Material:
    """One kind of surface.

    Attributes:
        recipe: key of `RECIPES`.
        colors: sRGB in 0..1; how many and what for is the recipe's business.
        seed: varies the picture.
        tile_m: edge of the picture in metres where it repeats; 0 stretches it over each face.
        gloss: 0 matt .. 1 mirror-like.
        glow: light it gives off by itself, as a multiple of its colour.
    """

    recipe: str
    colors: tuple[Color, ...]
    seed: int = 0
    tile_m: float = 1.0
    gloss: float = 0.1
    glow: float = 0.0

    def paint(self, edge_px: int) -> Tensor:
        """Return the picture (edge, edge, 3) float32: square root of linear reflectance."""
        dice = torch.Generator().manual_seed(self.seed)
        own_px = max(edge_px // 2, 32) if self.recipe in SMOOTH else edge_px
        srgb = RECIPES[self.recipe](own_px, dice, torch.tensor(self.colors)).clamp(0.01, 0.97)
        if own_px < edge_px:
            times = edge_px // own_px
            srgb = srgb.repeat_interleave(times, 0).repeat_interleave(times, 1)
        return srgb**1.1
