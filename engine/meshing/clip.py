"""A surface cut off along the faces of a box."""

from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F32, F64, I32, I64, U8, Bool
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from engine.meshing.parts import Surface, bare, with_faces

# Nearer to a face of the box than this, a vertex lies on it: a sliver cut off would be thinner
# than float32 can tell.
ON_FACE_M = 1e-6


def cropped(surface: Surface, T_world_box: Pose, size_m: tuple[float, float, float]) -> Surface:
    """Return what of the surface lies in a box; triangles across its faces end exactly there.

    Texture, colours and observed flags run on to the cut; a vertex on it was observed when both
    ends of the edge were. What was one piece along a seam of the atlas still meets there.

    Raises:
        BadInput: a box without volume, or one that leaves nothing.
    """
    size = np.asarray(size_m, np.float64)
    if not (np.isfinite(size).all() and (size > 0).all()):
        raise BadInput("The crop box has no volume.", "Make all its edges longer than zero.")
    mesh = bare(surface)
    depth_m = _depths(mesh.vertices, T_world_box, size / 2)
    is_in: Bool = np.asarray(depth_m >= 0, np.bool_)
    is_whole: Bool = np.all(is_in[mesh.faces], axis=(1, 2))
    beyond_one: Bool = np.all(~is_in[mesh.faces], axis=1)
    is_gone: Bool = np.any(beyond_one, axis=1)
    whole, crossing = mesh.faces[is_whole], mesh.faces[~is_whole & ~is_gone]
    used, corners = np.unique(crossing, return_inverse=True)
    cut = _clipped(surface, used, corners.reshape(-1, 3).astype(np.int32), depth_m)
    left = _joined(surface, whole, used, cut)
    if bare(left).is_empty:
        raise BadInput("Nothing of the surface lies in the crop box.", "Move or enlarge the box.")
    return left


@dataclass(frozen=True, slots=True)
class _Piece:
    """Faces that are being cut, with all their vertices carry.

    Attributes:
        values: (n, c) float64: position, depth below each of the six faces, and what else is to
            be interpolated.
        observed: (n,) bool.
    """

    faces: I32
    values: F64
    observed: Bool


def _depths(vertices: F32, T_world_box: Pose, half_m: F64) -> F64:
    """Return how deep (n, 6) vertices lie below each face of the box, negative outside."""
    offset = vertices.astype(np.float64) - T_world_box.translation
    # Sums spelled out: a matrix product may round equal rows differently, and vertices at one
    # place have to stay there.
    box = np.stack(
        [
            offset[:, 0] * axis[0] + offset[:, 1] * axis[1] + offset[:, 2] * axis[2]
            for axis in T_world_box.rotation.T
        ],
        axis=1,
    )
    depth = np.concatenate([half_m - box, half_m + box], axis=1)
    return np.where(np.abs(depth) < ON_FACE_M, 0.0, depth)


def _clipped(surface: Surface, used: I32, faces: I32, depth_m: F64) -> _Piece:
    """Return faces, given by places in `used`, cut off at the box."""
    mesh = bare(surface)
    carried: list[np.ndarray] = [mesh.vertices[used], depth_m[used]]
    if mesh.colors is not None:
        carried.append(mesh.colors[used])
    if isinstance(surface, TexturedMesh):
        carried.append(surface.uv[used])
    observed = np.ones(len(used), np.bool_)
    if mesh.is_observed is not None:
        observed = mesh.is_observed[used]
    values = np.concatenate([part.astype(np.float64) for part in carried], axis=1)
    piece = _Piece(faces, values, observed)
    for side in range(6):
        piece = _cut(piece, 3 + side)
    return piece


def _cut(piece: _Piece, column: int) -> _Piece:
    """Return what lies below one face of the box, whose depths are in this column."""
    depth = piece.values[:, column]
    depth = np.where(np.abs(depth) < ON_FACE_M, 0.0, depth)
    inside = depth >= 0
    count = inside[piece.faces].sum(axis=1)
    whole, one, two = (piece.faces[count == n] for n in (3, 1, 2))
    # Turned so that the lone corner, inside or outside, comes first; the winding stays.
    one = _turned(one, inside[one].argmax(axis=1))
    two = _turned(two, (~inside[two]).argmax(axis=1))
    # From the inner end to the outer one, so that twins along a seam are cut at the same place.
    edges = np.concatenate([one[:, [0, 1]], one[:, [0, 2]], two[:, [1, 0]], two[:, [2, 0]]])
    pairs, which = np.unique(edges.astype(np.int64) @ (1 << 32, 1), return_inverse=True)
    inner, outer = pairs >> 32, pairs & 0xFFFFFFFF
    share = (depth[inner] / (depth[inner] - depth[outer]))[:, None]
    values = piece.values[inner] + share * (piece.values[outer] - piece.values[inner])
    fresh = np.arange(len(pairs), dtype=np.int32) + np.int32(len(piece.values))
    made = np.where(depth[inner] == 0, inner, fresh).astype(np.int32)[which]
    ab, ac, ba, ca = np.split(made, np.cumsum([len(one), len(one), len(two)]))
    faces = np.concatenate(
        [
            whole,
            np.stack([one[:, 0], ab, ac], axis=1),
            np.stack([two[:, 1], two[:, 2], ca], axis=1),
            np.stack([two[:, 1], ca, ba], axis=1),
        ]
    )
    solid = (faces != np.roll(faces, 1, axis=1)).all(axis=1)
    return _Piece(
        faces[solid],
        np.concatenate([piece.values, values]),
        np.concatenate([piece.observed, piece.observed[inner] & piece.observed[outer]]),
    )


def _turned(faces: I32, first: I64) -> I32:
    """Return faces with the corner of this number in front."""
    order = (first[:, None] + np.arange(3)) % 3
    return np.take_along_axis(faces, order, axis=1)


def _joined(surface: Surface, whole: I32, used: I32, cut: _Piece) -> Surface:
    """Return the faces left whole together with the cut ones, whose first vertices are `used`."""
    mesh = bare(surface)
    fresh = cut.values[len(used) :]
    position, rest = fresh[:, :3], fresh[:, 9:]
    colors: U8 | None = None
    if mesh.colors is not None:
        colors = np.concatenate([mesh.colors, (rest[:, :3] + 0.5).astype(np.uint8)])
        rest = rest[:, 3:]
    observed = mesh.is_observed
    if observed is not None:
        observed = np.concatenate([observed, cut.observed[len(used) :]])
    vertices = np.concatenate([mesh.vertices, position.astype(np.float32)])
    numbers = np.concatenate([used, np.arange(len(mesh.vertices), len(vertices))])
    faces = np.concatenate([whole, numbers.astype(np.int32)[cut.faces]])
    if isinstance(surface, TexturedMesh):
        uv = np.concatenate([surface.uv, rest.astype(np.float32)])
        both = Mesh(vertices, faces, colors, observed)
        return with_faces(TexturedMesh(both, uv, surface.texture), faces)
    return with_faces(Mesh(vertices, faces, colors, observed), faces)
