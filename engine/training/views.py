"""Where the cameras of a training sample stand: as a phone that is carried through a room.

Reference cameras are drawn in the free space of a room and kept when they see something at a useful
distance. The others follow the way of the hand through that moment: a smooth sideways curve while
the view turns, with the tremble of steps. Of many moments on the way those are kept that suit
multi-view stereo by the rule of `engine.depth.views`: moved enough, and still seeing the same.

All choices are made by tensors of fixed shape, so that nothing waits for the device.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.synth import packed as at
from engine.synth.cast_many import Cameras, cast
from engine.synth.packed import Packed

PROBE_PX = 8
SPOTS, REFERENCES, MOMENTS = 48, 10, 24
CLEAR_M = 0.22
NEAREST, FARTHEST, BEST = 0.08, 0.5, 0.2
MIN_MOVE_M, MIN_OVERLAP, SPACING = 0.05, 0.5, 0.05
LARGE = 1e3


@dataclass(frozen=True, slots=True)
class Draws:
    """The random numbers of one batch, drawn by the processor so that every device agrees."""

    unit: Tensor
    normal: Tensor

    @staticmethod
    def make(dice: torch.Generator, worlds: int, device: torch.device) -> "Draws":
        """Return fresh numbers (w, many) for every world of a batch."""
        unit = torch.rand(worlds, 4 * SPOTS + 8 * REFERENCES + 4 * MOMENTS + 64, generator=dice)
        normal = torch.randn(worlds, 6 * MOMENTS + 64, generator=dice)
        return Draws(send(unit, device), send(normal, device))

    def uniform(self, start: int, *shape: int) -> Tensor:
        """Return numbers in 0..1 (w, ...) from a place in the store."""
        count = math.prod(shape)
        return self.unit[:, start : start + count].reshape(-1, *shape)

    def gauss(self, start: int, *shape: int) -> Tensor:
        """Return normal numbers (w, ...) likewise."""
        count = math.prod(shape)
        return self.normal[:, start : start + count].reshape(-1, *shape)


def send(values: Tensor, device: torch.device) -> Tensor:
    """Return the values on a device without waiting for it."""
    if device.type == "cuda":
        return values.pin_memory().to(device, non_blocking=True)
    return values.to(device)


def look_along(position: Tensor, yaw: Tensor, pitch: Tensor, roll: Tensor) -> Tensor:
    """Return T_world_cam (..., 4, 4): yaw about +Z from +X, pitch upwards, roll clockwise."""
    forward = torch.stack([yaw.cos() * pitch.cos(), yaw.sin() * pitch.cos(), pitch.sin()], -1)
    right = torch.stack([yaw.sin(), -yaw.cos(), torch.zeros_like(yaw)], -1)
    down = torch.linalg.cross(forward, right)
    c, s = roll.cos()[..., None], roll.sin()[..., None]
    T = torch.zeros(*yaw.shape, 4, 4, device=yaw.device)
    T[..., :3, 0] = c * right + s * down
    T[..., :3, 1] = c * down - s * right
    T[..., :3, 2] = forward
    T[..., :3, 3] = position
    T[..., 3, 3] = 1
    return T


def pose_distance(T_a: Tensor, T_b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the combined pose distance of DeepVideoMVS and the metres between poses."""
    R = T_a[..., :3, :3].transpose(-1, -2) @ T_b[..., :3, :3]
    trace = R.diagonal(dim1=-2, dim2=-1).sum(-1)
    metres = (T_a[..., :3, 3] - T_b[..., :3, 3]).square().sum(-1).sqrt()
    turn2 = 2 * (1 - trace.clamp(max=3) / 3)
    return (metres.square() + turn2).sqrt(), metres


