"""The feature lattice: what the network reads, summed over keyframes, on 4 cm voxels.

Voxel (i, j, k) is the cell whose centre is the world point (i, j, k) * 0.04 + shift.
"""

from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F32, F64, I32, I64
from engine.core.faults import BadInput
from engine.core.grid import BLOCK_M, FEATURE_VOXELS, pack, unpack
from engine.core.poses import Pose
from engine.core.settings import RefineSettings
from engine.kernels.features import BLOCK, FEATURE_LIMIT, MAX_VIEWS, Camera, Look, Rule, Sums
from engine.kernels.features_numba import add, changed, gather
from engine.volume.candidates import grown, in_picture, in_reach, near_surface
from engine.volume.ledger import Ledger
from engine.volume.pool import OutOfRoom, Pool

# Half precision where memory counts; single is taken too.
FEATURE_TYPES = (np.float16, np.float32)
# Blocks are read so many at a time, so that a region may be larger than the memory ceiling.
READ_AT_ONCE = 256
# Single precision, in which points are projected, resolves 8 mm there.
FARTHEST_M = 1e5
Cell = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureView:
    """What the lattice is told of a keyframe; conventions of `engine.recon.views`.

    Attributes:
        number: names the keyframe.
        features_chw: (c, h, w) float16 features over the whole picture.
        K: (3, 3) float32 of the network's picture, pixel centres at integers.
        image_hw: its height and width.
        T_cam_world: (4, 4) float32, world to the colour camera.
        depth_hw: float32 metres, 0 unknown, or None; the other two belong to it.
        K_depth: (3, 3) float32, pixel centres at integers.
        T_depth_world: (4, 4) float32, world to the depth camera.
    """

    number: int
    features_chw: np.ndarray
    K: F32
    image_hw: tuple[int, int]
    T_cam_world: F32
    depth_hw: F32 | None = None
    K_depth: F32 | None = None
    T_depth_world: F32 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class FeatureSums:
    """Float32 sums over views in a dense box of voxels; zero where nothing is kept.

    Attributes:
        features_cxyz: sums of features.
        views_xyz: how many views' features are in them.
        guidance_xyz: sums of distances behind measured surfaces, cut at the margin, in margins.
        depths_xyz: how many depth pictures are in them.
    """

    features_cxyz: F32
    views_xyz: F32
    guidance_xyz: F32
    depths_xyz: F32


class FeatureLattice:
    """Sums image features and TSDF guidance over keyframes in sparse blocks of 8^3 voxels.

    Belongs to one thread. What a view changes is a function of that view alone and all sums are
    integers: views commute, and `subtract` undoes `add` bit for bit.
    """

    def __init__(
        self,
        channels: int,
        margin_m: float,
        shift_m: float,
        settings: RefineSettings,
        consumers: tuple[str, ...] = ("network",),
        box: tuple[Cell, Cell] | None = None,
    ) -> None:
        """Reserve the memory the settings allow; nothing is committed until views come.

        With a `box`, lowest and highest block, the lattice is as good as dense: views count in
        all of it however far it is, and nowhere else.
        """
        self.channels = channels
        self.rule = Rule(margin_m, shift_m)
        self.ledger = Ledger(consumers)
        self._pool = Pool(
            {
                "features": ((*BLOCK, channels), np.int32),
                "views": (BLOCK, np.int32),
                "guidance": (BLOCK, np.int32),
                "depths": (BLOCK, np.int32),
            },
            settings.features_mb,
            BLOCK_M,
        )
        self._sums = Sums(**self._pool.layers)
        self._settings = settings
        self._box = box
        self._added: dict[int, bytes] = {}

    def add(self, view: FeatureView) -> I64:
        """Add a keyframe; return the keys of the blocks it changed.

        Raises:
            BadInput: a number that is in use, or a view that cannot be: sizes that contradict each
                other, NaN in a matrix or in the features. Depth that is not finite is unknown.
            OutOfRoom: no room in memory and on disk, or more views of a voxel than its sum holds.
        """
        if view.number in self._added:
            raise BadInput(f"Keyframe {view.number} is in the feature lattice already.")
        look = _look(view, self.channels)
        keys = self._keys_of(look)
        self._check_room(keys)
        slots = self._pool.create(keys)
        add(self._sums, slots, unpack(keys), look, self.rule)
        self._added[view.number] = _place(view)
        self.ledger.mark(keys)
        return keys

    def subtract(self, view: FeatureView) -> I64:
        """Take back a keyframe as it was added; return the keys of the blocks it changed.

        Blocks left empty go.

        Raises:
            BadInput: the keyframe is not in the lattice, or was added with other matrices.
        """
        if self._added.get(view.number) != _place(view):
            raise BadInput(
                f"Keyframe {view.number} was never added like this, so it cannot be taken back.",
                "Take it back with the pose it was added with.",
            )
        look = _look(view, self.channels)
        keys = self._keys_of(look)
        slots = self._pool.slots(keys)
        add(self._sums, slots, unpack(keys), look, self.rule, -1)
        del self._added[view.number]
        self.ledger.mark(keys)
        counts = self._sums.views[slots] | self._sums.depths[slots]
        empty = ~counts.any(axis=(1, 2, 3))
        if empty.any():
            self._pool.remove(slots[empty])
        return keys

    def region(self, low_vox: I32, dims: tuple[int, int, int]) -> FeatureSums:
        """Return the sums of the box of voxels that starts at `low_vox` and has `dims` of them."""
        low = np.asarray(low_vox, np.int32)
        found = FeatureSums(
            np.zeros((self.channels, *dims), np.float32),
            *(np.zeros(dims, np.float32) for _ in range(3)),
        )
        into = (found.features_cxyz, found.views_xyz, found.guidance_xyz, found.depths_xyz)
        first, last = low // FEATURE_VOXELS, (low + np.array(dims) - 1) // FEATURE_VOXELS
        cells = np.stack(
            np.meshgrid(*map(np.arange, first, last + 1), indexing="ij"), axis=-1
        ).reshape(-1, 3)
        for start in range(0, len(cells), READ_AT_ONCE):
            part = cells[start : start + READ_AT_ONCE].astype(np.int32)
            self._pool.begin((first + last + 1) / 2 * BLOCK_M)
            slots = self._pool.slots(pack(part))
            gather(self._sums, slots[slots >= 0], part[slots >= 0], low, into)
        return found

    def keys(self) -> I64:
        """Return the key of every block, sorted."""
        return self._pool.keys()

    def box(self) -> tuple[I32, I32] | None:
        """Return the lowest and the highest block (3,) on each axis; None without any."""
        cells = unpack(self.keys())
        return (cells.min(axis=0), cells.max(axis=0)) if len(cells) else None

    @property
    def used_mb(self) -> float:
        """Memory the blocks in memory take."""
        return self._pool.resident * self._pool.cell_bytes / 2**20

    @property
    def on_disk_mb(self) -> float:
        """What the blocks on disk would take in memory."""
        return self._pool.spilled * self._pool.cell_bytes / 2**20

    @property
    def returned(self) -> int:
        """How many blocks came back from disk so far."""
        return self._pool.returned

    def close(self) -> None:
        """Let go of what is on disk."""
        self._pool.close()

    def _keys_of(self, look: Look) -> I64:
        """Return the blocks a view changes, and begin an operation round its camera."""
        reach_m = self._settings.reach_m
        if self._box is not None:
            low, high = (np.array(cell, np.int32) for cell in self._box)
            reach_m = np.inf
            cells = in_picture(look.photo, self.rule, low, high, reach_m)
        elif self._settings.allocation == "frustum":
            cells = in_reach(look, self.rule, reach_m)
        else:
            # Measured depth is within reach; the margin behind it may be farther.
            cells = grown(near_surface(look, self.rule, reach_m))
            reach_m = np.inf
        T = look.photo.T_cam_world.astype(np.float64)
        self._pool.begin(-T[:3, 3] @ T[:3, :3])
        return pack(cells[changed(cells, look, self.rule, reach_m)])

    def _check_room(self, keys: I64) -> None:
        """Refuse a view that could overflow a sum."""
        if len(self._added) < MAX_VIEWS:
            return
        slots = self._pool.slots(keys)
        if (self._sums.views[slots[slots >= 0]] >= MAX_VIEWS).any():
            raise OutOfRoom(
                f"A place has been in {MAX_VIEWS} keyframes and takes no more.",
                "Finish this scan and start another.",
            )


