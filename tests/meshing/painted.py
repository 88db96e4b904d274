"""Surfaces as the user edits them: on an atlas with seams, colours a function of the place."""

import numpy as np

from engine.core.surface import Mesh, TexturedMesh
from engine.texturing.texels import corners_of, owners
from engine.texturing.unwrap import unwrap
from tests.export.shapes import finish


def tint(points):
    """Return a smooth colour (n, 3) for every place (n, 3)."""
    return 128 + 90 * np.sin(4 * np.asarray(points, np.float64) + [0.0, 1.0, 2.0])


def painted(mesh: Mesh, size_px: int = 256) -> TexturedMesh:
    """Return the mesh with a texture that shows `tint` all over."""
    atlas = finish(unwrap(mesh, size_px))
    corners = corners_of(atlas, size_px)
    owner = owners(corners, size_px)
    row, column = np.nonzero(owner >= 0)
    face = owner[row, column]
    a, b, c = corners[face].astype(np.float64).transpose(1, 0, 2)
    at = np.stack([column, row], axis=1) + 0.5 - a
    share = np.linalg.solve(np.stack([b - a, c - a], axis=2), at[..., None])[..., 0]
    p, q, r = mesh.vertices[mesh.faces[face]].astype(np.float64).transpose(1, 0, 2)
    points = p + share[:, :1] * (q - p) + share[:, 1:] * (r - p)
    page = np.full((size_px, size_px, 3), 128, np.uint8)
    page[row, column] = tint(points)
    return TexturedMesh(atlas.mesh, atlas.uv, page)


def frozen(surface: Mesh | TexturedMesh) -> Mesh | TexturedMesh:
    """Return the surface, none of whose arrays can be written to any more."""
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    arrays = [mesh.vertices, mesh.faces, mesh.colors, mesh.is_observed]
    if isinstance(surface, TexturedMesh):
        arrays += [surface.uv, surface.texture]
    for array in arrays:
        if array is not None:
            array.flags.writeable = False
    return surface
