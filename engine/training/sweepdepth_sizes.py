"""Sizes of the network that corrects a plane sweep, and how they are trained."""

from dataclasses import dataclass

from engine.nets.sweepdepth.config import SweepDepthConfig
from engine.training.recipe import Plan
from engine.training.schedule import Schedule

# With the reference.
VIEWS = 5


@dataclass(frozen=True, slots=True)
class SweepDepthSize:
    """A network, the pictures it learns from, and how.

    Attributes:
        image_hw: landscape; portrait batches are turned.
        is_half: forward passes compute in bfloat16, also on a CPU that can.
    """

    network: SweepDepthConfig
    plan: Plan
    image_hw: tuple[int, int] = (192, 256)
    is_half: bool = True


SMOKE_SWEEPDEPTH = SweepDepthConfig(
    planes=24,
    long_side_px=128,
    volume_width=12,
    widths=(8, 16, 16, 24, 24),
    blocks=(1, 1, 1, 1, 1),
)
SWEEPDEPTH_SIZES = {
    "smoke": SweepDepthSize(
        SMOKE_SWEEPDEPTH, Plan(Schedule(3e-3, 120, 10), 1e-4, 10.0, 60, 2), (96, 128), False
    ),
    "small": SweepDepthSize(
        SweepDepthConfig(), Plan(Schedule(1.5e-3, 12_000, 150), 1e-4, 10.0, 500, 4)
    ),
}
