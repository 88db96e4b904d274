"""Differentiable silhouettes: where a face ends between two pixels, they are blended by how far.

After Laine et al., "Modular Primitives for High-Performance Differentiable Rendering" (2020),
section 3.6, from its description alone. Gradient flows to the colours and to the clip-space
vertices of the edge that forms the silhouette, which is what lets a mask move a surface.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from engine.kernels.rasterise import Fragments

# Who finds out which face a pixel sees may round differently where an edge meets its centre.
SLACK_PX = 1e-3


class _Pairs(NamedTuple):
    """Neighbouring pixels that see different faces, the one with the nearer face first.

    `along` is 0 for neighbours in a row, 1 in a column; `step` is +1 or -1 from near to far;
    `face` is what the near pixel sees. All (n,) int64.
    """

    near: Tensor
    far: Tensor
    along: Tensor
    step: Tensor
    face: Tensor


def opposite_corners(faces: Tensor) -> Tensor:
    """Return (m, 3) the vertex across edge (k, k + 1) of every face in its neighbour; -1 for none.

    Edges that are not shared by exactly two faces count as having no neighbour.
    """
    start, end, own = faces, faces.roll(-1, dims=1), faces.roll(-2, dims=1)
    low, high = torch.minimum(start, end).flatten(), torch.maximum(start, end).flatten()
    key = low * (faces.max() + 1 if len(faces) else 1) + high
    _, edge, count = torch.unique(key, return_inverse=True, return_counts=True)
    total = torch.zeros_like(count).index_add(0, edge, own.flatten())
    # Of two opposite corners, the sum less one's own is the other's.
    other = total[edge] - own.flatten()
    return torch.where(count[edge] == 2, other, -1).reshape(faces.shape)


def antialias(
    pictures_bhwc: Tensor,
    seen: Fragments,
    clip_bv4: Tensor,
    faces: Tensor,
    opposite: Tensor | None = None,
) -> Tensor:
    """Return the pictures with silhouettes blended over the pixels they cut; same shape.

    Args:
        pictures_bhwc: values per pixel, such as a mask or colours.
        seen: the fragments of the same pictures.
        clip_bv4: vertices, carrying gradient where wanted.
        faces: (m, 3) int64.
        opposite: `opposite_corners(faces)`, where it is at hand already.
    """
    if opposite is None:
        opposite = opposite_corners(faces)
    with torch.no_grad():
        pairs = _different_neighbours(seen)
        pairs, start, end = _silhouettes(pairs, seen.shape, clip_bv4, faces, opposite)
    # The edge crosses the line between the centres at this fraction, counted from the near pixel.
    fraction = _crossing(pairs, seen.shape, clip_bv4, start, end)
    alpha = (fraction - 0.5).to(pictures_bhwc.dtype)[:, None]
    flat = pictures_bhwc.flatten(0, 2)
    # Beyond the middle the near face reaches into the far pixel; before it, the far one shows.
    target = torch.where(alpha[:, 0] > 0, pairs.far, pairs.near)
    blend = alpha * (flat[pairs.near] - flat[pairs.far])
    return flat.index_add(0, target, blend).reshape(pictures_bhwc.shape)


def _different_neighbours(seen: Fragments) -> _Pairs:
    b, height, width = seen.shape
    face = torch.full((b * height * width,), -1, device=seen.pixel.device)
    face[seen.pixel] = seen.face
    depth = torch.full_like(face, 2, dtype=seen.depth.dtype)
    depth[seen.pixel] = seen.depth
    index = torch.arange(len(face), device=face.device).reshape(b, height, width)
    first = torch.cat([index[:, :, :-1].flatten(), index[:, :-1].flatten()])
    second = torch.cat([index[:, :, 1:].flatten(), index[:, 1:].flatten()])
    along = torch.ones_like(first)
    along[: b * height * (width - 1)] = 0
    differ = face[first] != face[second]
    first, second, along = first[differ], second[differ], along[differ]
    swap = depth[second] < depth[first]
    near, far = torch.where(swap, second, first), torch.where(swap, first, second)
    return _Pairs(near, far, along, torch.where(swap, -1, 1), face[near])


def _silhouettes(
    pairs: _Pairs,
    shape: tuple[int, int, int],
    clip: Tensor,
    faces: Tensor,
    opposite: Tensor,
) -> tuple[_Pairs, Tensor, Tensor]:
    """Return the pairs that a silhouette of their near face parts, and its two vertices."""
    view = pairs.near // (shape[1] * shape[2])
    start = torch.full_like(pairs.near, -1)
    end = start.clone()
    for k in range(3):
        a, b, own = (faces[pairs.face, (k + i) % 3] for i in range(3))
        across = opposite[pairs.face, k]
        p_a, p_b, p_own, p_across = (
            _on_screen(clip[view, vertex.clamp_min(0)], shape) for vertex in (a, b, own, across)
        )
        outline = (across < 0) | (_side(p_a, p_b, p_own) * _side(p_a, p_b, p_across) > 0)
        edge = (p_b - p_a).abs()
        along = pairs.along[:, None]
        steep = edge.gather(1, 1 - along) >= edge.gather(1, along)
        ahead = (clip[view, a, 3] > 0) & (clip[view, b, 3] > 0)
        row = _coordinate(pairs.near, 1 - pairs.along, shape)[:, None]
        spans = (p_a.gather(1, 1 - along) <= row) != (p_b.gather(1, 1 - along) <= row)
        fraction = _crossing(pairs, shape, clip, a, b)
        between = (fraction >= -SLACK_PX) & (fraction <= 1 + SLACK_PX)
        fits = outline & steep[:, 0] & spans[:, 0] & ahead & between
        fits &= start < 0
        start, end = torch.where(fits, a, start), torch.where(fits, b, end)
    found = start >= 0
    return _Pairs(*(part[found] for part in pairs)), start[found], end[found]


def _crossing(
    pairs: _Pairs, shape: tuple[int, int, int], clip: Tensor, start: Tensor, end: Tensor
) -> Tensor:
    """Return where the edge's line crosses the pair's, in pixels from the near pixel's centre."""
    view = pairs.near // (shape[1] * shape[2])
    a, b = (_on_screen(clip[view, vertex], shape) for vertex in (start, end))
    along, other = pairs.along[:, None], 1 - pairs.along[:, None]
    rise = (b.gather(1, other) - a.gather(1, other))[:, 0]
    rise = torch.where(rise == 0, torch.ones_like(rise), rise)
    share = (_coordinate(pairs.near, 1 - pairs.along, shape) - a.gather(1, other)[:, 0]) / rise
    place = a.gather(1, along)[:, 0] + share * (b - a).gather(1, along)[:, 0]
    return (place - _coordinate(pairs.near, pairs.along, shape)) * pairs.step


def _on_screen(clip_n4: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Return (n, 2) float64 pixel coordinates, whole numbers at pixel centres."""
    size = torch.tensor([shape[2], shape[1]], device=clip_n4.device)
    clip = clip_n4.double()
    return (clip[:, :2] / clip[:, 3:] + 1) / 2 * size - 0.5


def _coordinate(pixel: Tensor, axis: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Return the column (axis 0) or row (axis 1) of flattened pixel numbers."""
    return torch.where(axis == 0, pixel % shape[2], pixel // shape[2] % shape[1])


def _side(a: Tensor, b: Tensor, p: Tensor) -> Tensor:
    """Return a number whose sign tells on which side of the line from a to b a point lies."""
    return (b - a)[:, 0] * (p - a)[:, 1] - (b - a)[:, 1] * (p - a)[:, 0]
