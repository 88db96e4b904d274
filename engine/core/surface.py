"""Surfaces as they travel: patches while scanning, meshes and textured meshes at the end."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from engine.core.arrays import F32, I32, I64, U8, Bool
from engine.core.faults import BadInput


class Grade(IntEnum):
    """How good a piece of surface is: fused depth, or a network's word."""

    DRAFT = 0
    REFINED = 1


@dataclass(frozen=True, slots=True)
class MeshPatch:
    """The surface inside one cell of the brick or chunk grid; replaces what the cell showed.

    Attributes:
        key: packed cell.
        revision: grows with every replacement; an older patch never overwrites a newer one.
        vertices: (n, 3) float32, world, metres.
        faces: (m, 3) int32 into `vertices`, counter-clockwise seen from free space.
        colors: (n, 3) uint8 RGB.
        vertex_keys: (n,) int64, equal for the same lattice edge in neighbouring patches, or None
            once patches were joined.
        grade: the best that any part of it is made of.
        is_observed: (n,) whether depth was measured at each vertex; where not, a network completed
            the surface. None for "all".
        confidence: (n,) uint8, how well depth agrees that the surface is there: 0 is hardly
            measured, 255 is as sure as it gets. None where nobody kept count.
    """

    key: int
    revision: int
    vertices: F32
    faces: I32
    colors: U8
    vertex_keys: I64 | None = None
    grade: Grade = Grade.DRAFT
    is_observed: Bool | None = None
    confidence: U8 | None = None


@dataclass(frozen=True, slots=True)
class Mesh:
    """A triangle mesh in the world frame, metres, +Z up.

    Attributes:
        vertices: (n, 3) float32.
        faces: (m, 3) int32, counter-clockwise seen from free space.
        colors: (n, 3) uint8 RGB, or None.
        is_observed: (n,) whether depth was measured at each vertex; where not, a network completed
            the surface. None where nobody kept count.
    """

    vertices: F32
    faces: I32
    colors: U8 | None = None
    is_observed: Bool | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that are not a mesh.

        Raises:
            BadInput: wrong shapes, or faces that name vertices which do not exist.
        """
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3:
            raise BadInput(f"Mesh vertices must be (n, 3), not {self.vertices.shape}.")
        if self.faces.ndim != 2 or self.faces.shape[1] != 3:
            raise BadInput(f"Mesh faces must be (m, 3), not {self.faces.shape}.")
        if len(self.faces) and not (
            self.faces.min() >= 0 and self.faces.max() < len(self.vertices)
        ):
            raise BadInput("Mesh faces name vertices that do not exist.")
        if self.colors is not None and self.colors.shape != self.vertices.shape:
            raise BadInput("A mesh needs one colour a vertex.")
        observed = self.is_observed
        if observed is not None and (
            observed.shape != (len(self.vertices),) or observed.dtype != np.bool_
        ):
            raise BadInput("A mesh needs to say of every vertex whether it was observed, or none.")

    @property
    def is_empty(self) -> bool:
        """Whether there is no face."""
        return len(self.faces) == 0

    def bounds_m(self) -> tuple[F32, F32]:
        """Return the lowest and highest corner (3,) of the box round all vertices."""
        return self.vertices.min(axis=0), self.vertices.max(axis=0)

    def face_normals(self) -> F32:
        """Return the (m, 3) normals, their length twice the face's area."""
        corners = self.vertices[self.faces]
        normals: F32 = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        return normals

    def vertex_normals(self) -> F32:
        """Return (n, 3) unit normals, faces weighted by area; zero for a vertex without a face."""
        normals = np.zeros(self.vertices.shape, np.float64)
        face_normals = self.face_normals().astype(np.float64)
        for corner in range(3):
            for axis in range(3):
                normals[:, axis] += np.bincount(
                    self.faces[:, corner], face_normals[:, axis], minlength=len(normals)
                )
        length = np.sqrt((normals**2).sum(axis=1, keepdims=True))
        unit: F32 = (normals / np.maximum(length, 1e-20)).astype(np.float32)
        return unit

    def area_m2(self) -> float:
        """Return the total area of all faces in square metres."""
        return float(np.linalg.norm(self.face_normals().astype(np.float64), axis=1).sum() / 2)


@dataclass(frozen=True, slots=True)
class TexturedMesh:
    """A mesh with one texture page; vertices are already split along the seams of the atlas.

    Attributes:
        mesh: geometry; vertex colours are kept when known, for formats without textures.
        uv: (n, 2) float32 in 0..1, origin at the lower left of the picture (v up).
        texture: (h, w, 3) uint8 RGB, first row on top.
    """

    mesh: Mesh
    uv: F32
    texture: U8

    def __post_init__(self) -> None:
        """Refuse a uv table that does not fit the mesh.

        Raises:
            BadInput: not one uv a vertex.
        """
        if self.uv.shape != (len(self.mesh.vertices), 2):
            raise BadInput("A textured mesh needs one uv a vertex.")


def measured_faces(faces: I32, is_observed: Bool) -> I32:
    """Return the faces (m, 3) all of whose corners were measured: the others are guessed."""
    return faces[is_observed[faces].all(axis=1)]
