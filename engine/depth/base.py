"""What it means to estimate depth from photographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from engine.core.arrays import F32
from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame
from engine.core.frames import Photo


@dataclass(frozen=True, slots=True)
class DepthMap:
    """Depth as somebody believes it, registered to the picture it was estimated for.

    Attributes:
        depth_m: (h, w) float32 metres along the camera axis, 0 unknown.
        confidence: (h, w) float32 in 0..1; 0 wherever depth is unknown.
        intrinsics: the camera, sized as `depth_m`; often smaller than the photograph's.
    """

    depth_m: F32
    confidence: F32
    intrinsics: Intrinsics

    def __post_init__(self) -> None:
        """Freeze the arrays and refuse sizes and types that contradict the camera.

        Raises:
            BadFrame: another size, shape or type.
        """
        size = (self.intrinsics.height, self.intrinsics.width)
        for picture in (self.depth_m, self.confidence):
            if picture.shape != size or picture.dtype != np.float32:
                raise BadFrame(
                    f"A depth map of shape {picture.shape} and type {picture.dtype} does not fit "
                    f"its camera of {size[1]}x{size[0]} pixels."
                )
            picture.flags.writeable = False


class DepthEstimator(Protocol):
    """Turns one photograph and others of the same place into depth.

    `source_count` is how many sources it likes to have; fewer are allowed, order is nearest first.
    """

    source_count: int

    def estimate(self, reference: Photo, sources: Sequence[Photo]) -> DepthMap:
        """Return the depth of the reference.

        Raises:
            BadInput: no source, a picture too small, or a pose that is not one.
        """
        ...
