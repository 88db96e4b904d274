"""The cost volume: how well every depth plane explains what the sources see (Sayed 2022)."""

import math
from abc import ABC, abstractmethod
from collections.abc import Collection
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from engine.nets.simplerecon import geometry
from engine.nets.simplerecon.config import METADATA, SimpleReconConfig

# Trap: the reduction MLP's slope; the 2D networks have 0.2.
MLP_SLOPE = 0.01
# Trap: the validity mask looks at the farthest plane only.
MASK_PLANE = -1
MASK_BORDER_PX = 2.0
RAY_FLOOR = 1e-12
# Planes compared at once: memory grows with it, the numbers do not change.
CHUNK_PLANES = 4


class Volume(NamedTuple):
    """What the sweep found, at the size of the matching features.

    Attributes:
        cost_bdhw: the volume, higher where a plane fits better.
        best_depth_bhw: metres of the plane with the highest value.
        mask_bhw: whether the farthest plane is seen by some source.
    """

    cost_bdhw: Tensor
    best_depth_bhw: Tensor
    mask_bhw: Tensor


class Cameras(NamedTuple):
    """Reference and sources; intrinsics count pixels of the matching features."""

    K_ref_b33: Tensor
    K_src_bv33: Tensor
    T_src_ref_bv44: Tensor


class Sweep(NamedTuple):
    """A chunk of planes seen from every source; `n` is pixels, `p` planes of the chunk.

    Attributes:
        depths_p: the planes.
        points_bp3n: the reference's pixels on the planes, reference camera frame.
        pixels_bvp2n: where they lie in the sources.
        z_bvpn: their depth there.
    """

    depths_p: Tensor
    points_bp3n: Tensor
    pixels_bvp2n: Tensor
    z_bvpn: Tensor


class ReductionMLP(nn.Module):
    """Metadata of a cell to its value; biases, no normalisation."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(MLP_SLOPE)]
        self.net = nn.Sequential(*layers[:-1])

    def forward(self, metadata_xf: Tensor) -> Tensor:
        """Return (..., 1)."""
        value: Tensor = self.net(metadata_xf)
        return value


class PlaneSweep(nn.Module, ABC):
    """Planes uniform in log depth, and where their points lie in the sources."""

    linear_ramp_1d11: Tensor

    def __init__(self, config: SimpleReconConfig) -> None:
        super().__init__()
        self.near_m, self.far_m = config.near_m, config.far_m
        self.chunk_planes = CHUNK_PLANES
        ramp = torch.linspace(0, 1, config.planes).reshape(1, -1, 1, 1)
        self.register_buffer("linear_ramp_1d11", ramp)
        shrink = 2 ** (config.matching_scale + 1)
        self.backprojector = geometry.Backprojector(
            config.image_height // shrink, config.image_width // shrink
        )
        self.projector = geometry.Projector()

    def planes_m(self) -> Tensor:
        """Return the depths of the planes, (planes,) float32."""
        return plane_depths(self.linear_ramp_1d11.flatten(), self.near_m, self.far_m)

    def sweep(self, depths_p: Tensor, cameras: Cameras, height: int, width: int) -> Sweep:
        """Return where the reference's pixels on some planes lie in every source."""
        rays_b3n = self.backprojector(cameras.K_ref_b33, height, width)
        points_bp3n = rays_b3n[:, None] * depths_p[:, None, None]
        matrices = geometry.camera_matrix(cameras.K_src_bv33, cameras.T_src_ref_bv44)
        projected = geometry.transform(matrices[:, :, None], points_bp3n[:, None])
        pixels_bvp2n, z_bvpn = self.projector(projected)
        return Sweep(depths_p, points_bp3n, pixels_bvp2n, z_bvpn)

    def forward(self, ref_bchw: Tensor, src_bvchw: Tensor, cameras: Cameras) -> Volume:
        """Return the volume of matching features."""
        height, width = ref_bchw.shape[-2:]
        cameras = Cameras(*(geometry.wide(each) for each in cameras))
        reference, sources = geometry.wide(ref_bchw), geometry.wide(src_bvchw)
        planes = self.planes_m()

        def values(depths_p: Tensor) -> Tensor:
            with geometry.exact(ref_bchw):
                seen = self.sweep(depths_p, cameras, height, width)
                compared = self.compare(seen, reference, sources, cameras.T_src_ref_bv44)
            return self.reduce(compared)

        # While training, a chunk is worked out again on the way back instead of being kept.
        is_kept = not (self.training and torch.is_grad_enabled())
        chunks = [
            values(depths_p)
            if is_kept
            else checkpoint(values, depths_p, use_reentrant=False, preserve_rng_state=False)
            for depths_p in torch.split(planes, self.chunk_planes)
        ]
        values_bdn = geometry.wide(torch.cat(chunks, dim=1))
        cost_bdhw = torch.unflatten(values_bdn, -1, (height, width))
        with geometry.exact(ref_bchw):
            last = self.sweep(planes[MASK_PLANE, None], cameras, height, width)
        mask_bhw = torch.unflatten(visible(last, height, width), -1, (height, width))
        return Volume(cost_bdhw, planes[cost_bdhw.argmax(dim=1)], mask_bhw)

    @abstractmethod
    def compare(
        self, seen: Sweep, ref_bchw: Tensor, src_bvchw: Tensor, T_src_ref_bv44: Tensor
    ) -> Tensor:
        """Return what is known of every cell of a chunk, (b, p, n, ...)."""

    @abstractmethod
    def reduce(self, compared: Tensor) -> Tensor:
        """Return the values (b, p, n) of what `compare` returned."""


