"""The last word: all keyframes, the network's full reach, any resolution, in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from engine.core.arrays import F64, I64
from engine.core.faults import BadInput
from engine.core.news import Job, Progress
from engine.nets.finerecon.model import FineRecon
from engine.nets.finerecon.unet3d import reach_voxels
from engine.recon.bounds import MAX_DEPTH_M, bounds
from engine.recon.chunks import Region, around
from engine.recon.coarse import CoarseVolume, coarse_features, occupancy_logits
from engine.recon.compute import ON_CPU, Compute
from engine.recon.fine import Keyframe, points_of, portions, reading, surface_logits
from engine.recon.frustum import Frustum, frusta
from engine.recon.gather import Sums
from engine.recon.lately import Lately
from engine.recon.lattice import MULTIPLE_VOX, Lattice, aligned
from engine.recon.memory import Budget, network_mb
from engine.recon.offline import OCCUPIED_LOGIT, check_given
from engine.recon.surface import FineSurface
from engine.recon.views import View
from engine.runtime.meters import Meters

POINTS_AT_ONCE = 1 << 17
# Edges of a tile's core: the largest that fits is taken. Smaller ones are mostly surroundings.
CORES_VOX = (96, 64, 48, 32, 16)
# Features kept between tiles, at most; without any budget, all of this.
CACHE_MB = 512.0
# Of a budget, the tile's share; the rest is for pictures, features and the surface.
TILE_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Shot:
    """A keyframe that is read when it is needed.

    Attributes:
        frusta: what it can see, known without reading it.
        load: returns it, every time the same.
    """

    frusta: tuple[Frustum, ...]
    load: Callable[[], View]

    @staticmethod
    def of(view: View) -> "Shot":
        """Return a view that is in memory."""
        return Shot(frusta(view), lambda: view)

    def touches(self, low_m: F64, high_m: F64) -> bool:
        """Return whether it may see some of a box."""
        return any(bool(part.touches(low_m[None], high_m[None])[0]) for part in self.frusta)


@dataclass(frozen=True, slots=True)
class Final:
    """What came of it.

    Attributes:
        surface: the fine samples; `surface.mesh()` meshes them.
        seen: how many voxels a picture saw.
        guided: for how many of them depth counted.
        tiles: in how many pieces the network saw the scene.
    """

    surface: FineSurface
    seen: int
    guided: int
    tiles: int


def scene(
    shots: Sequence[Shot], voxel_m: float, resolution_m: float, max_depth_m: float = MAX_DEPTH_M
) -> Lattice:
    """Return the box that all shots' depth asks for, on the world's feature lattice.

    Raises:
        BadInput: no pixel has depth in range.
    """
    depths = (view.depth for view in (shot.load() for shot in shots) if view.depth is not None)
    return aligned(bounds(depths, voxel_m, max_depth_m), resolution_m)


def finalise(
    network: FineRecon,
    shots: Sequence[Shot],
    lattice: Lattice,
    rate: int = 2,
    compute: Compute = ON_CPU,
    budget: Budget | None = None,
    meters: Meters | None = None,
) -> Job[Final]:
    """Return the job whose surface equals that of `reconstruct` but for rounding.

    All at once if the budget allows, else in tiles with as much around them as the network can
    see; what a tile takes does not depend on the size of the scene. The network must be in
    evaluation mode on the device of `compute`.

    Raises:
        BadInput: no shot, a lattice the network cannot take, or more memory than `budget` allows.
    """
    check_given(network, len(shots), lattice)
    return _Final(network, shots, lattice, rate, compute, budget, meters or Meters()).run()


def tiles(network: FineRecon, lattice: Lattice, budget: Budget | None) -> list[Region]:
    """Return the pieces of a lattice that are seen one after the other, in its voxels.

    Raises:
        BadInput: not even the smallest piece fits.
    """
    config = network.config
    if budget is None or network_mb(config, lattice) <= TILE_SHARE * budget.memory_mb:
        return list(_cut(lattice, max(lattice.dims), 0))
    halo = -(-reach_voxels(config) // MULTIPLE_VOX) * MULTIPLE_VOX
    for core in CORES_VOX:
        x, y, z = (min(core + 2 * halo, n) for n in lattice.dims)
        needed = network_mb(config, Lattice(lattice.origin_m, (x, y, z), lattice.voxel_m))
        if needed <= TILE_SHARE * budget.memory_mb:
            return list(_cut(lattice, core, halo))
    raise BadInput(
        f"The network sees {halo} voxels far, and even the smallest piece of this volume with that "
        f"much around it needs about {needed / TILE_SHARE:,.0f} MB of memory; "
        f"{budget.memory_mb:,.0f} MB may be used.",
        "Allow more with --memory-mb, or use smaller weights.",
    )


def _cut(lattice: Lattice, core_vox: int, halo_vox: int) -> Iterator[Region]:
    dims: I64 = np.array(lattice.dims, np.int64)
    count = tuple((-(-dims // core_vox)).tolist())
    for place in np.ndindex(*count):
        low: I64 = np.array(place, np.int64) * core_vox
        yield around(low, np.minimum(low + core_vox, dims), halo_vox, np.zeros_like(dims), dims)


class _Final:
    """One run of the job: what it was given, and the features that tiles share."""

    def __init__(
        self,
        network: FineRecon,
        shots: Sequence[Shot],
        lattice: Lattice,
        rate: int,
        compute: Compute,
        budget: Budget | None,
        meters: Meters,
    ) -> None:
        self._network = network
        self._shots = shots
        self._lattice = lattice
        self._rate = rate
        self._compute = compute
        self._budget = budget
        self._meters = meters
        share = (1 - TILE_SHARE) / 4
        cache_mb = CACHE_MB if budget is None else min(CACHE_MB, share * budget.memory_mb)
        self._coarse: Lately[Tensor] = Lately(cache_mb, lambda features: features.nbytes)
        self._fine: Lately[Keyframe] = Lately(cache_mb, _keyframe_bytes)

    def run(self) -> Job[Final]:
        pieces = tiles(self._network, self._lattice, self._budget)
        found: list[tuple[Tensor, Tensor]] = []
        seen = guided = occupied = 0
        for number, tile in enumerate(pieces):
            yield Progress("tiles", number, len(pieces))
            lattice = _part(self._lattice, tile)
            volume = yield from self._collected(lattice)
            core = _core(tile)
            seen += int((volume.sums.views_n.view(tile.dims)[core] > 0).sum())
            guided += int((volume.sums.depths_n.view(tile.dims)[core] > 0).sum())
            yield Progress("volume", number, len(pieces))
            with self._meters.stage("volume"):
                features = volume.features()
                del volume
                logits = occupancy_logits(
                    self._network, features[(slice(None), *core)], self._compute
                )
                voxels = (logits > OCCUPIED_LOGIT).nonzero() + logits.new_tensor(
                    tile.core[0]
                ).long()
            occupied += len(voxels)
            if self._budget is not None:
                config = self._network.config
                self._budget.check_surface(config, lattice, (), self._compute, occupied, self._rate)
            values = yield from self._values(lattice, features, voxels)
            found.append((voxels.cpu() + torch.from_numpy(tile.low.astype(np.int64)), values))
        surface = FineSurface(
            self._lattice,
            self._rate,
            torch.cat([voxels for voxels, _ in found]),
            torch.cat([values for _, values in found]),
        )
        return Final(surface, seen, guided, len(pieces))

    def _collected(self, lattice: Lattice) -> Job[CoarseVolume]:
        """Return the sums over all shots that see something of a tile."""
        volume = CoarseVolume(self._network, lattice, self._compute)
        wanted = self._seeing(*_box(lattice))
        for done, number in enumerate(wanted):
            yield Progress("views", done, len(wanted))
            with self._meters.stage("coarse"):
                volume.add(self._shots[number].load(), partial(self._read, number))
        return volume

    def _read(self, number: int, view: View) -> Tensor:
        return self._coarse.get(number, lambda: coarse_features(self._network, view, self._compute))

    def _values(self, lattice: Lattice, features: Tensor, voxels: Tensor) -> Job[Tensor]:
        """Return the samples (n, rate, rate, rate) of a tile's occupied voxels."""
        rate, network = self._rate, self._network
        values = torch.empty(len(voxels), rate, rate, rate)
        for part in portions(len(voxels), max(1, POINTS_AT_ONCE // rate**3)):
            yield Progress("points", part.start, len(voxels))
            points = points_of(lattice, voxels[part], rate)
            total = Sums.zero(network.config.image_feature_dim, len(points), points.device)
            low, high = (edge.cpu().numpy().astype(np.float64) for edge in points.aminmax(dim=0))
            for number in self._seeing(low, high):
                with self._meters.stage("fine"):
                    keyframe = self._fine.get(number, partial(self._keyframe, number))
                with self._meters.stage("points"):
                    keyframe.add_features(total, network, points)
                    keyframe.add_guidance(total, network, points)
                yield Progress("points", part.start, len(voxels))
            with self._meters.stage("points"):
                told = reading(network, total, points, features, lattice)
                tsdf = torch.tanh(surface_logits(network, told, self._compute))
                values[part] = (0.5 * tsdf + 0.5).cpu().view(-1, rate, rate, rate)
        return values

    def _keyframe(self, number: int) -> Keyframe:
        return Keyframe.of(self._network, self._shots[number].load(), self._compute)

    def _seeing(self, low_m: F64, high_m: F64) -> list[int]:
        """Return which shots may see some of a box, in order."""
        return [number for number, shot in enumerate(self._shots) if shot.touches(low_m, high_m)]


def _part(lattice: Lattice, tile: Region) -> Lattice:
    x, y, z = (
        edge + int(low) * lattice.voxel_m
        for edge, low in zip(lattice.origin_m, tile.low, strict=True)
    )
    return Lattice((x, y, z), tile.dims, lattice.voxel_m)


def _box(lattice: Lattice) -> tuple[F64, F64]:
    low = np.array(lattice.origin_m, np.float64)
    return low, low + lattice.voxel_m * (np.array(lattice.dims) - 1)


def _core(tile: Region) -> tuple[slice, slice, slice]:
    x, y, z = (slice(int(low), int(end)) for low, end in tile.core.T)
    return x, y, z


def _keyframe_bytes(keyframe: Keyframe) -> int:
    view, features = keyframe.view, keyframe.features_chw
    depth = 0 if view.depth is None else view.depth.depth_hw.nbytes
    return view.image_3hw.nbytes + depth + (0 if features is None else features.nbytes)
