"""Light and colour of what many cameras in many packed worlds see, in tensors of fixed shape.

Every world keeps what does not depend on the camera: a cube of depth pictures about each lamp (for
shadows), a lattice of distances (for the dark in corners), and a cube of colour pictures about its
middle. Reflections look the last one up where the mirrored ray would leave the room, so that they
move with the camera as real ones do.
"""

import math
from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.synth import packed as at
from engine.synth.cast_many import Cameras, cast
from engine.synth.mapping import coordinates
from engine.synth.packed import Packed
from engine.synth.stage import (
    MIRROR_BORDER_PX,
    MIRROR_PX,
    SHADOW_BORDER_PX,
    SHADOW_PX,
    Stage,
    cube_cameras,
    cube_place,
)
from engine.synth.textures import Textures

TAPS = 3
BLURRED = 6
LATTICE = (28, 28, 14)
OPENNESS_STEPS_M = ((0.08, 0.30), (0.2, 0.35), (0.5, 0.35))
BOUNCE_UP, BOUNCE_SIDE, BOUNCE_DOWN = 0.62, 0.52, 0.40


@dataclass(frozen=True, slots=True)
class Seen:
    """Views of worlds, (w, c, h, w) each; zero where nothing is hit.

    Attributes:
        depth_m: along the camera axis, exact.
        light: (w, c, 3, h, w) linear, without limit.
        gloss: 0..1.
        facing: cosine between normal and the way back.
    """

    depth_m: Tensor
    light: Tensor
    gloss: Tensor
    facing: Tensor

    def relit(self, light: Tensor) -> "Seen":
        """Return the same with other light."""
        return replace(self, light=light)


def light_up(packed: Packed, textures: Textures) -> Stage:
    """Return the worlds with shadows, openness and mirror pictures made."""
    w = len(packed.table)
    lamps = packed.lamps[..., :3]
    depth, _ = cast(packed, cube_cameras(lamps, SHADOW_PX, SHADOW_BORDER_PX))
    depth = torch.where(depth > 0, depth, 1e4)
    shadow = depth.reshape(w, at.LIGHTS, 6, SHADOW_PX, SHADOW_PX)
    low, high = packed.low, packed.high
    ramps = [torch.linspace(0, 1, n, device=low.device) for n in LATTICE]
    grid = torch.stack(torch.meshgrid(*ramps, indexing="ij"), -1).reshape(-1, 3)
    points = low[:, None] + grid * (high - low)[:, None]
    gaps = at.distance(packed, points).reshape(w, *LATTICE).permute(0, 3, 2, 1)
    middle = (low + high) / 2
    dark = torch.zeros(w, 6, MIRROR_PX, MIRROR_PX * 2, 3, device=low.device)
    stage = Stage(packed, shadow, gaps[:, None].contiguous(), dark, middle)
    seen, _ = look(stage, cube_cameras(middle[:, None], MIRROR_PX, MIRROR_BORDER_PX), textures)
    flat = seen.light.flatten(0, 1)
    soft = F.interpolate(F.avg_pool2d(flat, BLURRED), size=MIRROR_PX, mode="bilinear")
    both = torch.cat([flat, soft], dim=3).permute(0, 2, 3, 1)
    mirror = both.reshape(w, 6, MIRROR_PX, 2 * MIRROR_PX, 3).contiguous()
    return Stage(packed, shadow, stage.openness, mirror, middle)


def look(stage: Stage, cameras: Cameras, textures: Textures) -> tuple[Seen, Tensor]:
    """Return what the cameras see, and the row of the table each pixel shows, -1 for none."""
    depth, row = cast(stage.packed, cameras)
    w, c = depth.shape[:2]
    if depth.device.type == "cpu":
        # A processor is twice as quick when one picture at a time stays in its cache.
        runs = [(slice(i, i + 1), slice(k, k + 1)) for i in range(w) for k in range(c)]
    else:
        runs = [(worlds, slice(None)) for worlds in cameras.slices()]
    each = [
        _shade(
            stage.rows(worlds),
            cameras.pick(worlds, views),
            depth[worlds, views],
            row[worlds, views],
            textures,
        )
        for worlds, views in runs
    ]
    parts = [torch.cat([getattr(s, f.name).flatten(0, 1) for s in each]) for f in fields(Seen)]
    return Seen(*(p.reshape(w, c, *p.shape[1:]) for p in parts)), row


