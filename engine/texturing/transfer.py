"""A texture carried over to other triangles of the same shape, without the photographs."""

import cv2
import numpy as np

from engine.core.arrays import F32, F64, I32, U8
from engine.core.news import Job, Progress
from engine.core.surface import Mesh, TexturedMesh
from engine.export.pictures import at_most
from engine.kernels.raster import MeshScene
from engine.texturing.bake import STEP_ROWS
from engine.texturing.fill import pad
from engine.texturing.texels import corners_of, owners
from engine.texturing.unwrap import unwrap


def transferred(mesh: Mesh, source: TexturedMesh, size_px: int) -> Job[TexturedMesh]:
    """Return the mesh with a texture that shows what the source's shows at the nearest place.

    Raises:
        BadInput: a mesh without surface.
    """
    atlas = yield from unwrap(mesh, size_px)
    corners_px = corners_of(atlas, size_px)
    owner = owners(corners_px, size_px)
    scene = MeshScene(source.mesh)
    # Averaged first: reading every fourth texel would show every fourth.
    picture = at_most(source.texture, size_px)
    page = np.zeros((size_px, size_px, 3), np.uint8)
    for start in range(0, size_px, STEP_ROWS):
        yield Progress("transfer", start, size_px)
        rows = slice(start, start + STEP_ROWS)
        row, column = np.nonzero(owner[rows] >= 0)
        if len(row):
            face = owner[rows][row, column]
            centre_px = np.stack([column, row + start], axis=1) + 0.5
            points = _lifted(mesh, face, corners_px[face], centre_px.astype(np.float64))
            found, bary = scene.closest_on(points)
            page[rows][row, column] = _read(source, picture, found, bary)
    yield Progress("transfer", size_px, size_px)
    pad(page, owner >= 0)
    return TexturedMesh(atlas.mesh, atlas.uv, page)


def _lifted(mesh: Mesh, face: I32, corners_px: F32, at_px: F64) -> F64:
    """Return the points (n, 3) of faces at places (n, 2), their corners being at (n, 3, 2)."""
    origin = corners_px[:, 0].astype(np.float64)
    (x1, y1), (x2, y2) = (corners_px[:, 1] - origin).T, (corners_px[:, 2] - origin).T
    x, y = (at_px - origin).T
    area = x1 * y2 - x2 * y1
    second, third = (x * y2 - x2 * y) / area, (x1 * y - y1 * x) / area
    a, b, c = mesh.vertices[mesh.faces[face]].astype(np.float64).transpose(1, 0, 2)
    return np.asarray(a + second[:, None] * (b - a) + third[:, None] * (c - a), np.float64)


def _read(source: TexturedMesh, picture: U8, face: I32, bary: F32) -> U8:
    """Return the colours (n, 3) of a texture on faces, at barycentric places (n, 2)."""
    height, width = picture.shape[:2]
    a, b, c = source.uv[source.mesh.faces[face]].transpose(1, 0, 2)
    uv = a + bary[:, :1] * (b - a) + bary[:, 1:] * (c - a)
    x, y = uv[:, 0] * width - 0.5, (1 - uv[:, 1]) * height - 0.5
    # The library takes pictures of at most 32767 rows: points are folded into a block of them.
    columns = 1024
    padded = -len(x) % columns
    at = [np.pad(v.astype(np.float32), (0, padded)).reshape(-1, columns) for v in (x, y)]
    colors = cv2.remap(picture, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(colors.reshape(-1, 3)[: len(x)], np.uint8)
