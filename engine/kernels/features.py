"""What adding a view to the feature lattice means: plain torch, slow and obvious.

It defines what correct is: the sums FineRecon's volume starts from (arXiv 2304.01480, section
3.1), as `engine.recon.coarse` collects them for a finished recording, but kept as integers. Integer
sums commute exactly: views may come in any order, and taking one back leaves nothing behind.

Everything up to the rounding is single precision, operation by operation in the order of
`engine.nets.finerecon`, because which pixel is nearest to a point must not depend on who asks.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.core.arrays import F32, I32, Bool
from engine.core.grid import FEATURE_VOXEL_M, FEATURE_VOXELS

# Features beyond +-64 are cut, and a voxel counts at most 2047 views: 2047 * 64 * 2^14 < 2^31.
# The mean of n views is off by 2e-5 / sqrt(n), typically; features that come in half precision
# are rounded a hundred times as coarsely.
FEATURE_ONE = 1 << 14
FEATURE_LIMIT = 64.0
MAX_VIEWS = 2047
GUIDANCE_ONE = 1 << 20
# Pictures end half a pixel beyond their outer centres.
EDGE_PX = 0.5
# As far behind the surface as this share of the margin, a voxel is hidden and does not count.
HIDDEN_FROM = 0.999
BLOCK = (FEATURE_VOXELS,) * 3


@dataclass(frozen=True, slots=True)
class Sums:
    """The feature lattice of all blocks; slot first, then x, y, z.

    Attributes:
        features: (capacity, 8, 8, 8, c) int32 sums, `FEATURE_ONE` to one.
        views: (capacity, 8, 8, 8) int32, how many views' features count.
        guidance: the same shape, sums of distances behind the surface, `GUIDANCE_ONE` to a margin.
        depths: the same shape, how many depth pictures count.
    """

    features: I32
    views: I32
    guidance: I32
    depths: I32


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole as the networks have it: pixel centres at integers, all float32.

    Attributes:
        K: (3, 3).
        T_cam_world: (4, 4).
        hw: height and width in pixels.
    """

    K: F32
    T_cam_world: F32
    hw: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Look:
    """One view, ready for adding.

    Attributes:
        photo: the camera at the size of the network's picture.
        map: the same camera at the size of the features.
        features_hwc: float32 within +-`FEATURE_LIMIT`.
        depth: the camera of the depth picture.
        depth_hw: float32 metres; without depth, all unknown. What is not finite is unknown too.
    """

    photo: Camera
    map: Camera
    features_hwc: F32
    depth: Camera
    depth_hw: F32


@dataclass(frozen=True, slots=True)
class Rule:
    """Constants of one lattice: where guidance is cut, and the centre of voxel (0, 0, 0)."""

    margin_m: float
    shift_m: float


def add(sums: Sums, slots: I32, cells: I32, look: Look, rule: Rule, sign: int = 1) -> None:
    """Add (sign 1) or take back (sign -1) one view in the blocks given by slot and cell (n, 3).

    A voxel inside the photograph and inside the feature map takes the bilinear sample at its
    centre. One inside the photograph and inside the depth picture takes its distance behind the
    nearest pixel's depth, unless it is hidden. Depth outside of the photograph is ignored.
    """
    if len(slots) == 0:
        return
    points = _centers(cells, rule)
    is_shown, _ = _shown(points, look.photo)
    counts, found = _features(points, is_shown, look)
    _accumulate(sums.features, slots, torch.round(found.T * FEATURE_ONE) * counts[:, None], sign)
    _accumulate(sums.views, slots, counts, sign)
    counts, signed = _guidance(points, is_shown, look, rule)
    _accumulate(sums.guidance, slots, torch.round(signed * GUIDANCE_ONE) * counts, sign)
    _accumulate(sums.depths, slots, counts, sign)


