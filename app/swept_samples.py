"""Depth as the plane sweep finds it, for samples that surfaces are learned from."""

import numpy as np
import torch
from torch import Tensor

from engine.core.arrays import F32, F64, U8
from engine.core.camera import Intrinsics
from engine.core.frames import Photo
from engine.core.poses import Pose
from engine.depth.plane_sweep import PlaneSweep
from engine.depth.views import choose_sources
from engine.training.data import Sample

# Less confident depth is not fused either.
LEAST_CONFIDENCE = 0.4


def swept(sample: Sample) -> Tensor:
    """Return depth (b, v, h, w) of every view by its neighbours, metres, 0 where not believed.

    Pictures longer than the sweep's working size get depth of that size.
    """
    sweep = PlaneSweep()
    rows = []
    for pictures, K, T in zip(sample.pictures, sample.K, sample.T_world_cam, strict=True):
        colors = (pictures.movedim(1, -1) * 255).round().to(torch.uint8).cpu().numpy()
        photos = [
            _photo(color, matrix, pose, index)
            for index, (color, matrix, pose) in enumerate(
                zip(colors, K.double().cpu().numpy(), T.double().cpu().numpy(), strict=True)
            )
        ]
        rows.append(np.stack([_depth(sweep, photo, photos) for photo in photos]))
    return torch.from_numpy(np.stack(rows))


def _photo(color: U8, K: F64, T_world_cam: F64, index: int) -> Photo:
    height, width = color.shape[:2]
    fx, fy, cx, cy = K[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
    camera = Intrinsics(width, height, fx, fy, cx, cy)
    # Single precision leaves rotations that are not quite.
    turn, _, back = np.linalg.svd(T_world_cam[:3, :3])
    return Photo(color, camera, Pose.from_parts(turn @ back, T_world_cam[:3, 3]), index)


def _depth(sweep: PlaneSweep, photo: Photo, photos: list[Photo]) -> F32:
    others = [other for other in photos if other is not photo]
    sources = choose_sources(photo, others, sweep.source_count)
    if not sources:
        height, width = photo.color.shape[:2]
        small = min(1.0, sweep.settings.long_side_px / max(height, width))
        return np.zeros((round(height * small), round(width * small)), np.float32)
    found = sweep.estimate(photo, sources)
    return np.where(found.confidence >= LEAST_CONFIDENCE, found.depth_m, 0).astype(np.float32)
