"""A flat map of the surface: charts by xatlas, in pieces it can digest."""

from dataclasses import dataclass

import numpy as np
import xatlas

from engine.core.arrays import F32, I64
from engine.core.faults import BadInput
from engine.core.news import Job, Progress
from engine.core.surface import Mesh

# Growing charts is superlinear in the faces of a piece: a room in one piece takes minutes.
PIECE_FACES = 1000
# Empty texels round every chart.
GUTTER_PX = 4
# How much of the square the packer fills on room scans; only a first guess of the density.
EXPECTED_FILL = 0.74


@dataclass(frozen=True, slots=True)
class Atlas:
    """A mesh split along chart borders, and where every vertex lies on the square texture.

    Attributes:
        mesh: the same faces in the same order; vertices doubled along chart borders.
        uv: (n, 2) float32 in 0..1, v up.
        source_vertex: (n,) vertex of the mesh before the split.
        texel_m: edge of one texel on the surface, metres, the same everywhere but for stretch.
    """

    mesh: Mesh
    uv: F32
    source_vertex: I64
    texel_m: float


def unwrap(mesh: Mesh, size_px: int) -> Job[Atlas]:
    """Return the mesh laid out flat with equal density; charts never overlap.

    Charts are grown piece by piece, which may be stopped, then packed at once, which may not.

    Raises:
        BadInput: a mesh without faces or without area.
    """
    area_m2 = 0.0 if mesh.is_empty else mesh.area_m2()
    if not area_m2 > 0:
        raise BadInput("A mesh without surface cannot be textured.", "Scan some surface first.")
    texels_per_m = size_px * (EXPECTED_FILL / area_m2) ** 0.5
    pieces = _split(mesh)
    packer = xatlas.Atlas()
    sources: list[I64] = []
    # xatlas takes a piece at the address of an earlier one for a copy of it: none may be freed.
    kept_alive: list[np.ndarray] = []
    for done, piece in enumerate(pieces):
        yield Progress("unwrap", done, len(pieces) + 1)
        source, faces, plane_m = _flatten(mesh, piece, texels_per_m)
        sources.append(source)
        kept_alive += [plane_m, faces]
        packer.add_uv_mesh(plane_m, faces)
    yield Progress("unwrap", len(pieces), len(pieces) + 1)
    packer.generate(xatlas.ChartOptions(), _packing(texels_per_m, GUTTER_PX))
    return _collect(mesh, pieces, sources, packer, size_px)


def _split(mesh: Mesh) -> list[I64]:
    """Return the faces in pieces of at most PIECE_FACES, halved along the longest side."""
    centers = mesh.vertices[mesh.faces].mean(axis=1)
    todo: list[I64] = [np.arange(len(mesh.faces))]
    pieces: list[I64] = []
    while todo:
        piece = todo.pop()
        if len(piece) <= PIECE_FACES:
            pieces.append(piece)
            continue
        axis = np.ptp(centers[piece], axis=0).argmax()
        order = piece[np.argsort(centers[piece, axis], kind="stable")]
        todo += [order[: len(order) // 2], order[len(order) // 2 :]]
    return pieces


def _flatten(mesh: Mesh, piece: I64, texels_per_m: float) -> tuple[I64, np.ndarray, F32]:
    """Return source vertices, uint32 faces and plane coordinates in metres of one piece."""
    used, local = np.unique(mesh.faces[piece], return_inverse=True)
    atlas = xatlas.Atlas()
    atlas.add_mesh(mesh.vertices[used].astype(np.float32), local.reshape(-1, 3).astype(np.uint32))
    atlas.generate(xatlas.ChartOptions(), _packing(texels_per_m, 1))
    source, faces, uv = atlas.get_mesh(0)
    plane_m = uv * np.array([atlas.width, atlas.height], np.float32) / np.float32(texels_per_m)
    return used[source].astype(np.int64), faces, np.ascontiguousarray(plane_m, np.float32)


def _packing(texels_per_m: float, gutter_px: int) -> xatlas.PackOptions:
    options = xatlas.PackOptions()
    options.texels_per_unit = texels_per_m
    options.padding = gutter_px
    options.create_image = False
    return options


def _collect(
    mesh: Mesh, pieces: list[I64], sources: list[I64], packer: xatlas.Atlas, size_px: int
) -> Atlas:
    """Join the packed pieces into one mesh on one square."""
    faces = np.empty(mesh.faces.shape, np.int32)
    uvs: list[F32] = []
    vertices: list[I64] = []
    count = 0
    for number, piece in enumerate(pieces):
        order, packed, uv = packer.get_mesh(number)
        faces[piece] = packed.astype(np.int32) + count
        vertices.append(sources[number][order])
        uvs.append(uv)
        count += len(uv)
    source = np.concatenate(vertices)
    # One scale for both axes, or texels would be longer than wide.
    side = max(packer.width, packer.height)
    uv = np.concatenate(uvs) * (np.array([packer.width, packer.height]) / side)
    uv[:, 1] = 1 - uv[:, 1]
    split = Mesh(
        mesh.vertices[source],
        faces,
        None if mesh.colors is None else mesh.colors[source],
        None if mesh.is_observed is None else mesh.is_observed[source],
    )
    texel_m = side / packer.texels_per_unit / size_px
    return Atlas(split, np.clip(uv, 0, 1).astype(np.float32), source, texel_m)
