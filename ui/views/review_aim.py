"""What a click meant that missed the thing by a hair: surface in front of what it hit."""

from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np
from PySide6.QtCore import QPointF

from ui.gl.picking import Hit
from ui.gl.viewport import Viewport
from ui.measure import REACH_M

# A hand misses by a few pixels. At the outline of a thing that is a step to whatever is behind it.
MISSES_PX = (5.0, 10.0)
LOOKS = 8
STEP_M = 0.05
# From afar a hand misses an edge by more; edges this far off were not meant.
REACH_PX = 10.0
MOST_REACH_M = 0.08


@dataclass(frozen=True, slots=True)
class Aim:
    """How a click may have missed.

    Attributes:
        in_front: surface well before what was hit, a few pixels beside it; None without any.
        reach_m: how far an edge may lie from the click and still be meant.
    """

    in_front: Hit | None = None
    reach_m: float = REACH_M


def aim(view: Viewport, at_px: QPointF, hit: Hit) -> Aim:
    """Return how a click at a pixel of the view may have missed."""
    ray, next_ray = view.ray(at_px), view.ray(at_px + QPointF(1, 0))
    eye_m = np.asarray(ray.origin_m, np.float64)

    def far_m(other: Hit) -> float:
        return float(np.linalg.norm(other.point_m - eye_m))

    pixel_m = far_m(hit) * float(np.linalg.norm(next_ray.direction - ray.direction))
    reach_m = min(max(REACH_M, REACH_PX * pixel_m), MOST_REACH_M)
    turns = [2 * pi * i / LOOKS for i in range(LOOKS)]
    around = (
        view.pick(at_px + QPointF(miss_px * cos(turn), miss_px * sin(turn)))
        for miss_px in MISSES_PX
        for turn in turns
    )
    nearest = min((other for other in around if other is not None), key=far_m, default=None)
    if nearest is None or far_m(nearest) > far_m(hit) - STEP_M:
        return Aim(None, reach_m)
    return Aim(nearest, reach_m)
