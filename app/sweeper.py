"""Sweeps for training on a processor, by the compiled kernel."""

import numpy as np
import torch
from torch import Tensor

from engine.core.arrays import F32
from engine.kernels.plane_sweep import NOISE_GREY, RADIUS_PX, Smoothness, rival_gap
from engine.kernels.plane_sweep_numba import photo_costs, smooth_pick_and_keep
from engine.kernels.plane_sweep_torch import Maps
from engine.nets.sweepdepth.config import SweepDepthConfig
from engine.training.sweeping import Cameras, inverse_depths, sweep_by_torch


def sweep(cameras: Cameras, config: SweepDepthConfig) -> Maps:
    """Return maps of references, computed where the pictures are."""
    if cameras.grey_bhw.device.type != "cpu":
        return sweep_by_torch(cameras, config)
    planes = inverse_depths(config, torch.device("cpu")).double().numpy()
    gap = rival_gap(config.step)
    rows: list[tuple[F32, ...]] = []
    for grey, sources, A, b, is_used in zip(*(each.numpy() for each in cameras), strict=True):
        grey = np.ascontiguousarray(grey, np.float32)
        costs = photo_costs(
            grey, list(sources[is_used]), A[is_used], b[is_used], planes, RADIUS_PX, NOISE_GREY
        )
        picked, volume = smooth_pick_and_keep(costs, grey, Smoothness(), gap)
        rows.append((picked.plane, picked.least, picked.margin, volume))
    return Maps(*(_stacked(some) for some in zip(*rows, strict=True)))


def _stacked(some: tuple[F32, ...]) -> Tensor:
    return torch.from_numpy(np.stack(some))
