"""Where on its picture each point of a solid lies."""

import math

import torch
from torch import Tensor

from engine.synth.shapes import Kind, largest_axis
from engine.synth.world import Part


def mapping(part: Part) -> tuple[tuple[float, float, float], tuple[float, float]]:
    """Return pictures a metre along the three local axes, and the shift, of one part."""
    outer = part.shape.outer_half_m()
    tile = part.material.tile_m
    if part.shape.kind in (Kind.FRUSTUM, Kind.TORUS):
        # Round things are wrapped a whole number of times, so that the seam closes.
        girth = 2 * math.pi * max(outer[0], 1e-3)
        times = max(1, round(girth / tile)) if tile else 1
        fit = 1 / (2 * max(outer[2], 1e-3))
        across = 1 / tile if tile else 1 / (2 * max(outer[0], 1e-3))
        return (times / (2 * math.pi), across, 1 / tile if tile else fit), (
            part.shift if tile else (0.5, 0.5)
        )
    if tile:
        return (1 / tile, 1 / tile, 1 / tile), part.shift
    x, y, z = (1 / (2 * max(h, 1e-3)) for h in outer)
    return (x, y, z), (0.5, 0.5)


def coordinates(
    p: Tensor,
    normal: Tensor,
    is_round: Tensor,
    outer: Tensor,
    scale: Tensor,
    shift: Tensor,
    grained: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return u, v and pictures a metre (n,) at points of solids.

    Args:
        p: (n, 3) points in the frame of their solid.
        normal: (n, 3) in the same frame.
        is_round: (n,) whether the picture is wrapped round z.
        outer: (n, 3) half extents of the solid.
        scale: (n, 3) and
        shift: (n, 2), as `mapping` says.
        grained: (n,) whether the picture turns along the longer edge of each face.
    """
    face = largest_axis(normal.abs())
    flat_u = torch.where(face == 0, 1, 0)
    flat_v = torch.where(face == 2, 1, 2)
    # Grain runs along the longer edge of each face.
    longer_v = _pick(outer, flat_v) > _pick(outer, flat_u)
    swap = grained & longer_v
    axis_u, axis_v = torch.where(swap, flat_v, flat_u), torch.where(swap, flat_u, flat_v)
    u = _pick(p, axis_u) * _pick(scale, axis_u)
    v = -_pick(p, axis_v) * _pick(scale, axis_v)
    per_m = torch.maximum(_pick(scale, axis_u), _pick(scale, axis_v))
    side = is_round & (face != 2)
    angle = torch.atan2(p[:, 1], p[:, 0])
    u = torch.where(side, angle * scale[:, 0], torch.where(is_round, p[:, 0] * scale[:, 1], u))
    v = torch.where(side, -p[:, 2] * scale[:, 2], torch.where(is_round, p[:, 1] * scale[:, 1], v))
    per_m = torch.where(is_round, torch.where(side, scale[:, 2], scale[:, 1]), per_m)
    return u + shift[:, 0], v + shift[:, 1], per_m


def _pick(values: Tensor, axis: Tensor) -> Tensor:
    return values.gather(1, axis[:, None])[:, 0]
