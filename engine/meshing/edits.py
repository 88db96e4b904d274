"""What the user may do to a finished surface: each edit a function from surface to surface."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from engine.core.edits import Crop, Edit, FillHoles, Level, RemoveIslands
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.core.surface import Mesh
from engine.meshing.clip import cropped
from engine.meshing.count import pieces_of
from engine.meshing.floor import find_floor, floor_at, standing
from engine.meshing.parts import Surface, bare, joined_faces, untextured, with_faces
from engine.meshing.simplify import fill_holes, simplify


@dataclass(frozen=True, slots=True)
class Edited:
    """A surface after an edit.

    Attributes:
        T_new_old: where the world went, None where it stayed.
    """

    surface: Surface
    T_new_old: Pose | None = None


def edited(surface: Surface, edit: Edit) -> Edited:
    """Return what an edit makes of a surface, which itself stays as it is.

    Crop, level and islands keep a texture. Holes that were closed and reduced surfaces have new
    faces of which it knows nothing: the result then is a mesh with vertex colours, unless nothing
    was to be done.

    Raises:
        BadInput: the edit is impossible, or would leave nothing.
    """
    if bare(surface).is_empty:
        raise BadInput("The surface is empty, so nothing can be done to it.")
    if isinstance(edit, Crop):
        return Edited(cropped(surface, edit.T_world_box, edit.size_m))
    if isinstance(edit, Level):
        return _levelled(surface, edit)
    if isinstance(edit, RemoveIslands):
        return Edited(_without_islands(surface, edit.min_faces))
    if isinstance(edit, FillHoles):
        return Edited(_filled(surface, edit.max_edges))
    return Edited(_reduced(surface, edit.faces))


def moved(surface: Surface, T_new_old: Pose) -> Surface:
    """Return the surface with every vertex moved; itself where none is."""
    if T_new_old == Pose.identity():
        return surface
    mesh = bare(surface)
    vertices = T_new_old.apply(mesh.vertices.astype(np.float64)).astype(np.float32)
    mesh = replace(mesh, vertices=vertices)
    return mesh if isinstance(surface, Mesh) else replace(surface, mesh=mesh)


def reduced(surface: Surface, faces: int) -> Mesh:
    """Return the mesh with about so many faces, without texture; colours and observed flags stay.

    Raises:
        BadInput: so few that nothing is left.
    """
    mesh = untextured(surface)
    fewer = simplify(mesh, faces)
    if faces < 1 or fewer.is_empty:
        raise BadInput(f"A surface of {faces} triangles is none.", "Keep more of them.")
    if mesh.is_observed is None or fewer.is_observed is not None:
        return fewer
    nearest = cKDTree(mesh.vertices).query(fewer.vertices)[1]
    return replace(fewer, is_observed=mesh.is_observed[nearest])


def _levelled(surface: Surface, edit: Level) -> Edited:
    if (edit.point_m is None) != (edit.normal is None):
        raise BadInput("A point of the floor needs a normal, and a normal a point.")
    mesh = bare(surface)
    if edit.point_m is None or edit.normal is None:
        floor = find_floor(mesh)
    else:
        floor = floor_at(mesh, np.array(edit.point_m), np.array(edit.normal))
    T_new_old = standing(floor)
    return Edited(moved(surface, T_new_old), T_new_old)


def _without_islands(surface: Surface, min_faces: int) -> Surface:
    if min_faces < 1:
        raise BadInput("Pieces of fewer than one face do not exist.", "Choose a larger size.")
    piece = pieces_of(joined_faces(surface))
    kept = np.bincount(piece)[piece] >= min_faces
    if not kept.any():
        raise BadInput(
            f"No piece has {min_faces:,} triangles, so nothing would be left.",
            "Choose a smaller size.",
        )
    return surface if kept.all() else with_faces(surface, bare(surface).faces[kept])


def _filled(surface: Surface, max_edges: int) -> Surface:
    if max_edges < 3:
        raise BadInput("A hole has three edges at least.", "Choose a larger size.")
    mesh = untextured(surface)
    filled = fill_holes(mesh, max_edges)
    return surface if len(filled.faces) == len(mesh.faces) else filled


def _reduced(surface: Surface, faces: int) -> Surface:
    return surface if faces >= len(bare(surface).faces) else reduced(surface, faces)