def changed(cells: I32, look: Look, rule: Rule, reach_m: float) -> Bool:
    """Return (n): in which blocks the view changes a voxel that is nearer than the reach."""
    points = _centers(cells, rule)
    is_shown, z = _shown(points, look.photo)
    counts = _features(points, is_shown, look)[0] | _guidance(points, is_shown, look, rule)[0]
    found: Bool = (counts & (z < reach_m)).view(len(cells), -1).any(dim=1).numpy()
    return found


def _features(points: Tensor, is_shown: Tensor, look: Look) -> tuple[Tensor, Tensor]:
    """Return for which points (n) features count, and the features (c, n)."""
    uv, z = _project(points, look.map)
    counts = is_shown & _inside(uv, z, look.map)
    picture = torch.from_numpy(look.features_hwc).permute(2, 0, 1)
    return counts, _sample(picture, uv, counts, "bilinear", "border")


def _guidance(points: Tensor, is_shown: Tensor, look: Look, rule: Rule) -> tuple[Tensor, Tensor]:
    """Return for which points (n) depth counts, and the distances (n) behind it in margins."""
    uv, z = _project(points, look.depth)
    is_known = is_shown & _inside(uv, z, look.depth)
    depth = torch.from_numpy(look.depth_hw).nan_to_num(0.0, 0.0, 0.0)
    measured = _sample(depth[None], uv, is_known, "nearest", "zeros")[0]
    signed = (z - measured).clamp(-rule.margin_m, rule.margin_m) / rule.margin_m
    return is_known & (measured != 0) & (signed < HIDDEN_FROM), signed


def _shown(points: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    uv, z = _project(points, camera)
    return _inside(uv, z, camera), z


def _centers(cells: I32, rule: Rule) -> Tensor:
    """Return the centres (n * 512, 3) of all voxels of the blocks, float32."""
    local = torch.stack(torch.meshgrid(*[torch.arange(n) for n in BLOCK], indexing="ij"), dim=-1)
    voxels = torch.from_numpy(cells)[:, None, None, None].long() * FEATURE_VOXELS + local
    # Double until the end: single precision would move far voxels by micrometres.
    return (voxels.double() * FEATURE_VOXEL_M + rule.shift_m).float().view(-1, 3)


def _project(points: Tensor, camera: Camera) -> tuple[Tensor, Tensor]:
    """Return pixels (n, 2) and depths (n); products are taken term by term, from the left."""
    K, T = torch.from_numpy(camera.K), torch.from_numpy(camera.T_cam_world)
    image = _apply(K, _apply(T[:3, :3], points) + T[:3, 3])
    z = image[:, 2]
    return image[:, :2] / torch.where(z == 0, 1, z)[:, None], z


def _apply(M: Tensor, points: Tensor) -> Tensor:
    x, y, z = points.unbind(-1)
    return x[:, None] * M[:, 0] + y[:, None] * M[:, 1] + z[:, None] * M[:, 2]


def _inside(uv: Tensor, z: Tensor, camera: Camera) -> Tensor:
    u, v = uv.unbind(-1)
    height, width = camera.hw
    across = (u >= -EDGE_PX) & (u <= width - 1 + EDGE_PX)
    return across & (v >= -EDGE_PX) & (v <= height - 1 + EDGE_PX) & (z > 0)


def _sample(map_chw: Tensor, uv: Tensor, inside: Tensor, mode: str, padding: str) -> Tensor:
    """Return (c, n); points outside are sampled at a harmless place."""
    h, w = map_chw.shape[-2:]
    u, v = torch.where(inside[:, None], uv, 0).unbind(-1)
    place = torch.stack([2 * (u + 0.5) / w - 1, 2 * (v + 0.5) / h - 1], -1)
    found = F.grid_sample(map_chw[None], place[None, None], mode, padding, align_corners=False)
    return found[0, :, 0]


def _accumulate(layer: I32, slots: I32, rows: Tensor, sign: int) -> None:
    layer[slots] += sign * rows.int().view(len(slots), *layer.shape[1:]).numpy()
