"""Seeded noise on a square that repeats without a seam."""

import math

import torch
from torch import Tensor


def value_noise(cells_u: int, cells_v: int, edge_px: int, dice: torch.Generator) -> Tensor:
    """Return smooth noise (edge, edge) in -1..1 with so many bumps across and down.

    Drawn on the CPU so that one seed means one picture whatever the device.
    """
    cells_u, cells_v = min(cells_u, edge_px), min(cells_v, edge_px)
    grid = torch.rand(cells_v, cells_u, generator=dice) * 2 - 1
    return _stretch(_stretch(grid, edge_px).T, edge_px).T


def _stretch(grid: Tensor, edge_px: int) -> Tensor:
    """Return the grid with its first axis enlarged to the edge, smoothly, end joined to start."""
    cells = len(grid)
    place = (torch.arange(edge_px) + 0.5) * (cells / edge_px)
    low = place.long() % cells
    part = place - torch.floor(place)
    ease = (part * part * (3 - 2 * part))[:, None]
    return torch.lerp(grid[low], grid[(low + 1) % cells], ease)


def fractal(
    cells_u: int, cells_v: int, edge_px: int, dice: torch.Generator, octaves: int = 5
) -> Tensor:
    """Return noise (edge, edge), standard deviation near 0.5, details at every octave."""
    total = torch.zeros(edge_px, edge_px)
    gain = 1.0
    for octave in range(octaves):
        if cells_u << octave > edge_px and cells_v << octave > edge_px:
            break
        total += gain * value_noise(cells_u << octave, cells_v << octave, edge_px, dice)
        gain *= 0.55
    return total


def grain(rings: int, edge_px: int, dice: torch.Generator, wobble: float = 0.6) -> Tensor:
    """Return wood grain (edge, edge) in 0..1 whose fibres run along u."""
    v = (torch.arange(edge_px) / edge_px)[:, None]
    bend = fractal(2, 3, edge_px, dice, 3) * wobble + fractal(1, 8, edge_px, dice, 2) * 0.4 * wobble
    waves = 0.5 + 0.5 * torch.sin(2 * math.pi * (v * rings + bend * 2))
    fibres = fractal(4, 96, edge_px, dice, 2)
    return (0.55 * waves + 0.45 * (0.5 + 0.5 * fibres)).clamp(0, 1)
