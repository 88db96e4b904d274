"""What all logs of ARKit apps have in common."""

import numpy as np

from engine.core.arrays import F32, U8

# Gravity is known to the phone: the y axis points up.
UP = (0.0, 1.0, 0.0)
# The unit of 16-bit depth pictures.
DEPTH_UNIT_M = 0.001
_HIGHEST_LEVEL = 2


def confidence_of(levels: U8) -> F32:
    """Return the levels 0, 1, 2 of a confidence map as 0, 0.5, 1."""
    return np.minimum(levels, _HIGHEST_LEVEL).astype(np.float32) / np.float32(_HIGHEST_LEVEL)
