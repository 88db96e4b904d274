"""Density on a regular grid of the box."""

from typing import cast

import torch
from torch import Tensor, nn

from engine.nets.gtr.field import TriplaneField, to_density
from engine.nets.gtr.precision import full_precision, wide
from engine.nets.gtr.triplane import PLANE_AXES, sample_planes

# Grid points whose hidden layer is held at once; 128 MB at a width of 32.
CHUNK_POINTS = 1 << 20


def grid_axis(resolution: int, like: Tensor) -> Tensor:
    """Return the (resolution,) coordinates along every axis: both ends of [-1, 1] included."""
    # Stretched from [0, 1] as published: densities are steep, and the roundings of another way to
    # the same coordinates show in them.
    shares = torch.linspace(0, 1, resolution, dtype=wide(like).dtype, device=like.device)
    return shares * 2 - 1


def grid_points(resolution: int, like: Tensor) -> Tensor:
    """Return the points (resolution, resolution, resolution, 3), indexed x, y, z."""
    axis = grid_axis(resolution, like)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)


def density_grid(field: TriplaneField, triplane: Tensor, resolution: int) -> Tensor:
    """Return the density (x, y, z) at `grid_points` of a triplane (3, c, h, w).

    Equal to the field at every point but much faster: a point's share of the first layer through
    one plane depends on two of its coordinates, so each plane is read once and three small
    pictures are added.
    """
    mlp = field.decoder.field.mlp_sigma
    with full_precision(triplane):
        xy, xz, yz = _first_layer_shares(field, wide(triplane), resolution)
        slabs = max(1, CHUNK_POINTS // resolution**2)
        raw = [
            mlp.after_first(xy_part[:, :, None] + xz_part[:, None, :] + yz[None])[..., 0]
            for xy_part, xz_part in zip(torch.split(xy, slabs), torch.split(xz, slabs), strict=True)
        ]
        return to_density(torch.cat(raw))


def _first_layer_shares(
    field: TriplaneField, triplane: Tensor, resolution: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return each plane's part of the first layer, (first axis, second axis, width)."""
    first = cast(nn.Linear, field.decoder.field.mlp_sigma.layers[0])
    axis = grid_axis(resolution, triplane)
    flat = torch.cartesian_prod(axis, axis)
    shares = []
    for plane, (along_width, along_height) in enumerate(PLANE_AXES):
        points = torch.zeros(len(flat), 3, dtype=flat.dtype, device=flat.device)
        points[:, along_width], points[:, along_height] = flat[:, 0], flat[:, 1]
        values = sample_planes(triplane, points)[..., plane]
        share = values @ first.weight[:, plane::3].T
        shares.append(torch.unflatten(share, 0, (resolution, resolution)))
    return shares[0] + first.bias, shares[1], shares[2]
