"""From light to pictures as a phone takes and stores them, for whole batches at once.

Order as in a camera: the hand moves while rows are exposed one after the other, the lens blurs and
darkens the corners, the chip adds noise, the camera corrects colour, draws its curve, sharpens, and
stores blocks of 8 x 8 coarsely. Each effect draws its strength for each tuple, and its chance for
each picture; a share of the tuples is clean.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.synth.cast_many import Cameras
from engine.synth.shade_many import Seen

SHUTTER_TAPS = 4
READOUT_S = 0.016
DRAWS = 24
BLOCK = 8


@dataclass(frozen=True, slots=True)
class Film:
    """What happened in the camera, per picture (w, c, 1, 1, 1) or (w, c, 1, 1).

    Made by `draw`; every field is a strength, 0 for none.
    """

    gain: Tensor
    white: Tensor
    shutter_s: Tensor
    rolling: Tensor
    soft: Tensor
    unfocused: Tensor
    vignette: Tensor
    noise: Tensor
    bands: Tensor
    sharpen: Tensor
    contrast: Tensor
    saturation: Tensor
    blocks: Tensor

    @staticmethod
    def draw(unit: Tensor, normal: Tensor, clean_share: float) -> "Film":
        """Return a film from uniform and normal numbers (w, 1 + c, DRAWS); row 0 is the tuple's."""

        def one(index: int) -> Tensor:
            return unit[:, :1, index]

        def each(index: int) -> Tensor:
            return unit[:, 1:, index]

        def shy(index: int, share: float) -> Tensor:
            return (each(index) < share).float()

        def shape(values: Tensor) -> Tensor:
            return values[..., None, None, None]

        dirty = (one(0) >= clean_share).float()
        unsteady = torch.where(one(1) < 0.25, 0.22, 0.07)
        gain = torch.exp(0.3 * normal[:, :1, 0] + dirty * unsteady * normal[:, 1:, 0])
        tint = 0.09 * normal[:, :1, 1:4] + dirty[..., None] * 0.022 * normal[:, 1:, 1:4]
        return Film(
            shape(gain),
            torch.exp(tint)[..., :, None, None],
            shape(dirty * (0.003 + 0.03 * one(2) ** 2) * (0.5 + each(2))),
            shape(dirty * (one(3) < 0.6) * torch.ones_like(each(3))),
            shape(0.25 + 0.75 * one(4) * torch.ones_like(each(4))),
            shape(dirty * shy(5, 0.1) * each(6)),
            shape(0.45 * one(7) * torch.ones_like(each(7))),
            shape(dirty * torch.exp(0.8 * normal[:, :1, 4] - 0.2) * torch.ones_like(each(8))),
            shape(dirty * (one(9) < 0.4) * each(9)),
            shape(0.9 * one(10) * torch.ones_like(each(10))),
            shape(torch.exp(0.16 * normal[:, :1, 5]) * torch.ones_like(each(11))),
            shape(torch.exp(0.2 * normal[:, :1, 6]) * torch.ones_like(each(12))),
            shape(dirty * (one(13) < 0.6) * (0.2 + one(14)) * torch.ones_like(each(13))),
        )


def expose(
    seen: Seen,
    cameras: Cameras,
    speed: Tensor,
    exposure: Tensor,
    film: Film,
    dice: torch.Generator,
) -> Tensor:
    """Return pictures (w, c, 3, h, w) in 0..1, in steps of 1/255.

    Args:
        seen: the light.
        cameras: who saw it.
        speed: (w, c, 6) metres a second in the world, then yaw, pitch, roll a second.
        exposure: (w,) the meter's answer, shared by all pictures of a tuple.
        film: what happened in the camera.
        dice: for noise; lives on the device.
    """
    light = seen.light * (exposure[:, None, None, None, None] * film.gain)
    # Lamps are far brighter than white; blurring them unpressed would smear them over the picture.
    pressed = light.clamp(max=6.0)
    pressed = _moved(pressed, seen.depth_m, cameras, speed, film)
    pressed = pressed + (_blurred(pressed, 1) - pressed) * film.soft
    pressed = pressed + (_blurred(pressed, 3) - pressed) * film.unfocused
    pressed = pressed * film.white * _corners(pressed, film.vignette)
    linear = 1 - torch.exp(-pressed)
    linear = _noisy(linear, film, dice)
    grey = linear.mean(2, keepdim=True)
    linear = (grey + (linear - grey) * film.saturation).clamp(0, 1)
    x = linear.clamp(min=1e-5)
    srgb = torch.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    srgb = srgb**film.contrast
    srgb = srgb + (srgb - _blurred(srgb, 1)) * film.sharpen
    return (_stored(srgb.clamp(0, 1), film.blocks).clamp(0, 1) * 255).round() / 255


