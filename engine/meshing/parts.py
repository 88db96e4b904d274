"""What a mesh and a textured mesh have in common when parts of them are taken."""

from dataclasses import replace

import numpy as np

from engine.core.arrays import I32
from engine.core.surface import Mesh, TexturedMesh
from engine.export.pictures import vertex_colors
from engine.export.weld import places

Surface = Mesh | TexturedMesh


def bare(surface: Surface) -> Mesh:
    """Return the mesh, which a texture lies on or not."""
    return surface if isinstance(surface, Mesh) else surface.mesh


def with_faces(surface: Surface, faces: I32) -> Surface:
    """Return the surface with these of its faces (m, 3), and the vertices they use."""
    mesh = bare(surface)
    used = np.zeros(len(mesh.vertices), np.bool_)
    used[faces] = True
    renamed = np.cumsum(used, dtype=np.int32) - 1
    kept = Mesh(
        mesh.vertices[used],
        renamed[faces].astype(np.int32),
        None if mesh.colors is None else mesh.colors[used],
        None if mesh.is_observed is None else mesh.is_observed[used],
    )
    if isinstance(surface, Mesh):
        return kept
    return TexturedMesh(kept, surface.uv[used], surface.texture)


def joined_faces(surface: Surface) -> I32:
    """Return the faces (m, 3) by the first vertex at each place, as they were before an atlas."""
    mesh = bare(surface)
    if isinstance(surface, Mesh):
        return mesh.faces
    first, where = places(mesh.vertices)
    return first[where].astype(np.int32)[mesh.faces]


def untextured(surface: Surface) -> Mesh:
    """Return the mesh without its texture, vertices along seams joined.

    Where it has no colours of its own, it takes those of the texture.
    """
    if isinstance(surface, Mesh):
        return surface
    faces = joined_faces(surface)
    distinct = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    coloured = replace(surface.mesh, colors=vertex_colors(surface))
    return bare(with_faces(coloured, faces[distinct]))