def _shade(stage: Stage, cameras: Cameras, depth: Tensor, row: Tensor, textures: Textures) -> Seen:
    w, c = cameras.K.shape[:2]
    pixels = cameras.height * cameras.width
    world = torch.arange(w, device=depth.device).repeat_interleave(c * pixels)
    flat = depth.reshape(-1)
    hit = flat > 0
    rays = cameras.directions().reshape(-1, 3).T.contiguous()
    eye = cameras.T_world_cam[..., :3, 3].reshape(-1, 3).T.repeat_interleave(pixels, 1)
    table = stage.packed.table
    index = world * table.shape[1] + row.reshape(-1).clamp(min=0)
    # Whole columns of numbers are quicker to work with than rows of many.
    part = table.reshape(-1, table.shape[2]).T.contiguous().index_select(1, index)
    point = eye + rays * flat
    local, normal_local, normal = _surface(part, point)
    range_m = (_dot(rays, rays).sqrt() * flat).clamp(min=1e-6)
    to_eye = -rays * (flat / range_m)
    facing = _dot(normal, to_eye)
    pixel_m = range_m / cameras.K[..., 0, 0].reshape(-1).repeat_interleave(pixels)
    albedo = _albedo(part, local, normal_local, facing, pixel_m, textures)
    at_point = _Point(world, part, point, normal, to_eye, facing, albedo)
    light = torch.where(hit, _lit(stage, at_point) + _mirrored(stage, at_point), 0.0)
    shape = depth.shape

    def column(values: Tensor) -> Tensor:
        return torch.where(hit, values, 0.0).reshape(shape)

    return Seen(
        depth,
        light.reshape(3, *shape).permute(1, 2, 0, 3, 4),
        column(part[at.GLOSS]),
        column(facing),
    )


@dataclass(frozen=True, slots=True)
class _Point:
    """What is seen at n pixels; vectors are (3, n), `part` is (COLUMNS, n), the rest (n,)."""

    world: Tensor
    part: Tensor
    point: Tensor
    normal: Tensor
    to_eye: Tensor
    facing: Tensor
    albedo: Tensor


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _unit(v: Tensor) -> Tensor:
    return v * _dot(v, v).clamp(min=1e-12).rsqrt()


