"""Many worlds side by side as one table of numbers, so that a batch is drawn without a loop.

A row is one solid with all that is known about it: where it is, how large, which picture it wears.
The first six rows of a world are the walls of its room, in any order; a world without walls has
rows of form `NOTHING` there. Only convex solids are packed: a torus would need its own marching.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from engine.core.arrays import F32, F64
from engine.synth.mapping import mapping
from engine.synth.materials import GRAINED
from engine.synth.shapes import Kind, Solids
from engine.synth.world import Part, World

PLANES, LIGHTS = 6, 3
NOTHING, PLANE, BOX, FRUSTUM = 0, 1, 2, 3
FORMS = {Kind.PLANE: PLANE, Kind.BOX: BOX, Kind.FRUSTUM: FRUSTUM}
# Columns of the table.
ROTATION, CENTER, SIZE, ROUND = slice(0, 9), slice(9, 12), slice(12, 15), 15
# The solid's own z in the world: the last column of its rotation.
UP = slice(2, 9, 3)
OUTER, FORM, SCALE, SHIFT, GRAIN = slice(16, 19), 19, slice(20, 23), slice(23, 25), 25
LAYER, FOLD, TINT, GLOSS, GLOW, BASE = 26, 27, slice(28, 31), 31, 32, 33
COLUMNS = 34
# Columns of a lamp: position, power, axis, squared radius.
LAMP_COLUMNS = 10


@dataclass(frozen=True, slots=True)
class Look:
    """What a part wears: a picture of a bank, and how light leaves it.

    Attributes:
        layer: which picture.
        fold: whether the picture is mirrored at its borders instead of repeated.
        tint: linear RGB factor on its reflectance.
        gloss: 0 matt .. 1 mirror-like: how sharp the reflections are.
        base: share of light reflected head-on, 0.04 for paint, 0.9 for a mirror.
        glow: light it gives off, as a multiple of its colour.
        tile_scale: enlarges the picture on its face.
    """

    layer: int
    fold: bool = False
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gloss: float = 0.1
    base: float = 0.04
    glow: float = 0.0
    tile_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Packed:
    """Worlds as tensors on one device.

    Attributes:
        table: (w, n, COLUMNS) float32, walls first.
        lamps: (w, LIGHTS, LAMP_COLUMNS) float32, unused ones without power.
        low: (w, 3) lower corner of each room; `high` the upper one.
    """

    table: Tensor
    lamps: Tensor
    low: Tensor
    high: Tensor

    def rows(self, which: slice) -> "Packed":
        """Return a run of the worlds."""
        return Packed(self.table[which], self.lamps[which], self.low[which], self.high[which])

    @staticmethod
    def join(some: "Sequence[Packed]") -> "Packed":
        """Return the worlds of several in a row."""
        return Packed(*(torch.cat([getattr(p, f.name) for p in some]) for f in fields(Packed)))


def pack(
    world: World, looks: Sequence[Look], solids: int, scale: float = 1.0
) -> tuple[F32, F32, F32]:
    """Return one world's table, lamps and bounds (2, 3), all lengths multiplied by `scale`.

    Where there are more solids than places the smallest are left out, and so are tori: what is
    packed is the whole truth about the packed world.
    """
    table = np.zeros((PLANES + solids, COLUMNS), np.float32)
    order = [i for i, p in enumerate(world.parts) if p.shape.kind in (Kind.BOX, Kind.FRUSTUM)]
    if len(order) > solids:
        by_size = sorted(order, key=lambda i: -max(world.parts[i].shape.outer_half_m()))
        order = sorted(by_size[:solids])
    walls = [i for i, p in enumerate(world.parts) if p.shape.kind is Kind.PLANE][:PLANES]
    for row, index in enumerate(walls):
        _fill(table[row], world.parts[index], looks[index], scale)
    for row, index in enumerate(order, start=PLANES):
        _fill(table[row], world.parts[index], looks[index], scale)
    lamps = np.zeros((LIGHTS, LAMP_COLUMNS), np.float32)
    for row, light in enumerate(world.lights[:LIGHTS]):
        power = np.array(light.power) * scale**2
        lamps[row] = np.concatenate(
            [
                np.array(light.position_m) * scale,
                power,
                np.array(light.axis),
                [(light.radius_m * scale) ** 2],
            ]
        )
    return table, lamps, np.stack(world.bounds_m).astype(np.float32) * np.float32(scale)


def _fill(row: F32, part: Part, look: Look, scale: float) -> None:
    pose: F64 = part.T_world_obj
    per_m, shift = mapping(part)
    row[ROTATION] = pose[:3, :3].reshape(9)
    row[CENTER] = pose[:3, 3] * scale
    row[SIZE] = np.array(part.shape.size) * scale
    row[ROUND] = part.shape.round_m * scale
    row[OUTER] = np.array(part.shape.outer_half_m()) * scale
    row[FORM] = FORMS[part.shape.kind]
    # A picture that repeats may be of another size; one that is fitted to its face may not.
    enlarged = look.tile_scale * scale if part.material.tile_m else scale
    row[SCALE] = np.array(per_m) / enlarged
    if part.shape.kind is Kind.FRUSTUM:
        row[SCALE.start] = max(1.0, round(per_m[0] * 2 * np.pi / look.tile_scale)) / (2 * np.pi)
    row[SHIFT] = shift
    row[GRAIN] = part.material.recipe in GRAINED
    row[LAYER], row[FOLD] = look.layer, look.fold
    row[TINT] = look.tint
    row[GLOSS], row[GLOW], row[BASE] = look.gloss, look.glow, look.base


def rotations(table: Tensor) -> Tensor:
    """Return R_world_obj (w, n, 3, 3)."""
    return table[:, :, ROTATION].reshape(*table.shape[:2], 3, 3)


def solids_of(table: Tensor) -> tuple[Solids, Tensor]:
    """Return the solids of one world (n, COLUMNS) as a list, and the row of each."""
    row = torch.nonzero(table[:, FORM] != NOTHING)[:, 0]
    some = table.index_select(0, row)
    kinds = torch.tensor([0, int(Kind.PLANE), int(Kind.BOX), int(Kind.FRUSTUM)])
    found = Solids(
        kinds.to(table.device)[some[:, FORM].long()],
        some[:, ROTATION].reshape(-1, 3, 3),
        some[:, CENTER].contiguous(),
        some[:, SIZE].contiguous(),
        some[:, ROUND].contiguous(),
        some[:, OUTER].contiguous(),
    )
    return found, row


def distance(packed: Packed, points: Tensor) -> Tensor:
    """Return metres (w, p) from points (w, p, 3) to the nearest surface of each point's own world.

    Exact in free space, like `World.distance`; inside matter a bound.
    """
    if points.device.type == "cpu":
        each = zip(packed.table, points, strict=True)
        return torch.stack([solids_of(table)[0].distance(some) for table, some in each])
    return distance_dense(packed, points)


def distance_dense(packed: Packed, points: Tensor, rows_at_once: int = 1 << 24) -> Tensor:
    """Return the same as `distance`, trying every solid at every point: no list, no waiting."""
    table = packed.table
    step = max(1, rows_at_once // (table.shape[0] * table.shape[1]))
    parts = [_nearest(table, some) for some in torch.split(points, step, dim=1)]
    return torch.cat(parts, dim=1)


def _nearest(table: Tensor, points: Tensor) -> Tensor:
    walls = table[:, :PLANES]
    up = walls[:, :, UP]
    height = torch.einsum("wpi,wni->wpn", points, up) - (up * walls[:, :, CENTER]).sum(-1)[:, None]
    height = torch.where(walls[:, None, :, FORM] == PLANE, height, torch.inf)
    solids = table[:, PLANES:]
    turn = rotations(solids)
    origin = torch.einsum("wnji,wnj->wni", turn, solids[:, :, CENTER])
    x, y, z = (
        torch.einsum("wpj,wnj->wpn", points, turn[..., axis]) - origin[:, None, :, axis]
        for axis in range(3)
    )
    # Boxes and frusta are mixed, so both answers are worked out and the right one is taken.
    a, b, c = (solids[:, None, :, SIZE.start + axis] for axis in range(3))
    far = distance_of(x, y, z, a, b, c, solids[:, None, :, FORM]) - solids[:, None, :, ROUND]
    return torch.minimum(height.amin(-1), far.amin(-1))


def distance_of(
    x: Tensor, y: Tensor, z: Tensor, a: Tensor, b: Tensor, c: Tensor, form: Tensor
) -> Tensor:
    """Return the distance to the cores of boxes and frusta of sizes (a, b, c), own frames."""
    qx, qy, qz = x.abs() - a, y.abs() - b, z.abs() - c
    outside = (
        qx.clamp(min=0).square() + qy.clamp(min=0).square() + qz.clamp(min=0).square()
    ).sqrt()
    box = outside + torch.maximum(torch.maximum(qx, qy), qz).clamp(max=0)
    rho = (x.square() + y.square()).sqrt()
    slope = b - a
    length2 = (slope * slope + 4 * c * c).clamp(min=1e-20)
    along = (((rho - a) * slope + (z + c) * 2 * c) / length2).clamp(0, 1)
    side = (rho - (a + along * slope)).square() + (z - (2 * along - 1) * c).square()
    cap_up = z.abs() - c
    cap = (rho - torch.where(z > 0, b, a)).clamp(min=0).square() + cap_up.square()
    inside = (cap_up < 0) & (rho < a + (z + c) / (2 * c).clamp(min=1e-20) * slope)
    frustum = torch.minimum(side, cap).sqrt() * torch.where(inside, -1.0, 1.0)
    solid = torch.where(form == BOX, box, frustum)
    return torch.where(form >= BOX, solid, torch.inf)
