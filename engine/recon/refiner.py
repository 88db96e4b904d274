"""The network over one chunk at a time, for the thread that refines."""

import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from engine.core.arrays import I16, I64, Bool
from engine.core.faults import BadInput, Cancelled
from engine.core.grid import FEATURE_VOXEL_M, FEATURE_VOXELS
from engine.core.settings import RefineSettings
from engine.nets.finerecon.model import FineRecon
from engine.recon.bricks import CHUNK_VOXELS, bricks, quantised
from engine.recon.chunks import ChunkRequest, KeyframeGone, KeyframeView, Message, RefinedChunk
from engine.recon.coarse import occupancy_logits, volume_input, voxel_features
from engine.recon.compute import Compute, own_stream
from engine.recon.fine import Keyframe, points_of, portions, reading, surface_logits
from engine.recon.gather import Sums
from engine.recon.lately import Lately
from engine.recon.lattice import part_of_world
from engine.recon.offline import OCCUPIED_LOGIT
from engine.recon.packed import Packed
from engine.recon.spool import Spool
from engine.recon.views import View

POINTS_AT_ONCE = 1 << 17
# Of the ceiling for keyframes: pictures and depth here, fine features here; the rest is the map's.
PICTURES_SHARE, FEATURES_SHARE = 0.25, 0.5


