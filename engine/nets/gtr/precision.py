"""Arithmetic that stays in float32 whatever autocast says."""

import torch
from torch import Tensor


def full_precision(like: Tensor) -> torch.autocast:
    """Return a context in which autocast is off on the device of `like`."""
    return torch.autocast(like.device.type, enabled=False)


def wide(values: Tensor) -> Tensor:
    """Return the values as float32; float64 is kept."""
    return values if values.dtype == torch.float64 else values.float()
