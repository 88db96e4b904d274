"""USDZ: a USD stage, its picture and both in one archive, through usd-core."""

import re
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdShade, UsdUtils, Vt

from engine.core.arrays import F32, I32, U8
from engine.core.faults import BadInput, CannotWrite
from engine.core.surface import Mesh, TexturedMesh
from engine.export.axes import FileFrame
from engine.export.pictures import (
    MAX_PICTURE_BYTES,
    PictureKind,
    encode,
    linear_from_srgb,
    open_picture,
    srgb_from_linear,
)
from engine.export.weld import smooth_normals

_MATERIAL = "/scan/material"


def write_usdz(
    surface: Mesh | TexturedMesh, frame: FileFrame, path: Path, picture: PictureKind
) -> None:
    """Write one USDZ that states its unit and up axis, textured or with vertex colours.

    Raises:
        CannotWrite: the library could not write the stage or pack it.
    """
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".stage-") as folder:
        stage_path = Path(folder) / "scan.usdc"
        try:
            _write_stage(surface, frame, stage_path, picture)
            packed = UsdUtils.CreateNewARKitUsdzPackage(Sdf.AssetPath(str(stage_path)), str(path))
        except Tf.ErrorException as error:
            raise CannotWrite(
                f"The USD library could not write {path.name}: {_reason(error)}.",
                "Free some disk space or choose another folder.",
            ) from error
    if not packed:
        raise CannotWrite(f"The USD library could not pack {path.name}.", "Choose another format.")


def _write_stage(
    surface: Mesh | TexturedMesh, frame: FileFrame, path: Path, picture: PictureKind
) -> None:
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageMetersPerUnit(stage, frame.unit_m)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y if frame.up == "y" else UsdGeom.Tokens.z)
    root = UsdGeom.Xform.Define(stage, "/scan")
    stage.SetDefaultPrim(root.GetPrim())
    shape = UsdGeom.Mesh.Define(stage, "/scan/mesh")
    vertices = frame.to_file(mesh.vertices)
    shape.CreatePointsAttr(_vectors3(vertices))
    shape.CreateFaceVertexIndicesAttr(
        Vt.IntArray.FromNumpy(np.ascontiguousarray(mesh.faces.reshape(-1), np.int32))
    )
    shape.CreateFaceVertexCountsAttr(
        Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, dtype=np.int32))
    )
    shape.CreateExtentAttr(_vectors3(np.stack([vertices.min(axis=0), vertices.max(axis=0)])))
    # Without this, USD rounds the mesh off as a subdivision cage.
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    shape.CreateNormalsAttr(_vectors3(frame.turn(smooth_normals(mesh))))
    shape.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    material = UsdShade.Material.Define(stage, _MATERIAL)
    shader = UsdShade.Shader.Define(stage, f"{_MATERIAL}/surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(1.0)
    shader.CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.0)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    diffuse = shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f)
    if isinstance(surface, TexturedMesh):
        name = "texture.jpg" if picture == "jpeg" else "texture.png"
        (path.parent / name).write_bytes(encode(surface.texture, picture))
        _coordinates(shape, "st", Sdf.ValueTypeNames.TexCoord2fArray).Set(
            Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(surface.uv, np.float32))
        )
        diffuse.ConnectToSource(_texture(stage, name), "rgb")
    elif mesh.colors is not None:
        colors = _vectors3(linear_from_srgb(mesh.colors))
        shape.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex).Set(colors)
        diffuse.ConnectToSource(_reader(stage, "displayColor", "float3", (0.5, 0.5, 0.5)), "result")
    UsdShade.MaterialBindingAPI.Apply(shape.GetPrim()).Bind(material)
    stage.GetRootLayer().Save()


def _vectors3(values: F32) -> Vt.Vec3fArray:
    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(values, np.float32))


def _coordinates(shape: UsdGeom.Mesh, name: str, kind: Sdf.ValueTypeName) -> UsdGeom.Primvar:
    primvars = UsdGeom.PrimvarsAPI(shape)
    return primvars.CreatePrimvar(name, kind, UsdGeom.Tokens.vertex)


def _texture(stage: Usd.Stage, name: str) -> UsdShade.ConnectableAPI:
    texture = UsdShade.Shader.Define(stage, f"{_MATERIAL}/texture")
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(name))
    texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
    texture.CreateInput("wrapS", Sdf.ValueTypeNames.Token).Set("clamp")
    texture.CreateInput("wrapT", Sdf.ValueTypeNames.Token).Set("clamp")
    coordinates = texture.CreateInput("st", Sdf.ValueTypeNames.Float2)
    coordinates.ConnectToSource(_reader(stage, "st", "float2", (0.0, 0.0)), "result")
    texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
    return texture.ConnectableAPI()


