"""One picture for the whole mesh, painted from photographs."""

from collections.abc import Sequence

import numpy as np

from engine.core.arrays import F32, U8, Bool
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.news import Job, Progress
from engine.core.settings import TextureSettings
from engine.core.surface import Mesh, TexturedMesh
from engine.kernels.raster import MeshScene
from engine.texturing.balance import gains_of
from engine.texturing.blend import paint_faces, prepare
from engine.texturing.fill import fill_unseen, pad
from engine.texturing.level import shift_of
from engine.texturing.unwrap import Atlas, unwrap
from engine.texturing.views import Views, look, sharpest

# Faces painted between two reports of progress.
CHUNK_FACES = 20_000


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
    fill_unseen(mesh, atlas, page, seen, views)
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
    shift = shift_of(mesh, photos, views, gains)
    shots = prepare(photos, views, gains)
    corners = np.stack([atlas.uv[:, 0], 1 - atlas.uv[:, 1]], axis=1) * np.float32(size_px)
    corners = corners[atlas.mesh.faces]
    normals = mesh.vertex_normals()
    for start in range(0, len(mesh.faces), CHUNK_FACES):
        yield Progress("paint", start, len(mesh.faces))
        rows = slice(start, start + CHUNK_FACES)
        paint_faces(
            corners[rows],
            mesh.faces[rows],
            mesh.vertices,
            normals,
            shift,
            views.photo[rows],
            shots,
            page,
            seen,
        )
    return page, seen
