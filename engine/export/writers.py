"""GLB, OBJ, PLY and STL files through trimesh, with the corrections their standards ask for."""

import io
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from PIL import Image
from trimesh.exchange.gltf import export_glb
from trimesh.exchange.obj import export_obj
from trimesh.exchange.ply import export_ply
from trimesh.exchange.stl import export_stl

from engine.core.arrays import F32
from engine.core.surface import Mesh, TexturedMesh
from engine.export.axes import FileFrame
from engine.export.pictures import (
    PictureKind,
    encode,
    linear_from_srgb,
    vertex_colors,
)
from engine.export.weld import smooth_normals

# glTF's number for unsigned 16 bit integers.
_GLTF_U16 = 5123
_GLTF_ALIGNMENT = 4
# A micrometre in metres, and a hundredth of a texel of the largest texture.
_TEXT_DIGITS = 6


def frame_note(frame: FileFrame) -> str:
    """Return the line that lets `load_mesh` undo axes and unit of files that cannot state them."""
    return f"finescan up={frame.up} unit_m={frame.unit_m:g}"


def write_glb(
    surface: Mesh | TexturedMesh, frame: FileFrame, path: Path, picture: PictureKind
) -> None:
    """Write one GLB with normals and either its texture or linear 16-bit vertex colours.

    If the mesh knows which vertices were observed, `_OBSERVED` says 1 or 0.
    """
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    body = _body(mesh, frame, smooth_normals(mesh))
    if mesh.is_observed is not None:
        # The standard wants every vertex of every attribute to begin at a multiple of 4 bytes.
        body.vertex_attributes["_OBSERVED"] = mesh.is_observed.astype(np.float32)
    texture = None if isinstance(surface, Mesh) else encode(surface.texture, picture)
    if isinstance(surface, TexturedMesh):
        body.visual = _one_pixel_visual(surface, picture)
    elif mesh.colors is not None:
        body.visual = trimesh.visual.ColorVisuals(body, vertex_colors=_rgba(mesh.colors))

    def correct(buffers: MutableMapping[Any, bytes], tree: dict[str, Any]) -> None:
        if texture is not None:
            image = tree["images"][0]
            image["mimeType"] = f"image/{picture}"
            _replace(buffers, image["bufferView"], texture)
        elif mesh.colors is not None:
            _write_linear_colors(mesh.colors, buffers, tree)

    def matt(tree: dict[str, Any]) -> None:
        tree["asset"]["generator"] = "Finescan"
        # glTF's default material is metal, which looks black; a scan is matt.
        material = tree.setdefault("materials", [{}])[0]
        material.setdefault("pbrMetallicRoughness", {}).update(metallicFactor=0, roughnessFactor=1)
        tree["meshes"][0]["primitives"][0]["material"] = 0

    path.write_bytes(
        export_glb(
            trimesh.Scene(body),
            include_normals=True,
            buffer_postprocessor=correct,
            tree_postprocessor=matt,
        )
    )


def write_obj(
    surface: Mesh | TexturedMesh, frame: FileFrame, path: Path, picture: PictureKind
) -> None:
    """Write an OBJ; beside it, when textured, an MTL and a picture named after it."""
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    body = _body(mesh, frame)
    if isinstance(surface, TexturedMesh):
        body.visual = _one_pixel_visual(surface, picture)
        body.visual.material = trimesh.visual.material.SimpleMaterial(
            image=body.visual.material.baseColorTexture,
            diffuse=(255, 255, 255, 255),
            ambient=(255, 255, 255, 255),
            specular=(0, 0, 0, 255),
            name="texture",
        )
    elif mesh.colors is not None:
        body.visual = trimesh.visual.ColorVisuals(body, vertex_colors=_rgba(mesh.colors))
    # Names inside OBJ and MTL end at a blank in many readers.
    stem = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in path.stem)
    text, files = export_obj(
        body,
        include_normals=False,
        return_texture=True,
        digits=_TEXT_DIGITS,
        mtl_name=f"{stem}.mtl",
        header=frame_note(frame),
    )
    path.write_text(text, encoding="utf-8")
    if isinstance(surface, TexturedMesh):
        # Not just the mesh's name: a photograph of that name may lie beside it.
        name = f"{stem}-texture.{'jpg' if picture == 'jpeg' else 'png'}"
        material = files[f"{stem}.mtl"].decode().replace(f"texture.{picture}", name)
        (path.parent / f"{stem}.mtl").write_text(material, encoding="utf-8")
        (path.parent / name).write_bytes(encode(surface.texture, picture))


def write_ply(surface: Mesh | TexturedMesh, frame: FileFrame, path: Path) -> None:
    """Write a binary PLY; a texture becomes vertex colours, since few readers take one.

    If the mesh knows which vertices were observed, their property `observed` says 1 or 0.
    """
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    body = _body(mesh, frame)
    colors = vertex_colors(surface)
    if colors is not None:
        body.visual = trimesh.visual.ColorVisuals(body, vertex_colors=_rgba(colors))
    if mesh.is_observed is not None:
        body.vertex_attributes["observed"] = mesh.is_observed.astype(np.uint8)
    data = export_ply(body, encoding="binary", vertex_normal=False)
    end = data.index(b"end_header")
    note = f"comment {frame_note(frame)}\n".encode()
    path.write_bytes(data[:end] + note + data[end:])


def write_stl(surface: Mesh | TexturedMesh, frame: FileFrame, path: Path) -> None:
    """Write a binary STL: triangles only."""
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    data = export_stl(_body(mesh, frame))
    path.write_bytes(frame_note(frame).encode().ljust(80, b"\0") + data[80:])


def _body(mesh: Mesh, frame: FileFrame, normals: F32 | None = None) -> trimesh.Trimesh:
    return trimesh.Trimesh(
        frame.to_file(mesh.vertices),
        mesh.faces,
        vertex_normals=None if normals is None else frame.turn(normals),
        process=False,
        validate=False,
    )


def _rgba(colors: np.ndarray) -> np.ndarray:
    return np.concatenate([colors, np.full((len(colors), 1), 255, np.uint8)], axis=1)


def _one_pixel_visual(surface: TexturedMesh, picture: PictureKind) -> Any:
    # trimesh would encode the picture again with its own quality; one pixel holds its place.
    image = Image.open(io.BytesIO(encode(np.zeros((1, 1, 3), np.uint8), picture)))
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=image)
    return trimesh.visual.TextureVisuals(uv=surface.uv, material=material)


def _replace(buffers: MutableMapping[Any, bytes], view: int, data: bytes) -> None:
    key = list(buffers)[view]
    buffers[key] = data + b"\0" * (-len(data) % _GLTF_ALIGNMENT)


def _write_linear_colors(
    colors: np.ndarray, buffers: MutableMapping[Any, bytes], tree: dict[str, Any]
) -> None:
    # glTF defines vertex colours as linear light; in 8 bits dark tones would fall together.
    light = _rgba(colors).astype(np.uint16) * np.uint16(257)
    light[:, :3] = np.round(linear_from_srgb(colors) * 65535)
    index = tree["meshes"][0]["primitives"][0]["attributes"]["COLOR_0"]
    accessor = list(tree["accessors"].values())[index]
    accessor["componentType"] = _GLTF_U16
    accessor["min"], accessor["max"] = light.min(axis=0).tolist(), light.max(axis=0).tolist()
    _replace(buffers, accessor["bufferView"], light.astype("<u2").tobytes())
