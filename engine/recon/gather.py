"""What many views say about many points: sums of features and of guidance, and their counts."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.nets.finerecon.guidance import depth_weights
from engine.nets.finerecon.model import FineRecon
from engine.nets.finerecon.projection import feature_sums, mean, scale_intrinsics, seen
from engine.recon.views import DepthView, View


@dataclass(slots=True)
class Sums:
    """Running sums over views at n points; add views in any order, in any portions.

    Attributes:
        features_cn: sum of image features.
        views_n: how many views saw a point.
        guidance_n: sum of guidance.
        depths_n: how many depth pictures counted; at points, the sum of what each counted for.
    """

    features_cn: Tensor
    views_n: Tensor
    guidance_n: Tensor
    depths_n: Tensor

    @staticmethod
    def zero(channels: int, count: int, device: torch.device) -> "Sums":
        """Return sums over no view."""
        rows = [torch.zeros(count, device=device) for _ in range(3)]
        return Sums(torch.zeros(channels, count, device=device), *rows)

    def mean(self) -> Tensor:
        """Return the mean features (c, n), 0 where no view saw a point."""
        return mean(self.features_cn, self.views_n)

    def add_features(
        self,
        network: FineRecon,
        features_chw: Tensor,
        view: View,
        points_n3: Tensor,
        at: Tensor,
        is_border_weighted: bool,
    ) -> None:
        """Add a view's features to the points of index `at`."""
        points = points_n3[at]
        total, count = feature_sums(
            features_chw[None],
            points,
            view.K,
            view.image_hw,
            view.T_cam_world[None],
            is_border_weighted,
            _weights(network.config.bp_weighting, view.depth, points),
        )
        self.features_cn.index_add_(1, at, total)
        self.views_n[at] += count

    def add_guidance(
        self,
        network: FineRecon,
        depth: DepthView,
        points_n3: Tensor,
        at: Tensor,
        *,
        at_points: bool = False,
    ) -> None:
        """Add what a depth picture says about the points of index `at`."""
        total, count = network.guidance_sums(
            depth.depth_hw[None],
            points_n3[at],
            depth.K,
            depth.T_cam_world[None],
            at_points=at_points,
        )
        self.guidance_n[at] += total
        self.depths_n[at] += count


def _weights(weighting: str, depth: DepthView | None, points_n3: Tensor) -> Tensor | None:
    """Return the ablations' weights (1, n) by distance to the surface; None where all count."""
    if depth is None:
        # Unknown depth has weight 0 under every weighting.
        return None if weighting == "none" else points_n3.new_zeros(1, len(points_n3))
    return depth_weights(
        depth.depth_hw[None], points_n3, depth.K, depth.T_cam_world[None], weighting
    )


def in_picture(points_n3: Tensor, view: View) -> Tensor:
    """Return the index of the points inside the photograph, judged at its full size."""
    return _where(seen(points_n3, view.K, view.image_hw, view.T_cam_world[None]))


def in_features(points_n3: Tensor, view: View, feature_hw: tuple[int, int]) -> Tensor:
    """Return the index of the points inside the feature map: those its features count for."""
    K = scale_intrinsics(view.K, view.image_hw, feature_hw)
    return _where(seen(points_n3, K, feature_hw, view.T_cam_world[None]))


def in_depth(points_n3: Tensor, depth: DepthView) -> Tensor:
    """Return the index of the points inside the depth picture."""
    height, width = depth.depth_hw.shape
    return _where(seen(points_n3, depth.K, (height, width), depth.T_cam_world[None]))


def _where(is_seen_1n: Tensor) -> Tensor:
    return is_seen_1n[0].nonzero()[:, 0]