class MetadataVolume(PlaneSweep):
    """Every cell's metadata, reduced to one value by an MLP: the released network."""

    def __init__(self, config: SimpleReconConfig) -> None:
        super().__init__(config)
        self.wanted = config.metadata
        self.mlp = ReductionMLP(config.mlp_widths)

    def compare(
        self, seen: Sweep, ref_bchw: Tensor, src_bvchw: Tensor, T_src_ref_bv44: Tensor
    ) -> Tensor:
        """Return the metadata (b, p, n, f) of a chunk's cells, in the order of `METADATA`."""
        b, p, _, n = seen.points_bp3n.shape
        parts = metadata(seen, ref_bchw, src_bvchw, T_src_ref_bv44, self.wanted)
        in_order = [parts[name] for name in METADATA if name in self.wanted]
        return torch.cat([part.expand(b, p, -1, n) for part in in_order], dim=2).mT

    def reduce(self, compared: Tensor) -> Tensor:
        """Return the MLP's value of every cell."""
        value: Tensor = self.mlp(compared)
        return value.squeeze(-1)


class DotVolume(PlaneSweep):
    """Masked dot products, summed over the sources: the ablation, without weights."""

    def compare(
        self, seen: Sweep, ref_bchw: Tensor, src_bvchw: Tensor, T_src_ref_bv44: Tensor
    ) -> Tensor:
        """Return the dot products (b, p, n, v) of a chunk's cells."""
        return metadata(seen, ref_bchw, src_bvchw, T_src_ref_bv44, ("dots",))["dots"].mT

    def reduce(self, compared: Tensor) -> Tensor:
        """Return their sum."""
        return compared.sum(-1)


def plane_depths(ramp: Tensor, near_m: float, far_m: float) -> Tensor:
    """Return depths uniform in log depth for a ramp from 0 to 1."""
    near, far = math.log(near_m), math.log(far_m)
    return torch.exp(near + (far - near) * ramp)


def warp(src_bvchw: Tensor, pixels_bvp2n: Tensor) -> Tensor:
    """Return source features (b, v, p, c, n) where the planes' points lie in the sources."""
    b, v, p, _, n = pixels_bvp2n.shape
    pixels = pixels_bvp2n.transpose(2, 3).reshape(b * v, 2, p * n)
    warped = geometry.sample(src_bvchw.flatten(0, 1), pixels)
    return warped.reshape(b, v, -1, p, n).transpose(2, 3)


def metadata(
    seen: Sweep,
    ref_bchw: Tensor,
    src_bvchw: Tensor,
    T_src_ref_bv44: Tensor,
    wanted: Collection[str] = METADATA,
) -> dict[str, Tensor]:
    """Return parts of the metadata, each (b, p or 1, k, n or 1) (section 3.2 of the paper).

    More than the wanted ones may be there; costly ones that are not wanted are not.
    """
    reference = ref_bchw.flatten(2)[:, None]
    warped_bvpcn = warp(src_bvchw, seen.pixels_bvp2n)
    masks = (seen.z_bvpn > 0).to(reference.dtype)
    dots = (warped_bvpcn * reference[:, None]).sum(3) * masks
    T_ref_src_bv44 = geometry.inverse(T_src_ref_bv44)
    combined, turn, metres = (
        distance[:, None, :, None] for distance in geometry.pose_distance(T_ref_src_bv44)
    )
    parts = {
        "reference": reference,
        "masks": _by_plane(masks),
        "depths": _by_plane(seen.z_bvpn),
        "plane": seen.depths_p[None, :, None, None],
        "dots": _by_plane(dots),
        "pose_combined": combined,
        "pose_rotation": turn,
        "pose_translation": metres,
    }
    if "warped" in wanted:
        parts["warped"] = _by_plane(warped_bvpcn).flatten(2, 3)
    if {"cosines", "rays"}.intersection(wanted):
        # Rays to the same point from the reference and from every source, in the reference's frame.
        centres_bv131 = T_ref_src_bv44[:, :, None, :3, 3:]
        ray_bp3n = unit(seen.points_bp3n)
        rays_bvp3n = unit(seen.points_bp3n[:, None] - centres_bv131)
        parts["cosines"] = _by_plane((ray_bp3n[:, None] * rays_bvp3n).sum(3))
        parts["rays"] = torch.cat([ray_bp3n, _by_plane(rays_bvp3n).flatten(2, 3)], dim=2)
    return parts


def unit(vectors_x3n: Tensor) -> Tensor:
    """Return vectors (..., 3, n) of length one."""
    # Not torch's own norm: over an inner axis it took half of the whole sweep's time on a CPU.
    length = (vectors_x3n * vectors_x3n).sum(-2, keepdim=True).sqrt()
    return vectors_x3n / length.clamp_min(RAY_FLOOR)


def _by_plane(values_bvp: Tensor) -> Tensor:
    """Return values with planes before sources."""
    return values_bvp.transpose(1, 2)


def visible(seen: Sweep, height: int, width: int) -> Tensor:
    """Return whether some source has a pixel (b, n) before it and some source inside its picture.

    It need not be the same source.
    """
    x, y = seen.pixels_bvp2n.unbind(3)
    edge = MASK_BORDER_PX
    inside = (x > edge) & (x < width - edge) & (y > edge) & (y < height - edge)
    return ((seen.z_bvpn > 0).any(1) & inside.any(1)).squeeze(1)
