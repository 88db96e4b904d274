"""A mesh file into another mesh file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.faults import BadInput
from engine.core.news import Progress
from engine.core.settings import Detail
from engine.core.surface import Mesh, TexturedMesh
from engine.export.detail import DETAILS, estimate
from engine.export.formats import format_of
from engine.export.load import load_mesh
from engine.export.write import export
from engine.meshing.simplify import simplify
from engine.runtime.progress import run_job


def convert(
    source: Path,
    goal: Path,
    target: str,
    detail: Detail | None,
    on_progress: Callable[[Progress], object],
) -> dict[str, Any]:
    """Write a mesh file in another format and return what was written.

    Raises:
        BadInput: the mesh cannot be read, or the format or target is unknown.
        CannotWrite: the file cannot be written.
    """
    surface = load_mesh(source)
    if detail is not None:
        surface = reduced(surface, detail)
    report = run_job(export(surface, goal, target), on_progress, lambda: False)
    return {
        "files": [str(file) for file in report.files],
        "target": report.target,
        "bytes": report.bytes,
        "faces": report.faces,
        "has_texture": report.has_texture,
        "size_m": [round(edge, 4) for edge in report.size_m],
        "up": report.up,
        "unit": report.unit,
        "checked_with": report.reader,
    }


def reduced(surface: Mesh | TexturedMesh, detail: Detail) -> Mesh | TexturedMesh:
    """Return a mesh with at most as many triangles as the detail level keeps.

    Raises:
        BadInput: the mesh has a texture, whose atlas would not survive.
    """
    limit = DETAILS[detail].max_triangles
    mesh = surface.mesh if isinstance(surface, TexturedMesh) else surface
    if limit is None or len(mesh.faces) <= limit:
        return surface
    if isinstance(surface, TexturedMesh):
        raise BadInput(
            f"This textured mesh has {len(mesh.faces):,} triangles; reducing it to {limit:,} "
            "would tear its texture.",
            f"Scan again with --preset {detail}, which textures the reduced mesh.",
        )
    return simplify(mesh, limit)


def estimate_row(source: Path, goal: Path, detail: Detail) -> dict[str, Any]:
    """Return what an export would hold.

    Raises:
        BadInput: the mesh cannot be read, or the format is unknown.
    """
    surface = load_mesh(source)
    mesh = surface.mesh if isinstance(surface, TexturedMesh) else surface
    guess = estimate(surface, detail, format_of(goal))
    return {
        "triangles": guess.triangles,
        "texture_px": guess.texture_px,
        "bytes": guess.bytes,
        "size_m": [round(float(edge), 4) for edge in np.ptp(mesh.vertices, axis=0)],
    }
