"""The depth recipe: SimpleRecon's losses and augmentation, on worlds of which all is known."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.simplerecon import geometry
from engine.nets.simplerecon.augment import mirrored_scene
from engine.nets.simplerecon.confidence import confidence
from engine.nets.simplerecon.losses import MULTI_VIEW_WEIGHT, valid_depth
from engine.nets.simplerecon.model import RESULT_SHRINK, SimpleRecon, normalised
from engine.training import sheets
from engine.training.augment import jittered
from engine.training.data import Sample, Worlds
from engine.training.recipe import Judged
from engine.training.sizes import DepthSize
from engine.training.volume_loss import volume_loss

JITTER = 0.2
FLIP_CHANCE = 0.5
# Depth that is judged; the planes reach from 0.25 to 5 m.
JUDGED_M = (0.25, 8.0)
KEPT_SHARE = 0.8
NEARNESS = torch.tensor([1.05, 1.25])
SHEET_ROWS = 6


class Views(NamedTuple):
    """A sample as the network wants it: the reference first, then sources by pose distance."""

    pictures_bv3hw: Tensor
    depth_bv1hw: Tensor
    K_bv33: Tensor
    T_ref_cam_bv44: Tensor


class DepthRecipe:
    """Trains a SimpleRecon."""

    network_name = "simplerecon"

    def __init__(self, size: DepthSize, worlds: Worlds, held_out: int) -> None:
        """Learn from worlds; as many held-out ones judge."""
        self.plan = size.plan
        self.config: dict[str, Any] = size.network.as_dict()
        self._size = size
        self._worlds = worlds
        self._held_out_count = held_out
        self._held_out: list[Views] = []

    def build(self) -> nn.Module:
        """Return the network with new weights."""
        network = SimpleRecon(self._size.network)
        network.cost_volume.chunk_planes = self._size.chunk_planes
        return network

    def batch(self, index: int) -> Views:
        """Return the samples of an index."""
        return ordered(self._worlds.batch(index))

    def loss(self, network: nn.Module, batch: Views) -> Mapping[str, Tensor]:
        """Return the published terms; an augmented batch is what is learned from."""
        assert isinstance(network, SimpleRecon)
        pictures, depth, K, poses = augmented(batch)
        is_mirrored = bool(torch.rand(()) < FLIP_CHANCE)
        predicted = network(normalised(pictures * 255), K, poses, is_mirrored)
        truth = valid_depth(_shrunk(depth))
        terms = network.losses(predicted.log_depths, truth, K, poses)
        # A source that shares no pixel with its reference has no term; nor have normals where holes
        # of sensor depth leave no whole neighbourhood.
        multi_view, normals = (term.nan_to_num(0.0) for term in (terms.mv_loss, terms.normals_loss))
        loss = terms.ms_loss + terms.grad_loss + normals + MULTI_VIEW_WEIGHT * multi_view
        if self._size.volume_weight:
            planes_m = network.cost_volume.planes_m()
            volume = volume_loss(predicted.volume.cost_bdhw, truth[:, 0], planes_m)
            loss = loss + self._size.volume_weight * volume
        else:
            volume = torch.zeros_like(loss)
        return {
            "loss": loss,
            "volume": volume,
            "depth": terms.ms_loss,
            "gradients": terms.grad_loss,
            "normals": normals,
            "multi_view": multi_view,
            "log_l1": terms.log_l1_loss,
        }

    def prepare(self) -> None:
        """Draw the held-out pictures."""
        self._held_out = [
            ordered(self._worlds.held_out(number)) for number in range(self._held_out_count)
        ]

    def judge(self, network: nn.Module) -> Judged:
        """Return mean errors over held-out pictures, every pixel, and some of them to look at."""
        assert isinstance(network, SimpleRecon)
        scores: list[Tensor] = []
        rows: list[sheets.Picture] = []
        for views in self._held_out:
            predicted = network(
                normalised(views.pictures_bv3hw * 255), views.K_bv33, views.T_ref_cam_bv44
            )
            truth_bhw = views.depth_bv1hw[:, 0, 0]
            depth_b1hw = F.interpolate(
                predicted.log_depths[0].exp(), size=truth_bhw.shape[-2:], mode="nearest"
            )
            sure_b1hw = F.interpolate(
                confidence(predicted, network.cost_volume.planes_m()), size=truth_bhw.shape[-2:]
            )
            parts = zip(depth_b1hw[:, 0], truth_bhw, sure_b1hw[:, 0], strict=True)
            scores += [errors(*part) for part in parts]
            if len(rows) < SHEET_ROWS:
                rows.append(
                    sheets.depth_row(views.pictures_bv3hw[0, 0], truth_bhw[0], depth_b1hw[0, 0])
                )
        # A picture in which nothing is known says nothing.
        means = torch.stack(scores).nanmean(dim=0).tolist()
        return Judged(dict(zip(METRICS, means, strict=True)), sheets.stacked(rows))


METRICS = ("absrel", "sqrel", "rmse", "d105", "d125", "kept_absrel", "kept_d105")


def errors(depth_hw: Tensor, truth_hw: Tensor, sure_hw: Tensor) -> Tensor:
    """Return the mean errors of one picture in the order of `METRICS`; NaN if nothing is known.

    Kept are the surest four fifths of the pixels.
    """
    known = (truth_hw > JUDGED_M[0]) & (truth_hw < JUDGED_M[1])
    depth, truth, sure = depth_hw[known], truth_hw[known], sure_hw[known]
    off = (depth - truth).abs()
    close = (torch.maximum(depth / truth, truth / depth)[:, None] < NEARNESS.to(depth)).float()
    kept = sure.argsort(descending=True)[: round(KEPT_SHARE * len(sure))]
    return torch.stack(
        [
            (off / truth).mean(),
            (off**2 / truth).mean(),
            (off**2).mean().sqrt(),
            close[:, 0].mean(),
            close[:, 1].mean(),
            (off / truth)[kept].mean(),
            close[kept, 0].mean(),
        ]
    )


def ordered(sample: Sample) -> Views:
    """Return a sample with sources by distance, seen from the reference, its first view.

    The network's world is the reference camera: no digit is lost far from the origin.
    """
    poses = sample.T_world_cam.double()
    T_ref_cam = (torch.linalg.inv(poses[:, :1]) @ poses).float()
    distance, _, _ = geometry.pose_distance(T_ref_cam)
    # The reference stays first whatever rounding says.
    distance[:, 0] = -1
    order = distance.argsort(dim=1, stable=True)
    pick = torch.arange(len(order), device=order.device)[:, None], order
    depth = sample.depth[:, :, None]
    return Views(sample.pictures[pick], depth[pick], sample.K[pick], T_ref_cam[pick])


def augmented(views: Views) -> Views:
    """Return views with other colours, and half of the times the scene as in a mirror."""
    pictures = jittered(views.pictures_bv3hw, JITTER, tuple(views.pictures_bv3hw.shape[:2]))
    if torch.rand(()) < FLIP_CHANCE:
        return Views(
            *mirrored_scene(pictures, views.depth_bv1hw, views.K_bv33, views.T_ref_cam_bv44)
        )
    return views._replace(pictures_bv3hw=pictures)


def _shrunk(depth_bv1hw: Tensor) -> Tensor:
    """Return depth at the size of the result; never interpolated."""
    return depth_bv1hw[..., ::RESULT_SHRINK, ::RESULT_SHRINK]
