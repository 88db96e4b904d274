"""How surface is shown that no depth was measured on: a network completed it."""

from enum import Enum

import numpy as np

from engine.core.arrays import I32, U8, Bool
from engine.core.surface import measured_faces

# Between blue and violet, which no wall is painted in and which colour-blind eyes tell from the
# browns and greys of a room. Half of the colour stays, so that things can still be recognised.
TINT_RGB = (92, 84, 255)
TINT_SHARE = 0.55


class Guessed(Enum):
    """What becomes of guessed surface: the same as all, tinted, or left out."""

    SHOW = "show"
    TINT = "tint"
    HIDE = "hide"


def shown_faces(faces: I32, is_observed: Bool | None, how: Guessed) -> I32:
    """Return the faces (m, 3) that are shown: without those of a guessed corner if hidden."""
    if how is not Guessed.HIDE or is_observed is None:
        return faces
    return measured_faces(faces, is_observed)


def shown_colors(colors: U8, is_observed: Bool | None, how: Guessed) -> U8:
    """Return the colours (n, 3) or (n, 4) that are shown: guessed vertices tinted if asked for."""
    if how is not Guessed.TINT or is_observed is None:
        return colors
    tinted = colors.copy()
    mixed = colors[~is_observed, :3] * (1 - TINT_SHARE) + np.array(TINT_RGB) * TINT_SHARE
    tinted[~is_observed, :3] = (mixed + 0.5).astype(np.uint8)
    return tinted
