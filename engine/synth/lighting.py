"""Light that reaches a point: lamps with soft shadows, and the glow of the room itself.

Worlds do not move, so each lamp photographs its surroundings once (a cube of depth pictures), and
a coarse lattice remembers how much free space lies around each place. Both are read per pixel.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.synth.raycast import Caster, Pinhole
from engine.synth.shapes import largest_axis
from engine.synth.world import World

SHADOW_PX = 256
# Depth pictures reach a little over each other, so that a blurred look-up never crosses a border.
BORDER_PX = 4
TAPS = 4
OPENNESS_CELL_M = 0.08
OPENNESS_STEPS_M = ((0.06, 0.30), (0.16, 0.35), (0.42, 0.35))
# Rooms give back part of what hits them; below, the floor is darker than ceiling and walls.
BOUNCE_UP, BOUNCE_SIDE, BOUNCE_DOWN = 0.62, 0.52, 0.40


class Lighting:
    """All lamps of a world, with their shadows, on one device."""

    def __init__(self, world: World, caster: Caster, device: torch.device | str) -> None:
        """Photograph the shadows and measure the open space; about a second for a room."""
        lights = world.lights
        self.device = torch.device(device)
        self.position = torch.tensor([k.position_m for k in lights], device=self.device)
        self.power = torch.tensor([k.power for k in lights], device=self.device)
        self.axis = torch.tensor([k.axis for k in lights], device=self.device)
        self.radius2 = torch.tensor([k.radius_m**2 for k in lights], device=self.device)
        self._shadow = torch.stack([self._photograph(caster, p) for p in self.position])
        self._low = torch.tensor(world.bounds_m[0], dtype=torch.float32, device=self.device)
        self._high = torch.tensor(world.bounds_m[1], dtype=torch.float32, device=self.device)
        self._open = self._measure(caster)
        extent = self._high - self._low
        floor_m2 = float(extent[0] * extent[1])
        # One number for the light that has bounced so often that it comes from everywhere.
        self.glow = self.power.sum(0) * 2.0 / max(floor_m2, 6.0)

    def _photograph(self, caster: Caster, position: Tensor) -> Tensor:
        focal = SHADOW_PX / 2 - BORDER_PX
        camera = Pinhole(SHADOW_PX, SHADOW_PX, focal, focal, SHADOW_PX / 2, SHADOW_PX / 2)
        poses = torch.eye(4, device=self.device).repeat(6, 1, 1)
        for face in range(6):
            axis, sign = face // 2, 1.0 if face % 2 == 0 else -1.0
            poses[face, :3, :3] = 0
            poses[face, (axis + 1) % 3, 0] = 1
            poses[face, (axis + 2) % 3, 1] = sign
            poses[face, axis, 2] = sign
        poses[:, :3, 3] = position
        depth = camera.untile(caster.cast(camera, poses).depth_m)
        return depth.clamp(max=1e4)

    def _measure(self, caster: Caster) -> Tensor:
        extent = self._high - self._low
        counts = [max(2, math.ceil(float(e) / OPENNESS_CELL_M)) for e in extent]
        axes = [
            self._low[a] + extent[a] * torch.linspace(0, 1, counts[a], device=self.device)
            for a in range(3)
        ]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1)
        field = caster.solids.distance(grid.reshape(-1, 3)).reshape(counts)
        return field.permute(2, 1, 0)[None, None].contiguous()

    def openness(self, points: Tensor, normals: Tensor) -> Tensor:
        """Return 0 (in a crack) .. 1 (in the open) for points (n, 3)."""
        total = torch.zeros(len(points), device=points.device)
        for step_m, weight in OPENNESS_STEPS_M:
            place = (points + normals * step_m - self._low) / (self._high - self._low) * 2 - 1
            gap = F.grid_sample(
                self._open, place[None, None, None], padding_mode="border", align_corners=True
            )[0, 0, 0, 0]
            total = total + weight * (gap / step_m).clamp(0, 1)
        return total

    def ambient(self, points: Tensor, normals: Tensor) -> Tensor:
        """Return RGB (n, 3) from everywhere at once, less in corners and under things."""
        up = normals[:, 2]
        side = BOUNCE_SIDE * (1 - up.abs())
        base = BOUNCE_UP * up.clamp(min=0) + BOUNCE_DOWN * (-up).clamp(min=0) + side
        dim = 0.25 + 0.75 * self.openness(points, normals)
        return (base * dim)[:, None] * self.glow

    def shadow(self, index: int, points: Tensor, normals: Tensor) -> Tensor:
        """Return how much of a lamp (n,) each point sees, 0..1, blurred over some centimetres."""
        away = points - self.position[index]
        reach = away.abs().amax(dim=1, keepdim=True)
        # Lifting the point off its surface by the size of a shadow pixel stops self-shadowing.
        away = away + normals * (0.004 + reach * (2.5 / SHADOW_PX))
        axis = largest_axis(away.abs())
        main = away.gather(1, axis[:, None])[:, 0]
        sign = torch.where(main < 0, -1.0, 1.0)
        ahead = main.abs()
        x = away.gather(1, ((axis + 1) % 3)[:, None])[:, 0] / ahead
        y = away.gather(1, ((axis + 2) % 3)[:, None])[:, 0] * sign / ahead
        focal = SHADOW_PX / 2 - BORDER_PX
        u, v = x * focal + SHADOW_PX / 2 - TAPS / 2, y * focal + SHADOW_PX / 2 - TAPS / 2
        left, top = torch.floor(u), torch.floor(v)
        fu, fv = u - left, v - top
        face = axis * 2 + (main < 0)
        base = (face * SHADOW_PX + top.long().clamp(0, SHADOW_PX - TAPS)) * SHADOW_PX
        base = base + left.long().clamp(0, SHADOW_PX - TAPS)
        depth = self._shadow[index].reshape(-1)
        lit = torch.zeros_like(ahead)
        for row in range(TAPS):
            line = torch.zeros_like(ahead)
            for column in range(TAPS):
                seen = (depth.index_select(0, base + (row * SHADOW_PX + column)) > ahead).to(
                    ahead.dtype
                )
                line = line + seen * _tap(column, fu)
            lit = lit + line * _tap(row, fv)
        return lit / ((TAPS - 1) * (TAPS - 1))


def _tap(index: int, fraction: Tensor) -> Tensor | float:
    """Return the weight of one tap of a box that slides smoothly over the pixels."""
    if index == 0:
        return 1 - fraction
    return fraction if index == TAPS - 1 else 1.0
