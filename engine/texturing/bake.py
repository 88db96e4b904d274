"""One picture for the whole mesh, painted from photographs."""

from collections.abc import Sequence

import numpy as np

from engine.core.arrays import F32, I32, U8
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.news import Job, Progress
from engine.core.settings import TextureSettings
from engine.core.surface import Mesh, TexturedMesh
from engine.kernels.raster import MeshScene
from engine.texturing.balance import gains_of
from engine.texturing.blend import paint_rows, prepare
from engine.texturing.fill import fill_unseen, pad
from engine.texturing.level import shift_of
from engine.texturing.texels import corners_of, owners
from engine.texturing.unwrap import unwrap
from engine.texturing.views import Views, look, sharpest

# Rows of texels painted between two reports of progress.
STEP_ROWS = 256


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
    corners_px = corners_of(atlas, settings.size_px)
    owner = owners(corners_px, settings.size_px)
    page = yield from _painted(mesh, chosen, views, corners_px, owner)
    seen = (owner >= 0) & views.shown[owner]
    yield Progress("fill", 0, 2)
    fill_unseen(mesh, corners_px, owner, views, page, seen)
    yield Progress("fill", 1, 2)
    pad(page, seen)
    return TexturedMesh(atlas.mesh, atlas.uv, page)


def _painted(
    mesh: Mesh, photos: Sequence[Photo], views: Views, corners_px: F32, owner: I32
) -> Job[U8]:
    """Return the texture, black where no photograph shows a face."""
    page = np.zeros((*owner.shape, 3), np.uint8)
    if not photos:
        return page
    yield Progress("paint", 0, len(page))
    gains = gains_of(mesh, photos, views)
    shift = shift_of(mesh, photos, views, gains)
    shots = prepare(photos, views, gains)
    normals = mesh.vertex_normals()
    for start in range(0, len(page), STEP_ROWS):
        yield Progress("paint", start, len(page))
        paint_rows(
            slice(start, start + STEP_ROWS), owner, corners_px, mesh.faces, mesh.vertices,
            normals, shift, views.photo, shots, page,
        )  # fmt: skip
    return page