class Refiner:
    """Turns requests into refined chunks; belongs to one thread.

    It must be told of keyframes in the order in which the map knew of them, between the requests.
    """

    def __init__(
        self, network: FineRecon, compute: Compute, settings: RefineSettings, resolution_m: float
    ) -> None:
        """Start without keyframes; the network is in evaluation mode on the device.

        Raises:
            BadInput: weights that the scan's lattices do not fit.
        """
        check_network(network)
        self._network = network
        self._compute = compute
        self._stream = own_stream(compute.device)
        self._resolution_m = resolution_m
        self._rate = round(FEATURE_VOXEL_M / resolution_m)
        self._denies = settings.denies
        self._views: Spool[KeyframeView] = Spool(
            PICTURES_SHARE * settings.keyframes_mb, lambda view: view.nbytes
        )
        self._features: Lately[Packed] = Lately(
            FEATURES_SHARE * settings.keyframes_mb, lambda packed: packed.nbytes
        )

    @property
    def used_mb(self) -> float:
        """Memory that keyframes take."""
        return self._views.used_mb + self._features.used_mb

    def tell(self, message: Message) -> None:
        """Know a keyframe, where it stands now, or that it left."""
        if isinstance(message, KeyframeView):
            self._views.put(message.number, message)
        elif isinstance(message, KeyframeGone):
            self._views.drop(message.number)
            self._features.drop(message.number)
        else:
            kept = self._views.get(message.number)
            moved = replace(
                kept, T_cam_world=message.T_cam_world, T_depth_world=message.T_depth_world
            )
            self._views.put(message.number, moved)

    def refine(
        self, request: ChunkRequest, is_cancelled: Callable[[], bool] = lambda: False
    ) -> RefinedChunk:
        """Return the chunk's surface; none, and no word of it, if nothing is known of the chunk.

        Raises:
            Cancelled: `is_cancelled` said so between two steps.
            OutOfRoom: a keyframe on disk cannot be read.
        """
        started = time.perf_counter()
        informed = _informed(request)
        voxels, samples = _nothing(self._rate)
        if informed.any():
            with self._stream():
                voxels, samples = self._surface(request, is_cancelled)
        found = bricks(request.key, self._rate, informed & self._denies, voxels, samples)
        return RefinedChunk(
            request.key,
            request.revision,
            found.keys,
            found.values,
            found.absent_keys,
            found.silent_keys,
            len(voxels),
            time.perf_counter() - started,
        )

    def close(self) -> None:
        """Forget all keyframes."""
        self._views.close()
        self._features.clear()

    @torch.no_grad()
    def _surface(self, request: ChunkRequest, is_cancelled: Callable[[], bool]) -> tuple[I64, I16]:
        """Return the occupied voxels (n, 3) of the chunk, counted in it, and their samples."""
        features = self._voxel_features(request)
        _stop_if(is_cancelled)
        logits = occupancy_logits(
            self._network, features[(slice(None), *_core(request))], self._compute
        )
        first = request.core_vox[0].astype(np.int64)
        low = torch.from_numpy(first).to(logits.device)
        voxels = (logits > OCCUPIED_LOGIT).nonzero() + low
        samples = self._samples(request, features, voxels, is_cancelled)
        return voxels.cpu().numpy() - first + _offset(request), samples

    def _voxel_features(self, request: ChunkRequest) -> Tensor:
        arrays = (
            request.features_cxyz.reshape(len(request.features_cxyz), -1),
            request.views_xyz.reshape(-1),
            request.guidance_xyz.reshape(-1),
            request.depths_xyz.reshape(-1),
        )
        sums = Sums(*(torch.from_numpy(array).to(self._compute.device) for array in arrays))
        volume = volume_input(self._network, sums, request.dims, self._compute)
        return voxel_features(self._network, volume, self._compute)

    def _samples(
        self,
        request: ChunkRequest,
        features: Tensor,
        voxels: Tensor,
        is_cancelled: Callable[[], bool],
    ) -> I16:
        """Return the samples (n, rate, rate, rate) of voxels (n, 3) of the region."""
        network, rate = self._network, self._rate
        lattice = part_of_world(
            request.low_vox.tolist(), request.dims, FEATURE_VOXEL_M, self._resolution_m
        )
        samples = np.empty((len(voxels), rate, rate, rate), np.int16)
        for part in portions(len(voxels), max(1, POINTS_AT_ONCE // rate**3)):
            _stop_if(is_cancelled)
            points = points_of(lattice, voxels[part], rate)
            total = self._look_up(request, voxels[part], points)
            found = reading(network, total, points, features, lattice)
            tsdf = torch.tanh(surface_logits(network, found, self._compute)).cpu().numpy()
            samples[part] = quantised(tsdf).reshape(-1, rate, rate, rate)
        return samples

    def _look_up(self, request: ChunkRequest, voxels: Tensor, points: Tensor) -> Sums:
        """Return sums over the best keyframes of each voxel's block at its points."""
        network = self._network
        total = Sums.zero(network.config.image_feature_dim, len(points), points.device)
        first = torch.from_numpy(request.core_vox[0].astype(np.int64)).to(voxels.device)
        cells = torch.div(voxels - first, FEATURE_VOXELS, rounding_mode="floor")
        x, y, z = cells.unbind(dim=1)
        listed = torch.from_numpy(request.block_views).to(voxels.device)[x, y, z]
        for number in np.unique(request.block_views[request.block_views >= 0]).tolist():
            rows = (listed == number).any(dim=1).nonzero()[:, 0]
            if len(rows) == 0:
                continue
            inner = torch.arange(self._rate**3, device=rows.device)
            among = (rows[:, None] * self._rate**3 + inner).reshape(-1)
            keyframe = self._keyframe(number)
            keyframe.add_features(total, network, points, among)
            keyframe.add_guidance(total, network, points, among)
        return total

    def _keyframe(self, number: int) -> Keyframe:
        """Return a keyframe, its features computed again if they were let go."""
        view = self._views.get(number).view()
        if not self._network.config.point_backprojection:
            return Keyframe.of(self._network, view, self._compute)
        packed = self._features.get(number, lambda: self._packed(view))
        return Keyframe(view.to(self._compute.device), packed.unpacked())

    def _packed(self, view: View) -> Packed:
        made = Keyframe.of(self._network, view, self._compute).features_chw
        assert made is not None  # the network reads fine features
        return Packed.of(made)


def check_network(network: FineRecon) -> None:
    """Refuse weights that cannot run while scanning.

    Raises:
        BadInput: another guidance, other voxels, or a network that is set to learn.
    """
    config = network.config
    if config.guidance != "tsdf":
        raise BadInput(
            f"These weights are guided by '{config.guidance}', and a live scan keeps distances.",
            "Use weights with 'tsdf' guidance, or --method finerecon-offline.",
        )
    if not math.isclose(config.voxel_m, FEATURE_VOXEL_M):
        raise BadInput(
            f"These weights have voxels of {config.voxel_m:g} m, and a live scan has "
            f"{FEATURE_VOXEL_M:g} m.",
            "Use --method finerecon-offline.",
        )
    if network.training:
        raise BadInput("The network is set to learn.", "Put it into evaluation mode first.")


def _core(request: ChunkRequest) -> tuple[slice, slice, slice]:
    x, y, z = (slice(int(low), int(end)) for low, end in request.core_vox.T)
    return x, y, z


def _offset(request: ChunkRequest) -> I64:
    """Return where the core begins in its chunk (3,): chunks stick out of the box of all blocks."""
    first: I64 = (request.low_vox + request.core_vox[0]).astype(np.int64) % CHUNK_VOXELS
    return first


def _informed(request: ChunkRequest) -> Bool:
    """Return which voxels (32, 32, 32) of the chunk pictures or depth saw."""
    core = _core(request)
    seen = (request.views_xyz[core] > 0) | (request.depths_xyz[core] > 0)
    informed = np.zeros((CHUNK_VOXELS,) * 3, bool)
    x, y, z = (
        slice(int(start), int(start) + n)
        for start, n in zip(_offset(request), seen.shape, strict=True)
    )
    informed[x, y, z] = seen
    return informed


def _nothing(rate: int) -> tuple[I64, I16]:
    return np.empty((0, 3), np.int64), np.empty((0, rate, rate, rate), np.int16)


def _stop_if(is_cancelled: Callable[[], bool]) -> None:
    if is_cancelled():
        raise Cancelled("Stopped as asked.", "The draft of this chunk stays.")
