"""The fine surface: keyframe features read at points inside occupied voxels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.nets.finerecon.guidance import fill
from engine.nets.finerecon.model import FineRecon
from engine.nets.finerecon.volumes import read_trilinear
from engine.recon.compute import Compute
from engine.recon.gather import Sums, in_depth, in_features
from engine.recon.lattice import Lattice
from engine.recon.views import View

# How guidance of several groups of keyframes is put together. `consistent` is the mean over all
# that count, as in training. `compatible` repeats a fault of the published inference: it adds up
# the means of groups of 32 and divides by the number of pictures again.
Guidance = Literal["consistent", "compatible"]
GROUP = 32


@dataclass(frozen=True, slots=True)
class PointReading:
    """What the surface predictor is told about n points.

    Attributes:
        image_mean_cn: mean fine features over the keyframes that see a point, before the norm.
        voxel_cn: voxel features between the eight voxels around it.
        guidance_n: where it lies against the measured surface; 1 where nothing was measured.
    """

    image_mean_cn: Tensor
    voxel_cn: Tensor
    guidance_n: Tensor


@dataclass(frozen=True, slots=True)
class Keyframe:
    """A view and its fine features, None in a network that reads none."""

    view: View
    features_chw: Tensor | None

    @staticmethod
    @torch.no_grad()
    def of(network: FineRecon, view: View, compute: Compute) -> "Keyframe":
        """Return the view on the device, its features in the precision they were computed in."""
        here = view.to(compute.device)
        if not network.config.point_backprojection:
            return Keyframe(here, None)
        with compute.precise():
            features = network.fine_features(here.image_3hw[None].float() / 255)[0]
        return Keyframe(here, features)

    def add_features(
        self, total: Sums, network: FineRecon, points_n3: Tensor, among: Tensor | None = None
    ) -> None:
        """Add this keyframe's features to the points that it sees, of index `among` or all."""
        if self.features_chw is None:
            return
        height, width = self.features_chw.shape[-2:]
        at = _among(
            points_n3, among, lambda points: in_features(points, self.view, (height, width))
        )
        if len(at):
            total.add_features(
                network, self.features_chw, self.view, points_n3, at, is_border_weighted=True
            )

    def add_guidance(
        self, total: Sums, network: FineRecon, points_n3: Tensor, among: Tensor | None = None
    ) -> None:
        """Add what this keyframe's depth says about the points, of index `among` or all."""
        depth = self.view.depth
        if depth is None or not network.config.point_guidance:
            return
        at = _among(points_n3, among, lambda points: in_depth(points, depth))
        if len(at):
            total.add_guidance(network, depth, points_n3, at, at_points=True)


def _among(points_n3: Tensor, among: Tensor | None, seen: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the index of the points that are seen, of those of index `among` or all."""
    if among is None:
        return seen(points_n3)
    return among[seen(points_n3[among])]


class Keyframes:
    """Views with their fine features, ready to be asked about points."""

    def __init__(self, network: FineRecon, compute: Compute, guidance: Guidance) -> None:
        """Start without keyframes."""
        self._network = network
        self._compute = compute
        self._guidance = guidance
        self._held: list[Keyframe] = []

    def add(self, view: View) -> None:
        """Keep a view and its features."""
        self._held.append(Keyframe.of(self._network, view, self._compute))

    @torch.no_grad()
    def read(
        self, points_n3: Tensor, voxel_features_cxyz: Tensor, lattice: Lattice
    ) -> PointReading:
        """Return everything known about world points (n, 3)."""
        channels = self._network.config.image_feature_dim
        total = Sums.zero(channels, len(points_n3), self._compute.device)
        for start in range(0, len(self._held), GROUP):
            self._add_group(total, self._held[start : start + GROUP], points_n3)
        return reading(self._network, total, points_n3, voxel_features_cxyz, lattice)

    def _add_group(self, total: Sums, group: Sequence[Keyframe], points_n3: Tensor) -> None:
        own = Sums.zero(0, len(points_n3), points_n3.device)
        for keyframe in group:
            keyframe.add_features(total, self._network, points_n3)
            keyframe.add_guidance(own, self._network, points_n3)
        if self._guidance == "compatible":
            own.guidance_n = fill(own.guidance_n, own.depths_n, 0.0)
        total.guidance_n += own.guidance_n
        total.depths_n += own.depths_n


@torch.no_grad()
def reading(
    network: FineRecon,
    total: Sums,
    points_n3: Tensor,
    voxel_features_cxyz: Tensor,
    lattice: Lattice,
) -> PointReading:
    """Return what keyframes, added up, and the voxels of a lattice say about world points."""
    origin = points_n3.new_tensor(lattice.origin_m)
    return PointReading(
        total.mean(),
        read_trilinear(voxel_features_cxyz, points_n3, origin, lattice.voxel_m),
        fill(total.guidance_n, total.depths_n, network.unseen),
    )


@torch.no_grad()
def surface_logits(network: FineRecon, reading: PointReading, compute: Compute) -> Tensor:
    """Return (n) float32 logits whose tanh is the signed distance, positive in free space."""
    with compute.precise():
        return network.surface(reading.image_mean_cn, reading.voxel_cn, reading.guidance_n)


def points_of(lattice: Lattice, voxels_n3: Tensor, rate: int) -> Tensor:
    """Return the `rate`^3 sample points of every voxel: (n * rate^3, 3), z fastest."""
    steps = torch.arange(rate, device=voxels_n3.device)
    inner = torch.stack(torch.meshgrid(steps, steps, steps, indexing="ij"), dim=-1).reshape(-1, 3)
    index = voxels_n3[:, None, :] * rate + inner
    return lattice.refined(rate).points_at(index.reshape(-1, 3))


def portions(count: int, size: int) -> Iterator[slice]:
    """Yield slices that cover `count` items, at most `size` at a time."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