def references(packed: Packed, K: Tensor, hw: tuple[int, int], draws: Draws) -> tuple[Tensor, ...]:
    """Return one good viewpoint of every world: position, yaw, pitch, roll and a depth probe.

    The probe (w, 8, 8) is what the camera sees, coarsely. `K` is (w, 3, 3) for pictures of hw.
    """
    w = len(K)
    low, high = packed.low, packed.high
    spot = draws.uniform(0, SPOTS, 3)
    # Mostly at the height of a held phone, sometimes over a table or by the floor.
    high_spot = torch.where(
        draws.uniform(3 * SPOTS, SPOTS) < 0.75, 0.42 + 0.2 * spot[..., 2], spot[..., 2]
    )
    spot = torch.stack([spot[..., 0], spot[..., 1], high_spot.clamp(0.08, 0.92)], -1)
    points = low[:, None] + spot * (high - low)[:, None]
    clear = at.distance(packed, points)
    # The first clear ones in the order drawn; where too few are, the clearest.
    order = torch.arange(SPOTS, device=points.device)
    score = torch.where(clear > 0.35, order - 2.0 * SPOTS, SPOTS - 100 * clear)
    taken = score.topk(REFERENCES, dim=1, largest=False).indices
    position = points.gather(1, taken[..., None].expand(-1, -1, 3))
    at_u = 4 * SPOTS
    yaw = 2 * math.pi * draws.uniform(at_u, REFERENCES)
    pitch = -0.28 + 0.38 * draws.gauss(0, REFERENCES)
    # Over tables one looks down.
    pitch = (pitch - 0.25 * (position[..., 2] - low[:, None, 2] - 1.2)).clamp(-1.3, 0.7)
    roll = 0.06 * draws.gauss(REFERENCES, REFERENCES)
    T = look_along(position, yaw, pitch, roll)
    depth = probe(packed, K, hw, T)
    middle = depth.flatten(2).median(-1).values
    nearest = depth.flatten(2).amin(-1)
    # A wall before the nose teaches nothing; neither does a picture of nothing.
    wanted = 0.6 + 2.4 * draws.uniform(at_u + REFERENCES, REFERENCES)
    badness = (middle / wanted).clamp(min=1e-3).log().abs() + (nearest < 0.25) * 2.0
    # Where much stands about there is more to learn than before one wall.
    badness = badness - 2.5 * depth.flatten(2).clamp(min=0.05).log().std(-1).clamp(max=0.5)
    best = badness.argmin(1)
    world = torch.arange(w, device=best.device)
    return (
        position[world, best],
        yaw[world, best],
        pitch[world, best],
        roll[world, best],
        depth[world, best],
    )


def probe(packed: Packed, K: Tensor, hw: tuple[int, int], T: Tensor) -> Tensor:
    """Return coarse depth (w, c, 8, 8) over the field of view of pictures of a size."""
    return probed(packed, K, hw, T)[0]


