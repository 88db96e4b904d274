"""Depth for training is what a scan would have: confirmed by neighbours, or unknown."""

import numpy as np
import torch

from app.scanned_samples import Scanned
from engine.core.frames import Photo
from engine.depth.base import DepthMap
from engine.training.kept import KeptSample

HEIGHT, WIDTH, DEPTH_M = 24, 32, 2.0


class _Wall:
    """Sees a wall straight ahead; the third picture sees it half a metre too near."""

    source_count = 2

    def estimate(self, reference: Photo, sources: list[Photo]) -> DepthMap:
        depth = np.full((HEIGHT, WIDTH), DEPTH_M, np.float32)
        if reference.index == 2:
            depth -= 0.5
        depth[:, :4] = 1.0
        sure = np.full_like(depth, 0.9)
        sure[:, :4] = 0.1
        return DepthMap(depth, sure, reference.intrinsics)


def _sample() -> KeptSample:
    views = 6
    T = torch.eye(4).repeat(1, views, 1, 1)
    T[0, :, 0, 3] = 0.12 * torch.arange(views)
    K = torch.tensor([[30.0, 0, WIDTH / 2], [0, 30.0, HEIGHT / 2], [0, 0, 1]])
    return KeptSample(
        torch.rand(1, views, 3, HEIGHT, WIDTH),
        torch.full((1, views, HEIGHT, WIDTH), DEPTH_M),
        K.repeat(1, views, 1, 1),
        T,
        None,
    )


def test_only_what_neighbours_confirm_is_known():
    depth = Scanned(_Wall())(_sample())
    assert depth.shape == (1, 6, HEIGHT, WIDTH)
    # The liar is denied by all others; the unsure columns are unknown everywhere.
    assert (depth[0, 2, :, 8:24] == 0).all()
    assert (depth[0, :, :, :4] == 0).all()
    for view in (0, 1, 3, 4, 5):
        middle = depth[0, view, :, 8:24]
        assert (middle == DEPTH_M).float().mean() > 0.7
