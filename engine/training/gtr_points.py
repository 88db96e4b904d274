"""Places, rays and channels of a batch of objects, as GTR is shown and told them."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.synth.thing_views import ray_directions
from engine.training.objects import ObjectSample

# Density on the surface, how fast it grows inwards, and where that is enough: as much as the hull
# begins with, since asking for more swells it.
LEVEL, SLOPE, MOST = 10.0, 150.0, 20.0
# Shares of the places: about the surface closely and widely; the others are anywhere. Closer than
# a cell of the volume, nearly all of what is to be learned would be chance.
CLOSE, WIDE = 0.3, 0.35
CLOSE_SPREAD, WIDE_SPREAD = 0.04, 0.12
# Of the rays, so many meet the object.
SOLID_SHARE = 0.7


class Places(NamedTuple):
    """Points (b, n, 3) with exact distances (b, n); surface points (b, m, 3) with colours."""

    points_bn3: Tensor
    distance_bn: Tensor
    surface_bn3: Tensor
    color_bn3: Tensor


class Rays(NamedTuple):
    """Rays (n, 3) of unit direction, what they see (n, 3), and how far away (n,), 0 for nothing."""

    origins: Tensor
    directions: Tensor
    rgb: Tensor
    distance: Tensor


def channels(batch: ObjectSample, views: Tensor) -> Tensor:
    """Return the network's input (b, v, 10, h, w): RGB, ray, moment, mask."""
    rays, origins = world_rays(batch)
    rays, origins = rays[:, views], origins[:, views, None, None]
    direction = F.normalize(rays, dim=-1)
    # d x o and not o x d, as the published network has it.
    moment = torch.linalg.cross(direction, origins.expand_as(direction))
    mask = (batch.depth[:, views] > 0).float()[:, :, None]
    lines = torch.cat([direction, moment], -1).permute(0, 1, 4, 2, 3)
    return torch.cat([batch.pictures[:, views], lines, mask], 2)


def world_rays(batch: ObjectSample) -> tuple[Tensor, Tensor]:
    """Return rays (b, v, h, w, 3) of depth one, and where they start (b, v, 3)."""
    K, T = batch.K.flatten(0, 1), batch.T_world_cam.flatten(0, 1)
    rays = ray_directions(K, T, batch.depth.shape[-1])
    return torch.unflatten(rays, 0, batch.K.shape[:2]), batch.T_world_cam[..., :3, 3]


def places(batch: ObjectSample, count: int) -> Places:
    """Return random places of all objects, most of them near the surface."""
    b = len(batch.depth)
    rays, origins = world_rays(batch)
    close, wide = round(CLOSE * count), round(WIDE * count)
    surface, color = [], []
    for number in range(b):
        pixel = torch.nonzero(batch.depth[number].flatten())[:, 0]
        pick = pixel[torch.randint(len(pixel), (close + wide,), device=pixel.device)]
        view = pick // batch.depth[number, 0].numel()
        depth = batch.depth[number].flatten()[pick, None]
        surface.append(origins[number, view] + rays[number].reshape(-1, 3)[pick] * depth)
        color.append(batch.pictures[number].permute(0, 2, 3, 1).reshape(-1, 3)[pick])
    on = torch.stack(surface)
    spread = torch.full((close + wide, 1), CLOSE_SPREAD, device=on.device)
    spread[close:] = WIDE_SPREAD
    about = on + spread * torch.randn_like(on)
    anywhere = torch.rand(b, count - close - wide, 3, device=on.device) * 2 - 1
    points = torch.cat([about, anywhere], 1).clamp(-1, 1)
    return Places(points, batch.distance(points), on, torch.stack(color))


def told_density(distance: Tensor) -> Tensor:
    """Return the density that places at a distance are told to have."""
    return (LEVEL - SLOPE * distance).clamp(0, MOST)


def chosen_rays(batch: ObjectSample, number: int, count: int) -> Rays:
    """Return random rays of one object's views, most of which meet it."""
    rays, origins = world_rays(batch)
    depth = batch.depth[number].flatten()
    solid = torch.nonzero(depth)[:, 0]
    many = round(SOLID_SHARE * count)
    pick = torch.cat(
        [
            solid[torch.randint(len(solid), (many,), device=depth.device)],
            torch.randint(len(depth), (count - many,), device=depth.device),
        ]
    )
    ray = rays[number].reshape(-1, 3)[pick]
    length = ray.norm(dim=-1)
    view = pick // batch.depth[number, 0].numel()
    rgb = batch.pictures[number].permute(0, 2, 3, 1).reshape(-1, 3)[pick]
    return Rays(origins[number, view], ray / length[:, None], rgb, depth[pick] * length)
