"""Pictures of an object from all round: rays are marched, surfaces are lit, the ground is white.

Cameras have OpenCV axes and look at the origin; +Y is up. Light stands still about the object and
no surface is glossy, so that a place looks the same from everywhere.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.synth.bank import Bank
from engine.synth.thing import Thing
from engine.synth.thing_makers import Dice, make_thing

# Objects stay within this sphere.
REACH = 1.0
STEPS, ARRIVED = 96, 6e-4
# Lamps hang above more often than below.
LAMP_RISE = (0.0, 1.2, 0.0)
OPENNESS = ((0.06, 0.5), (0.2, 0.5))
HELD_OUT_THINGS = 10
# First numbers of the dice, so that what is judged is never drawn for training.
LEARNED, JUDGED = 3, 4


@dataclass(frozen=True, slots=True)
class ThingViews:
    """What c cameras see of an object.

    Attributes:
        pictures: (c, 3, h, w) sRGB in [0, 1] over white.
        depth: (c, h, w) along the camera's axis, 0 on the ground.
        normal: (c, 3, h, w) unit, in the object's axes, 0 on the ground.
        K: (c, 3, 3) pixels, centres at a half.
        T_world_cam: (c, 4, 4).
    """

    pictures: Tensor
    depth: Tensor
    normal: Tensor
    K: Tensor
    T_world_cam: Tensor


def learned_thing(seed: int, number: int, bank: Bank) -> tuple[Thing, Dice]:
    """Return a training object, and the dice that its views are to be drawn with."""
    dice = np.random.default_rng((LEARNED, seed, number))
    return make_thing(dice, bank), dice


def held_out_views(
    number: int, size_px: int, bank: Bank, inputs: int = 4
) -> tuple[Thing, ThingViews]:
    """Return one of the `HELD_OUT_THINGS` with its input views first, then as many that judge.

    Inputs stand evenly round it, by turns 25 degrees above and 10 below; the others between them.
    The bank should be a held-out one; all is drawn on its device.
    """
    device = bank.textures.device
    thing = make_thing(np.random.default_rng((JUDGED, number)), bank)
    turn = 360.0 / inputs
    azimuth = [k * turn for k in range(inputs)] + [(k + 0.5) * turn for k in range(inputs)]
    elevation = [25.0 if k % 2 == 0 else -10.0 for k in range(inputs)]
    elevation += [5.0 if k % 2 == 0 else 40.0 for k in range(inputs)]
    dice = np.random.default_rng((JUDGED, number, 1))
    K, T = cameras(np.array(azimuth), np.array(elevation), np.full(2 * inputs, 30.0), size_px)
    thing, K, T = thing.to(device), K.to(device), T.to(device)
    return thing, draw_views(thing, bank, K, T, size_px, dice)


def learned_cameras(dice: Dice, count: int, size_px: int) -> tuple[Tensor, Tensor]:
    """Return cameras for training in groups of four that stand about evenly round the object."""
    groups = -(-count // 4)
    start = dice.uniform(0, 360, groups)
    azimuth = (start[:, None] + np.arange(4) * 90 + dice.normal(0, 12, (groups, 4))).ravel()
    elevation = dice.uniform(-25, 55, (groups, 4)).ravel()
    fov = np.repeat(dice.uniform(26, 48, 1), groups * 4)
    return cameras(azimuth[:count], elevation[:count], fov[:count], size_px)


def cameras(
    azimuth_deg: np.ndarray, elevation_deg: np.ndarray, fov_deg: np.ndarray, size_px: int
) -> tuple[Tensor, Tensor]:
    """Return K (c, 3, 3) and T_world_cam (c, 4, 4) of cameras that have the object in their frame.

    Distances are such that a sphere of 1.035 just fits, as in the usual rig of 30 degrees at 4.
    """
    half = torch.tensor(np.radians(fov_deg) / 2)
    distance = 4.0 * math.sin(math.radians(15)) / half.sin()
    a, e = torch.tensor(np.radians(azimuth_deg)), torch.tensor(np.radians(elevation_deg))
    eye = torch.stack([e.cos() * a.cos(), e.sin(), e.cos() * a.sin()], -1) * distance[:, None]
    forward = F.normalize(-eye, dim=-1)
    right = F.normalize(torch.linalg.cross(eye.new_tensor([[0.0, -1.0, 0.0]]), forward), dim=-1)
    down = torch.linalg.cross(forward, right)
    T = torch.eye(4, dtype=eye.dtype).repeat(len(eye), 1, 1)
    T[:, :3, :3] = torch.stack([right, down, forward], -1)
    T[:, :3, 3] = eye
    K = torch.eye(3, dtype=eye.dtype).repeat(len(eye), 1, 1)
    K[:, 0, 0] = K[:, 1, 1] = size_px / 2 / half.tan()
    K[:, :2, 2] = size_px / 2
    return K.float(), T.float()


def ray_directions(K: Tensor, T_world_cam: Tensor, size_px: int) -> Tensor:
    """Return world directions (c, h, w, 3) of depth one through pixel centres."""
    at = torch.arange(size_px, device=K.device) + 0.5
    x = (at[None] - K[:, 0, 2, None]) / K[:, 0, 0, None]
    y = (at[None] - K[:, 1, 2, None]) / K[:, 1, 1, None]
    x, y = x[:, None].expand(-1, size_px, -1), y[..., None].expand(-1, -1, size_px)
    return torch.stack([x, y, torch.ones_like(x)], -1) @ T_world_cam[:, None, :3, :3].mT


@torch.no_grad()
def draw_views(
    thing: Thing, bank: Bank, K: Tensor, T_world_cam: Tensor, size_px: int, dice: Dice
) -> ThingViews:
    """Return what the cameras see; the dice draw the light."""
    rays = ray_directions(K, T_world_cam, size_px)
    eye = T_world_cam[:, None, None, :3, 3].expand_as(rays)
    depth = march(thing, eye.reshape(-1, 3), rays.reshape(-1, 3))
    seen = depth > 0
    points = (eye.reshape(-1, 3) + rays.reshape(-1, 3) * depth[:, None])[seen]
    normal = thing.normals(points)
    focal = K[:, 0, 0].repeat_interleave(size_px**2)[seen]
    color = _lit(thing, bank, points, normal, depth[seen] / focal, dice)
    shape = (len(K), size_px, size_px, 3)
    pictures, normals = rays.new_ones(depth.numel(), 3), rays.new_zeros(depth.numel(), 3)
    pictures[seen], normals[seen] = color, normal
    return ThingViews(
        pictures.reshape(shape).permute(0, 3, 1, 2).contiguous(),
        depth.reshape(shape[:3]),
        normals.reshape(shape).permute(0, 3, 1, 2).contiguous(),
        K,
        T_world_cam,
    )


def march(thing: Thing, origins_n3: Tensor, rays_n3: Tensor) -> Tensor:
    """Return how many rays (n,) long the way to the surface is, 0 for never.

    Sphere tracing (Hart 1996): a step as long as the distance never passes the surface.
    """
    length = rays_n3.norm(dim=-1)
    unit = rays_n3 / length[:, None]
    middle = -(origins_n3 * unit).sum(-1)
    off2 = origins_n3.square().sum(-1) - middle.square()
    half = (REACH**2 - off2).clamp_min(0).sqrt()
    t, end = middle - half, middle + half
    result = torch.zeros_like(t)
    active = torch.nonzero(half > 0)[:, 0]
    for _ in range(STEPS):
        at = origins_n3[active] + unit[active] * t[active, None]
        gap = thing.distance(at)
        arrived = gap < ARRIVED
        result[active[arrived]] = t[active[arrived]]
        moved = t[active] + gap
        t[active] = moved
        active = active[~arrived & (moved < end[active])]
        if not len(active):
            break
    found: Tensor = result / length
    return found


def _lit(
    thing: Thing, bank: Bank, points: Tensor, normal: Tensor, pixel: Tensor, dice: Dice
) -> Tensor:
    """Return sRGB (n, 3) of surface points: sky, one lamp far away, a weaker one behind."""
    albedo = _albedo(thing, bank, points, normal, pixel)
    sky = float(dice.uniform(0.35, 0.7))
    key = F.normalize(points.new_tensor(dice.normal(size=3) + np.array(LAMP_RISE)), dim=0)
    lamp = float(dice.uniform(0.3, 0.8))
    open_share = torch.zeros_like(pixel)
    for step, weight in OPENNESS:
        gap = thing.distance(points + normal * step)
        open_share += weight * (gap / step).clamp(0, 1)
    light = sky * (0.7 + 0.3 * normal[:, 1]) * (0.4 + 0.6 * open_share)
    toward = normal @ key
    light = light + lamp * toward.clamp_min(0) + 0.2 * lamp * (-toward).clamp_min(0)
    linear = (albedo * light[:, None] * 1.25).clamp(0, 1)
    return torch.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp_min(1e-5) ** (1 / 2.4) - 0.055
    )


def _albedo(thing: Thing, bank: Bank, points: Tensor, normal: Tensor, pixel: Tensor) -> Tensor:
    """Return the reflectance that each point's nearest solid wears."""
    solid = thing.each(points).argmin(0)
    R = thing.R_world_obj[solid]
    local = torch.einsum("ni,nij->nj", points - thing.center[solid], R)
    facing = torch.einsum("ni,nij->nj", normal, R).abs().argmax(-1)
    # Each picture lies on the two axes that its face spans.
    across = torch.where(facing == 0, local[:, 1], local[:, 0])
    down = torch.where(facing == 2, local[:, 1], local[:, 2])
    tile = thing.tile[solid]
    color = bank.textures.read(thing.layer[solid], across / tile, down / tile, pixel / tile)
    return (color * thing.tint[solid]).clamp(0.01, 0.95)
