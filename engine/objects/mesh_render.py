"""Pictures of a mesh that carry gradient to its vertices and to the field that colours it.

GTR, arXiv 2406.05649, section 3.3: what the second training stage compares with the truth.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.kernels.antialias import antialias
from engine.kernels.rasterise import Fragments, Rasteriser, fragments, interpolate

# A vertex whose faces cancel, or that has none, points here; so do pictures of an empty mesh.
NO_NORMAL = (0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class MeshPictures:
    """What some cameras see of a mesh; all (v, h, w, c).

    Attributes:
        hard_mask: 1 where a face is seen; no gradient.
        mask: the same with antialiased silhouettes, which carry gradient to the vertices.
        points: world point seen, zero on background.
        depth: along the camera axis, zero on background.
        normal: smooth unit normals in the world, zero on background.
        color: RGB over white, not clamped; None where no colouring was given.
    """

    hard_mask: Tensor
    mask: Tensor
    points: Tensor
    depth: Tensor
    normal: Tensor
    color: Tensor | None


def render_mesh(
    vertices: Tensor,
    faces: Tensor,
    views_v44: Tensor,
    projections_v44: Tensor,
    height: int,
    width: int,
    rasteriser: Rasteriser,
    color: Callable[[Tensor], Tensor] | None = None,
) -> MeshPictures:
    """Return what every camera sees.

    Args:
        vertices: (n, 3) world.
        faces: (m, 3) int64.
        views_v44: world to camera in OpenGL axes (camera looks along -z).
        projections_v44: camera to clip space, rows growing with y.
        height: of the pictures.
        width: of the pictures.
        rasteriser: finds the faces.
        color: of points (n, 3), (n, 3).
    """
    seen, clip = look(vertices, faces, views_v44, projections_v44, height, width, rasteriser)
    hard = seen.mask().detach()
    points = interpolate(vertices, seen, faces)
    return MeshPictures(
        hard_mask=hard,
        mask=antialias(hard, seen, clip, faces) if len(faces) else hard,
        points=seen.picture(points, 0.0),
        depth=seen.picture(_depth(points, seen.view, views_v44), 0.0),
        normal=_normal_pictures(vertices, faces, seen),
        color=None if color is None else seen.picture(color(points), 1.0),
    )


def look(
    vertices: Tensor,
    faces: Tensor,
    views_v44: Tensor,
    projections_v44: Tensor,
    height: int,
    width: int,
    rasteriser: Rasteriser,
) -> tuple[Fragments, Tensor]:
    """Return the covered pixels of every camera, and the clip-space vertices (v, n, 4)."""
    mvp = projections_v44.to(vertices).double() @ views_v44.to(vertices).double()
    clip = F.pad(vertices.double(), (0, 1), value=1.0) @ mvp.mT
    ids = rasteriser.face_ids(clip, faces, height, width)
    seen = fragments(ids, clip, faces)
    return seen._replace(weights=seen.weights.to(vertices.dtype)), clip


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Return (n, 3) unit normals, faces weighted by area."""
    a, b, c = vertices[faces].unbind(1)
    across = torch.linalg.cross(b - a, c - a)
    total = torch.zeros_like(vertices)
    for corner in range(3):
        total = total.index_add(0, faces[:, corner], across)
    length = total.norm(dim=-1, keepdim=True)
    unit = total / torch.where(length == 0, 1.0, length)
    return torch.where(length == 0, vertices.new_tensor(NO_NORMAL), unit)


def _normal_pictures(vertices: Tensor, faces: Tensor, seen: Fragments) -> Tensor:
    """Return unit normals; no silhouette is blended, as in the published renderer.

    There the call that should blend them is given the wrong argument and does nothing.
    """
    if not len(faces):
        return vertices.new_tensor(NO_NORMAL).expand(*seen.shape, 3)
    normal = interpolate(vertex_normals(vertices, faces), seen, faces)
    return seen.picture(F.normalize(normal, dim=-1), 0.0)


def _depth(points: Tensor, view: Tensor, views_v44: Tensor) -> Tensor:
    """Return (n, 1) how far along the axis of its camera every point lies."""
    towards = -views_v44.to(points)[view, 2]
    return (points * towards[:, :3]).sum(-1, keepdim=True) + towards[:, 3:]
