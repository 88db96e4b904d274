"""How a person scans a piece of a room: sideways along it, there and back, higher and lower.

Unlike the views of `engine.training.views`, which are picked for one reference, these follow each
other: neighbours are 5 to 20 centimetres apart and see mostly the same, as keyframes of a walk do.
Many ways are drawn and the best is taken: in the open, looking at something. All choices are made
by tensors of fixed shape, so that nothing waits for the device.
"""

import math

import torch
from torch import Tensor

from engine.synth import packed as at
from engine.synth.packed import PLANES, Packed
from engine.training.views import CLEAR_M, LARGE, Draws, look_along, probed, send

WAYS = 32
# Rows of numbers a way, then so many normal ones a frame.
NUMBERS, SHAKES = 11, 6
STEP_M, LANE_M = (0.06, 0.17), (0.9, 2.4)
# Turning so much a metre keeps one thing in view from 1 / bend metres away.
BEND, BEND_SPREAD, MOST_BEND = 0.35, 0.45, 1.3
NOD_RAD, RISE_M, GLANCE_RAD = 0.3, 0.13, 0.18
WANTED_M = (0.7, 2.6)


def walk_draws(dice: torch.Generator, worlds: int, frames: int, device: torch.device) -> Draws:
    """Return fresh numbers for the walks of a batch."""
    unit = torch.rand(worlds, NUMBERS * WAYS, generator=dice)
    normal = torch.randn(worlds, WAYS + SHAKES * frames, generator=dice)
    return Draws(send(unit, device), send(normal, device))


def walk(
    packed: Packed, K: Tensor, hw: tuple[int, int], frames: int, draws: Draws
) -> tuple[Tensor, Tensor]:
    """Return T_world_cam (w, frames, 4, 4) along one walk a world, and each one's velocity.

    Velocities (w, frames, 6) are metres and radians (yaw, pitch, roll) a second, for blur.
    `draws` are those of `walk_draws`; `K` is (w, 3, 3) for pictures of hw.
    """
    position, angles = _ways(packed, frames, draws)
    w = len(position)
    T = look_along(position, angles[..., 0], angles[..., 1], angles[..., 2])
    clear = at.distance(packed, position.flatten(1, 2)).view(w, WAYS, frames)
    depth, row = probed(packed, K, hw, T.flatten(1, 2))
    depth, row = depth.view(w, WAYS, frames, -1), row.view(w, WAYS, frames, -1)
    wanted = WANTED_M[0] + (WANTED_M[1] - WANTED_M[0]) * draws.uniform(10 * WAYS, WAYS)
    middle = (depth.median(-1).values / wanted[..., None]).clamp(min=1e-3)
    cost = LARGE / 2 * (clear < CLEAR_M) + middle.log().abs() + 3.0 * (depth.amin(-1) < 0.3)
    # Where much stands about there is more to learn than before bare walls.
    things = (row >= PLANES).float().mean(-1)
    cost = cost - 2.5 * depth.clamp(min=0.05).log().std(-1).clamp(max=0.5) - 2.0 * things
    best = cost.mean(-1).argmin(1)
    world = torch.arange(w, device=best.device)
    T, position, angles = T[world, best], position[world, best], angles[world, best]
    pace = 0.15 + 0.2 * draws.uniform(5 * WAYS, 1)
    moved = torch.cat([position, angles], -1).diff(dim=1)
    seconds = moved[..., :3].square().sum(-1, keepdim=True).sqrt().clamp(min=0.02) / pace[..., None]
    return T, torch.cat([moved[:, :1] / seconds[:, :1], moved / seconds], 1)


def _ways(packed: Packed, frames: int, draws: Draws) -> tuple[Tensor, Tensor]:
    """Return positions and angles (yaw, pitch, roll) of every way, (w, WAYS, frames, 3) each."""

    def number(row: int) -> Tensor:
        return draws.uniform(row * WAYS, WAYS)

    def between(row: int, ends: tuple[float, float]) -> Tensor:
        return ends[0] + (ends[1] - ends[0]) * number(row)

    low, high = packed.low[:, None], packed.high[:, None]
    # Mostly at the height of a held phone, sometimes over a table or by the floor.
    tall = torch.where(number(3) < 0.8, 0.42 + 0.2 * number(2), 0.2 + 0.5 * number(2))
    place = torch.stack([0.08 + 0.84 * number(0), 0.08 + 0.84 * number(1), tall], -1)
    start = low + place * (high - low)
    side = torch.where(number(4) < 0.5, 1.0, -1.0)[..., None]
    step, lane = between(5, STEP_M)[..., None], between(6, LANE_M)[..., None]
    bend = (BEND + BEND_SPREAD * (2 * number(7) - 1) * 1.7).clamp(max=MOST_BEND)[..., None]
    yaw = (2 * math.pi * number(8))[..., None]
    phase = (2 * math.pi * number(9))[..., None]

    gone = step * torch.arange(frames, device=step.device)
    along = lane - (gone % (2 * lane) - lane).abs()
    turned = side * bend * along
    # The chord of the arc walked so far; to the right is where the gaze turns left from.
    chord = side * along * torch.sinc(turned / (2 * math.pi))
    half = yaw + turned / 2
    # A lane there and the lane back differ: four lanes make a round.
    round_ = math.pi / 2 * gone / lane + phase
    shake = draws.gauss(WAYS, 1, frames, SHAKES)
    rise = RISE_M * round_.cos()
    offset = torch.stack([chord * half.sin(), -chord * half.cos(), rise], -1)
    position = start[:, :, None] + offset + 0.006 * shake[..., :3]
    pitch = -0.3 + 0.22 * draws.gauss(0, WAYS)
    # Over tables one looks down.
    pitch = (pitch - 0.25 * (start[..., 2] - low[..., 2] - 1.2)).clamp(-0.8, 0.35)
    glance = GLANCE_RAD * (4.0 * gone + phase).sin()
    nod = pitch[..., None] + NOD_RAD * round_.cos()
    angles = torch.stack([yaw + turned + glance, nod, torch.zeros_like(nod)], -1)
    return position, angles + 0.012 * shake[..., 3:]
