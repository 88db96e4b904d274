"""Depth from photographs without weights: planes swept over matched patches.

Every pixel is tried at planes even in the logarithm of depth; how well patches match across the
sources is smoothed along eight paths, the best plane is refined between its neighbours, and what
no source can have seen, or fits elsewhere almost as well, is not believed.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from engine.core.arrays import F32, F64, I64, U8
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.depth.base import DepthMap
from engine.depth.consistency import motions, witnesses
from engine.kernels.plane_sweep import (
    NOISE_GREY,
    RADIUS_PX,
    RIVAL_RATIO,
    Picked,
    Smoothness,
    rival_gap,
)
from engine.kernels.plane_sweep_numba import photo_costs, smooth_and_pick

# Two sides of a patch and a path to grow along: less than this is no picture.
MIN_SIDE_PX = 16
# Added to the best cost before the margin is measured against it: photographs are never perfect.
COST_FLOOR = 0.05
# Confidence of what a single one of several sources vouches for.
LONE_WITNESS = 0.6


@dataclass(frozen=True, slots=True)
class SweepSettings:
    """How the planes lie, how patches are compared, and how many sources are used.

    Attributes:
        nearest_m: first plane.
        farthest_m: last plane.
        planes: how many, even in the logarithm of depth.
        long_side_px: pictures are reduced to this before anything else; so is the depth.
        radius_px: half a patch: 2 means 5x5.
        noise_grey: standard deviation of the pictures' noise in grey levels.
        rival_ratio: planes nearer to the best than this share of its depth are no rivals.
        smooth: what it costs neighbours to differ.
        sources: used at most, in the order given.
    """

    nearest_m: float = 0.25
    farthest_m: float = 5.0
    planes: int = 64
    long_side_px: int = 320
    radius_px: int = RADIUS_PX
    noise_grey: float = NOISE_GREY
    rival_ratio: float = RIVAL_RATIO
    smooth: Smoothness = field(default_factory=Smoothness)
    sources: int = 4

    def __post_init__(self) -> None:
        """Refuse planes that cannot be swept.

        Raises:
            BadInput: an empty range of depths, too few planes, or no source.
        """
        if not 0 < self.nearest_m < self.farthest_m < math.inf:
            raise BadInput(
                f"Depth cannot be looked for from {self.nearest_m:g} to {self.farthest_m:g} m."
            )
        if self.planes < 8 or self.sources < 1 or self.radius_px < 1 or self.noise_grey <= 0:
            raise BadInput("A plane sweep needs 8 planes, a source, a patch and some noise.")

    @property
    def step(self) -> float:
        """Difference of the logarithm of depth between planes."""
        return math.log(self.farthest_m / self.nearest_m) / (self.planes - 1)


class PlaneSweep:
    """A `DepthEstimator`; keeps nothing between calls, so threads may share it."""

    def __init__(self, settings: SweepSettings | None = None) -> None:
        """Take the settings as they are."""
        self.settings = settings or SweepSettings()
        self.source_count = self.settings.sources

    def estimate(self, reference: Photo, sources: Sequence[Photo]) -> DepthMap:
        """Return depth and confidence of the reference, reduced to the settings' size.

        Depth is given wherever some source could see; fusion should drop confidence below 0.4.

        Raises:
            BadInput: no source, a picture too small, or a pose that is not finite.
        """
        volume = compare(reference, sources, self.settings)
        step = self.settings.step
        gap = rival_gap(step, self.settings.rival_ratio)
        picked = smooth_and_pick(volume.costs, volume.grey, self.settings.smooth, gap)
        depth = (self.settings.nearest_m * np.exp(step * picked.plane)).astype(np.float32)
        seen_by = volume.seen_by(depth)
        depth[seen_by == 0] = 0
        confidence = self._confidence(picked)
        confidence[seen_by < min(2, len(volume.sizes_n2))] *= np.float32(LONE_WITNESS)
        confidence[seen_by == 0] = 0
        return DepthMap(depth, confidence, volume.camera)

    def _confidence(self, picked: Picked) -> F32:
        """Return 0..1: how far the best rival plane is behind, beside what the best one costs."""
        margin = np.maximum(picked.margin, 0)
        confidence = margin / (margin + picked.least + np.float32(COST_FLOOR))
        # The first and last plane also gather whatever lies nearer or farther than them.
        last = self.settings.planes - 1.5
        confidence[(picked.plane < 0.5) | (picked.plane > last)] = 0
        return np.asarray(confidence, np.float32)


@dataclass(frozen=True, slots=True)
class Compared:
    """Costs of a reference's pixels on all planes, before anything is smoothed.

    Attributes:
        grey: the reference around zero, of working size.
        camera: its camera.
        costs: (h, d, w), as `engine.kernels.plane_sweep` defines them.
        A_n33: motions to the sources, likewise.
        b_n3: likewise.
        sizes_n2: rows and columns of the sources.
    """

    grey: F32
    camera: Intrinsics
    costs: F32
    A_n33: F64
    b_n3: F64
    sizes_n2: I64

    def seen_by(self, depth_m: F32) -> U8:
        """Return how many sources have the point behind each pixel (h, w) in their picture."""
        return witnesses(depth_m, self.A_n33, self.b_n3, self.sizes_n2)


def compare(reference: Photo, sources: Sequence[Photo], settings: SweepSettings) -> Compared:
    """Return how well patches of the reference match its sources on every plane.

    Raises:
        BadInput: no source, a picture too small, or a pose that is not finite.
    """
    chosen = sources[: settings.sources]
    if not chosen:
        raise BadInput(
            "Depth from photographs needs at least one other photograph of the same place."
        )
    grey, camera = reduced(reference, settings.long_side_px)
    others = [reduced(photo, settings.long_side_px) for photo in chosen]
    A_n33, b_n3 = motions(
        reference.T_world_cam,
        camera,
        [photo.T_world_cam for photo in chosen],
        [other for _, other in others],
    )
    planes_m = settings.nearest_m * np.exp(settings.step * np.arange(settings.planes))
    costs = photo_costs(
        grey,
        [picture for picture, _ in others],
        A_n33,
        b_n3,
        1 / planes_m,
        settings.radius_px,
        settings.noise_grey,
    )
    sizes = np.array([picture.shape for picture, _ in others], np.int64)
    return Compared(grey, camera, costs, A_n33, b_n3, sizes)


def reduced(photo: Photo, long_side_px: int) -> tuple[F32, Intrinsics]:
    """Return the photograph in grey around zero, and its camera, both of working size.

    Raises:
        BadInput: a picture too small.
    """
    camera = photo.intrinsics
    scale = min(1.0, long_side_px / max(camera.width, camera.height))
    width, height = round(camera.width * scale), round(camera.height * scale)
    if min(width, height) < MIN_SIDE_PX:
        raise BadInput(
            f"A picture of {camera.width}x{camera.height} pixels is too small to find depth "
            f"in: reduced to {width}x{height}, a side is below {MIN_SIDE_PX}."
        )
    grey = cv2.cvtColor(photo.color, cv2.COLOR_RGB2GRAY).astype(np.float32)
    if scale < 1:
        grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    # Around zero, sums of squares lose less to rounding.
    return np.asarray(grey - 128, np.float32), camera.scaled_to(width, height)
