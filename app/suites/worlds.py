"""Samples of training's worlds in the words of everybody else: photographs, views, distances."""

import numpy as np
import torch
from numpy.typing import NDArray

from engine.core.camera import Intrinsics
from engine.core.frames import Photo
from engine.core.poses import Pose
from engine.evaluation.views import View
from engine.training.worlds import WorldSample

POINTS_AT_ONCE = 50_000


def photos_of(sample: WorldSample) -> list[Photo]:
    """Return the pictures of a sample's first world as a phone would give them, poses believed."""
    _, _, _, height, width = sample.pictures.shape
    colors = (sample.pictures[0].clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
    return [
        Photo(
            color.contiguous().numpy(),
            _camera(K, width, height),
            Pose.from_matrix(T.double().numpy()),
            index,
        )
        for index, (color, K, T) in enumerate(
            zip(colors, sample.K[0], sample.T_world_cam[0], strict=True)
        )
    ]


class ExactWorld:
    """The distance of a sample's first world, for `WorldReference`."""

    def __init__(self, sample: WorldSample) -> None:
        """Take over the sample."""
        self._sample = sample

    def distance(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return signed metres (n,) from points (n, 3) to the nearest surface."""
        parts = torch.split(torch.from_numpy(np.asarray(points, np.float32)), POINTS_AT_ONCE)
        return torch.cat([self._sample.distance(part[None])[0] for part in parts]).numpy()


def true_views(sample: WorldSample, max_m: float) -> list[View]:
    """Return what the true cameras see within some metres."""
    _, _, height, width = sample.depth.shape
    near = torch.where(sample.depth[0] <= max_m, sample.depth[0], 0)
    each = zip(near, sample.K[0], sample.T_true[0], strict=True)
    return [
        View(_camera(K, width, height), Pose.from_matrix(T.double().numpy()), depth.numpy())
        for depth, K, T in each
    ]


def _camera(K: torch.Tensor, width: int, height: int) -> Intrinsics:
    # Both count pixels from the picture's corner.
    fx, fy, cx, cy = (float(K[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2)))
    return Intrinsics(width, height, fx, fy, cx, cy)
