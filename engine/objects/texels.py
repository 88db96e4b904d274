"""Which texels of a triplane a fixed set of points reads, and how much of each."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.nets.gtr.triplane import PLANE_AXES


class Texels:
    """Bilinear interpolation with places and weights worked out once.

    Equal to `engine.nets.gtr.triplane.sample_planes`, summed over planes: +-1 is the outer edge
    of the outer texel, points beyond it read the border.
    """

    def __init__(self, points_n3: Tensor, size_hw: tuple[int, int] | torch.Size) -> None:
        """Work out 12 texels a point: four in each of three planes of the given size."""
        height, width = size_hw
        rows, shares = [], []
        for plane, (along_width, along_height) in enumerate(PLANE_AXES):
            x, x_share = _neighbours(points_n3[:, along_width], width)
            y, y_share = _neighbours(points_n3[:, along_height], height)
            rows.append(plane * height * width + y[:, :, None] * width + x[:, None, :])
            shares.append(y_share[:, :, None] * x_share[:, None, :])
        self._rows = torch.stack(rows, dim=1).flatten(1)
        self._shares = torch.stack(shares, dim=1).flatten(1)
        # The way back, from points to texels, is sorted once and not at every step.
        texel, order = self._rows.flatten().sort()
        self._readers = order // self._rows.shape[1]
        self._reader_shares = self._shares.flatten()[order]
        each = torch.arange(len(PLANE_AXES) * height * width, device=texel.device)
        self._first_reader = torch.searchsorted(texel, each)

    def read(self, table: Tensor) -> Tensor:
        """Return (n, c) sums over the planes of a table (3 h w, c) of texels; differentiable."""
        return _read(table, self)

    def gather(self, table: Tensor) -> Tensor:
        """Return (n, c) weighted sums of the texels (3 h w, c) that each point reads."""
        return F.embedding_bag(
            self._rows, table, per_sample_weights=self._shares.to(table.dtype), mode="sum"
        )

    def scatter(self, values: Tensor) -> Tensor:
        """Return (3 h w, c) weighted sums of the points (n, c) that read each texel."""
        return F.embedding_bag(
            self._readers,
            values,
            self._first_reader,
            per_sample_weights=self._reader_shares.to(values.dtype),
            mode="sum",
        )


class _Read(torch.autograd.Function):
    """Interpolation is linear, so its gradient is its transpose."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, texels: Texels) -> Tensor:
        ctx.texels = texels
        return texels.gather(table)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.texels.scatter(gradient.contiguous()), None


_read: Callable[[Tensor, Texels], Tensor] = _Read.apply


def _neighbours(coordinate_n: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the two texels (n, 2) beside every coordinate in [-1, 1], and their weights."""
    at = (((coordinate_n + 1) * size - 1) / 2).clamp(0, size - 1)
    low = at.floor().long().clamp_max(max(size - 2, 0))
    high = (low + 1).clamp_max(size - 1)
    rest = at - low
    return torch.stack([low, high], -1), torch.stack([1 - rest, rest], -1)