def probed(packed: Packed, K: Tensor, hw: tuple[int, int], T: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same and which row of the worlds' tables was met."""
    coarse = K.clone()
    coarse[:, 0] *= PROBE_PX / hw[1]
    coarse[:, 1] *= PROBE_PX / hw[0]
    cameras = Cameras(coarse[:, None].expand(-1, T.shape[1], 3, 3), T, PROBE_PX, PROBE_PX)
    return cast(packed, cameras)


def tuples(
    packed: Packed, K: Tensor, hw: tuple[int, int], views: int, draws: Draws
) -> tuple[Tensor, Tensor]:
    """Return T_world_cam (w, views, 4, 4), the reference first, and each one's velocity.

    Velocities (w, views, 6) are metres and radians (yaw, pitch, roll) a second, for blur.
    """
    position, yaw, pitch, roll, depth = references(packed, K, hw, draws)
    way, angles, speed = _way(position, yaw, pitch, roll, depth, draws)
    T = look_along(way, angles[..., 0], angles[..., 1], angles[..., 2])
    reference, others = T[:, :1], T[:, 1:]
    cost = _cost(packed, K, hw, reference, others, depth, draws)
    chosen = [torch.zeros(len(K), dtype=torch.long, device=K.device)]
    for _ in range(views - 1):
        best = cost.argmin(1)
        chosen.append(best + 1)
        newest = others.gather(1, best[:, None, None, None].expand(-1, 1, 4, 4))
        apart, _ = pose_distance(newest, others)
        cost = cost + torch.where(apart < SPACING, LARGE / 4, 0.0)
        cost = cost.scatter(1, best[:, None], 10 * LARGE)
    index = torch.stack(chosen, 1)
    T = T.gather(1, index[..., None, None].expand(-1, -1, 4, 4))
    return T, speed.gather(1, index[..., None].expand(-1, -1, 6))


def _way(
    position: Tensor, yaw: Tensor, pitch: Tensor, roll: Tensor, depth: Tensor, draws: Draws
) -> tuple[Tensor, Tensor, Tensor]:
    """Return positions and angles (w, 1 + moments, 3) along the hand's way, and velocities."""
    base = 4 * SPOTS + 2 * REFERENCES
    one = draws.uniform(base, 16)
    normal = draws.gauss(2 * REFERENCES, 16)
    seconds = (draws.uniform(base + 16, MOMENTS) * 2 - 1) * 1.6
    past_only = one[:, 0] < 0.4
    seconds = torch.where(past_only[:, None], -seconds.abs(), seconds)
    # Where things are near, hands move less.
    reach = (depth.flatten(1).median(1).values / 2.2).clamp(0.25, 1.15)
    pace = (0.12 + 0.28 * one[:, 1]) * reach
    # People walk sideways or forwards and seldom straight up.
    heading = yaw + torch.where(one[:, 2] < 0.65, math.pi / 2, 0.0) + 0.5 * normal[:, 0]
    heading = heading + torch.where(one[:, 3] < 0.5, math.pi, 0.0)
    rise = 0.25 * normal[:, 1]
    along = torch.stack([heading.cos() * rise.cos(), heading.sin() * rise.cos(), rise.sin()], -1)
    bend = 0.06 * normal[:, 2:5]
    # Turning keeps what is looked at in view, more or less.
    right = torch.stack([yaw.sin(), -yaw.cos(), torch.zeros_like(yaw)], -1)
    sideways = (along * right).sum(-1) * pace
    distance = depth.flatten(1).median(1).values.clamp(min=0.3)
    yaw_rate = sideways / distance * (0.3 + 0.9 * one[:, 4]) + 0.05 * normal[:, 5]
    pitch_rate = -along[:, 2] * pace / distance * one[:, 5] + 0.03 * normal[:, 6]
    roll_rate = 0.03 * normal[:, 7]
    rates = torch.stack([yaw_rate, pitch_rate, roll_rate], -1)
    t = torch.cat([torch.zeros_like(seconds[:, :1]), seconds], 1)[..., None]
    shake = draws.gauss(2 * REFERENCES + 16, MOMENTS, 6)
    shake = torch.cat([torch.zeros_like(shake[:, :1]), shake], 1)
    way = position[:, None] + along[:, None] * pace[:, None, None] * t + bend[:, None] * t * t
    way = way + 0.008 * shake[..., :3]
    start = torch.stack([yaw, pitch, roll], -1)[:, None]
    angles = start + rates[:, None] * t + 0.012 * shake[..., 3:]
    move = along[:, None] * pace[:, None, None] + 2 * bend[:, None] * t
    shape = (*t.shape[:2], 3)
    # Hands tremble faster than they travel.
    moving = move.expand(shape) + 0.05 * shake[..., :3].roll(1, 1)
    turning = rates[:, None].expand(shape) + 0.12 * shake[..., 3:].roll(1, 1)
    return way, angles, torch.cat([moving, turning], -1)


def _cost(
    packed: Packed,
    K: Tensor,
    hw: tuple[int, int],
    reference: Tensor,
    others: Tensor,
    depth: Tensor,
    draws: Draws,
) -> Tensor:
    """Return how badly each moment (w, moments) serves the reference."""
    distance, metres = pose_distance(reference, others)
    overlap = seen_share(K, hw, reference, others, depth)
    clear = at.distance(packed, others[..., :3, 3])
    cost = (distance - BEST).abs() + 0.3 * draws.uniform(4 * SPOTS + 4 * REFERENCES + 64, MOMENTS)
    cost = cost + LARGE / 2 * ((clear < CLEAR_M) * 1.0)
    cost = cost + 40 * (MIN_OVERLAP - overlap).clamp(min=0)
    cost = cost + 20 * (MIN_MOVE_M - metres).clamp(min=0) / MIN_MOVE_M
    return cost + 20 * ((NEAREST - distance).clamp(min=0) + (distance - FARTHEST).clamp(min=0))


def seen_share(
    K: Tensor, hw: tuple[int, int], reference: Tensor, others: Tensor, depth: Tensor
) -> Tensor:
    """Return which share (w, c) of the reference's probe lies in each other picture."""
    points = _probe_points(K, hw, depth)
    world = points @ reference[:, 0, :3, :3].transpose(1, 2) + reference[:, 0, None, :3, 3]
    offset = world[:, None] - others[:, :, None, :3, 3]
    cam = offset @ others[..., :3, :3]
    uv = cam @ K[:, None].transpose(-1, -2)
    z = uv[..., 2]
    x, y = uv[..., 0] / z.clamp(min=1e-3), uv[..., 1] / z.clamp(min=1e-3)
    inside = (z > 0.05) & (x > 0) & (x < hw[1]) & (y > 0) & (y < hw[0])
    share: Tensor = inside.float().mean(-1)
    return share


def _probe_points(K: Tensor, hw: tuple[int, int], depth: Tensor) -> Tensor:
    """Return what the probe (w, 8, 8) meets, (w, 64, 3), in the camera's frame."""
    ramp = (torch.arange(PROBE_PX, device=K.device) + 0.5) / PROBE_PX
    x = (ramp * hw[1] - K[:, 0, 2, None]) / K[:, 0, 0, None]
    y = (ramp * hw[0] - K[:, 1, 2, None]) / K[:, 1, 1, None]
    x, y = x[:, None, :].expand_as(depth), y[:, :, None].expand_as(depth)
    return (torch.stack([x, y, torch.ones_like(x)], -1) * depth[..., None]).flatten(1, 2)
