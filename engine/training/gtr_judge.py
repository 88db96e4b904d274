"""How a GTR does on held-out objects while it learns: shape at points, looks through the volume."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.nets.gtr.grid import density_grid, grid_points
from engine.nets.gtr.model import Gtr
from engine.nets.gtr.volume_render import render_rays
from engine.training import sheets
from engine.training.gtr_points import LEVEL, channels, world_rays
from engine.training.objects import ObjectSample
from engine.training.recipe import Judged

INPUTS = 4
GRID = 48
# Pictures that are judged while training are smaller than those the network reads.
SHRINK = 4
SHEET_ROWS, SHEET_PX = 8, 112
METRICS = ("iou", "lift_iou", "psnr_db", "mask_iou")


def judge(network: Gtr, held_out: Sequence[ObjectSample]) -> Judged:
    """Return mean numbers over objects: overlap with the truth, and how two judged views look."""
    scores: list[list[float]] = []
    rows: list[NDArray[np.uint8]] = []
    for sample in held_out:
        shown = channels(sample, torch.arange(INPUTS, device=sample.K.device))
        triplane, occupancy = network.generator.with_occupancy(shown)
        points = grid_points(GRID, triplane)
        solid = sample.distance(points.reshape(1, -1, 3)).reshape(points.shape[:3]) < 0
        ours = density_grid(network.field, triplane[0], GRID) > LEVEL
        lifted = torch.nan
        if occupancy is not None:
            place = points.flip(-1)[None]
            at = torch.nn.functional.grid_sample(occupancy[:, None], place, align_corners=False)
            lifted = overlap(at[0, 0] > 0, solid)
        looks = [_look(network, triplane[0], sample, view) for view in (INPUTS, INPUTS + 3)]
        scores.append(
            [
                overlap(ours, solid),
                lifted,
                float(np.mean([look[0] for look in looks])),
                float(np.mean([look[1] for look in looks])),
            ]
        )
        if len(rows) < SHEET_ROWS:
            shown_pictures = [sample.pictures[0, k] for k in range(INPUTS)]
            pairs = [picture for look in looks for picture in look[2]]
            rows.append(np.hstack([_bytes(picture) for picture in [*shown_pictures, *pairs]]))
    means = np.nanmean(np.array(scores), axis=0)
    return Judged(dict(zip(METRICS, means.tolist(), strict=True)), sheets.stacked(rows))


def overlap(ours: Tensor, truth: Tensor) -> float:
    """Return intersection over union."""
    return float((ours & truth).sum() / (ours | truth).sum().clamp_min(1))


def _look(
    network: Gtr, planes: Tensor, sample: ObjectSample, view: int
) -> tuple[float, float, tuple[Tensor, Tensor]]:
    """Return PSNR in dB, overlap of masks, and truth and rendering (3, h, w)."""
    rays, origins = world_rays(sample)
    ray = torch.nn.functional.normalize(rays[0, view, ::SHRINK, ::SHRINK], dim=-1)
    truth = sample.pictures[0, view, :, ::SHRINK, ::SHRINK]
    flat = ray.reshape(-1, 3)
    seen = render_rays(network.field, planes, origins[0, view].expand_as(flat), flat)
    ours = seen.rgb.reshape(ray.shape).permute(2, 0, 1)
    error = float((ours - truth).square().mean())
    mask = seen.accumulation.reshape(ray.shape[:2]) > 0.5
    true_mask = sample.depth[0, view, ::SHRINK, ::SHRINK] > 0
    return -10 * float(np.log10(max(error, 1e-9))), overlap(mask, true_mask), (truth, ours)


def _bytes(picture: Tensor) -> NDArray[np.uint8]:
    shown = picture.detach().float().cpu().clamp(0, 1).permute(1, 2, 0).numpy()
    size = (SHEET_PX, SHEET_PX)
    return np.asarray(cv2.resize((shown * 255).astype(np.uint8), size), np.uint8)
