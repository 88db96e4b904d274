"""Which face every pixel sees, as tensors: ids from a library, all that carries gradient from here.

Clip space is that of OpenGL: a vertex (X, Y, Z, w) appears at (X / w, Y / w) in [-1, 1], nearer
where Z / w is smaller. The centre of pixel (u, v) is ((2 u + 1) / width - 1,
(2 v + 1) / height - 1), so rows grow with Y.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor


class Rasteriser(Protocol):
    """Finds the nearest face behind every pixel centre."""

    def face_ids(self, clip_bv4: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
        """Return (b, height, width) int64 face numbers, -1 where nothing is seen.

        Faces are seen from both sides. No gradient. On the device of the vertices.
        """
        ...


class Fragments(NamedTuple):
    """The covered pixels of some pictures, one row each.

    Attributes:
        shape: number of pictures, height, width.
        pixel: (n,) int64 index into the flattened pictures, ascending.
        face: (n,) int64.
        weights: (n, 3) of the face's corners, perspective-correct; carry gradient to the vertices.
        depth: (n,) Z / w, in [-1, 1].
    """

    shape: tuple[int, int, int]
    pixel: Tensor
    face: Tensor
    weights: Tensor
    depth: Tensor

    @property
    def view(self) -> Tensor:
        """(n,) number of the picture."""
        return self.pixel // (self.shape[1] * self.shape[2])

    def mask(self) -> Tensor:
        """Return (b, h, w, 1) 1 where a face is seen, else 0, in the type of the weights."""
        return self.picture(self.weights.new_ones(len(self.pixel), 1), 0.0)

    def picture(self, values_nc: Tensor, background: float) -> Tensor:
        """Return (b, h, w, c) pictures of a value per fragment."""
        count = self.shape[0] * self.shape[1] * self.shape[2]
        flat = values_nc.new_full((count, values_nc.shape[1]), background)
        return flat.index_put((self.pixel,), values_nc).reshape(*self.shape, -1)


def fragments(ids_bhw: Tensor, clip_bv4: Tensor, faces: Tensor) -> Fragments:
    """Return what is seen where, with weights recomputed from the clip-space vertices.

    With E_i = (X_i - x w_i, Y_i - y w_i) for a pixel centre (x, y), corner i weighs as the 2D
    cross product of the two others (edge functions in homogeneous coordinates, Olano and Greer
    1997). In double precision: thin triangles cancel.
    """
    b, height, width = ids_bhw.shape
    flat = ids_bhw.flatten()
    pixel = (flat >= 0).nonzero()[:, 0]
    face = flat[pixel]
    view = pixel // (height * width)
    centre = pixel_centres(pixel, height, width)
    corners = clip_bv4.double()[view[:, None], faces[face]]
    towards = corners[..., :2] - centre[:, None, :] * corners[..., 3:]
    e0, e1, e2 = towards.unbind(1)
    share = torch.stack([_cross(e1, e2), _cross(e2, e0), _cross(e0, e1)], dim=-1)
    total = share.sum(-1, keepdim=True)
    # A face seen exactly edge-on has no area; its corners then weigh nothing but the last.
    total = torch.where(total == 0, torch.ones_like(total), total)
    first_two = (share[:, :2] / total).clamp(0, 1)
    weights = torch.cat([first_two, 1 - first_two.sum(-1, keepdim=True)], dim=-1)
    z, w = ((weights * corners[..., i]).sum(-1) for i in (2, 3))
    return Fragments(
        (b, height, width),
        pixel,
        face,
        weights.to(clip_bv4.dtype),
        (z / w).clamp(-1, 1).to(clip_bv4.dtype),
    )


def interpolate(values: Tensor, seen: Fragments, faces: Tensor) -> Tensor:
    """Return the per-vertex quantity (v, c), or (b, v, c), at every fragment: (n, c)."""
    corners = faces[seen.face]
    at = values[corners] if values.ndim == 2 else values[seen.view[:, None], corners]
    return (at * seen.weights.to(at.dtype)[..., None]).sum(dim=1)


def pixel_centres(pixel: Tensor, height: int, width: int) -> Tensor:
    """Return (n, 2) float64 clip-space positions of flattened pixel numbers."""
    x, y = (pixel % width).double(), (pixel // width % height).double()
    return torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], dim=-1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