def _surface(part: Tensor, point: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the point and the normal in the frame of its solid, and the normal in the world's."""
    R = part[at.ROTATION]
    d = point - part[at.CENTER]
    local = torch.stack([R[i] * d[0] + R[3 + i] * d[1] + R[6 + i] * d[2] for i in range(3)])
    form = part[at.FORM]
    size = part[at.SIZE]
    q = local.abs() - size
    # A sharp box: the face that sticks out most. A rounded one: the way from its core.
    over = q.clamp(min=0)
    face = (q >= q.amax(0)).to(q.dtype)
    rim = (over > 0).sum(0) > 1
    box = torch.where(rim, over, face) * torch.where(local < 0, -1.0, 1.0)
    up = torch.zeros_like(local)
    up[2] = 1
    frustum = _frustum_normal(local, size)
    normal = torch.where(form == at.BOX, box, torch.where(form == at.FRUSTUM, frustum, up))
    normal = _unit(normal)
    world = torch.stack([_dot(R[3 * i : 3 * i + 3], normal) for i in range(3)])
    return local, normal, world


def _frustum_normal(p: Tensor, size: Tensor) -> Tensor:
    a, b, c = size
    rho, z = torch.hypot(p[0], p[1]), p[2]
    slope = b - a
    length2 = (slope * slope + 4 * c * c).clamp(min=1e-20)
    share = ((rho - a) * slope + (z + c) * 2 * c) / length2
    along = share.clamp(0, 1)
    side_out, side_up = rho - (a + along * slope), z - (2 * along - 1) * c
    cap_out = (rho - torch.where(z > 0, b, a)).clamp(min=0)
    cap_up = z.abs() - c
    on_cap = cap_out.square() + cap_up.square() < side_out.square() + side_up.square()
    flat = (share > 0) & (share < 1)
    sign = torch.where(z < 0, -1.0, 1.0)
    out = torch.where(flat, 2 * c, side_out)
    up = torch.where(flat, -slope, side_up)
    flat_cap = cap_out <= 0
    out = torch.where(on_cap, torch.where(flat_cap, 0.0, cap_out), out)
    up = torch.where(on_cap, torch.where(flat_cap, sign, cap_up * sign), up)
    spread = out / rho.clamp(min=1e-9)
    return torch.stack([p[0] * spread, p[1] * spread, up])


def _albedo(
    part: Tensor,
    local: Tensor,
    normal_local: Tensor,
    facing: Tensor,
    pixel_m: Tensor,
    textures: Textures,
) -> Tensor:
    u, v, per_m = coordinates(
        local.T,
        normal_local.T,
        part[at.FORM] == at.FRUSTUM,
        part[at.OUTER].T,
        part[at.SCALE].T,
        part[at.SHIFT].T,
        part[at.GRAIN] > 0,
    )
    fold = part[at.FOLD] > 0
    # A photograph that does not repeat is mirrored at its borders.
    u = torch.where(fold, 1 - (u % 2 - 1).abs(), u)
    v = torch.where(fold, 1 - (v % 2 - 1).abs(), v)
    footprint = pixel_m * per_m * facing.abs().clamp(min=0.08).rsqrt() * 0.8
    color = textures.read(part[at.LAYER].long(), u, v, footprint)
    return (color.T * part[at.TINT]).clamp(0, 0.95)


def _lit(stage: Stage, p: _Point) -> Tensor:
    """Return the light (3, n) that lamps and the room throw back from each point."""
    lamps = stage.packed.lamps
    extent = stage.packed.high - stage.packed.low
    floor_m2 = (extent[:, 0] * extent[:, 1]).clamp(min=1.0)
    glow = lamps[..., 3:6].sum(1) * (2.0 / floor_m2)[:, None]
    up = p.normal[2]
    base = BOUNCE_UP * up.clamp(min=0) + BOUNCE_DOWN * (-up).clamp(min=0)
    base = base + BOUNCE_SIDE * (1 - up.abs())
    dim = 0.25 + 0.75 * _open(stage, p.point, p.normal)
    diffuse = base * dim * glow.T.index_select(1, p.world)
    specular = torch.zeros_like(diffuse)
    shine = torch.exp2(3 + 6.5 * p.part[at.GLOSS])
    strength = p.part[at.BASE] * (shine + 8) / 16
    per_world = lamps.permute(1, 2, 0)
    for k in range(at.LIGHTS):
        lamp = per_world[k].index_select(1, p.world)
        toward = lamp[:3] - p.point
        distance2 = _dot(toward, toward).clamp(min=1e-6)
        toward = toward * distance2.rsqrt()
        axis = lamp[6:9]
        is_bulb = axis.abs().sum(0) == 0
        beam = torch.where(is_bulb, 1.0, (-_dot(toward, axis)).clamp(min=0))
        seen = _shadow(stage, p.world, k, -(lamp[:3] - p.point), p.normal)
        arriving = _dot(toward, p.normal).clamp(min=0) * beam / (distance2 + lamp[9])
        light = arriving * seen * lamp[3:6]
        diffuse = diffuse + light
        peak = _dot(_unit(toward + p.to_eye), p.normal).clamp(min=0) ** shine * strength
        specular = specular + light * peak
    kept = 1 - p.part[at.BASE]
    return p.albedo * (diffuse * kept + p.part[at.GLOW]) + specular


def _open(stage: Stage, point: Tensor, normal: Tensor) -> Tensor:
    """Return 0 (in a crack) .. 1 (in the open)."""
    w = len(stage.middle)
    low, high = stage.packed.low[:, None], stage.packed.high[:, None]
    total = torch.zeros(point.shape[1], device=point.device)
    for step_m, weight in OPENNESS_STEPS_M:
        place = (point + normal * step_m).T.reshape(w, -1, 3)
        place = (place - low) / (high - low) * 2 - 1
        gap = F.grid_sample(
            stage.openness, place[:, None, None], padding_mode="border", align_corners=True
        )
        total = total + weight * (gap.reshape(-1) / step_m).clamp(0, 1)
    return total


def _shadow(stage: Stage, world: Tensor, lamp: int, away: Tensor, normal: Tensor) -> Tensor:
    """Return how much of a lamp each point sees, 0..1; `away` (3, n) leads from it to the point."""
    reach = away.abs().amax(0)
    # Lifting the point off its surface by the size of a shadow pixel stops self-shadowing.
    away = away + normal * (0.006 + reach * (2.2 / SHADOW_PX))
    face, u, v, ahead = cube_place(away, SHADOW_PX, SHADOW_BORDER_PX)
    u, v = u - TAPS / 2, v - TAPS / 2
    left, top = torch.floor(u), torch.floor(v)
    fu, fv = u - left, v - top
    picture = (world * at.LIGHTS + lamp) * 6 + face
    base = (picture * SHADOW_PX + top.long().clamp(0, SHADOW_PX - TAPS)) * SHADOW_PX
    base = base + left.long().clamp(0, SHADOW_PX - TAPS)
    depth = stage.shadow.reshape(-1)
    lit = torch.zeros_like(ahead)
    for y in range(TAPS):
        line = torch.zeros_like(ahead)
        for x in range(TAPS):
            tap = depth.index_select(0, base + (y * SHADOW_PX + x))
            line = line + (tap > ahead) * _tap(x, fu)
        lit = lit + line * _tap(y, fv)
    return lit / ((TAPS - 1) * (TAPS - 1))


def _tap(index: int, fraction: Tensor) -> Tensor | float:
    """Return the weight of one tap of a box that slides smoothly over the pixels."""
    if index == 0:
        return 1 - fraction
    return fraction if index == TAPS - 1 else 1.0


def _mirrored(stage: Stage, p: _Point) -> Tensor:
    """Return the light that comes by reflection: what lies where the mirrored ray leaves."""
    ray = 2 * p.facing * p.normal - p.to_eye
    low = stage.packed.low.T.index_select(1, p.world)
    high = stage.packed.high.T.index_select(1, p.world)
    safe = torch.where(ray.abs() < 1e-6, 1e-6, ray)
    leave = torch.maximum((low - p.point) / safe, (high - p.point) / safe).amin(0).clamp(min=0)
    away = p.point + ray * leave - stage.middle.T.index_select(1, p.world)
    face, u, v, _ = cube_place(away, MIRROR_PX, MIRROR_BORDER_PX)
    cube = (p.world * 6 + face) * MIRROR_PX
    pictures = stage.mirror.reshape(-1, 3)
    u, v = (u - 0.5).clamp(0, MIRROR_PX - 1.001), (v - 0.5).clamp(0, MIRROR_PX - 1.001)
    left, top = torch.floor(u), torch.floor(v)
    across, down = (u - left)[:, None], (v - top)[:, None]
    gloss = p.part[at.GLOSS]
    light = torch.zeros_like(p.point)
    # Between the sharp picture on the left and the blurred one on the right.
    sharp = ((gloss - 0.5) * 2.5).clamp(0, 1)
    for start, weight in ((0, sharp), (MIRROR_PX, 1 - sharp)):
        row = (cube + top.long()) * (2 * MIRROR_PX) + left.long() + start
        one, two = pictures.index_select(0, row), pictures.index_select(0, row + 1)
        row = row + 2 * MIRROR_PX
        three, four = pictures.index_select(0, row), pictures.index_select(0, row + 1)
        mixed = one.lerp(two, across).lerp(three.lerp(four, across), down)
        light = light + mixed.T * weight
    head_on = p.part[at.BASE]
    grazing = (1 - p.facing.clamp(0, 1)) ** 5
    share = head_on + (gloss - head_on).clamp(min=0) * grazing
    # Matt stuff has no picture in it, only a little of the light about.
    share = share * (gloss * 1.6).clamp(0, 1)
    metal = torch.where(head_on > 0.3, p.albedo.sqrt(), 1.0)
    return light * share * metal


def median_exposure(light: Tensor, level: float = 0.25) -> Tensor:
    """Return exposures (w,) that put the middle of the pictures (w, 3, h, w) at a level."""
    middle = light.mean(1).flatten(1).median(1).values
    return -math.log(1 - level) / middle.clamp(min=1e-4)