def flow(depth: Tensor, cameras: Cameras, speed: Tensor) -> Tensor:
    """Return how fast the picture moves, pixels a second (w, c, h, w, 2)."""
    K, T = cameras.K, cameras.T_world_cam
    h, w = cameras.height, cameras.width
    device = depth.device
    fx, fy = K[..., 0, 0, None, None], K[..., 1, 1, None, None]
    x = (torch.arange(w, device=device) + 0.5 - K[..., 0, 2, None, None]) / fx
    y = ((torch.arange(h, device=device) + 0.5)[:, None] - K[..., 1, 2, None, None]) / fy
    R_cam_world = T[..., :3, :3].transpose(-1, -2)
    moving = (R_cam_world @ speed[..., :3, None])[..., 0]
    # Yaw turns about the world's z, pitch about the camera's right, roll about its axis.
    turning = R_cam_world[..., 2] * speed[..., 3, None]
    turning = turning + torch.stack(
        [speed[..., 4], torch.zeros_like(speed[..., 4]), speed[..., 5]], -1
    )
    a, b, c = (moving[..., i, None, None] for i in range(3))
    p, q, r = (turning[..., i, None, None] for i in range(3))
    near = 1 / torch.where(depth > 0, depth, 10.0).clamp(min=0.15)
    u = (x * c - a) * near + p * x * y - q * (1 + x * x) + r * y
    v = (y * c - b) * near + p * (1 + y * y) - q * x * y - r * x
    return torch.stack([u * fx, v * fy], -1)


def _moved(light: Tensor, depth: Tensor, cameras: Cameras, speed: Tensor, film: Film) -> Tensor:
    """Return light averaged while the shutter is open, each row at its own time."""
    height, width = light.shape[-2:]
    pace = flow(depth, cameras, speed).flatten(0, 1)
    v, u = torch.meshgrid(
        torch.arange(height, device=light.device) + 0.5,
        torch.arange(width, device=light.device) + 0.5,
        indexing="ij",
    )
    here = torch.stack([u, v], -1)
    late = (v[..., None] / height - 0.5) * READOUT_S * film.rolling.reshape(-1, 1, 1, 1)
    shutter = film.shutter_s.reshape(-1, 1, 1, 1)
    flat = light.flatten(0, 1)
    total = torch.zeros_like(flat)
    for tap in range(SHUTTER_TAPS):
        when = late + ((tap + 0.5) / SHUTTER_TAPS - 0.5) * shutter
        moved = here - pace * when
        place = torch.stack([moved[..., 0] / width, moved[..., 1] / height], -1) * 2 - 1
        total = total + F.grid_sample(flat, place, padding_mode="border", align_corners=False)
    return (total / SHUTTER_TAPS).reshape(light.shape)


def _blurred(pictures: Tensor, reach: int) -> Tensor:
    """Return pictures smoothed by a bell about as wide as `reach` pixels to each side."""
    taps = [math.comb(2 * reach, k) / 4**reach for k in range(2 * reach + 1)]
    h, w = pictures.shape[-2:]
    flat = F.pad(pictures.flatten(0, 1), (reach, reach, reach, reach), mode="replicate")
    rows = flat[..., :w] * taps[0]
    for k in range(1, len(taps)):
        rows = rows + flat[..., k : k + w] * taps[k]
    both = rows[..., :h, :] * taps[0]
    for k in range(1, len(taps)):
        both = both + rows[..., k : k + h, :] * taps[k]
    whole: Tensor = both.reshape(pictures.shape)
    return whole


def _corners(pictures: Tensor, strength: Tensor) -> Tensor:
    h, w = pictures.shape[-2:]
    y = (torch.arange(h, device=pictures.device) + 0.5) / h * 2 - 1
    x = (torch.arange(w, device=pictures.device) + 0.5) / w * 2 - 1
    radius2 = (x * x + (y * y)[:, None]) / 2
    kept: Tensor = 1 - strength * radius2
    return kept


def _noisy(linear: Tensor, film: Film, dice: torch.Generator) -> Tensor:
    """Return light with photon and read noise, half of it smeared by the camera's own cleaning."""
    device = linear.device
    white = torch.randn(linear.shape, generator=dice, device=device)
    smeared = 1.9 * _blurred(white, 1)
    mixed = 0.6 * white + 0.55 * smeared
    spread = torch.sqrt(3e-4 * linear.clamp(min=0) + 1e-5)
    w, c, _, h, _ = linear.shape
    row = torch.randn((w, c, 1, h, 1), generator=dice, device=device)
    return linear + spread * film.noise * mixed + 0.006 * film.bands * row * linear.sqrt()


def _stored(srgb: Tensor, strength: Tensor) -> Tensor:
    """Return pictures whose blocks were stored coarsely, as JPEG does: fine waves most of all."""
    w, c, _, h, width = srgb.shape
    red, green, blue = srgb.unbind(2)
    # ITU-R BT.601: brightness and two differences, the latter kept with half the care.
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    planes = torch.stack([luma, (blue - luma) / 1.772 / 1.8, (red - luma) / 1.402 / 1.8], 2)
    blocks = planes.reshape(w, c, 3, h // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(4, 5)
    k = torch.arange(BLOCK, device=srgb.device)
    basis = torch.cos(math.pi / BLOCK * (k + 0.5) * k[:, None]) * math.sqrt(2 / BLOCK)
    basis[0] = math.sqrt(1 / BLOCK)
    waves = basis @ blocks @ basis.T
    step = (6 + 5.0 * (k + k[:, None])) / 255 * strength[..., None, None]
    kept = torch.where(step > 0, (waves / step.clamp(min=1e-6)).round() * step, waves)
    planes = (basis.T @ kept @ basis).transpose(4, 5).reshape(srgb.shape)
    luma, to_blue, to_red = planes.unbind(2)
    blue, red = luma + 1.8 * 1.772 * to_blue, luma + 1.8 * 1.402 * to_red
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return torch.stack([red, green, blue], 2)
