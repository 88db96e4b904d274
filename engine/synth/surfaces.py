"""Recipes for stuff that repeats: plaster, wood, tiles, cloth and the like.

Every recipe takes the picture's edge in pixels, a generator and sRGB colours (k, 3), and returns
sRGB (edge, edge, 3), about 0..1, that repeats without a seam.
"""

import math

import torch
from torch import Tensor

from engine.synth.noise import fractal, grain, value_noise


def _uv(edge_px: int) -> tuple[Tensor, Tensor]:
    ramp = (torch.arange(edge_px) + 0.5) / edge_px
    return ramp[None, :].expand(edge_px, edge_px), ramp[:, None].expand(edge_px, edge_px)


def _shade(color: Tensor, factor: Tensor) -> Tensor:
    return color * factor[..., None]


def _mix(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    return a + (b - a) * weight[..., None]


def _ridge(distance: Tensor, width: float) -> Tensor:
    """Return 1 on a line at distance 0, falling softly to 0 at the width."""
    return (1 - distance / width).clamp(0, 1)


def plaster(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return trowelled plaster: broad stains under a fine crust."""
    stain = fractal(3, 3, edge_px, dice, 4)
    crust = fractal(48, 48, edge_px, dice, 3)
    return _shade(colors[0], 1 + 0.045 * stain + 0.05 * crust)


def wallpaper(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return papered wall: stripes or a grid of printed motifs, chosen by the dice."""
    u, v = _uv(edge_px)
    if torch.rand(1, generator=dice) < 0.4:
        stripes = int(torch.randint(4, 9, (1,), generator=dice))
        wave = torch.sin(2 * math.pi * u * stripes)
        thin = _ridge((wave.abs() - 0.15).abs(), 0.12)
        pattern = (wave * 6).clamp(0, 1) * 0.5 + thin * 0.5
    else:
        n = int(torch.randint(3, 6, (1,), generator=dice))
        petals = int(torch.randint(3, 8, (1,), generator=dice))
        row = torch.floor(v * n * 2)
        a, b = (u * n + 0.5 * (row % 2)) % 1 - 0.5, (v * n * 2) % 1 - 0.5
        radius, angle = torch.hypot(a, b * 0.7), torch.atan2(b, a)
        flower = 0.2 + 0.12 * torch.cos(petals * angle)
        pattern = ((flower - radius) * 25).clamp(0, 1)
        pattern = pattern - ((0.07 - radius) * 30).clamp(0, 1) * 0.7
    worn = 1 + 0.05 * fractal(4, 4, edge_px, dice, 5)
    return _shade(_mix(colors[0].expand(edge_px, edge_px, 3), colors[1], pattern), worn)


def planks(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return floor boards running along u, each with its own tone, grain and end joint."""
    u, v = _uv(edge_px)
    rows = 8
    tone = torch.rand(rows, 2, generator=dice)
    shift = torch.rand(rows, generator=dice)
    row = torch.floor(v * rows).long()
    along = (u + shift[row]) % 1
    half = (along * 2).long()
    wood_grain = grain(16, edge_px, dice)
    # Rolling the grain by row breaks it at the joints as real boards do.
    columns = ((along * edge_px).long() + (tone[row, half] * 997).long()) % edge_px
    own = torch.gather(wood_grain, 1, columns)
    body = _mix(colors[0].expand(edge_px, edge_px, 3), colors[1], own * 0.75)
    body = _shade(body, 0.82 + 0.34 * tone[row, half])
    gap = _ridge(((v * rows + 0.5) % 1 - 0.5).abs(), 0.035)
    end = _ridge(((along * 2 + 0.5) % 1 - 0.5).abs(), 0.006)
    return _shade(body, 1 - 0.65 * torch.maximum(gap, end))


def wood(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return one piece of timber with its grain along u."""
    body = grain(9, edge_px, dice, 1.0)
    tone = 1 + 0.08 * fractal(2, 2, edge_px, dice, 3)
    return _shade(_mix(colors[0].expand(edge_px, edge_px, 3), colors[1], body * 0.8), tone)


def tiles(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return square tiles: colour 0 and 1 alternate or mix, colour 2 is the grout."""
    u, v = _uv(edge_px)
    n = 4
    column, row = torch.floor(u * n).long(), torch.floor(v * n).long()
    tone = torch.rand(n, n, generator=dice)[row, column]
    if torch.rand(1, generator=dice) < 0.5:
        kind = ((row + column) % 2).float()
    else:
        kind = torch.rand(n, n, generator=dice)[row, column] ** 3
    body = _mix(colors[0].expand(edge_px, edge_px, 3), colors[1], kind)
    cloud = fractal(8, 8, edge_px, dice, 4)
    body = _shade(body, 0.92 + 0.16 * tone + 0.05 * cloud)
    rim = torch.minimum(((u * n + 0.5) % 1 - 0.5).abs(), ((v * n + 0.5) % 1 - 0.5).abs())
    grout = ((0.03 - rim) * 120).clamp(0, 1)
    return _mix(body, colors[2], grout)


def brick(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return a wall of bricks in running bond; colour 2 is the mortar."""
    u, v = _uv(edge_px)
    rows, per_row = 12, 4
    row = torch.floor(v * rows).long()
    along = (u * per_row + 0.5 * (row % 2)) % per_row
    column = torch.floor(along).long()
    tone = torch.rand(rows, per_row, 2, generator=dice)[row, column]
    rough = fractal(24, 24, edge_px, dice, 4)
    body = _mix(colors[0].expand(edge_px, edge_px, 3), colors[1], tone[..., 0])
    body = _shade(body, 0.8 + 0.3 * tone[..., 1] + 0.12 * rough)
    side = ((along + 0.5) % 1 - 0.5).abs() * (rows / per_row)
    rim = torch.minimum(side, ((v * rows + 0.5) % 1 - 0.5).abs())
    mortar = ((0.07 + 0.02 * rough - rim) * 40).clamp(0, 1)
    return _mix(body, colors[2] * (1 + 0.1 * rough[..., None]), mortar)


def marble(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return polished stone with veins of colour 1."""
    veins = torch.exp(-9 * fractal(3, 3, edge_px, dice, 6).abs())
    fine = torch.exp(-16 * fractal(6, 6, edge_px, dice, 5).abs()) * 0.5
    cloud = 1 + 0.07 * fractal(4, 4, edge_px, dice, 5)
    body = colors[0].expand(edge_px, edge_px, 3)
    return _shade(_mix(body, colors[1], (veins + fine).clamp(0, 0.85)), cloud)


def terrazzo(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return chips of colours 1.. in a ground of colour 0."""
    picture = _shade(colors[0], 1 + 0.04 * fractal(32, 32, edge_px, dice, 3))
    for color in colors[1:]:
        chips = ((value_noise(40, 40, edge_px, dice) - 0.5) * 14).clamp(0, 1)
        picture = _mix(picture, color, chips)
    return picture


def concrete(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return cast concrete with stains and pores."""
    stain = fractal(2, 2, edge_px, dice, 6)
    pores = ((value_noise(80, 80, edge_px, dice) - 0.72) * 9).clamp(0, 1)
    return _shade(colors[0], (1 + 0.11 * stain) * (1 - 0.4 * pores))


def fabric(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return woven cloth: threads over and under, uneven dye."""
    u, v = _uv(edge_px)
    threads = 48
    weft = torch.sin(2 * math.pi * u * threads)
    warp = torch.sin(2 * math.pi * v * threads)
    weave = weft * warp + 0.6 * fractal(24, 24, edge_px, dice, 4)
    dye = fractal(4, 4, edge_px, dice, 4)
    body = _mix(colors[0].expand(edge_px, edge_px, 3), colors[1], (0.5 + 0.35 * weave).clamp(0, 1))
    return _shade(body, 1 + 0.07 * dye)


def plaid(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return checked cloth of three colours."""
    u, v = _uv(edge_px)
    picture = colors[0].expand(edge_px, edge_px, 3)
    for axis in (u, v):
        phase = float(torch.rand(1, generator=dice))
        broad = ((torch.sin(2 * math.pi * (axis * 4 + phase)) - 0.2) * 8).clamp(0, 1)
        thin = _ridge(((axis * 4 + phase + 0.25) % 1 - 0.5).abs(), 0.06)
        picture = _mix(_mix(picture, colors[1], broad * 0.5), colors[2], thin * 0.8)
    return _shade(picture, 1 + 0.08 * fractal(48, 48, edge_px, dice, 3))


def carpet(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return looped carpet, mottled."""
    pile = fractal(64, 64, edge_px, dice, 3)
    patch = fractal(6, 6, edge_px, dice, 5)
    weight = (0.5 + 0.35 * patch + 0.3 * pile).clamp(0, 1)
    body = _mix(colors[0].expand(edge_px, edge_px, 3), colors[1], weight)
    return _shade(body, 1 + 0.12 * pile)


def metal(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return brushed metal, streaks along u."""
    streak = fractal(2, 128, edge_px, dice, 2)
    return _shade(colors[0], 1 + 0.1 * streak + 0.05 * fractal(3, 3, edge_px, dice, 4))


def plastic(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return painted or moulded stuff: even, with faint wear."""
    wear = fractal(5, 5, edge_px, dice, 6)
    return _shade(colors[0], 1 + 0.06 * wear)


def leaf(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return foliage with ribs."""
    u, v = _uv(edge_px)
    ribs = _ridge(((u * 6 + (v - 0.5).abs() * 4) % 1 - 0.5).abs(), 0.15)
    middle = _ridge((v - 0.5).abs(), 0.03)
    body = _mix(colors[0].expand(edge_px, edge_px, 3), colors[1], torch.maximum(ribs * 0.6, middle))
    return _shade(body, 1 + 0.18 * fractal(6, 6, edge_px, dice, 4))


def checker(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return a board of two colours."""
    u, v = _uv(edge_px)
    odd = ((torch.floor(u * 8) + torch.floor(v * 8)) % 2).float()
    body = _mix(colors[0].expand(edge_px, edge_px, 3), colors[1], odd)
    return _shade(body, 1 + 0.06 * fractal(8, 8, edge_px, dice, 5))


def cardboard(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return corrugated board with a strip of tape (colour 1)."""
    u, v = _uv(edge_px)
    flute = 0.02 * torch.sin(2 * math.pi * u * 60)
    body = _shade(colors[0], 1 + flute + 0.07 * fractal(8, 8, edge_px, dice, 5))
    tape = ((0.07 - (v - 0.5).abs()) * 80).clamp(0, 1)
    return _mix(body, colors[1], tape * 0.7)
