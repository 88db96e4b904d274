"""Volume rendering of the field: the first training stage (and the check on the second)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.nets.gtr.field import TriplaneField
from engine.nets.gtr.precision import full_precision, wide

# Distances along a ray are kept to this range.
NEAREST, MISS = 0.2, 1e10
BACKGROUND = 1.0


@dataclass(frozen=True, slots=True)
class RayColors:
    """What rays (n, 3) see.

    Attributes:
        rgb: (n, 3) over white.
        accumulation: (n,) the share that is not background.
        distance: (n,) mean length of the way to what is seen, times `accumulation`.
    """

    rgb: Tensor
    accumulation: Tensor
    distance: Tensor


def ray_box(origins: Tensor, directions: Tensor, aabb: Tensor) -> tuple[Tensor, Tensor]:
    """Return where rays (..., 3) enter and leave the box (6,), by the slab test.

    A ray that misses the box has `MISS` for both.
    """
    slowest = torch.full_like(directions, 1e-20)
    steps = 1 / torch.where(directions == 0, slowest, directions)
    low, high = (aabb[:3] - origins) * steps, (aabb[3:] - origins) * steps
    near = torch.minimum(low, high).amax(-1).clamp(NEAREST, MISS)
    far = torch.maximum(low, high).amin(-1).clamp(NEAREST, MISS)
    missed = far <= near
    return near.masked_fill(missed, MISS), far.masked_fill(missed, MISS)


def borrowed(near: Tensor, far: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return near, far and hit; rays that miss get the range of all rays that hit.

    Their samples only keep the arithmetic finite: they carry no density.
    """
    hit = far < MISS
    least = torch.where(hit, near, MISS).amin()
    most = torch.where(hit, far, NEAREST).amax()
    return torch.where(hit, near, least), torch.where(hit, far, most), hit


def bin_edges(near: Tensor, far: Tensor, samples: int, noise: Tensor | None = None) -> Tensor:
    """Return the (n, samples + 1) edges of equal bins between near and far (n,).

    `noise` in [0, 1), of the same shape, moves every edge on its own to somewhere between the
    middles of the bins beside it.
    """
    shares = torch.linspace(0, 1, samples + 1, dtype=near.dtype, device=near.device)
    edges = near[..., None] + (far - near)[..., None] * shares
    if noise is None:
        return edges
    middles = (edges[..., 1:] + edges[..., :-1]) / 2
    lower = torch.cat([edges[..., :1], middles], dim=-1)
    upper = torch.cat([middles, edges[..., -1:]], dim=-1)
    return lower + (upper - lower) * noise


def weights(density: Tensor, lengths: Tensor) -> Tensor:
    """Return the share (..., samples) of a ray's colour that each bin gives.

    w_i = (1 - exp(-s_i d_i)) exp(-sum_{j<i} s_j d_j).
    """
    thickness = density * lengths
    before = torch.cumsum(thickness, dim=-1) - thickness
    return -torch.expm1(-thickness) * torch.exp(-before)


def render_rays(
    field: TriplaneField,
    triplane: Tensor,
    origins: Tensor,
    directions: Tensor,
    noise: Tensor | None = None,
    rays_at_once: int = 1 << 14,
) -> RayColors:
    """Return what rays (n, 3) of unit direction see of a triplane (3, c, h, w).

    `noise` (n, samples + 1) jitters the samples, for training; without it the samples are even
    and colours are clamped to [0, 1], for evaluation.
    """
    with full_precision(triplane):
        origins, directions = wide(origins), wide(directions)
        # Before the rays are cut into portions: what a missing ray borrows hangs on all of them.
        near, far, hit = borrowed(*ray_box(origins, directions, field.aabb))
        edges = bin_edges(near, far, field.config.num_samples_per_ray, noise)
        parts = [
            _render(field, triplane, *portion)
            for portion in zip(
                *(torch.split(rays, rays_at_once) for rays in (origins, directions, edges, hit)),
                strict=True,
            )
        ]
        rgb = torch.cat([part.rgb for part in parts])
        accumulation = torch.cat([part.accumulation for part in parts])
        distance = torch.cat([part.distance for part in parts])
    return RayColors(rgb if noise is not None else rgb.clamp(0, 1), accumulation, distance)


def _render(
    field: TriplaneField,
    triplane: Tensor,
    origins: Tensor,
    directions: Tensor,
    edges: Tensor,
    hit: Tensor,
) -> RayColors:
    centres = (edges[:, 1:] + edges[:, :-1]) / 2
    points = origins[:, None] + directions[:, None] * centres[..., None]
    density, color = field(triplane, points.flatten(0, 1))
    density = density.view_as(centres) * hit[:, None]
    share = weights(density, edges.diff(dim=-1))
    opaque = share.sum(-1)
    rgb = (share[..., None] * color.view(*centres.shape, 3)).sum(-2)
    distance = (share * centres).sum(-1)
    return RayColors(rgb + (1 - opaque[:, None]) * BACKGROUND, opaque, distance)
