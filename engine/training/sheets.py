"""Contact sheets: what a network says beside what is true, small enough to look at at once."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WIDTH_PX = 240
# Depth is coloured by its inverse; errors are white from a fifth of the depth on.
RANGE_M = (0.4, 5.0)
WORST_ERROR = 0.2
UNKNOWN = 60

Picture = NDArray[np.uint8]


def depth_row(rgb_3hw: Tensor, truth_hw: Tensor, depth_hw: Tensor) -> Picture:
    """Return colour, true depth, estimate and error side by side."""
    truth, depth = _numpy(truth_hw), _numpy(depth_hw)
    known = truth > 0
    share = np.where(known, np.abs(depth - truth) / np.where(known, truth, 1), 0) / WORST_ERROR
    error = _mapped(share, cv2.COLORMAP_INFERNO)
    error[~known] = UNKNOWN
    colour = (_numpy(rgb_3hw).transpose(1, 2, 0).clip(0, 1) * 255).astype(np.uint8)
    return _beside([colour, depth_picture(truth), depth_picture(depth), error])


def slice_row(slices: Sequence[Tensor]) -> Picture:
    """Return signed distances (x, y) in -1..1 side by side: free blue, matter red, unknown grey."""
    pictures = []
    for values in map(_numpy, slices):
        known = np.isfinite(values)
        picture = _mapped(0.5 - 0.5 * np.where(known, values, 0), cv2.COLORMAP_TURBO)
        picture[~known] = UNKNOWN
        pictures.append(picture)
    return _beside(pictures)


def depth_picture(depth: NDArray[np.float32]) -> Picture:
    """Return depth in colours, unknown black."""
    near, far = RANGE_M
    share = (1 / np.clip(depth, near, far) - 1 / far) / (1 / near - 1 / far)
    picture = _mapped(share, cv2.COLORMAP_TURBO)
    picture[~(depth > 0)] = 0
    return picture


def stacked(rows: Sequence[Picture]) -> Picture:
    """Return rows of one width below each other."""
    return np.vstack(rows)


def _beside(pictures: Sequence[Picture]) -> Picture:
    height, width = pictures[0].shape[:2]
    size = (WIDTH_PX, round(WIDTH_PX * height / width))
    small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures]
    return np.hstack(small).astype(np.uint8)


def _mapped(share: NDArray[np.floating], colours: int) -> Picture:
    steps = (np.nan_to_num(share).clip(0, 1) * 255).astype(np.uint8)
    bgr = cv2.applyColorMap(steps, colours)
    return np.ascontiguousarray(bgr[..., ::-1], np.uint8)


def _numpy(values: Tensor) -> NDArray[np.float32]:
    return np.asarray(values.detach().to(torch.float32).cpu().numpy())
