"""Depth as a scan in colour alone would have it, for samples that surfaces are learned from."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from app.chosen_weights import corrected_sweep
from engine.core.arrays import F32, F64, U8
from engine.core.camera import Intrinsics
from engine.core.frames import Photo
from engine.core.poses import Pose
from engine.depth.base import DepthEstimator, DepthMap
from engine.depth.consistency import SURE, confirmed
from engine.depth.stream import AFTER, BEFORE, LEAST_CONFIDENCE
from engine.depth.views import choose_sources
from engine.training.data import Sample


class Scanned:
    """Estimates depth by the weights that ship, and keeps what neighbours along a walk confirm.

    Belongs to one thread. So a network is guided by depth with just those holes and errors that it
    meets in a scan.
    """

    def __init__(self, estimator: DepthEstimator | None = None) -> None:
        """Use the program's own estimator, unless another one is given."""
        self._given = estimator

    @cached_property
    def _estimator(self) -> DepthEstimator:
        # Loaded on first use: most training needs no depth but its own.
        return self._given or corrected_sweep(None, torch.device("cpu"), torch.float32)

    def __call__(self, sample: Sample) -> Tensor:
        """Return depth (b, v, h, w) of every view, metres, 0 where unknown or not believed."""
        rows = []
        for pictures, K, T in zip(sample.pictures, sample.K, sample.T_world_cam, strict=True):
            colors = (pictures.movedim(1, -1) * 255).round().to(torch.uint8).cpu().numpy()
            cameras = K.double().cpu().numpy(), T.double().cpu().numpy()
            views = zip(colors, *cameras, strict=True)
            rows.append(self._walk([_photo(*view, index) for index, view in enumerate(views)]))
        return torch.from_numpy(np.stack(rows))

    def _walk(self, photos: Sequence[Photo]) -> F32:
        maps = [self._map(photo, photos) for photo in photos]
        size = next((m.depth_m.shape for m in maps if m is not None), photos[0].color.shape[:2])
        depths = np.zeros((len(photos), *size), np.float32)
        for at, (photo, own) in enumerate(zip(photos, maps, strict=True)):
            if own is None:
                continue
            near = range(max(0, at - BEFORE), min(len(photos), at + AFTER + 1))
            pairs = [(maps[i], photos[i].T_world_cam) for i in near if i != at]
            others = [(found, pose) for found, pose in pairs if found is not None]
            same, unseen = confirmed(own, photo.T_world_cam, others)
            kept = (same & (own.confidence >= LEAST_CONFIDENCE)) | (
                unseen & (own.confidence >= SURE)
            )
            depths[at] = np.where(kept, own.depth_m, 0)
        return depths

    def _map(self, photo: Photo, photos: Sequence[Photo]) -> DepthMap | None:
        others = [other for other in photos if other is not photo]
        sources = choose_sources(photo, others, self._estimator.source_count)
        return self._estimator.estimate(photo, sources) if sources else None


def _photo(color: U8, K: F64, T_world_cam: F64, index: int) -> Photo:
    height, width = color.shape[:2]
    fx, fy, cx, cy = K[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
    camera = Intrinsics(width, height, fx, fy, cx, cy)
    # Single precision leaves rotations that are not quite.
    turn, _, back = np.linalg.svd(T_world_cam[:3, :3])
    return Photo(color, camera, Pose.from_parts(turn @ back, T_world_cam[:3, 3]), index)
