"""Face ids from tensors alone: every face tries the pixels of its own bounding box.

Made for the small faces of meshes that networks learn from, on any device; large pictures of few
faces are better left to the rasterisers that libraries bring.
"""

import torch
from torch import Tensor

from engine.kernels.rasterise import pixel_centres

# Pixels tried at once.
PAIRS_AT_ONCE = 1 << 22
NEAREST_W = 1e-6


class TorchRasteriser:
    """A rasteriser of faces that lie wholly before the camera; others are not seen."""

    @torch.no_grad()
    def face_ids(self, clip_bv4: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
        """Return (b, height, width) int64 face numbers, -1 where nothing is seen."""
        ids = [_one(clip.double(), faces, height, width) for clip in clip_bv4]
        return torch.stack(ids).reshape(len(clip_bv4), height, width)


def _one(clip_v4: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
    """Return the face behind each of height * width pixel centres."""
    w = clip_v4[:, 3:]
    place = torch.cat([clip_v4[:, :3] / w.clamp_min(NEAREST_W), w], 1)
    corners = place[faces]
    size = corners.new_tensor([width, height])
    # Pixel centre i lies at (2 i + 1) / size - 1.
    index = ((corners[..., :2] + 1) * size - 1) / 2
    low = index.amin(1).ceil().clamp_min(0)
    high = torch.minimum(index.amax(1).floor(), size - 1)
    extent = (high - low + 1).clamp_min(0).long()
    count = extent.prod(1) * (corners[..., 3] > NEAREST_W).all(1)
    depth = clip_v4.new_full((height * width,), torch.inf)
    ids = faces.new_full((height * width,), -1)
    bounds = count.cumsum(0)
    begin = 0
    while begin < len(faces):
        before = bounds[begin - 1] if begin else 0
        end = int(torch.searchsorted(bounds, before + PAIRS_AT_ONCE, right=True))
        end = min(max(end, begin + 1), len(faces))
        some = slice(begin, end)
        _draw(corners[some], low[some], extent[some], count[some], begin, depth, ids, width)
        begin = end
    return ids


def _draw(
    corners: Tensor,
    low: Tensor,
    extent: Tensor,
    count: Tensor,
    first: int,
    depth: Tensor,
    ids: Tensor,
    width: int,
) -> None:
    """Enter faces into the pictures `depth` and `ids`."""
    face = torch.repeat_interleave(torch.arange(len(count), device=count.device), count)
    number = torch.arange(len(face), device=count.device) - (count.cumsum(0) - count)[face]
    across = extent[face, 0]
    x, y = low[face, 0].long() + number % across, low[face, 1].long() + number // across
    pixel = y * width + x
    off = corners[face, :, :2] - pixel_centres(pixel, len(depth) // width, width)[:, None]
    e0, e1, e2 = off.unbind(1)
    share = torch.stack([_cross(e1, e2), _cross(e2, e0), _cross(e0, e1)], -1)
    inside = (share >= 0).all(-1) | (share <= 0).all(-1)
    total = share.sum(-1)
    inside &= total != 0
    share, face, pixel = share[inside] / total[inside, None], face[inside], pixel[inside]
    # Z / w is linear on the screen.
    z = (share * corners[face, :, 2]).sum(-1)
    depth.scatter_reduce_(0, pixel, z, "amin")
    wins = z == depth[pixel]
    ids[pixel[wins]] = face[wins] + first


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
