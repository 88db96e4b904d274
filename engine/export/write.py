"""Meshes into files: written beside the goal, read back, and only then moved into place."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.core.faults import BadInput, CannotWrite
from engine.core.news import Job, Progress
from engine.core.surface import Mesh, TexturedMesh
from engine.export.axes import UNIT_NAMES, FileFrame, file_frame, target_named
from engine.export.check import compare, reread
from engine.export.formats import Format, Up, format_of
from engine.export.pictures import PictureKind, at_most
from engine.export.usdz import write_usdz
from engine.export.writers import write_glb, write_obj, write_ply, write_stl


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What was written and how a second reader confirmed it.

    Attributes:
        files: all files, the one that was asked for first.
        size_m: width, depth and height of the box in metres, world axes.
        up: up axis in the file.
        unit: name of the file's unit.
        reader: library that read the file back.
    """

    files: tuple[Path, ...]
    target: str
    bytes: int
    vertices: int
    faces: int
    has_texture: bool
    has_colors: bool
    size_m: tuple[float, float, float]
    up: Up
    unit: str
    reader: str


def export(
    surface: Mesh | TexturedMesh,
    path: Path,
    target: str = "finescan",
    picture: PictureKind = "jpeg",
    texture_px: int | None = None,
) -> Job[ExportReport]:
    """Write a mesh in the format its file name asks for, for the program `target` names.

    An old file of this name is replaced in one step, after the new one was read back and agreed in
    bounding box, faces and texture; until then, and after any failure, it stays as it was. Vertices
    without a face are left out. A texture larger than `texture_px` is made smaller.

    Raises:
        BadInput: unknown ending or target, an empty mesh, NaN, or a folder that does not exist.
        CannotWrite: disk full, no permission, or the file reads back wrong.
    """
    file_format, goal = format_of(path), target_named(target)
    frame = file_frame(file_format, goal)
    _check_place(path)
    surface = _used(surface)
    if texture_px is not None and isinstance(surface, TexturedMesh):
        surface = TexturedMesh(surface.mesh, surface.uv, at_most(surface.texture, texture_px))
    with (
        _explained(path),
        tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem[:40]}-") as folder,
    ):
        draft = Path(folder) / path.name
        yield Progress("write", 0, 3)
        _write(surface, file_format, frame, draft, picture)
        yield Progress("check", 1, 3)
        seen = reread(draft, file_format, frame)
        compare(draft, file_format, surface, seen)
        yield Progress("replace", 2, 3)
        files = _move_all(draft, path)
    yield Progress("replace", 3, 3)
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    low, high = mesh.bounds_m()
    width, depth, height = (float(length) for length in high - low)
    return ExportReport(
        files=files,
        target=target,
        bytes=sum(file.stat().st_size for file in files),
        vertices=len(mesh.vertices),
        faces=len(mesh.faces),
        has_texture=seen.texture_px is not None,
        has_colors=seen.has_colors,
        size_m=(width, depth, height),
        up=frame.up,
        unit=UNIT_NAMES[frame.unit_m],
        reader=seen.reader,
    )


def _write(
    surface: Mesh | TexturedMesh,
    file_format: Format,
    frame: FileFrame,
    path: Path,
    picture: PictureKind,
) -> None:
    if file_format.name == "glb":
        write_glb(surface, frame, path, picture)
    elif file_format.name == "obj":
        write_obj(surface, frame, path, picture)
    elif file_format.name == "ply":
        write_ply(surface, frame, path)
    elif file_format.name == "stl":
        write_stl(surface, frame, path)
    else:
        write_usdz(surface, frame, path, picture)


def _check_place(path: Path) -> None:
    try:
        has_folder, is_folder = path.parent.is_dir(), path.is_dir()
    except OSError as error:
        raise BadInput(f"{path.name[:80]} cannot be a file name: {error.strerror}.") from error
    if not has_folder:
        raise BadInput(f"The folder {path.parent} does not exist.", "Create it or choose another.")
    if is_folder:
        raise BadInput(f"{path} is a folder.", "Choose a file name in it.")


def _used(surface: Mesh | TexturedMesh) -> Mesh | TexturedMesh:
    mesh = surface if isinstance(surface, Mesh) else surface.mesh
    if mesh.is_empty:
        raise BadInput("The mesh has no face, so there is nothing to export.", "Scan something.")
    used = np.unique(mesh.faces)
    if not np.isfinite(mesh.vertices[used]).all():
        raise BadInput("The mesh has corners at NaN or infinity.", "It cannot be exported.")
    if len(used) == len(mesh.vertices):
        return surface
    renamed = np.zeros(len(mesh.vertices), np.int32)
    renamed[used] = np.arange(len(used), dtype=np.int32)
    colors = None if mesh.colors is None else mesh.colors[used]
    observed = None if mesh.is_observed is None else mesh.is_observed[used]
    small = Mesh(mesh.vertices[used], renamed[mesh.faces], colors, observed)
    if isinstance(surface, Mesh):
        return small
    return TexturedMesh(small, surface.uv[used], surface.texture)


def _move_all(draft: Path, path: Path) -> tuple[Path, ...]:
    # The file that names the others goes last, so that it never names what is not there yet.
    companions = sorted(file for file in draft.parent.iterdir() if file != draft)
    for file in (*companions, draft):
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    moved = []
    for file in (*companions, draft):
        moved.append(path.parent / file.name)
        file.replace(moved[-1])
    return tuple(reversed(moved))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn errors of the operating system into sentences."""
    try:
        yield
    except PermissionError as error:
        raise CannotWrite(
            f"There is no permission to write {path}.", "Choose a folder of your own."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise CannotWrite(
                f"The disk is full: {path.name} could not be written.",
                "Free some space and export again; the scan is kept.",
            ) from error
        raise CannotWrite(
            f"{path} could not be written: {error.strerror or error}.", "Choose another folder."
        ) from error