def _place(view: FeatureView) -> bytes:
    """Return what a view must have in common with the one that was added under its number."""
    matrices = (view.K, view.T_cam_world, view.K_depth, view.T_depth_world)
    return b"".join(b"-" if m is None else np.asarray(m).tobytes() for m in matrices)


def _look(view: FeatureView, channels: int) -> Look:
    """Return a view as the kernels want it; sizes and numbers have been checked.

    Raises:
        BadInput: see `FeatureLattice.add`.
    """
    features = view.features_chw
    fits = features.ndim == 3 and len(features) == channels and features.size > 0
    if not fits or features.dtype not in FEATURE_TYPES:
        raise BadInput(
            f"Features of shape {features.shape} and type {features.dtype} do not fit {channels} "
            "channels."
        )
    if not np.isfinite(features).all():
        raise BadInput(
            f"The features of keyframe {view.number} hold NaN or infinity.",
            "Compute them in single precision.",
        )
    photo = _camera(view.K, view.T_cam_world, view.image_hw)
    (height, width), (h, w) = view.image_hw, features.shape[1:]
    # Rows are scaled without the half pixel, as the networks were trained.
    to_map = np.array([[w / width], [h / height], [1]], np.float32)
    picture = features.astype(np.float32).clip(-FEATURE_LIMIT, FEATURE_LIMIT).transpose(1, 2, 0)
    map_ = Camera(photo.K * to_map, photo.T_cam_world, (h, w))
    picture = np.ascontiguousarray(picture)
    if view.depth_hw is None:
        unknown = np.zeros((1, 1), np.float32)
        return Look(photo, map_, picture, Camera(photo.K, photo.T_cam_world, (1, 1)), unknown)
    depth = view.depth_hw
    if depth.ndim != 2 or depth.dtype != np.float32:
        raise BadInput(f"A depth picture of shape {depth.shape} and type {depth.dtype} is none.")
    if view.K_depth is None or view.T_depth_world is None:
        raise BadInput(f"The depth of keyframe {view.number} has no camera.")
    camera = _camera(view.K_depth, view.T_depth_world, (depth.shape[0], depth.shape[1]))
    return Look(photo, map_, picture, camera, np.ascontiguousarray(depth))


def _camera(K: F32, T_cam_world: F32, hw: tuple[int, int]) -> Camera:
    """Return a camera whose matrices can be used; the pose keeps its bits."""
    T: F64 = Pose.from_matrix(T_cam_world).inverse.matrix
    if np.abs(T).max() > FARTHEST_M:
        raise BadInput("A camera is more than 100 km from the origin.", "Check the poses.")
    is_matrix = K.shape == (3, 3) and np.isfinite(K).all() and min(hw) > 0
    if not (is_matrix and K[0, 0] > 0 and K[1, 1] > 0 and K[2].tolist() == [0, 0, 1]):
        raise BadInput(f"The matrix {K.tolist()} for {hw[1]}x{hw[0]} pixels is not a camera.")
    return Camera(K.astype(np.float32), T_cam_world.astype(np.float32), hw)
