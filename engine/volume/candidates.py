"""Which blocks of the feature lattice a view may change: a superset, found from the view alone."""

import numpy as np

from engine.core.arrays import F64, I32
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.grid import BLOCK_M, BRICK_VOXELS, FEATURE_VOXEL_M, FEATURE_VOXELS, pack, unpack
from engine.core.poses import Pose
from engine.kernels import integrate
from engine.kernels.features import EDGE_PX, Camera, Look, Rule
from engine.kernels.hashing import KeyTable
from engine.kernels.integrate_numba import touch

# From the middle of a block to the centres of its outermost voxels; the last part is for rounding.
TO_MIDDLE_M = (FEATURE_VOXELS - 1) / 2 * FEATURE_VOXEL_M
RADIUS_M = 3**0.5 * TO_MIDDLE_M + 1e-3
# A box of blocks 50 m wide: no reach of a camera needs more.
MOST_CELLS = 1 << 22


def in_reach(look: Look, rule: Rule, reach_m: float) -> I32:
    """Return the blocks (n, 3) whose voxels may lie inside the photograph and nearer than so far.

    Raises:
        BadInput: a reach of tens of metres.
    """
    height, width = look.photo.hw
    # The picture's corners as points at depth one; the last row leaves the eye where it is.
    right, bottom = width - 1 + EDGE_PX, height - 1 + EDGE_PX
    pixels = [(u, v, 1.0) for u in (-EDGE_PX, right) for v in (-EDGE_PX, bottom)]
    rays = np.array([*pixels, (0, 0, 0)]) @ np.linalg.inv(look.photo.K.astype(np.float64)).T
    T = look.photo.T_cam_world.astype(np.float64)
    corners = (rays * reach_m - T[:3, 3]) @ T[:3, :3]
    low, high = (_cell(corner, rule) for corner in (corners.min(axis=0), corners.max(axis=0)))
    if np.prod(high - low + 1.0) > MOST_CELLS:
        raise BadInput(
            f"Features cannot be kept up to {reach_m:g} m from the camera.",
            "Lower the reach of pictures, refine.reach_m.",
        )
    return in_picture(look.photo, rule, low, high, reach_m)


def in_picture(camera: Camera, rule: Rule, low: I32, high: I32, reach_m: float) -> I32:
    """Return the blocks (n, 3) from cell `low` to cell `high`, that too, that may be in view."""
    steps = [np.arange(a, b + 1) for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    cells = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)
    T, K = camera.T_cam_world.astype(np.float64), camera.K.astype(np.float64)
    middles = cells * BLOCK_M + (rule.shift_m + TO_MIDDLE_M)
    middles_cam = middles @ T[:3, :3].T + T[:3, 3]
    height, width = camera.hw
    # Pixels are row . p / z, so each edge of the picture is a plane through the eye.
    sides = np.stack(
        [
            K[0] + EDGE_PX * K[2],
            (width - 1 + EDGE_PX) * K[2] - K[0],
            K[1] + EDGE_PX * K[2],
            (height - 1 + EDGE_PX) * K[2] - K[1],
        ]
    )
    sides /= np.linalg.norm(sides, axis=1, keepdims=True)
    depth = middles_cam[:, 2]
    is_near = (depth > -RADIUS_M) & (depth < reach_m + RADIUS_M)
    inside = is_near & (middles_cam @ sides.T > -RADIUS_M).all(axis=1)
    found: I32 = cells[inside].astype(np.int32)
    return found


def near_surface(look: Look, rule: Rule, reach_m: float) -> I32:
    """Return the blocks (n, 3) with a point within the margin of measured depth, along its ray."""
    K, (height, width) = look.depth.K.astype(np.float64), look.depth.hw
    camera = Intrinsics.from_opencv(width, height, K[0, 0], K[1, 1], K[0, 2], K[1, 2])
    # Bricks of the surface lattice begin at multiples of their edge, blocks half a voxel before
    # the centre of their first voxel.
    T = look.depth.T_cam_world.astype(np.float64)
    start = rule.shift_m - FEATURE_VOXEL_M / 2
    T_depth_block = Pose.from_parts(T[:3, :3], T[:3, 3] + T[:3, :3] @ np.full(3, start))
    depth = np.where(look.depth_hw <= reach_m, look.depth_hw, np.float32(0))
    view = integrate.View(depth, None, camera, T_depth_block, None, camera, T_depth_block)
    bricks = integrate.Rule(BLOCK_M / BRICK_VOXELS, rule.margin_m, inverse_square=False)
    none = np.zeros(1, np.int64)
    _, keys = touch(KeyTable(1), none, 1, view, bricks)
    return unpack(keys)


def grown(cells: I32) -> I32:
    """Return blocks (n, 3) and all that touch them, each once: the network looks that far."""
    steps = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    around = (cells[:, None] + steps).reshape(-1, 3)
    return unpack(np.unique(pack(around)))


def _cell(point: F64, rule: Rule) -> I32:
    """Return the block that holds a world point."""
    voxel = np.rint((point - rule.shift_m) / FEATURE_VOXEL_M)
    cell: I32 = np.floor(voxel / FEATURE_VOXELS).astype(np.int32)
    return cell
