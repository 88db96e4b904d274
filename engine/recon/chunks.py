"""What travels between the map and whoever refines, and where a chunk lies: numpy, picklable."""

from dataclasses import dataclass

import numpy as np
import torch

from engine.core.arrays import F32, I16, I32, I64, U8
from engine.core.grid import unpack
from engine.recon.bricks import ABSENT, CHUNK_VOXELS
from engine.recon.views import DepthView, View
from engine.volume.volume import Volume


@dataclass(frozen=True, slots=True)
class KeyframeView:
    """A keyframe as the network sees it, for whoever refines.

    Attributes:
        number: index of its frame.
        image_3hw: uint8 RGB of the network's size.
        K: (3, 3) float32, pixel centres at integers.
        T_cam_world: (4, 4) float32, world to the colour camera.
        depth_hw: float32 metres, 0 unknown, or None.
        K_depth: (3, 3) float32, pixel centres at integers; as `K` without depth.
        T_depth_world: (4, 4) float32, world to the depth camera; as the other without depth.
    """

    number: int
    image_3hw: U8
    K: F32
    T_cam_world: F32
    depth_hw: F32 | None
    K_depth: F32
    T_depth_world: F32

    @staticmethod
    def of(number: int, view: View) -> "KeyframeView":
        """Return a view under a number; arrays are shared with it."""
        K, T, depth = view.K.numpy(), view.T_cam_world.numpy(), view.depth
        if depth is None:
            return KeyframeView(number, view.image_3hw.numpy(), K, T, None, K, T)
        seen = depth.depth_hw.numpy(), depth.K.numpy(), depth.T_cam_world.numpy()
        return KeyframeView(number, view.image_3hw.numpy(), K, T, *seen)

    def view(self) -> View:
        """Return the view; its tensors share the arrays."""
        depth = None
        if self.depth_hw is not None:
            depth = DepthView(
                *map(torch.from_numpy, (self.depth_hw, self.K_depth, self.T_depth_world))
            )
        image, K, T = map(torch.from_numpy, (self.image_3hw, self.K, self.T_cam_world))
        return View(image, K, T, depth)

    @property
    def nbytes(self) -> int:
        """What its pictures take."""
        return self.image_3hw.nbytes + (0 if self.depth_hw is None else self.depth_hw.nbytes)


@dataclass(frozen=True, slots=True)
class KeyframeMoved:
    """A keyframe stands elsewhere; its pictures are what they were."""

    number: int
    T_cam_world: F32
    T_depth_world: F32


@dataclass(frozen=True, slots=True)
class KeyframeGone:
    """A keyframe is no longer part of the scan."""

    number: int


Message = KeyframeView | KeyframeMoved | KeyframeGone


@dataclass(frozen=True, slots=True)
class ChunkRequest:
    """A chunk with its surroundings, to be refined.

    Attributes:
        key: packed cell of the chunk grid.
        revision: grows with every request; says which of two answers is newer.
        low_vox: (3,) int32 lowest voxel of the region, counted in the world's feature lattice.
        core_vox: (2, 3) int32 first voxel of the chunk, and the first beyond, counted in the
            region.
        features_cxyz: float32 sums of image features over the views.
        views_xyz: float32 how many views saw each voxel.
        guidance_xyz: float32 sums of guidance.
        depths_xyz: float32 how many depth pictures counted.
        block_views: (x, y, z, n) int32 the keyframes to look points up in, for every block of the
            core, best first; -1 from where there are no more.
    """

    key: int
    revision: int
    low_vox: I32
    core_vox: I32
    features_cxyz: F32
    views_xyz: F32
    guidance_xyz: F32
    depths_xyz: F32
    block_views: I32

    @property
    def dims(self) -> tuple[int, int, int]:
        """Voxels of the region along each axis."""
        x, y, z = self.views_xyz.shape
        return x, y, z


@dataclass(frozen=True, slots=True)
class RefinedChunk:
    """What the network made of a chunk; every brick of it is in one of the lists of keys.

    Attributes:
        key: packed cell of the chunk grid.
        revision: that of the request.
        brick_keys: (n,) int64 bricks of the surface lattice that hold surface.
        values: (n, 16, 16, 16) int16 their samples: 0 no statement, `bricks.ABSENT` no surface,
            else the signed distance times 32767, positive in free space.
        absent_keys: bricks of which the network only says that no surface is there.
        silent_keys: bricks of which it says nothing.
        occupied: voxels with surface.
        seconds: what it took.
    """

    key: int
    revision: int
    brick_keys: I64
    values: I16
    absent_keys: I64
    silent_keys: I64
    occupied: int
    seconds: float

    def write(self, volume: Volume) -> None:
        """Supersede what the volume shows of this chunk.

        Empty space is only denied where the volume holds something: it is no reason for a brick.

        Raises:
            OutOfRoom: no room in memory and on disk.
        """
        volume.refine(self.brick_keys, self.values)
        denied = self.absent_keys[volume.slots(self.absent_keys) >= 0]
        volume.refine(denied, np.full((len(denied), *self.values.shape[1:]), ABSENT, np.int16))
        volume.unrefine(self.silent_keys)


@dataclass(frozen=True, slots=True)
class Region:
    """Where a box of voxels and its surroundings lie.

    Attributes:
        low: (3,) lowest voxel of the surroundings.
        dims: their voxels along each axis, multiples of 4.
        core: (2, 3) first voxel of the box, and the first beyond, counted from `low`.
    """

    low: I32
    dims: tuple[int, int, int]
    core: I32


def region(chunk: int, halo_vox: int, box_low: I64, box_end: I64) -> Region:
    """Return a chunk with `halo_vox` voxels on all sides, cut off at the box of all there is.

    A chunk beyond the box has a region without voxels. See `around`.
    """
    first = unpack(np.array([chunk], np.int64))[0].astype(np.int64) * CHUNK_VOXELS
    low, end = np.maximum(first, box_low), np.minimum(first + CHUNK_VOXELS, box_end)
    if (low >= end).any():
        return Region(first.astype(np.int32), (0, 0, 0), np.zeros((2, 3), np.int32))
    return around(low, end, halo_vox, box_low, box_end)


def around(low: I64, end: I64, halo_vox: int, box_low: I64, box_end: I64) -> Region:
    """Return the box from `low` to before `end` with `halo_vox` on all sides, cut off at a box.

    Boxes and halo are multiples of 4 voxels. Where the outer box ends the network meets the same
    nothing as one that is given all of it at once.
    """
    first = np.maximum(low - halo_vox, box_low)
    x, y, z = (int(n) for n in np.minimum(end + halo_vox, box_end) - first)
    core = np.stack([low - first, end - first]).astype(np.int32)
    return Region(first.astype(np.int32), (x, y, z), core)
