"""Recipes for faces that are printed or painted once: posters, rugs, spines, the view outside.

Same signature as in `surfaces`; these are stretched over their face, row 0 on top, and need not
repeat.
"""

import math

import torch
from torch import Tensor

from engine.synth.noise import fractal, value_noise


def _uv(edge_px: int) -> tuple[Tensor, Tensor]:
    ramp = (torch.arange(edge_px) + 0.5) / edge_px
    return ramp[None, :].expand(edge_px, edge_px), ramp[:, None].expand(edge_px, edge_px)


def _lay(picture: Tensor, color: Tensor, weight: Tensor) -> Tensor:
    return picture + (color - picture) * weight[..., None]


def _rectangle(u: Tensor, v: Tensor, box: tuple[float, float, float, float]) -> Tensor:
    left, top, right, bottom = box
    return ((u >= left) & (u < right) & (v >= top) & (v < bottom)).float()


def _between(low: float, high: float, dice: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand(1, generator=dice))


def _writing(
    picture: Tensor,
    ink: Tensor,
    box: tuple[float, float, float, float],
    lines: int,
    dice: torch.Generator,
) -> Tensor:
    """Return the picture with lines of word-like bars inside a box."""
    u, v = _uv(len(picture))
    left, top, right, bottom = box
    inside = _rectangle(u, v, box)
    down = (v - top) / (bottom - top) * lines
    across = (u - left) / (right - left)
    letters = value_noise(min(len(picture) // 2, 90), len(picture), len(picture), dice)
    row = down.floor().clamp(0, lines - 1).long()
    ends = 0.55 + 0.45 * torch.rand(lines, generator=dice)
    shown = (down % 1 < 0.55) & (across < ends[row])
    # One row of letters a line: sampled at the line's middle, so that strokes stand upright.
    source = (top + (row + 0.3) / lines * (bottom - top)) * len(picture)
    stroke = letters.gather(0, source.long().clamp(0, len(picture) - 1)) > -0.15
    return _lay(picture, ink, inside * (shown & stroke).float())


def poster(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return a printed poster: ground, bold shapes, a block of writing, a border."""
    u, v = _uv(edge_px)
    picture = colors[0].expand(edge_px, edge_px, 3)
    picture = _lay(picture, colors[1], (v * _between(0.3, 0.9, dice)).clamp(0, 1))
    for index in range(14):
        color = colors[1 + index % (len(colors) - 1)]
        x, y = _between(0.1, 0.9, dice), _between(0.08, 0.72, dice)
        size = _between(0.04, 0.2, dice)
        turn = _between(0, math.pi, dice)
        a = (u - x) * math.cos(turn) + (v - y) * math.sin(turn)
        b = (v - y) * math.cos(turn) - (u - x) * math.sin(turn)
        form = index % 4
        if form == 0:
            mask = torch.hypot(a, b) < size
        elif form == 1:
            mask = (a.abs() < size) & (b.abs() < size * 0.4)
        elif form == 2:
            mask = (torch.hypot(a, b) - size).abs() < 0.018
        else:
            mask = (a.abs() + b.abs() < size) & ((a * 40).floor() % 2 == 0)
        picture = _lay(picture, color, mask.float())
    picture = _writing(picture, colors[-1], (0.1, 0.78, 0.9, 0.94), 5, dice)
    rim = torch.minimum(torch.minimum(u, 1 - u), torch.minimum(v, 1 - v))
    picture = _lay(picture, picture.new_tensor([0.93, 0.92, 0.88]), (rim < 0.035).float())
    return picture * (1 + 0.04 * fractal(32, 32, edge_px, dice, 4))[..., None]


def painting(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return a painted landscape: sky, ridges one behind the other, brush strokes."""
    u, v = _uv(edge_px)
    sky = colors[0] + (colors[1] - colors[0]) * v[..., None]
    cloud = (fractal(3, 6, edge_px, dice, 5) * 0.8).clamp(0, 1)
    picture = _lay(sky, sky.new_tensor([0.95, 0.94, 0.9]), cloud)
    sun = torch.hypot(u - _between(0.2, 0.8, dice), v - 0.22) < 0.07
    picture = _lay(picture, picture.new_tensor([0.98, 0.85, 0.5]), sun.float())
    ridges = len(colors) - 2
    for index in range(ridges):
        height = 0.42 + 0.48 * index / max(ridges - 1, 1)
        crest = height + 0.13 * fractal(4, 2, edge_px, dice, 5)[index]
        stroke = 0.85 + 0.3 * fractal(24, 10, edge_px, dice, 4)
        picture = torch.where(
            (v > crest[None, :])[..., None], colors[2 + index] * stroke[..., None], picture
        )
    return picture * (1 + 0.09 * fractal(40, 20, edge_px, dice, 3))[..., None]


def outdoors(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return the view through a window: hazy sky, trees, a lawn."""
    _, v = _uv(edge_px)
    picture = colors[0] + (colors[1] - colors[0]) * (v / 0.65).clamp(0, 1)[..., None]
    cloud = (fractal(2, 4, edge_px, dice, 5) * 0.7).clamp(0, 0.8)
    picture = _lay(picture, picture.new_tensor([1.0, 1.0, 1.0]), cloud)
    trees = 0.6 + 0.12 * fractal(6, 2, edge_px, dice, 6)[0]
    foliage = colors[2] * (1 + 0.5 * fractal(20, 20, edge_px, dice, 5))[..., None]
    picture = torch.where((v > trees[None, :])[..., None], foliage, picture)
    lawn = colors[3] * (1 + 0.25 * fractal(30, 60, edge_px, dice, 3))[..., None]
    return torch.where((v > 0.82)[..., None], lawn, picture)


def rug(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return a woven rug: borders round a field of medallions."""
    u, v = _uv(edge_px)
    rim = torch.minimum(torch.minimum(u, 1 - u), torch.minimum(v, 1 - v))
    n = int(torch.randint(3, 6, (1,), generator=dice))
    a, b = (u * n) % 1 - 0.5, (v * n) % 1 - 0.5
    medal = a.abs() + b.abs()
    picture = _lay(colors[0].expand(edge_px, edge_px, 3), colors[1], (medal < 0.38).float())
    picture = _lay(picture, colors[2], (medal < 0.24).float())
    picture = _lay(picture, colors[0], (medal < 0.1).float())
    picture = _lay(picture, colors[2], (rim < 0.13).float())
    zigzag = ((u + v) * 24 % 1 < 0.5) & (rim < 0.11) & (rim > 0.05)
    picture = _lay(picture, colors[1], zigzag.float())
    picture = _lay(picture, colors[1], (rim < 0.02).float())
    pile = fractal(80, 80, edge_px, dice, 3) + 0.5 * fractal(5, 5, edge_px, dice, 4)
    return picture * (1 + 0.1 * pile)[..., None]


def spine(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return the back of a book: cloth, two bands, a title along it."""
    u, v = _uv(edge_px)
    picture = colors[0].expand(edge_px, edge_px, 3)
    for place in (0.08, _between(0.72, 0.86, dice)):
        picture = _lay(picture, colors[1], ((v - place).abs() < 0.022).float())
    glyphs = value_noise(6, 60, edge_px, dice) > 0
    title = (v > 0.18) & (v < _between(0.45, 0.65, dice)) & ((u - 0.5).abs() < 0.25)
    picture = _lay(picture, colors[1], (title & glyphs).float())
    return picture * (1 + 0.06 * fractal(12, 12, edge_px, dice, 4))[..., None]


def label(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return a wrapped label: bands, dots, small print on colour 0."""
    u, v = _uv(edge_px)
    picture = colors[0].expand(edge_px, edge_px, 3)
    top = _between(0.2, 0.4, dice)
    picture = _lay(picture, colors[1], _rectangle(u, v, (0, top, 1, top + 0.4)))
    dots = torch.hypot((u * 8) % 1 - 0.5, ((v - top) * 8) % 1 - 0.5) < 0.28
    picture = _lay(picture, colors[2], dots.float() * _rectangle(u, v, (0, top, 1, top + 0.125)))
    picture = _writing(picture, colors[2], (0.1, top + 0.17, 0.45, top + 0.36), 3, dice)
    picture = _writing(picture, colors[2], (0.6, top + 0.17, 0.95, top + 0.36), 3, dice)
    return picture * (1 + 0.03 * fractal(8, 8, edge_px, dice, 4))[..., None]


def screen(edge_px: int, dice: torch.Generator, colors: Tensor) -> Tensor:
    """Return a lit screen: a window of writing beside a picture on a desktop."""
    u, v = _uv(edge_px)
    picture = colors[0] + (colors[1] - colors[0]) * v[..., None]
    picture = picture * (1 + 0.2 * fractal(3, 3, edge_px, dice, 4))[..., None]
    page = (0.08, 0.12, 0.6, 0.88)
    picture = _lay(picture, picture.new_tensor([0.9, 0.91, 0.93]), _rectangle(u, v, page))
    picture = _writing(picture, colors[2], (0.11, 0.2, 0.57, 0.84), 12, dice)
    image = _rectangle(u, v, (0.65, 0.2, 0.93, 0.5))
    return _lay(picture, colors[2], image * (0.5 + 0.5 * fractal(4, 4, edge_px, dice, 4)))
