"""Depth by sweeping planes, many pictures at once on any device: as `plane_sweep` defines it.

For training on a GPU, where pictures come in batches. On a processor the compiled kernel is several
times as fast.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.kernels.plane_sweep import BLOCK_PX, KNEE, LEAST_DEPTH, PATHS, Smoothness

FAR = 1e9
# Planes compared at once; memory grows with it.
CHUNK_PLANES = 8


class Maps(NamedTuple):
    """What a sweep says of references; `plane_sweep` defines each.

    Attributes:
        plane_bhw: the best plane, with a fraction.
        least_bhw: its cost.
        margin_bhw: how much more the best rival costs.
        volume_b2dhw: the coarse volume.
    """

    plane_bhw: Tensor
    least_bhw: Tensor
    margin_bhw: Tensor
    volume_b2dhw: Tensor


def swept(
    grey_bhw: Tensor,
    sources_bshw: Tensor,
    A_bs33: Tensor,
    b_bs3: Tensor,
    is_used_bs: Tensor,
    inverse_depths_d: Tensor,
    radius: int,
    noise: float,
    smooth: Smoothness,
    gap: int,
) -> Maps:
    """Return maps of grey references; of their sources those count that are used."""
    costs_bdhw = photo_costs(
        grey_bhw, sources_bshw, A_bs33, b_bs3, is_used_bs, inverse_depths_d, radius, noise
    )
    total_bdhw = path_costs(costs_bdhw, grey_bhw, smooth)
    plane, least, margin = pick(total_bdhw, gap)
    above = total_bdhw - total_bdhw.amin(1, keepdim=True)
    both = torch.stack([costs_bdhw, above / (above + KNEE)], 1)
    volume = F.avg_pool2d(both.flatten(1, 2), BLOCK_PX)
    return Maps(plane, least, margin, torch.unflatten(volume, 1, (2, -1)))


def photo_costs(
    grey_bhw: Tensor,
    sources_bshw: Tensor,
    A_bs33: Tensor,
    b_bs3: Tensor,
    is_used_bs: Tensor,
    inverse_depths_d: Tensor,
    radius: int,
    noise: float,
) -> Tensor:
    """Return costs (b, d, h, w) in 0..1; see `plane_sweep.photo_costs`."""
    count = (2 * radius + 1) ** 2
    floor = count * noise**2
    reference = grey_bhw[:, None, None].float()
    sum_ref, square_ref = _box(reference, radius), _box(reference * reference, radius)
    spread_ref = square_ref - sum_ref**2 / count + floor
    parts = []
    for inverse_p in torch.split(inverse_depths_d.float(), CHUNK_PLANES):
        warped, inside = _warp(sources_bshw.float(), A_bs33, b_bs3, inverse_p)
        total = _box(warped, radius)
        spread = _box(warped * warped, radius) - total**2 / count + floor
        shared = _box(warped * reference, radius) - total * sum_ref / count
        score = shared / (spread * spread_ref).sqrt()
        score = torch.where(inside & is_used_bs[:, :, None, None, None], score, -FAR)
        best = score.topk(min(2, score.shape[1]), dim=1).values
        first, second = best[:, 0], best[:, -1]
        second = torch.where(second > -FAR, second, first)
        parts.append((1 - 0.5 * (first + second)).clamp(0, 1))
    return torch.cat(parts, 1)


def path_costs(costs_bdhw: Tensor, grey_bhw: Tensor, smooth: Smoothness) -> Tensor:
    """Return costs with smoothness, a mean over eight paths; see `plane_sweep.path_costs`."""
    # Rows first: a path goes from row to row.
    rows, grey = costs_bdhw.permute(2, 0, 1, 3), grey_bhw.permute(1, 0, 2)
    total = torch.zeros_like(rows)
    for is_up in (False, True):
        some, shade = (rows.flip(0), grey.flip(0)) if is_up else (rows, grey)
        down = sum(_downward(some, shade, sideways, smooth) for sideways in (-1, 0, 1))
        assert isinstance(down, Tensor)
        total += down.flip(0) if is_up else down
    columns, turned = costs_bdhw.permute(3, 0, 1, 2), grey_bhw.permute(2, 0, 1)
    across = _downward(columns, turned, 0, smooth)
    across = across + _downward(columns.flip(0), turned.flip(0), 0, smooth).flip(0)
    whole: Tensor = total.permute(1, 2, 0, 3) + across.permute(1, 2, 3, 0)
    return whole / PATHS


def pick(total_bdhw: Tensor, gap: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return plane, least cost and margin (b, h, w); see `plane_sweep.pick`."""
    count = total_bdhw.shape[1]
    least, best = total_bdhw.min(1)
    number = torch.arange(count, device=best.device)[:, None, None]
    away = (number - best[:, None]).abs() > gap
    margin = torch.where(away, total_bdhw, FAR).amin(1) - least
    before = total_bdhw.gather(1, (best - 1).clamp_min(0)[:, None])[:, 0]
    after = total_bdhw.gather(1, (best + 1).clamp_max(count - 1)[:, None])[:, 0]
    curve = before - 2 * least + after
    fits = (best > 0) & (best < count - 1) & (curve > 1e-6)
    offset = torch.where(fits, 0.5 * (before - after) / torch.where(fits, curve, 1.0), 0.0)
    return best + offset, least, margin


