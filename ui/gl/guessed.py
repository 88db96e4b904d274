"""How surface is shown that no depth was measured on: a network completed it."""

from enum import Enum

# Between blue and violet, which no wall is painted in and which colour-blind eyes tell from the
# browns and greys of a room. Half of the colour stays, so that things can still be recognised.
TINT_RGB = (92, 84, 255)
TINT_SHARE = 0.55


class Guessed(Enum):
    """What becomes of guessed surface: the same as all, tinted, or left out.

    A face is left out when one of its corners is guessed.
    """

    SHOW = "show"
    TINT = "tint"
    HIDE = "hide"
