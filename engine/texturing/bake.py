"""One picture for the whole mesh, painted from photographs."""

from collections.abc import Sequence

import numba
import numpy as np

from engine.core.arrays import F32, F64, I32, U8, Bool
from engine.core.faults import BadInput
from engine.core.news import Job, Progress
from engine.core.settings import TextureSettings
from engine.core.surface import Mesh, TexturedMesh
from engine.kernels.raster import MeshScene
from engine.texturing.balance import gains_of
from engine.texturing.fill import fill_unseen, pad
from engine.texturing.unwrap import Atlas, unwrap
from engine.texturing.views import CANDIDATES, Photo, Views, camera_row, look, sharpest

# Faces painted between two reports of progress.
CHUNK_FACES = 20_000
# Photographs blended at one texel.
BLENDED = 4
# How steeply the better photograph wins: weights are raised to this power.
POWER = 2.0
# A sample this far (levels) from the blend counts half; three times as far, a tenth.
OUTLIER_LEVELS = 20.0


def texture(mesh: Mesh, photos: Sequence[Photo], settings: TextureSettings) -> Job[TexturedMesh]:
    """Return the mesh with one texture painted from the photographs.

    Faces no photograph shows take the colour of their neighbours, led by the vertex colours where
    the mesh has them.

    Raises:
        BadInput: a mesh without surface; neither photographs nor vertex colours.
    """
    if not photos and mesh.colors is None:
        raise BadInput(
            "There is neither a photograph nor a vertex colour to paint the mesh with.",
            "Scan with colour, or export without a texture.",
        )
    atlas = yield from unwrap(mesh, settings.size_px)
    chosen = sharpest(photos, settings.max_views)
    views = yield from look(mesh, MeshScene(mesh), chosen)
    gains = gains_of(mesh, chosen, views)
    page, seen = yield from paint(atlas, mesh, chosen, views, gains, settings.size_px)
    yield Progress("fill", 0, 2)
    fill_unseen(mesh, atlas, page, seen, views.photo[:, 0] >= 0)
    yield Progress("fill", 1, 2)
    pad(page, seen)
    return TexturedMesh(atlas.mesh, atlas.uv, page)


def paint(
    atlas: Atlas, mesh: Mesh, photos: Sequence[Photo], views: Views, gains: F32, size_px: int
) -> Job[tuple[U8, Bool]]:
    """Return the texture (size, size, 3), and which texels a photograph painted."""
    page = np.zeros((size_px, size_px, 3), np.uint8)
    seen = np.zeros((size_px, size_px), np.bool_)
    if not photos:
        return page, seen
    pictures = numba.typed.List([_readonly(p.color) for p in photos])
    trusts = numba.typed.List([_readonly(t) for t in views.trust])
    cameras = np.stack([camera_row(p.intrinsics, p.T_world_cam) for p in photos])
    corners = texel_corners(atlas, size_px)
    normals = mesh.vertex_normals()
    for start in range(0, len(mesh.faces), CHUNK_FACES):
        yield Progress("paint", start, len(mesh.faces))
        rows = slice(start, start + CHUNK_FACES)
        _paint(
            corners[rows],
            mesh.faces[rows],
            mesh.vertices,
            normals,
            views.photo[rows],
            pictures,
            trusts,
            cameras,
            gains,
            views.sharpness,
            BLENDED,
            POWER,
            OUTLIER_LEVELS,
            page,
            seen,
        )
    return page, seen


def texel_corners(atlas: Atlas, size_px: int) -> F32:
    """Return where every face's corners lie on the picture: (m, 3, 2) x right, y down, texels."""
    xy = np.stack([atlas.uv[:, 0], 1 - atlas.uv[:, 1]], axis=1) * np.float32(size_px)
    return np.asarray(xy[atlas.mesh.faces], np.float32)


def _readonly(picture: U8) -> U8:
    # One numba type for all of them, whether or not their owner froze them.
    view = np.ascontiguousarray(picture).view()
    view.flags.writeable = False
    return view


@numba.njit(nogil=True, cache=True, inline="always")
def _bilinear(picture, u, v, channel):
    height, width = picture.shape[0], picture.shape[1]
    x = min(max(u - 0.5, 0.0), width - 1.001)
    y = min(max(v - 0.5, 0.0), height - 1.001)
    i, j = int(x), int(y)
    a, b = x - i, y - j
    top = picture[j, i, channel] * (1 - a) + picture[j, i + 1, channel] * a
    low = picture[j + 1, i, channel] * (1 - a) + picture[j + 1, i + 1, channel] * a
    return top * (1 - b) + low * b