def _warp(
    sources_bshw: Tensor, A_bs33: Tensor, b_bs3: Tensor, inverse_p: Tensor
) -> tuple[Tensor, Tensor]:
    """Return sources (b, s, p, h, w) as the reference would see them, and where they are in view.

    All pictures have one size; outside, the rim is repeated.
    """
    b, s, h, w = sources_bshw.shape
    device = sources_bshw.device
    y, x = torch.meshgrid(
        torch.arange(h, device=device) + 0.5, torch.arange(w, device=device) + 0.5, indexing="ij"
    )
    pixels = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    rays = (A_bs33.float() @ pixels)[:, :, None]
    where = rays + (inverse_p[:, None] * b_bs3.float()[:, :, None])[..., None]
    z = where[..., 2, :]
    ahead = z > LEAST_DEPTH
    at = where[..., :2, :] / torch.where(ahead, z, 1.0)[..., None, :]
    u, v = at[..., 0, :], at[..., 1, :]
    inside = ahead & (u >= 0.5) & (v >= 0.5) & (u <= w - 0.5) & (v <= h - 0.5)
    grid = torch.stack([2 * u / w - 1, 2 * v / h - 1], -1)
    # Counted from corners, as grid_sample does without aligned corners.
    warped = F.grid_sample(
        sources_bshw.reshape(b * s, 1, h, w),
        grid.reshape(b * s, -1, w, 2).nan_to_num(-2.0),
        padding_mode="border",
        align_corners=False,
    )
    shape = (b, s, len(inverse_p), h, w)
    return warped.reshape(shape), inside.reshape(shape)


def _box(values_xhw: Tensor, radius: int) -> Tensor:
    """Return the sum over the square window around every pixel; the rim is repeated."""
    h, w = values_xhw.shape[-2:]
    padded = F.pad(values_xhw.reshape(-1, 1, h, w), (radius,) * 4, mode="replicate")
    side = 2 * radius + 1
    summed = F.avg_pool2d(F.avg_pool2d(padded, (side, 1), 1), (1, side), 1) * side**2
    return summed.reshape(values_xhw.shape)


def _downward(costs_hbdw: Tensor, grey_hbw: Tensor, sideways: int, smooth: Smoothness) -> Tensor:
    """Return path costs from row to row; a path comes from `sideways` pixels to the left."""
    width = costs_hbdw.shape[-1]
    here = slice(max(0, sideways), width + min(0, sideways))
    there = slice(max(0, -sideways), width + min(0, -sideways))
    contrast = (grey_hbw[1:, :, here] - grey_hbw[:-1, :, there]).abs()
    jump = (smooth.jump / (1 + contrast * smooth.per_grey)).clamp_min(smooth.step)[:, :, None]
    rows = [costs_hbdw[0]]
    for cost, wanted in zip(costs_hbdw[1:], jump, strict=True):
        before = rows[-1][..., there]
        least = before.amin(1, keepdim=True)
        beside = F.pad(before, (0, 0, 1, 1), value=FAR)
        beside = torch.minimum(beside[:, :-2], beside[:, 2:]) + smooth.step
        way = torch.minimum(torch.minimum(before, beside), least + wanted) - least
        row = cost.clone()
        row[..., here] += way
        rows.append(row)
    return torch.stack(rows)
