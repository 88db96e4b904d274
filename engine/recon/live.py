"""FineRecon while the camera moves, as the thread of the map sees it."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from engine.core.arrays import F32, F64, I64
from engine.core.faults import BadFrame, BadInput
from engine.core.frames import Frame
from engine.core.grid import BLOCK_M, FEATURE_VOXEL_M, FEATURE_VOXELS, Grid, pack, unpack
from engine.core.poses import Pose
from engine.core.settings import RefineSettings
from engine.nets.finerecon.model import FineRecon
from engine.recon.best_views import BestViews
from engine.recon.chunks import (
    ChunkRequest,
    KeyframeGone,
    KeyframeMoved,
    KeyframeView,
    Message,
    RefinedChunk,
    Region,
    region,
)
from engine.recon.coarse import coarse_features
from engine.recon.compute import Compute, own_stream
from engine.recon.finalise import Shot
from engine.recon.frustum import Frustum, frusta
from engine.recon.lattice import shift_m
from engine.recon.packed import Packed
from engine.recon.refiner import check_network
from engine.recon.schedule import Scheduler, chunks_of
from engine.recon.spool import Spool
from engine.recon.views import (
    NETWORK_HEIGHT,
    NETWORK_WIDTH,
    View,
    color_view,
    depth_view,
    to_cam,
)
from engine.volume.features import FeatureLattice, FeatureView

# Of the ceiling for keyframes; the rest is the refiner's.
KEPT_SHARE = 0.25
# A change dirties the chunks that lie so many blocks round it: README, "Neighbours".
AGREE_BLOCKS = 1
CONSUMER = "network"


@dataclass(frozen=True, slots=True)
class _Kept:
    """What it takes to move a keyframe or take it back, and to reconstruct with it at the end."""

    view: KeyframeView
    T_cam_depth: Pose
    features: Packed

    @property
    def nbytes(self) -> int:
        return self.view.nbytes + self.features.nbytes


class LiveRecon:
    """Keeps features of all keyframes, and asks for the chunks they changed; for one thread.

    Every message and every request that its methods return is for the refiner, in this order.
    """

    def __init__(
        self,
        network: FineRecon,
        compute: Compute,
        settings: RefineSettings,
        resolution_m: float,
        width_px: int = NETWORK_WIDTH,
        height_px: int = NETWORK_HEIGHT,
    ) -> None:
        """Start empty; the network is in evaluation mode on the device.

        Raises:
            BadInput: weights that the scan's lattices do not fit.
        """
        check_network(network)
        self.settings = settings
        self.chunks_refined = 0
        self._network = network
        self._compute = compute
        self._stream = own_stream(compute.device)
        self._resolution_m = resolution_m
        self._size_px = width_px, height_px
        self.lattice = FeatureLattice(
            network.config.image_feature_dim,
            network.config.guidance_margin_m,
            shift_m(FEATURE_VOXEL_M, resolution_m),
            settings,
        )
        self.scheduler = Scheduler()
        self._best = BestViews()
        # Chunks that have, or had, a measured surface: others are left to the end.
        self._with_surface: set[int] = set()
        self._kept: Spool[_Kept] = Spool(
            KEPT_SHARE * settings.keyframes_mb, lambda kept: kept.nbytes
        )
        self._frusta: dict[int, tuple[Frustum, ...]] = {}
        self._revision = 0
        self._last: KeyframeView | None = None

    @property
    def keyframes(self) -> tuple[int, ...]:
        """Indices of all keyframes, in the order in which they came."""
        return tuple(self._frusta)

    @property
    def chunks_waiting(self) -> int:
        """How many chunks changed since they were last given to the refiner."""
        return self.scheduler.waiting

    @property
    def used_mb(self) -> float:
        """Memory that features and keyframes take."""
        return self.lattice.used_mb + self._kept.used_mb

    @property
    def on_disk_mb(self) -> float:
        """What of them is on disk."""
        return self.lattice.on_disk_mb + self._kept.on_disk_mb

    def add_keyframe(self, frame: Frame) -> list[Message]:
        """Add a frame with colour, a pose and, where it has any, clean depth.

        Raises:
            BadFrame: no colour or no pose.
            BadInput: its index was added already.
            OutOfRoom: no room in memory and on disk.
        """
        if frame.color is None or frame.T_world_cam is None:
            raise BadFrame(f"Frame {frame.index} has no colour or no pose.")
        if frame.index in self._frusta:
            raise BadInput(f"Frame {frame.index} is a keyframe already.")
        kept = self._made(frame, frame.color, frame.T_world_cam)
        self._add(kept)
        return [kept.view]

    def drop_keyframe(self, index: int) -> list[Message]:
        """Take a keyframe back to the last bit.

        Raises:
            BadInput: it is not known.
            OutOfRoom: it cannot be read from disk, or what it touched cannot.
        """
        self._subtract(self._known(index))
        del self._frusta[index]
        self._kept.drop(index)
        return [KeyframeGone(index)]

    def move_keyframe(self, index: int, T_world_cam: Pose) -> list[Message]:
        """Everything is now as if the keyframe had stood there from the start.

        Raises:
            BadInput: it is not known.
            OutOfRoom: as `drop_keyframe`.
        """
        kept = self._known(index)
        self._subtract(kept)
        T = to_cam(T_world_cam.matrix).numpy()
        T_depth = to_cam((T_world_cam @ kept.T_cam_depth).matrix).numpy()
        self._add(replace(kept, view=replace(kept.view, T_cam_world=T, T_depth_world=T_depth)))
        return [KeyframeMoved(index, T, T_depth)]

    def next_request(self, T_world_cam: Pose | None = None) -> ChunkRequest | None:
        """Return the chunk most worth refining for a camera there; None when none waits."""
        eye, frustum = self._sight(T_world_cam)
        chunk = self.scheduler.next(eye, frustum)
        if chunk is None:
            return None
        self._revision += 1
        low, end = self._box()
        where = region(chunk, self.settings.halo_vox, low, end)
        sums = self.lattice.region(where.low, where.dims)
        return ChunkRequest(
            chunk,
            self._revision,
            where.low,
            where.core,
            sums.features_cxyz,
            sums.views_xyz,
            sums.guidance_xyz,
            sums.depths_xyz,
            self._block_views(where),
        )

    def applied(self, chunk: RefinedChunk) -> None:
        """The volume now shows what the refiner made of a request."""
        self.scheduler.done(chunk.key)
        self.chunks_refined += 1

    def failed(self, request: ChunkRequest) -> None:
        """The refiner gave a request up; its chunk waits again."""
        self.scheduler.failed(request.key)

    def shots(self) -> list[Shot]:
        """Return all keyframes for `finalise`; they are read when asked for, on this thread."""
        return [Shot(seen, partial(self._load, number)) for number, seen in self._frusta.items()]

    def close(self) -> None:
        """Let go of everything, on disk too."""
        self.lattice.close()
        self._kept.close()

    def _load(self, number: int) -> View:
        return self._kept.get(number).view.view()

    def _made(self, frame: Frame, color: np.ndarray, T_world_cam: Pose) -> _Kept:
        depth = None
        if frame.depth_m is not None:
            camera, T_world_depth = frame.depth_intrinsics, frame.T_world_depth
            assert camera is not None  # a frame with depth has a depth camera,
            assert T_world_depth is not None  # and this one a pose
            depth = depth_view(frame.depth_m, camera, T_world_depth)
        view = color_view(color, frame.intrinsics, T_world_cam, depth, *self._size_px)
        with self._stream():
            features = coarse_features(self._network, view.to(self._compute.device), self._compute)
            # The one place where a keyframe waits for the device.
            packed = Packed.of(features.cpu())
        return _Kept(KeyframeView.of(frame.index, view), frame.T_cam_depth, packed)

    def _add(self, kept: _Kept) -> None:
        changed = self.lattice.add(_feature_view(kept))
        self._kept.put(kept.view.number, kept)
        measured = self._best.add(kept.view, changed)
        self._with_surface.update(chunks_of(measured, 0).tolist())
        self._frusta[kept.view.number] = frusta(kept.view.view())
        self._last = kept.view
        self._mark()

    def _subtract(self, kept: _Kept) -> None:
        self.lattice.subtract(_feature_view(kept))
        self._best.drop(kept.view.number)
        self._mark()

    def _known(self, index: int) -> _Kept:
        if index not in self._frusta:
            raise BadInput(f"Frame {index} is not a keyframe.")
        return self._kept.get(index)

    def _mark(self) -> None:
        """Tell the scheduler what changed since it was last told."""
        blocks = self.lattice.ledger.take(CONSUMER)
        if len(blocks) == 0:
            return
        near = chunks_of(blocks, AGREE_BLOCKS)
        self.scheduler.mark(key for key in near.tolist() if key in self._with_surface)

    def _box(self) -> tuple[I64, I64]:
        """Return the first voxel of all blocks (3,), and the first beyond."""
        box = self.lattice.box()
        if box is None:
            return np.zeros(3, np.int64), np.zeros(3, np.int64)
        low, high = (cell.astype(np.int64) for cell in box)
        return low * FEATURE_VOXELS, (high + 1) * FEATURE_VOXELS

    def _block_views(self, where: Region) -> np.ndarray:
        first = (where.low + where.core[0]) // FEATURE_VOXELS
        dims = (where.core[1] - where.core[0]) // FEATURE_VOXELS
        cells = np.stack(np.unravel_index(np.arange(int(np.prod(dims))), tuple(dims)), axis=1)
        best = self._best.best(pack(first + cells).tolist(), self.settings.best_views)
        views: np.ndarray = (
            best.reshape(*dims, -1) if len(best) else np.empty((0, 0, 0, 0), np.int32)
        )
        return views

    def _sight(self, T_world_cam: Pose | None) -> tuple[F64 | None, Frustum | None]:
        if T_world_cam is None or self._last is None:
            return None, None
        T: F32 = to_cam(T_world_cam.matrix).numpy()
        height, width = self._last.image_3hw.shape[1:]
        return T_world_cam.translation, Frustum.of(self._last.K, (height, width), T)


def blocks_of(bricks: I64, grid: Grid) -> I64:
    """Return the block (n,) in which the middle of each brick of the surface lattice lies."""
    return pack(np.floor((unpack(bricks) + 0.5) * (grid.brick_m / BLOCK_M)))


def _feature_view(kept: _Kept) -> FeatureView:
    """Return what the lattice is told: bit for bit the same whenever a keyframe is asked for."""
    view = kept.view
    height, width = view.image_3hw.shape[1:]
    return FeatureView(
        view.number,
        kept.features.unpacked().numpy(),
        view.K,
        (height, width),
        view.T_cam_world,
        view.depth_hw,
        view.K_depth,
        view.T_depth_world,
    )
