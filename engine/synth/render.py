"""Pictures of a world: exact depth, normals, instance numbers, and colour as a camera sees it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from engine.core.arrays import F32, I32, U8
from engine.core.faults import BadInput
from engine.synth.lighting import Lighting
from engine.synth.mapping import coordinates, mapping
from engine.synth.materials import GRAINED
from engine.synth.outlines import FACES, smooth_outlines
from engine.synth.raycast import TILE_PX, Caster, Hits, Pinhole
from engine.synth.shapes import Kind, dot, field_local, turn_each
from engine.synth.textures import Textures, paint_all
from engine.synth.world import World

if TYPE_CHECKING:
    # Their module brings SciPy, which a machine that only trains may lack.
    from engine.core.camera import Intrinsics
    from engine.core.poses import Pose

# What the camera shows of a scene's median brightness, linear, before the shoulder of the curve.
MEDIAN_LEVEL = 0.42


@dataclass(frozen=True, slots=True)
class Views:
    """Rendered views as tensors, (b, h, w) each.

    Attributes:
        depth_m: float32 along the camera axis, 0 where nothing is hit.
        radiance: (b, h, w, 3) float32 linear light, exposure not applied.
        normals: (b, h, w, 3) float32 unit, world frame; zero where nothing is hit.
        instance: int64 number of the thing seen, 0 where nothing is hit.
        gloss: float32 0..1 of the material seen.
        facing: float32 cosine between surface normal and the way back to the camera.
    """

    depth_m: Tensor
    radiance: Tensor
    normals: Tensor
    instance: Tensor
    gloss: Tensor
    facing: Tensor


@dataclass(frozen=True, slots=True)
class Picture:
    """One clean view as numpy: color and normals (h, w, 3), depth and instance (h, w)."""

    color: U8
    depth_m: F32
    normals_world: F32
    instance: I32


@dataclass(frozen=True, slots=True)
class _Points:
    """Visible points, one row each."""

    view: Tensor
    ray: Tensor
    solid: Tensor
    depth_m: Tensor
    world: Tensor
    local: Tensor
    normal_local: Tensor
    normal: Tensor
    to_eye: Tensor
    range_m: Tensor


class Renderer:
    """Turns camera poses into pictures of one world, on the device it was made for."""

    def __init__(
        self, world: World, device: torch.device | str = "cpu", texture_px: int = 512
    ) -> None:
        """Paint the materials and prepare the light: one to three seconds for a room.

        Raises:
            BadInput: `texture_px`, the edge of every material's picture, is no power of two.
        """
        if texture_px < 8 or texture_px & (texture_px - 1):
            raise BadInput(f"Textures of {texture_px} pixels cannot be halved.", "Use 256 or 512.")
        self.world = world
        self.device = torch.device(device)
        self.solids = world.solids.to(self.device)
        self.caster = Caster(self.solids)
        materials = list(dict.fromkeys(p.material for p in world.parts))
        number = {m: i for i, m in enumerate(materials)}
        # Paint dries while the light is measured: who opens a room waits for its first picture.
        with ThreadPoolExecutor(1, "paint") as painter:
            painted = painter.submit(paint_all, materials, texture_px, self.device)
            self.lighting = Lighting(world, self.caster, self.device)
            self.textures: Textures = painted.result()
        layer = [number[p.material] for p in world.parts]
        self._layer = torch.tensor(layer, device=self.device)
        self._instance = torch.tensor([p.instance for p in world.parts], device=self.device)
        self._gloss = torch.tensor([p.material.gloss for p in world.parts], device=self.device)
        self._glow = torch.tensor([p.material.glow for p in world.parts], device=self.device)
        scale, shift = zip(*map(mapping, world.parts), strict=True)
        self._scale = torch.tensor(scale, device=self.device)
        self._shift = torch.tensor(shift, device=self.device)
        self._long_axis = torch.tensor(
            [p.material.recipe in GRAINED for p in world.parts], device=self.device
        )
        self.exposure = 1.0
        self.exposure = self._meter()

    def render(self, camera: Intrinsics, T_world_cam: Sequence[Pose]) -> list[Picture]:
        """Return one clean picture a pose; lens distortion is not drawn."""
        views = self.views(pinhole(camera), poses_tensor(T_world_cam))
        color = self.develop(views.radiance).cpu().numpy()
        return [
            Picture(
                color[i],
                views.depth_m[i].cpu().numpy(),
                views.normals[i].cpu().numpy(),
                views.instance[i].to(torch.int32).cpu().numpy(),
            )
            for i in range(len(T_world_cam))
        ]

    def develop(self, radiance: Tensor, gain: float = 1.0) -> Tensor:
        """Return uint8 sRGB of linear light: exposure, a soft shoulder, the standard curve."""
        return encode_srgb(self.tone(radiance * gain))

    def tone(self, radiance: Tensor) -> Tensor:
        """Return linear 0..1 of linear light without limit; nothing clips, whites stay apart."""
        return 1 - torch.exp(-radiance * self.exposure)

    def views(self, camera: Pinhole, T_world_cam: Tensor) -> Views:
        """Return tensors of every view; poses are (b, 4, 4)."""
        hits = self.caster.cast(camera, T_world_cam)
        T = T_world_cam.to(self.device, torch.float32)
        points = self._points(camera, T, hits)
        radiance = self._shade(camera, points)
        # One more than the number, so that zero is left for pixels that show nothing.
        shown = points.solid * FACES + self.caster.face(points.solid, points.local) + 1
        facing = dot(points.normal, points.to_eye)
        shape = hits.depth_m.shape

        def spread(values: Tensor) -> Tensor:
            whole = values
            # In a closed room every pixel meets something and the rows are all there, in order.
            if len(values) < shape[0] * shape[1]:
                rows = (shape[0] * shape[1], *values.shape[1:])
                whole = torch.zeros(rows, dtype=values.dtype, device=self.device)
                whole[points.ray] = values
            return camera.untile(whole.reshape(*shape, *values.shape[1:])).contiguous()

        return Views(
            spread(points.depth_m),
            self._smooth(camera, T, spread(shown) - 1, spread(radiance)),
            spread(points.normal),
            spread(self._instance.index_select(0, points.solid)),
            spread(self._gloss.index_select(0, points.solid)),
            spread(facing),
        )

    def _smooth(self, camera: Pinhole, T: Tensor, shown: Tensor, radiance: Tensor) -> Tensor:
        """Return light with smooth outlines; pressed down first, or lamps would bleed."""
        pressed = radiance / (1 + radiance * self.exposure)
        shared = smooth_outlines(self.caster, camera, T, shown, pressed)
        return shared / (1 - shared * self.exposure).clamp(min=1e-3)

    def _points(self, camera: Pinhole, T: Tensor, hits: Hits) -> _Points:
        solid = hits.solid.reshape(-1)
        ray = torch.nonzero(solid >= 0)[:, 0]
        solid = solid.index_select(0, ray)
        directions = camera.tile_directions(self.device).transpose(1, 2).reshape(-1, 3)
        view = ray // len(directions)
        depth = hits.depth_m.reshape(-1).index_select(0, ray)
        ahead = directions.index_select(0, ray % len(directions)) * depth[:, None]
        offset = turn_each(T[:, :3, :3], view, ahead)
        world = offset + T[:, :3, 3].index_select(0, view)
        R = self.solids.R_world_obj
        local = turn_each(
            R.transpose(1, 2).contiguous(), solid, world - self.solids.center.index_select(0, solid)
        )
        normal_local = torch.zeros_like(local)
        kinds = self.solids.kind.index_select(0, solid)
        for kind in Kind:
            mine = torch.nonzero(kinds == int(kind))[:, 0]
            if len(mine):
                some = self.solids.pick(solid.index_select(0, mine))
                here = local.index_select(0, mine)
                normal_local[mine] = field_local(kind, here, some.size, some.round_m)[1]
        normal = turn_each(R, solid, normal_local)
        range_m = torch.sqrt(dot(offset, offset))
        to_eye = -offset / range_m[:, None]
        return _Points(view, ray, solid, depth, world, local, normal_local, normal, to_eye, range_m)

    def _shade(self, camera: Pinhole, at: _Points) -> Tensor:
        albedo = self._albedo(camera, at)
        gloss = self._gloss.index_select(0, at.solid)
        shine = torch.exp2(3 + 6.5 * gloss)
        strength = 0.02 + 0.25 * gloss * gloss
        diffuse = self.lighting.ambient(at.world, at.normal)
        specular = torch.zeros_like(diffuse)
        for k in range(len(self.world.lights)):
            toward = self.lighting.position[k] - at.world
            distance2 = dot(toward, toward)
            toward = toward * torch.rsqrt(distance2)[:, None]
            cosine = dot(toward, at.normal)
            axis = self.lighting.axis[k]
            beam = (-(toward @ axis)).clamp(min=0) if bool(axis.any()) else 1.0
            arriving = cosine.clamp(min=0) * beam / (distance2 + self.lighting.radius2[k])
            lit = torch.nonzero(arriving > 1e-4)[:, 0]
            normal = at.normal.index_select(0, lit)
            seen = self.lighting.shadow(k, at.world.index_select(0, lit), normal)
            light = (arriving.index_select(0, lit) * seen)[:, None] * self.lighting.power[k]
            diffuse.index_add_(0, lit, light)
            half = toward.index_select(0, lit) + at.to_eye.index_select(0, lit)
            half = half * torch.rsqrt(dot(half, half))[:, None]
            narrow = shine.index_select(0, lit)
            peak = dot(half, normal).clamp(min=0) ** narrow
            peak = peak * strength.index_select(0, lit) * (narrow + 8) / 16
            specular.index_add_(0, lit, light * peak[:, None])
        return albedo * (diffuse + self._glow.index_select(0, at.solid)[:, None]) + specular

    def _albedo(self, camera: Pinhole, at: _Points) -> Tensor:
        u, v, per_m = self._coordinates(at)
        slant = dot(at.normal, at.to_eye).abs().clamp(min=0.08)
        footprint = at.range_m / camera.fx * per_m * torch.rsqrt(slant) * 0.8
        layer = self._layer.index_select(0, at.solid)
        return self.textures.read(layer, u, v, footprint)

    def _coordinates(self, at: _Points) -> tuple[Tensor, Tensor, Tensor]:
        """Return u, v and pictures a metre at every point."""
        solid = at.solid
        kind = self.solids.kind.index_select(0, solid)
        return coordinates(
            at.local,
            at.normal_local,
            (kind == int(Kind.FRUSTUM)) | (kind == int(Kind.TORUS)),
            self.solids.outer.index_select(0, solid),
            self._scale.index_select(0, solid),
            self._shift.index_select(0, solid),
            self._long_axis.index_select(0, solid),
        )

    def _meter(self) -> float:
        """Return the exposure that puts the middle of the scene at `MEDIAN_LEVEL`."""
        low, high = (torch.tensor(b, dtype=torch.float32) for b in self.world.bounds_m)
        eye = (low + high) / 2 if self.world.focus_m is None else low * 0.3 + high * 0.7
        forward = torch.tensor([[1.0, 0, -0.3], [-1, 0, -0.3], [0, 1, -0.3], [0, -1, -0.3]])
        if self.world.focus_m is not None:
            forward = (torch.tensor(self.world.focus_m) - eye)[None]
        poses = torch.eye(4).repeat(len(forward), 1, 1)
        poses[:, :3, 2] = forward / torch.linalg.vector_norm(forward, dim=1, keepdim=True)
        right = torch.linalg.cross(poses[:, :3, 2], torch.tensor([[0.0, 0, 1]]))
        poses[:, :3, 0] = right / torch.linalg.vector_norm(right, dim=1, keepdim=True)
        poses[:, :3, 1] = torch.linalg.cross(poses[:, :3, 2], poses[:, :3, 0])
        poses[:, :3, 3] = eye
        side = 4 * TILE_PX
        views = self.views(Pinhole(side, side, side / 2, side / 2, side / 2, side / 2), poses)
        level = views.radiance.mean(-1)[views.depth_m > 0].median()
        return float(-np.log(1 - MEDIAN_LEVEL) / max(float(level), 1e-6))


def pinhole(camera: Intrinsics) -> Pinhole:
    """Return the tensor camera of an ideal lens."""
    return Pinhole(camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy)


def poses_tensor(T_world_cam: Sequence[Pose]) -> Tensor:
    """Return (b, 4, 4) float32."""
    return torch.from_numpy(np.stack([T.matrix for T in T_world_cam]).astype(np.float32))


def encode_srgb(linear: Tensor) -> Tensor:
    """Return uint8 sRGB (IEC 61966-2-1) of linear 0..1."""
    x = linear.clamp(0, 1)
    curve = torch.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
    return (curve * 255 + 0.5).to(torch.uint8)
