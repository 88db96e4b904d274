"""Samples as the correcting network sees them: swept, each time from another of their views.

Who trains says how to sweep: by `plane_sweep_torch` on a GPU, by the compiled kernel where it is.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from engine.kernels.plane_sweep import NOISE_GREY, RADIUS_PX, Smoothness, rival_gap
from engine.kernels.plane_sweep_torch import Maps, swept
from engine.nets.simplerecon.geometry import pose_distance
from engine.nets.sweepdepth.config import SweepDepthConfig
from engine.nets.sweepdepth.model import Swept
from engine.training.augment import grey
from engine.training.data import Sample

# A drawn sample serves so often, each time with another reference.
TURNS = 2
# Chances of one source, two, ...; the last is of all others. Scans have few at their beginning.
SOURCE_CHANCES = (0.08, 0.17, 0.25, 0.5)
BEST_DISTANCE = 0.2
# Beyond the last plane, truth counts as on it, up to so many planes.
BEYOND = 8
SALT = 7


class Cameras(NamedTuple):
    """References and the motions to their sources, in pixels counted from corners.

    Attributes:
        grey_bhw: references, around zero.
        sources_bshw: likewise.
        A_bs33: `plane_sweep` defines it.
        b_bs3: likewise.
        is_used_bs: which sources count.
    """

    grey_bhw: Tensor
    sources_bshw: Tensor
    A_bs33: Tensor
    b_bs3: Tensor
    is_used_bs: Tensor


Sweeper = Callable[[Cameras, SweepDepthConfig], Maps]


class Task(NamedTuple):
    """What the network sees, and the right planes (b, h, w), NaN unknown."""

    swept: Swept
    truth_bhw: Tensor


def sweep_by_torch(cameras: Cameras, config: SweepDepthConfig) -> Maps:
    """Return maps of references, computed where the pictures are."""
    return swept(
        *cameras, inverse_depths(config, cameras.grey_bhw.device), RADIUS_PX, NOISE_GREY,
        Smoothness(), rival_gap(config.step),
    )  # fmt: skip


def inverse_depths(config: SweepDepthConfig, device: torch.device) -> Tensor:
    """Return those of the planes, 1/m."""
    number = torch.arange(config.planes, device=device)
    return torch.exp(-config.step * number) / config.near_m


def task(sample: Sample, index: int, sweeper: Sweeper, config: SweepDepthConfig) -> Task:
    """Return a sample with the reference and sources that belong to an index."""
    dice = np.random.default_rng((SALT, index))
    references = [_reference(index, sample.pictures.shape[1], dice) for _ in sample.pictures]
    return seen_from(sample, torch.tensor(references), _counts(sample, dice), sweeper, config)


def seen_from(
    sample: Sample,
    reference_b: Tensor,
    count_b: Tensor,
    sweeper: Sweeper,
    config: SweepDepthConfig,
) -> Task:
    """Return a sample with given references, each with so many of its best sources."""
    device = sample.pictures.device
    cameras = motions(sample, reference_b.to(device), count_b.to(device))
    maps = sweeper(cameras, config)
    row = torch.arange(len(reference_b), device=device)
    pictures = sample.pictures[row, reference_b.to(device)]
    depth = sample.depth[row, reference_b.to(device)]
    return Task(
        Swept(pictures, maps.plane_bhw, maps.least_bhw, maps.margin_bhw, maps.volume_b2dhw),
        true_planes(depth, config),
    )


def true_planes(depth_bhw: Tensor, config: SweepDepthConfig) -> Tensor:
    """Return depth in metres as planes with fractions, NaN where unknown or out of reach."""
    plane = (depth_bhw / config.near_m).log() / config.step
    is_near = (depth_bhw > 0) & (plane > -1) & (plane < config.planes + BEYOND)
    return torch.where(is_near, plane.clamp(-1, config.planes), torch.nan)


def motions(sample: Sample, reference_b: Tensor, count_b: Tensor) -> Cameras:
    """Return cameras of references; sources come by how near their distance is to the best one."""
    row = torch.arange(len(reference_b), device=reference_b.device)
    K, T = sample.K.double(), sample.T_world_cam.double()
    T_src_ref = torch.linalg.inv(T) @ T[row, reference_b][:, None]
    distance, _, _ = pose_distance(T_src_ref.float())
    wrong = (distance - BEST_DISTANCE).abs()
    wrong[row, reference_b] = torch.inf
    order = wrong.argsort(1)[:, :-1]
    pick = row[:, None], order
    K_src, T_src_ref = K[pick], T_src_ref[pick]
    A = K_src @ T_src_ref[..., :3, :3] @ torch.linalg.inv(K[row, reference_b])[:, None]
    b = (K_src @ T_src_ref[..., :3, 3:])[..., 0]
    shade = grey(sample.pictures)[:, :, 0] * 255 - 128
    number = torch.arange(order.shape[1], device=order.device)
    return Cameras(shade[row, reference_b], shade[pick], A, b, number < count_b[:, None])


def packed(task: Task) -> dict[str, Tensor]:
    """Return a task as it is kept: bytes and halves."""
    swept, truth = task
    return {
        "picture": (swept.picture_b3hw * 255).round().clamp(0, 255).to(torch.uint8),
        "plane": swept.plane_bhw.half(),
        "least": swept.least_bhw.half(),
        "margin": swept.margin_bhw.clamp_max(1e3).half(),
        "volume": (swept.volume_b2dhw * 255).round().clamp(0, 255).to(torch.uint8),
        "truth": truth.half(),
    }


def unpacked(tensors: Mapping[str, Tensor]) -> Task:
    """Return the task that `packed` made small.

    Raises:
        KeyError: something is missing.
    """
    swept = Swept(
        tensors["picture"].float() / 255,
        tensors["plane"].float(),
        tensors["least"].float(),
        tensors["margin"].float(),
        tensors["volume"].float() / 255,
    )
    return Task(swept, tensors["truth"].float())


def _reference(index: int, views: int, dice: np.random.Generator) -> int:
    """Return the view that was drawn as the reference in the first turn, any other later."""
    return 0 if index % TURNS == 0 else int(dice.integers(1, views))


def _counts(sample: Sample, dice: np.random.Generator) -> Tensor:
    """Return how many sources each reference has."""
    b, views = sample.pictures.shape[:2]
    most = min(len(SOURCE_CHANCES), views - 1)
    chances = np.array(SOURCE_CHANCES[-most:])
    return torch.from_numpy(dice.choice(np.arange(1, most + 1), b, p=chances / chances.sum()))
