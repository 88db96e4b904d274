"""From the raw mesh to what the user gets: tidied, reduced, textured. The same for every method."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from engine.core.arrays import F32, Bool
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.news import Job, Progress
from engine.core.settings import Settings
from engine.core.surface import Mesh, TexturedMesh
from engine.export.detail import DETAILS
from engine.meshing.simplify import fill_holes, remove_islands, simplify
from engine.runtime.meters import Meters
from engine.texturing.bake import texture


def finished(
    mesh: Mesh,
    photos: Sequence[Photo],
    settings: Settings,
    with_texture: bool,
    meters: Meters,
    is_observed: Callable[[F32], Bool] | None = None,
) -> Job[Mesh | TexturedMesh]:
    """Return the job that drops islands, closes holes, reduces and paints a mesh.

    Reducing makes vertices anew; `is_observed` says which of them (n, 3) were measured.

    Raises:
        BadInput: nothing is left.
    """
    yield Progress("clean", 0, 2)
    with meters.stage("tidy"):
        mesh = remove_islands(mesh, settings.mesh.min_island_faces)
        if mesh.is_empty:
            raise BadInput(
                "No surface came of this scan.",
                "Check that the recording has depth within range and steady poses.",
            )
        yield Progress("clean", 1, 2)
        mesh = fill_holes(mesh, settings.mesh.max_hole_edges)
    wanted = DETAILS[settings.mesh.detail].max_triangles
    if wanted is not None and len(mesh.faces) > wanted:
        yield Progress("simplify", 0, 1)
        with meters.stage("simplify"):
            mesh = simplify(mesh, wanted)
    if is_observed is not None:
        mesh = replace(mesh, is_observed=is_observed(mesh.vertices))
    if not photos:
        # Nothing coloured the mesh: no colour is truer than its grey.
        return Mesh(mesh.vertices, mesh.faces)
    if not with_texture:
        return mesh
    with meters.stage("texture"):
        return (yield from texture(mesh, photos, settings.texture))
