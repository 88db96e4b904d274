"""Vertex colours for a surface that has none: the photographs that see each vertex, averaged."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engine.core.arrays import F32, F64
from engine.core.frames import Photo
from engine.core.news import Job, Progress
from engine.core.surface import Mesh
from engine.kernels.raster import MeshScene

# More photographs of one place hardly change an average.
MAX_PHOTOS = 60
# A vertex may lie this far behind what its neighbours hide.
SLACK_M = 0.02
# Views from the side smear; those under about six degrees do not count.
MIN_FACING = 0.1
UNSEEN = 128


def coloured(mesh: Mesh, photos: Sequence[Photo]) -> Job[Mesh]:
    """Return the job that colours every vertex; grey where no photograph sees it."""
    if mesh.is_empty or not photos:
        return mesh
    scene, normals = MeshScene(mesh), mesh.vertex_normals()
    total = np.zeros((len(mesh.vertices), 4))
    every = -(-len(photos) // MAX_PHOTOS)
    for number, photo in enumerate(photos[::every]):
        yield Progress("colour", number, len(photos[::every]))
        _add(photo, mesh.vertices.astype(np.float64), normals, scene, total)
    seen = total[:, 3] > 0
    colors = np.full((len(total), 3), UNSEEN, np.uint8)
    colors[seen] = np.rint(total[seen, :3] / total[seen, 3:]).astype(np.uint8)
    return replace(mesh, colors=colors)


def _add(photo: Photo, vertices: F64, normals: F32, scene: MeshScene, total: F64) -> None:
    """Add one photograph's colours, weighted by how squarely and how nearly it looks."""
    points_cam = photo.T_world_cam.inverse.apply(vertices)
    uv, inside = photo.intrinsics.project(points_cam)
    eye = photo.T_world_cam.translation
    rays = eye - vertices
    distance = np.linalg.norm(rays, axis=1)
    facing = (rays * normals).sum(axis=1) / np.maximum(distance, 1e-9)
    at = np.flatnonzero(inside & (facing > MIN_FACING))
    at = at[scene.visible(vertices[at], eye, SLACK_M)]
    u, v = uv[at].astype(np.int64).T
    weight = facing[at] / np.maximum(distance[at], 0.1) ** 2
    total[at, :3] += photo.color[v, u] * weight[:, None]
    total[at, 3] += weight
