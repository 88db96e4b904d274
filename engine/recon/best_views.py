"""Which keyframes look best at each block."""

from array import array
from collections.abc import Iterable

import numpy as np

from engine.core.arrays import F32, F64, I32, I64, Bool
from engine.core.grid import BLOCK_M, neighbours, unpack
from engine.recon.chunks import KeyframeView
from engine.recon.frustum import Frustum

# Where a block is asked for: a lattice of points, half a voxel within its faces.
STEPS = np.linspace(0.0625, 0.9375, 4)
INSIDE = np.stack(np.meshgrid(STEPS, STEPS, STEPS, indexing="ij"), axis=-1).reshape(-1, 3)
# Depth counts as near a block where it is within this far of one of the block's points.
NEAR_M = 0.12
# Nearer than this, a picture is not any better.
CLOSEST_M = 0.3
# What a view without depth in the block is worth against one with depth everywhere.
BLIND = 0.05
# What a picture is worth that has no more than a corner of the block in it: it comes last.
CORNER = 1e-9
ROUND = np.stack(np.unravel_index(np.arange(27), (3, 3, 3)), axis=1).astype(np.int32) - 1


class BestViews:
    """Remembers which keyframe saw which block how well; belongs to the thread of the map.

    A keyframe costs what it touches, whatever the size of the scan.
    """

    def __init__(self) -> None:
        """Start without keyframes."""
        self._blocks: dict[int, tuple[array[int], array[float]]] = {}
        self._seen: dict[int, I64] = {}

    def add(self, view: KeyframeView, blocks: I64) -> I64:
        """Know that a keyframe told something about blocks; return those it has depth near to."""
        worth, measured = appraise(view, blocks)
        corners = _corners(view, blocks)
        seen = np.concatenate([blocks, corners])
        worth = np.maximum(np.pad(worth, (0, len(corners))), CORNER)
        for block, value in zip(seen.tolist(), worth.tolist(), strict=True):
            numbers, values = self._blocks.setdefault(block, (array("q"), array("f")))
            numbers.append(view.number)
            values.append(value)
        self._seen[view.number] = seen
        return blocks[measured]

    def drop(self, number: int) -> None:
        """Forget a keyframe; nothing happens if it is not known."""
        for block in self._seen.pop(number, np.empty(0, np.int64)).tolist():
            numbers, values = self._blocks[block]
            place = numbers.index(number)
            del numbers[place], values[place]
            if not numbers:
                del self._blocks[block]

    def best(self, blocks: Iterable[int], count: int) -> I32:
        """Return the best keyframes of each block (n, m), -1 from where there are no more.

        The better one comes first, and of equal ones the older. `m` is at most `count`.
        """
        rows = [self._ranked(block)[:count] for block in blocks]
        found = np.full((len(rows), max(map(len, rows), default=0)), -1, np.int32)
        for place, row in enumerate(rows):
            found[place, : len(row)] = row
        return found

    def _ranked(self, block: int) -> I64:
        known = self._blocks.get(block)
        if known is None:
            return np.empty(0, np.int64)
        numbers, values = np.array(known[0], np.int64), np.array(known[1])
        return numbers[np.lexsort((numbers, -values))]


def _corners(view: KeyframeView, blocks: I64) -> I64:
    """Return the blocks next to these that reach into a picture of the keyframe.

    The lattice asks at the middle of its voxels; between them, and only there, points of the fine
    surface may still be seen.
    """
    near = np.setdiff1d(neighbours(blocks, ROUND), blocks)
    low: F64 = unpack(near).astype(np.float64) * BLOCK_M
    touched = Frustum.of(view.K, view.image_3hw.shape[1:], view.T_cam_world).touches(
        low, low + BLOCK_M
    )
    if view.depth_hw is not None:
        depth = Frustum.of(view.K_depth, view.depth_hw.shape, view.T_depth_world)
        touched |= depth.touches(low, low + BLOCK_M)
    corners: I64 = near[touched]
    return corners


def appraise(view: KeyframeView, blocks: I64) -> tuple[F32, Bool]:
    """Return what a keyframe is worth for each block, and whether it has depth near it.

    Worth grows with the share of the block inside the picture and with the share of the picture's
    pixels there whose depth lies near, and falls with the square of the distance as detail does.
    Zero where none of the block is in the picture.
    """
    points = (unpack(blocks)[:, None, :] + INSIDE) * BLOCK_M
    uv, z = _project(points, view.K, view.T_cam_world)
    height, width = view.image_3hw.shape[1:]
    inside = _inside(uv, z, height, width)
    # Eq. 7 of the paper trusts features less towards the edge; so does the rank.
    inset = np.minimum(
        np.minimum(uv[..., 0], width - uv[..., 0]) / width,
        np.minimum(uv[..., 1], height - uv[..., 1]) / height,
    )
    centred = np.where(inside, np.clip(inset / 0.125, 0.1, 1), 0).mean(axis=1)
    distance = np.maximum(
        np.linalg.norm(points - _centre(view.T_cam_world), axis=2).mean(axis=1), CLOSEST_M
    )
    near = _near_depth(view, points) & inside
    share = near.sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    worth = centred / distance**2 * (BLIND + share)
    measured: Bool = np.any(near, axis=1)
    return worth.astype(np.float32), measured


def _near_depth(view: KeyframeView, points: F64) -> Bool:
    if view.depth_hw is None:
        return np.zeros(points.shape[:2], bool)
    height, width = view.depth_hw.shape
    uv, z = _project(points, view.K_depth, view.T_depth_world)
    inside = _inside(uv, z, height, width)
    u, v = (np.where(inside, np.rint(uv[..., axis]), 0).astype(np.int64) for axis in (0, 1))
    measured = view.depth_hw[np.clip(v, 0, height - 1), np.clip(u, 0, width - 1)]
    near: Bool = inside & (measured > 0) & (np.abs(measured - z) < NEAR_M)
    return near


def _project(points: F64, K: F32, T_cam_world: F32) -> tuple[F64, F64]:
    T = T_cam_world.astype(np.float64)
    image = (points @ T[:3, :3].T + T[:3, 3]) @ K.astype(np.float64).T
    z = image[..., 2]
    return image[..., :2] / np.where(z > 0, z, 1)[..., None], z


def _inside(uv: F64, z: F64, height: int, width: int) -> Bool:
    inside: Bool = (
        (z > 0)
        & (uv >= -0.5).all(axis=-1)
        & (uv[..., 0] <= width - 0.5)
        & (uv[..., 1] <= height - 0.5)
    )
    return inside


def _centre(T_cam_world: F32) -> F64:
    T = T_cam_world.astype(np.float64)
    centre: F64 = -T[:3, :3].T @ T[:3, 3]
    return centre
