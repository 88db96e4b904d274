"""Measuring lines with their labels."""

from dataclasses import dataclass

from engine.core.arrays import F32


@dataclass(frozen=True, slots=True)
class Mark:
    """A line through points of the world, with words beside it.

    Attributes:
        points_m: (n, 3) world; one point is shown as a dot.
        text: what stands beside it, may be empty.
        closed: whether the last point is joined to the first.
    """

    points_m: F32
    text: str
    closed: bool = False
