"""Meshes back from files, in the world's axes and metres, whoever wrote them."""

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image
from trimesh.exchange.gltf import load_glb

from engine.core.arrays import U8
from engine.core.faults import BadInput
from engine.core.surface import Mesh, TexturedMesh
from engine.export.axes import FileFrame, file_frame, target_named
from engine.export.formats import Format, format_of
from engine.export.pictures import srgb_from_linear
from engine.export.usdz import read_usdz
from engine.export.weld import welded

_MAX_FILE_BYTES = 4 << 30
# In any unit; areas and distances of corners farther out would overflow.
_FARTHEST = 1e9
_NOTE = re.compile(rb"finescan up=([yz]) unit_m=([0-9.e+-]{1,12})")
_NOTE_WITHIN_BYTES = 4096


def load_mesh(path: Path, target: str | None = None) -> Mesh | TexturedMesh:
    """Return the mesh in a GLB, OBJ, PLY, STL or USDZ file, in the world: +Z up, metres.

    GLB and USDZ state their axes and unit. In the other formats our own files carry a note; for
    files of other programs `target` names the program whose axes and unit are meant, and without
    it they are taken to be the world's. Corners at the same place are joined in STL only.

    Raises:
        BadInput: no such file, unknown ending, damaged, empty, or too large.
    """
    file_format = format_of(path)
    with _explained(path):
        is_file = path.is_file()
    if not is_file:
        raise BadInput(f"There is no file {path}.", "Check the path.")
    if path.stat().st_size > _MAX_FILE_BYTES:
        raise BadInput(f"{path.name} is larger than 4 GB.", "Simplify it in another program first.")
    with _explained(path):
        if file_format.name == "usdz":
            surface, frame = read_usdz(path)
        else:
            frame = _frame_of(path, file_format, target)
            surface = _read(path, file_format)
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    if mesh.is_empty:
        raise BadInput(f"{path.name} holds no triangles.", "Choose a file with a surface.")
    if not np.isfinite(mesh.vertices).all():
        raise BadInput(f"{path.name} has corners at NaN or infinity.", "The file may be damaged.")
    if np.abs(mesh.vertices).max() > _FARTHEST:
        raise BadInput(f"{path.name} has corners too far away.", "The file may be damaged.")
    world = Mesh(frame.to_world(mesh.vertices), mesh.faces, mesh.colors)
    if not file_format.shares_vertices:
        return welded(world)
    if isinstance(surface, Mesh):
        return world
    return TexturedMesh(world, surface.uv, surface.texture)


def _frame_of(path: Path, file_format: Format, target: str | None) -> FileFrame:
    if target is None and file_format.fixed_up is None:
        with path.open("rb") as file:
            note = _NOTE.search(file.read(_NOTE_WITHIN_BYTES))
        if note and float(note[2]) > 0:
            return FileFrame("y" if note[1] == b"y" else "z", float(note[2]))
    return file_frame(file_format, target_named(target or "finescan"))


def _read(path: Path, file_format: Format) -> Mesh | TexturedMesh:
    if file_format.name == "glb":
        with path.open("rb") as file:
            content = load_glb(file)
        for part in content["geometry"].values():
            _decode_linear_colors(part)
        found = trimesh.load_scene(content)
    else:
        found = trimesh.load(path, process=False, maintain_order=True)
    if isinstance(found, trimesh.Scene):
        found = found.to_mesh() if found.geometry else trimesh.Trimesh()
    if not isinstance(found, trimesh.Trimesh):
        raise BadInput(f"{path.name} holds points or lines, no triangles.")
    return _from_trimesh(found)


def _decode_linear_colors(part: dict[str, Any]) -> None:
    # The library would cut 16-bit colours to their low byte, takes linear light for sRGB, and
    # forgets colours that come with a material. With a picture, the picture counts.
    visual = part.get("visual")
    colors = part.get("vertex_colors")
    if visual is not None:
        if _texture_of(visual.material) is not None:
            return
        colors = visual.vertex_attributes.get("color")
    if colors is not None:
        scale = 1.0 if colors.dtype.kind == "f" else float(np.iinfo(colors.dtype).max)
        part.pop("visual", None)
        part["vertex_colors"] = srgb_from_linear(colors[:, :3] / scale)


def _from_trimesh(found: trimesh.Trimesh) -> Mesh | TexturedMesh:
    vertices = np.asarray(found.vertices, np.float32)
    faces = np.asarray(found.faces, np.int32).reshape(-1, 3)
    visual = found.visual
    if visual.kind == "texture":
        texture = _texture_of(visual.material)
        uv = None if visual.uv is None else np.asarray(visual.uv, np.float32)
        if texture is not None and uv is not None and uv.shape == (len(vertices), 2):
            return TexturedMesh(Mesh(vertices, faces), uv, texture)
        return Mesh(vertices, faces)
    colors = np.asarray(visual.vertex_colors)[:, :3] if visual.kind is not None else None
    return Mesh(vertices, faces, None if colors is None else np.asarray(colors, np.uint8))


def _texture_of(material: Any) -> U8 | None:
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    return np.array(image.convert("RGB")) if isinstance(image, Image.Image) else None


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the many ways in which readers trip over damaged files into one sentence."""
    try:
        # Damaged numbers may overflow on the way; what matters is checked when they are read.
        with np.errstate(all="ignore"):
            yield
    except (
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        AssertionError,
        EOFError,
        OSError,
        struct.error,
        zlib.error,
        SyntaxError,
        MemoryError,
        OverflowError,
        NotImplementedError,
    ) as error:
        reason = getattr(error, "strerror", None)
        raise BadInput(
            f"{path.name} cannot be read as a mesh{f': {reason}' if reason else ''}.",
            "The file may be damaged or incomplete.",
        ) from error
