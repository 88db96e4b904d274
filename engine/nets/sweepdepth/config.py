"""Every size of the network that corrects a plane sweep; the defaults are what is shipped."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

Shapes = Mapping[str, Sequence[int]]

# Results at strides 2, 4, 8, 16 and 32.
LEVELS = 5
SIZE_MULTIPLE = 2**LEVELS


@dataclass(frozen=True, slots=True)
class SweepDepthConfig:
    """Sizes of the network, and the planes it was trained for.

    Attributes:
        planes: of the sweep, even in log depth.
        near_m: depth of the first plane.
        far_m: depth of the last plane.
        long_side_px: scans reduce pictures to this before they are swept; it may be more than what
            was learned from.
        volume_width: channels that the coarse volume is reduced to.
        widths: channels at strides 2, 4, 8, 16 and 32.
        blocks: residual blocks on the way down, at each of these.
    """

    planes: int = 64
    near_m: float = 0.25
    far_m: float = 5.0
    long_side_px: int = 320
    volume_width: int = 48
    widths: tuple[int, ...] = (32, 64, 96, 128, 160)
    blocks: tuple[int, ...] = (1, 2, 2, 2, 2)

    def __post_init__(self) -> None:
        """Refuse sizes that do not fit together.

        Raises:
            ValueError: says which.
        """
        if not 0 < self.near_m < self.far_m or self.planes < 8:
            raise ValueError("Eight planes or more must lie between two depths.")
        if len(self.widths) != LEVELS or len(self.blocks) != LEVELS:
            raise ValueError(f"The network has {LEVELS} levels.")
        if self.long_side_px % SIZE_MULTIPLE:
            raise ValueError(f"Pictures have sides in multiples of {SIZE_MULTIPLE}.")

    @property
    def step(self) -> float:
        """Difference of the logarithm of depth between planes."""
        return math.log(self.far_m / self.near_m) / (self.planes - 1)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "SweepDepthConfig":
        """Return the configuration that `as_dict` wrote; absent fields are the defaults.

        Raises:
            ValueError: a field that does not exist.
        """
        known = {field.name for field in fields(SweepDepthConfig)}
        if unknown := values.keys() - known:
            raise ValueError(f"This network has no setting called {', '.join(sorted(unknown))}.")
        settings: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return SweepDepthConfig(**settings)

    @staticmethod
    def from_shapes(shapes: Shapes) -> "SweepDepthConfig":
        """Return the sizes that a state dict was made with.

        The range of depths and the picture's size leave no trace there: they are the defaults.

        Raises:
            ValueError: an entry is missing.
        """
        try:
            volume, planes = shapes["volume.0.weight"][:2]
            widths = tuple(shapes[f"down.{k}.0.weight"][0] for k in range(LEVELS))
        except (KeyError, IndexError) as missing:
            raise ValueError(f"This is no network of this kind: {missing} is missing.") from missing
        blocks = tuple(
            sum(f"encode.{k}.{n}.first.0.weight" in shapes for n in range(64))
            for k in range(LEVELS)
        )
        return SweepDepthConfig(
            planes=planes // 2, volume_width=volume, widths=widths, blocks=blocks
        )
