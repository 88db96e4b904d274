"""The pictures that surfaces of training worlds wear: painted ones, and photographs if there are.

All worlds share one stack, made once; a world only says which picture each of its materials wears.
Photographs come from a folder with an `index.csv` (file, kind, licence, ...); only those whose
licence column says CC0 are used, so that weights trained on them may be given away.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.synth.materials import RECIPES, Color, Material
from engine.synth.palette import Palette
from engine.synth.textures import Textures

EDGE_PX = 128
VARIANTS = 7
# Every so many photographs one is kept for judging: no training world ever wears it.
HELD_OUT_EACH = 8
FLAT = "flat"
ANY = "any"
OPEN_LICENCE = "CC0"
# Which recipe a photograph of a kind can stand for.
KINDS: dict[str, tuple[str, ...]] = {
    "Wood": ("wood",),
    "WoodFloor": ("planks", "wood"),
    "Planks": ("planks", "wood"),
    "WoodSiding": ("planks", "wallpaper"),
    "Bamboo": ("wood",),
    "Bark": ("wood",),
    "Tatami": ("carpet", "fabric"),
    "Chipboard": ("cardboard", "wood"),
    "WoodChips": ("carpet",),
    "Cork": ("cardboard",),
    "Cardboard": ("cardboard",),
    "Paper": ("cardboard", "plaster", "label"),
    "Tiles": ("tiles",),
    "PavingStones": ("tiles", "brick"),
    "Bricks": ("brick",),
    "Rock": ("concrete", "brick"),
    "Concrete": ("concrete", "plaster"),
    "Plaster": ("plaster",),
    "Paint": ("plaster", "plastic"),
    "OfficeCeiling": ("plaster",),
    "Wallpaper": ("wallpaper",),
    "Fabric": ("fabric", "plaid"),
    "Carpet": ("carpet", "fabric"),
    "Metal": ("metal",),
    "CorrugatedSteel": ("metal",),
    "Rust": ("metal",),
    "Plastic": ("plastic",),
    "Rubber": ("plastic",),
    "Clay": ("plaster", "plastic"),
    "Porcelain": ("plastic",),
    "GlazedTerracotta": ("tiles",),
    "Marble": ("marble",),
    "Onyx": ("marble",),
    "Travertine": ("marble", "tiles"),
    "Granite": ("terrazzo", "marble"),
    "Terrazzo": ("terrazzo",),
    "picture": ("poster", "painting"),
    "panorama": ("outdoors", "poster", "painting", "screen"),
    "surface": (ANY,),
}


@dataclass(frozen=True, slots=True)
class Bank:
    """A stack of pictures and which of them can stand for what.

    Attributes:
        textures: the stack, on its device.
        painted: recipe -> layers that a recipe painted; `FLAT` is one without any texture.
        photographed: recipe -> layers that are photographs; empty without a folder.
        mean: (layers, 3) linear mean reflectance, on the CPU.
    """

    textures: Textures
    painted: dict[str, list[int]]
    photographed: dict[str, list[int]]
    mean: Tensor

    @property
    def photographs(self) -> list[int]:
        """All layers that are photographs."""
        return sorted({layer for some in self.photographed.values() for layer in some})


def build_bank(
    device: torch.device | str = "cpu",
    folder: Path | None = None,
    held_out: bool = False,
    edge_px: int = EDGE_PX,
) -> Bank:
    """Return the bank for training, or with `held_out` the one for judging; they share nothing.

    Raises:
        BadInput: a folder without `index.csv`, or a picture that cannot be read.
    """
    pictures: list[Tensor] = [torch.full((edge_px, edge_px, 3), 0.75)]
    painted: dict[str, list[int]] = {FLAT: [0]}
    photographed: dict[str, list[int]] = {}
    dice = np.random.default_rng((77, int(held_out)))
    for recipe in sorted(RECIPES):
        for _ in range(VARIANTS):
            painted.setdefault(recipe, []).append(len(pictures))
            pictures.append(_paint(recipe, Palette.draw(dice), edge_px))
    for file, kind in [] if folder is None else _listed(folder, held_out):
        for cut in _cuts(file, kind, edge_px):
            for recipe in KINDS.get(kind, (ANY,)):
                photographed.setdefault(recipe, []).append(len(pictures))
            pictures.append(torch.from_numpy(cut))
    mean = torch.stack([(p**2).mean((0, 1)) for p in pictures])
    return Bank(Textures(pictures, device), painted, photographed, mean)


def _paint(recipe: str, palette: Palette, edge_px: int) -> Tensor:
    """Return one picture by a recipe in colours such recipes usually have."""
    colors: tuple[Color, ...]
    if recipe in ("wood", "planks"):
        colors = palette.furniture_wood
    elif recipe == "brick":
        colors = ((0.66, 0.36, 0.26), (0.46, 0.25, 0.18), (0.74, 0.71, 0.66))
    elif recipe in ("plaster", "concrete"):
        colors = (palette.wall,)
    elif recipe == "outdoors":
        colors = ((0.62, 0.76, 0.92), (0.86, 0.9, 0.93), (0.2, 0.34, 0.16), (0.4, 0.54, 0.24))
    else:
        colors = palette.colors(6, 0.35)
    return Material(recipe, colors, palette.seed()).paint(edge_px)


def _listed(folder: Path, held_out: bool) -> list[tuple[Path, str]]:
    index = folder / "index.csv"
    if not index.is_file():
        raise BadInput(
            f"'{folder}' holds no index.csv.",
            "Name a folder of pictures with a table of file, kind and licence.",
        )
    with index.open(newline="") as lines:
        rows = [r for r in csv.DictReader(lines) if r["licence"].startswith(OPEN_LICENCE)]
    rows.sort(key=lambda row: row["file"])
    wanted = [r for i, r in enumerate(rows) if (i % HELD_OUT_EACH == 0) == held_out]
    return [(folder / r["file"], r["kind"]) for r in wanted]


def _cuts(file: Path, kind: str, edge_px: int) -> list[np.ndarray]:
    """Return square cuts (edge, edge, 3), square root of linear reflectance."""
    picture = cv2.imread(str(file))
    if picture is None:
        raise BadInput(f"The picture '{file}' cannot be read.", "Check the folder of textures.")
    h, w = picture.shape[:2]
    edge = min(h, w)
    if kind == "panorama":
        # The band about the horizon, without poles: four views a panorama.
        band = picture[int(0.3 * h) : int(0.72 * h)]
        edge = band.shape[0]
        squares = [band[:, x : x + edge] for x in range(0, w - edge, w // 4)][:4]
    else:
        squares = [picture[(h - edge) // 2 :, (w - edge) // 2 :][:edge, :edge]]
    result = []
    for square in squares:
        small = cv2.resize(square, (edge_px, edge_px), interpolation=cv2.INTER_AREA)
        srgb = small[..., ::-1].astype(np.float32) / 255
        result.append(np.clip(srgb, 0.01, 0.97) ** np.float32(1.1))
    return result
