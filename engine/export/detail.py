"""How much of a mesh an export keeps, and what the file will weigh, known before it is written."""

from dataclasses import dataclass

import numpy as np

from engine.core.arrays import U8
from engine.core.settings import Detail
from engine.core.surface import Mesh, TexturedMesh
from engine.export.formats import Format
from engine.export.pictures import PictureKind, at_most, encode


@dataclass(frozen=True, slots=True)
class DetailLevel:
    """One rung of the ladder; `max_triangles` None keeps every triangle."""

    name: Detail
    max_triangles: int | None
    texture_px: int
    good_for: str


DETAILS: dict[Detail, DetailLevel] = {
    level.name: level
    for level in (
        DetailLevel("preview", 25_000, 1024, "a look, a message"),
        DetailLevel("reduced", 100_000, 2048, "phones and web pages"),
        DetailLevel("medium", 250_000, 4096, "most uses"),
        DetailLevel("full", 1_000_000, 8192, "desktop programs"),
        DetailLevel("raw", None, 8192, "everything that was measured"),
    )
}

# Marching cubes puts between two and three triangles on every voxel face of a tilted surface.
_TRIANGLES_A_VOXEL_FACE = 2.4
_SCAN_VOXEL_M = 0.02
# An atlas splits vertices along its seams: two faces a vertex without one, fewer with.
_VERTICES_A_FACE = 0.51
_VERTICES_A_FACE_ATLAS = 0.75
# Charts of fewer faces have more border for each: measured on rooms of 250,000 and 25,000 faces.
_BORDER_GROWTH = 0.41
_MOST_VERTICES_A_FACE = 3.0
# Photographs in an atlas with gaps, where no picture is at hand to measure.
_TYPICAL_BYTES_A_TEXEL: dict[PictureKind, float] = {"jpeg": 0.45, "png": 1.9}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a file will hold: triangles, edge of its texture (0 for none), and bytes in all."""

    triangles: int
    texture_px: int
    bytes: int


def estimate(
    surface: Mesh | TexturedMesh | float,
    detail: Detail,
    file_format: Format,
    picture: PictureKind = "jpeg",
) -> Estimate:
    """Return what an export at this detail will hold, within a quarter of the truth for scans.

    Reduced, a surface keeps its texture on an atlas of its own where the format carries one.
    Given an area in square metres instead of a mesh, a textured scan at 2 cm voxels is assumed.
    A texture is never enlarged: its size is the level's or what it already has.
    """
    level = DETAILS[detail]
    if isinstance(surface, (int, float)):
        triangles = int(surface * _TRIANGLES_A_VOXEL_FACE / _SCAN_VOXEL_M**2)
        ratio, colored = _VERTICES_A_FACE_ATLAS, True
        texture_px = level.texture_px if file_format.carries_texture else 0
        texel = _TYPICAL_BYTES_A_TEXEL[picture]
    else:
        mesh = surface if isinstance(surface, Mesh) else surface.mesh
        triangles, ratio = len(mesh.faces), len(mesh.vertices) / max(len(mesh.faces), 1)
        textured = isinstance(surface, TexturedMesh)
        colored = mesh.colors is not None or textured
        texture_px, texel = 0, 0.0
        if isinstance(surface, TexturedMesh) and file_format.carries_texture:
            texture_px = min(level.texture_px, max(surface.texture.shape[:2]))
            # Smaller pictures have more to say a texel.
            texel = _bytes_a_texel(at_most(surface.texture, texture_px), picture)
        if level.max_triangles is not None and triangles > level.max_triangles:
            ratio = _reduced_ratio(ratio, triangles / level.max_triangles, textured, texture_px > 0)
    kept = triangles if level.max_triangles is None else min(triangles, level.max_triangles)
    geometry = _geometry_bytes(file_format, kept, int(kept * ratio), texture_px > 0, colored)
    return Estimate(kept, texture_px, geometry + int(texture_px**2 * texel))


def _reduced_ratio(ratio: float, fewer_times: float, was_textured: bool, textured: bool) -> float:
    """Return vertices a face after reducing to so many times fewer faces."""
    if not textured:
        return _VERTICES_A_FACE if was_textured else ratio
    border = max(ratio - 0.5, 0.0) * fewer_times**_BORDER_GROWTH
    return float(min(0.5 + border, _MOST_VERTICES_A_FACE))


def _geometry_bytes(
    file_format: Format, faces: int, vertices: int, textured: bool, colored: bool
) -> int:
    if file_format.name == "stl":
        return 84 + 50 * faces
    if file_format.name == "ply":
        return 300 + 13 * faces + (16 if colored else 12) * vertices
    if file_format.name == "obj":
        # "v x y z", with colours or a "vt u v" line, and "f a b c" or "f a/a b/b c/c".
        digits = max(int(np.log10(max(vertices, 1))) + 1, 1)
        vertex = 31 + (22 if textured else 27 if colored else 0)
        return 200 + vertex * vertices + faces * (2 + 3 * (digits + 1) * (2 if textured else 1))
    look = 8 if textured else (8 if file_format.name == "glb" else 12) if colored else 0
    if file_format.name == "glb":
        return 1500 + 12 * faces + (24 + look) * vertices
    # USD's crate packs integers to a fraction; points and normals it keeps.
    return 4000 + 5 * faces + (24 + look) * vertices


def _bytes_a_texel(texture: U8, picture: PictureKind) -> float:
    """Return the compressed size of a texel, measured on a grid of tiles of the picture."""
    height, width = texture.shape[:2]
    edge = min(256, height, width)
    rows = np.linspace(0, height - edge, min(4, height // edge), dtype=int)
    columns = np.linspace(0, width - edge, min(4, width // edge), dtype=int)
    tiles = [texture[r : r + edge, c : c + edge] for r in rows for c in columns]
    # Laid side by side they share one header, as in the real file.
    strip = np.concatenate(tiles, axis=1)
    size = len(encode(np.ascontiguousarray(strip), picture))
    return float(size / (strip.shape[0] * strip.shape[1]))