@numba.njit(nogil=True, cache=True, fastmath=True)
def _paint(
    corners, faces, vertices, normals, candidates, pictures, trusts, cameras, gains, sharpness,
    blended, power, outlier, page, seen,
):
    size = page.shape[0]
    slots = candidates.shape[1]
    weight = np.zeros(slots)
    ranked = np.zeros(slots)
    sample = np.zeros((slots, 3))
    mean = np.zeros(3)
    for face in range(len(faces)):
        if candidates[face, 0] < 0:
            continue
        x0, y0 = corners[face, 0, 0], corners[face, 0, 1]
        x1, y1 = corners[face, 1, 0] - x0, corners[face, 1, 1] - y0
        x2, y2 = corners[face, 2, 0] - x0, corners[face, 2, 1] - y0
        area = x1 * y2 - x2 * y1
        if abs(area) < 1e-9:
            continue
        left = max(int(x0 + min(0.0, x1, x2) - 0.5), 0)
        right = min(int(x0 + max(0.0, x1, x2) + 0.5), size - 1)
        top = max(int(y0 + min(0.0, y1, y2) - 0.5), 0)
        low = min(int(y0 + max(0.0, y1, y2) + 0.5), size - 1)
        f0, f1, f2 = faces[face, 0], faces[face, 1], faces[face, 2]
        for row in range(top, low + 1):
            for column in range(left, right + 1):
                dx, dy = column + 0.5 - x0, row + 0.5 - y0
                b1 = (dx * y2 - x2 * dy) / area
                b2 = (x1 * dy - dx * y1) / area
                b0 = 1.0 - b1 - b2
                if b0 < -1e-4 or b1 < -1e-4 or b2 < -1e-4:
                    continue
                px = b0 * vertices[f0, 0] + b1 * vertices[f1, 0] + b2 * vertices[f2, 0]
                py = b0 * vertices[f0, 1] + b1 * vertices[f1, 1] + b2 * vertices[f2, 1]
                pz = b0 * vertices[f0, 2] + b1 * vertices[f1, 2] + b2 * vertices[f2, 2]
                nx = b0 * normals[f0, 0] + b1 * normals[f1, 0] + b2 * normals[f2, 0]
                ny = b0 * normals[f0, 1] + b1 * normals[f1, 1] + b2 * normals[f2, 1]
                nz = b0 * normals[f0, 2] + b1 * normals[f1, 2] + b2 * normals[f2, 2]
                n_length = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
                for k in range(slots):
                    weight[k] = 0.0
                    ranked[k] = 0.0
                    photo = candidates[face, k]
                    if photo < 0:
                        continue
                    c = cameras[photo]
                    qx = c[0] * px + c[1] * py + c[2] * pz + c[3]
                    qy = c[4] * px + c[5] * py + c[6] * pz + c[7]
                    qz = c[8] * px + c[9] * py + c[10] * pz + c[11]
                    u = c[12] * qx / qz + c[14]
                    v = c[13] * qy / qz + c[15]
                    facing = -(
                        (c[0] * nx + c[1] * ny + c[2] * nz) * qx
                        + (c[4] * nx + c[5] * ny + c[6] * nz) * qy
                        + (c[8] * nx + c[9] * ny + c[10] * nz) * qz
                    )
                    cosine = facing / (n_length * np.sqrt(qx * qx + qy * qy + qz * qz))
                    near = c[12] / (qz * 1000.0)
                    trust = trusts[photo]
                    ti = min(max(int(u), 0), trust.shape[1] - 1)
                    tj = min(max(int(v), 0), trust.shape[0] - 1)
                    value = max(cosine, 0.02) * near * near * sharpness[photo]
                    weight[k] = (value * (0.02 + trust[tj, ti] / 255.0)) ** power
                    ranked[k] = weight[k]
                    picture = pictures[photo]
                    for channel in range(3):
                        level = _bilinear(picture, u, v, channel) * gains[photo, channel]
                        sample[k, channel] = level
                # What the first view left out would weigh is taken off all others, so that a view
                # that enters or leaves the chosen few does so from zero: no seam.
                if blended < slots:
                    ranked.sort()
                    floor = ranked[slots - 1 - blended]
                    for k in range(slots):
                        weight[k] = max(weight[k] - floor, 0.0)
                for sweep in range(3):
                    total = 1e-30
                    r = g = b = 0.0
                    for k in range(slots):
                        if weight[k] <= 0.0:
                            continue
                        w = weight[k]
                        if sweep > 0 and outlier > 0.0:
                            e = (
                                abs(sample[k, 0] - mean[0])
                                + abs(sample[k, 1] - mean[1])
                                + abs(sample[k, 2] - mean[2])
                            ) / (3.0 * outlier)
                            w = w / (1.0 + e * e)
                        total += w
                        r += w * sample[k, 0]
                        g += w * sample[k, 1]
                        b += w * sample[k, 2]
                    mean[0], mean[1], mean[2] = r / total, g / total, b / total
                for channel in range(3):
                    page[row, column, channel] = np.uint8(min(max(mean[channel] + 0.5, 0.0), 255.0))
                seen[row, column] = True