def _reader(
    stage: Usd.Stage, primvar: str, kind: str, fallback: tuple[float, ...]
) -> UsdShade.ConnectableAPI:
    types = {
        "float2": (Sdf.ValueTypeNames.Float2, Gf.Vec2f),
        "float3": (Sdf.ValueTypeNames.Float3, Gf.Vec3f),
    }
    value_type, vector = types[kind]
    reader = UsdShade.Shader.Define(stage, f"{_MATERIAL}/{primvar}_reader")
    reader.CreateIdAttr(f"UsdPrimvarReader_{kind}")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set(primvar)
    reader.CreateInput("fallback", value_type).Set(vector(*fallback))
    reader.CreateOutput("result", value_type)
    return reader.ConnectableAPI()


def read_usdz(path: Path) -> tuple[Mesh | TexturedMesh, FileFrame]:
    """Return all meshes of a USD file as one, in the file's own axes and unit, and these.

    Polygons become fans of triangles. The texture is kept when the file holds a single mesh whose
    coordinates belong to its vertices.

    Raises:
        BadInput: the file is no USD file, or holds no mesh.
    """
    try:
        stage = Usd.Stage.Open(str(path))
    except Tf.ErrorException as error:
        raise BadInput(
            f"{path.name} cannot be read as USD.", "The file may be damaged or incomplete."
        ) from error
    shapes = [UsdGeom.Mesh(p) for p in stage.Traverse() if p.IsA(UsdGeom.Mesh)]
    parts = [_read_shape(shape) for shape in shapes]
    if not parts:
        raise BadInput(f"{path.name} holds no mesh.", "Choose a file with triangles.")
    frame = FileFrame(
        "y" if UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.y else "z",
        UsdGeom.GetStageMetersPerUnit(stage),
    )
    if len(parts) == 1:
        return _with_texture(shapes[0], parts[0], stage, path), frame
    starts = np.cumsum([0] + [len(part.vertices) for part in parts[:-1]])
    colors = [part.colors for part in parts if part.colors is not None]
    merged = Mesh(
        np.concatenate([part.vertices for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
        np.concatenate(colors) if len(colors) == len(parts) else None,
    )
    return merged, frame


def _read_shape(shape: UsdGeom.Mesh) -> Mesh:
    points = np.array(shape.GetPointsAttr().Get() or [], np.float64).reshape(-1, 3)
    counts = np.array(shape.GetFaceVertexCountsAttr().Get() or [], np.int64)
    indices = np.array(shape.GetFaceVertexIndicesAttr().Get() or [], np.int64)
    if (counts < 0).any() or counts.sum() != len(indices):
        raise BadInput("A mesh in the file has faces without corners.", "The file may be damaged.")
    # USD's matrices act on row vectors.
    to_root = np.array(shape.ComputeLocalToWorldTransform(Usd.TimeCode.Default()))
    vertices = points @ to_root[:3, :3] + to_root[3, :3]
    colors = None
    primvar = shape.GetDisplayColorPrimvar()
    if primvar and primvar.GetInterpolation() == UsdGeom.Tokens.vertex:
        colors = srgb_from_linear(np.array(primvar.ComputeFlattened(), np.float32))
    return Mesh(vertices.astype(np.float32), _fans(counts, indices), colors)


def _fans(counts: np.ndarray, indices: np.ndarray) -> I32:
    starts = np.cumsum(counts) - counts
    fans = np.maximum(counts - 2, 0)
    face_start = np.repeat(starts, fans)
    step = np.arange(fans.sum()) - np.repeat(np.cumsum(fans) - fans, fans)
    corners = [indices[face_start], indices[face_start + step + 1], indices[face_start + step + 2]]
    return np.stack(corners, axis=1).astype(np.int32)


def _with_texture(
    shape: UsdGeom.Mesh, mesh: Mesh, stage: Usd.Stage, path: Path
) -> Mesh | TexturedMesh:
    primvar = UsdGeom.PrimvarsAPI(shape).GetPrimvar("st")
    uv = np.array(primvar.ComputeFlattened(), np.float32) if primvar else np.zeros((0, 2))
    material = UsdShade.MaterialBindingAPI(shape).ComputeBoundMaterial()[0]
    if uv.shape != (len(mesh.vertices), 2) or not material:
        return mesh
    for prim in Usd.PrimRange(material.GetPrim()):
        picture = prim.GetAttribute("inputs:file")
        if picture and picture.Get() is not None:
            texture = _open_picture(path, picture.Get().path)
            return TexturedMesh(mesh, uv.astype(np.float32), texture)
    return mesh


def _open_picture(path: Path, name: str) -> U8:
    try:
        with zipfile.ZipFile(path) as package, package.open(name) as entry:
            return open_picture(entry.read(MAX_PICTURE_BYTES))
    except (zipfile.BadZipFile, KeyError) as error:
        raise BadInput(
            f"{path.name} names a texture '{name}' that it does not hold.",
            "The file may be damaged.",
        ) from error


def _reason(error: Exception) -> str:
    """Return what USD's message says, without where in its source it says so."""
    quoted = re.search(r": '(.*)'", str(error))
    return quoted[1] if quoted else "no reason given"
