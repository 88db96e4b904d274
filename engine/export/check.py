"""Reading a written file back with another library than wrote it, before success is reported."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.core.arrays import F32
from engine.core.faults import BadInput, CannotWrite
from engine.core.late import open3d
from engine.core.surface import Mesh, TexturedMesh
from engine.export.axes import FileFrame
from engine.export.formats import Format
from engine.export.usdz import read_usdz

# Far below what can be seen, far above what rounding to float32 or six digits costs in a building.
_BOX_TOLERANCE_M = 1e-4
_BOX_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Reread:
    """What a second reader found: the box in metres and world axes, and what the file carries."""

    reader: str
    low_m: F32
    high_m: F32
    faces: int
    texture_px: tuple[int, int] | None
    has_colors: bool


def reread(path: Path, file_format: Format, frame: FileFrame) -> Reread:
    """Return what a reader other than the writer makes of a file just written.

    USD has no second implementation at hand, so its own library opens the finished archive afresh.

    Raises:
        CannotWrite: the reader finds no mesh.
    """
    if file_format.name == "usdz":
        try:
            surface, stated = read_usdz(path)
        except BadInput as error:
            raise _damaged(path, error.says) from error
        mesh = surface if isinstance(surface, Mesh) else surface.mesh
        low, high = _box(stated.to_world(mesh.vertices))
        size = surface.texture.shape[:2] if isinstance(surface, TexturedMesh) else None
        found = None if size is None else (size[1], size[0])
        return Reread("usd-core", low, high, len(mesh.faces), found, mesh.colors is not None)
    o3d = open3d()
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        seen = o3d.io.read_triangle_mesh(path, enable_post_processing=False)
    if not len(seen.triangles):
        raise _damaged(path, "it holds no triangles")
    low, high = _box(frame.to_world(np.asarray(seen.vertices)))
    pictures = [np.asarray(picture).shape for picture in seen.textures]
    sizes = [(shape[1], shape[0]) for shape in pictures if len(shape) == 3]
    return Reread(
        "open3d",
        low,
        high,
        len(seen.triangles),
        sizes[0] if sizes and seen.has_triangle_uvs() else None,
        seen.has_vertex_colors(),
    )


def compare(path: Path, file_format: Format, surface: Mesh | TexturedMesh, seen: Reread) -> None:
    """Do nothing when the second reader saw what was meant.

    Raises:
        CannotWrite: box, number of faces, texture or colours differ.
    """
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    low, high = mesh.bounds_m()
    slack_m = _BOX_TOLERANCE_M + _BOX_TOLERANCE * float(np.abs([low, high]).max())
    off_m = float(np.abs([seen.low_m - low, seen.high_m - high]).max())
    if not off_m <= slack_m:
        raise _damaged(path, f"its bounding box is off by {off_m:.3g} m")
    if seen.faces != len(mesh.faces):
        raise _damaged(path, f"it has {seen.faces} faces instead of {len(mesh.faces)}")
    if isinstance(surface, TexturedMesh) and file_format.carries_texture:
        height, width = surface.texture.shape[:2]
        if seen.texture_px != (width, height):
            raise _damaged(path, f"its {width}x{height} texture is missing")
    elif mesh.colors is not None and file_format.carries_colors and not seen.has_colors:
        raise _damaged(path, "its vertex colours are missing")


def _box(vertices: F32) -> tuple[F32, F32]:
    return vertices.min(axis=0), vertices.max(axis=0)


def _damaged(path: Path, reason: str) -> CannotWrite:
    return CannotWrite(
        f"{path.name} was written but reads back wrong: {reason}.",
        "Nothing was replaced; try another format.",
    )
