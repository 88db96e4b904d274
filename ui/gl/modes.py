"""What the colours of the surface can tell, and the key to reading them."""

from enum import Enum

import numpy as np

from engine.core.arrays import U8
from ui.gl.guessed import TINT_RGB

Rgb = tuple[int, int, int]


class ColorMode(Enum):
    """What the surface is coloured by."""

    COLOR = "color"
    NORMALS = "normals"
    CONFIDENCE = "confidence"
    COVERAGE = "coverage"
    AGE = "age"
    OBSERVED = "observed"
    PLAIN = "plain"


MODE_NAMES = {
    ColorMode.COLOR: "Colour",
    ColorMode.NORMALS: "Direction",
    ColorMode.CONFIDENCE: "Confidence",
    ColorMode.COVERAGE: "Coverage",
    ColorMode.AGE: "Age",
    ColorMode.OBSERVED: "Measured or completed",
    ColorMode.PLAIN: "Plain",
}

# Confidence is 255 at eight measurements from a metre or nearer; one from two metres counts a
# quarter. Two have averaged a camera's noise away for the eye; half of one is a single glance.
WELL_MEASURED = 64
HARDLY_SEEN = 16
# When a piece of surface changed is kept in these ticks; what changed longer ago than the span
# looks all the same.
TICK_S = 0.25
SPAN_TICKS = 60 / TICK_S

# Begin, middle and end of cividis.
BLUE_RGB: Rgb = (0, 32, 77)
GREY_RGB: Rgb = (125, 124, 120)
YELLOW_RGB: Rgb = (255, 234, 70)
PLAIN_RGB: Rgb = (190, 190, 190)
# From cividis' ends and middle, and so told apart by lightness alone; the middle one glows,
# because that is where to go next.
WELL_RGB: Rgb = (118, 122, 124)
AGAIN_RGB: Rgb = (253, 204, 60)
HARDLY_RGB: Rgb = (32, 62, 128)


def cividis(share: float) -> Rgb:
    """Return the colour at a share of the way from dark blue to yellow (Nunez et al. 2018)."""
    red, green, blue = cividis_table()[round(share * 255)]
    return int(red), int(green), int(blue)


def cividis_table() -> U8:
    """Return the 256 colours (256, 3) from dark blue to yellow."""
    # Loaded when first wanted: it takes longer than all else that the view needs to begin.
    import pyqtgraph

    table = pyqtgraph.colormap.get("cividis").getLookupTable(nPts=256)
    return np.asarray(table, np.uint8)[:, :3]


LEGENDS: dict[ColorMode, tuple[tuple[Rgb, str], ...]] = {
    ColorMode.COLOR: (),
    ColorMode.NORMALS: (
        ((255, 128, 128), "faces along x"),
        ((128, 255, 128), "faces along y"),
        ((128, 128, 255), "faces up"),
        ((128, 128, 0), "faces down"),
    ),
    ColorMode.CONFIDENCE: (
        (BLUE_RGB, "hardly seen"),
        (GREY_RGB, "seen several times"),
        (YELLOW_RGB, "seen often"),
    ),
    ColorMode.COVERAGE: (
        (WELL_RGB, "measured well"),
        (AGAIN_RGB, "look again"),
        (HARDLY_RGB, "hardly seen"),
    ),
    ColorMode.AGE: (
        (YELLOW_RGB, "changed just now"),
        (GREY_RGB, "half a minute ago"),
        (BLUE_RGB, "a minute ago or more"),
    ),
    ColorMode.OBSERVED: (
        (PLAIN_RGB, "measured"),
        (TINT_RGB, "completed by a network"),
    ),
    ColorMode.PLAIN: (),
}
