"""What a surface amounts to, in numbers for people."""

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from engine.core.arrays import I32, I64
from engine.core.edits import Counts
from engine.core.surface import Mesh, TexturedMesh
from engine.meshing.parts import bare, joined_faces


def counted(surface: Mesh | TexturedMesh) -> Counts:
    """Return the counts of a surface as a whole: what an atlas split counts as joined.

    Rims that touch in a vertex count as one hole.
    """
    mesh = bare(surface)
    if mesh.is_empty:
        return Counts(0, 0, 0, 0, 0.0, (0.0, 0.0, 0.0))
    faces = joined_faces(surface)
    used = np.unique(faces)
    low, high = mesh.vertices[used].min(axis=0), mesh.vertices[used].max(axis=0)
    x, y, z = (float(length) for length in high - low)
    rims = _rims(faces)
    return Counts(
        faces=len(faces),
        vertices=len(used),
        pieces=len(np.unique(pieces_of(faces))),
        holes=len(np.unique(_groups(rims)[rims[:, 0]])) if len(rims) else 0,
        area_m2=mesh.area_m2(),
        size_m=(x, y, z),
    )


def pieces_of(faces: I32) -> I64:
    """Return for every face (m, 3) which piece it is of: faces that share a vertex are one."""
    label = _groups(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]]))
    return np.asarray(label[faces[:, 0]], np.int64)


def _groups(links: I32 | I64) -> I64:
    """Return for each node up to the last one linked which group the links (k, 2) put it in."""
    count = int(links.max()) + 1
    graph = coo_matrix((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _rims(faces: I32) -> I64:
    """Return the edges (k, 2) that only one face has."""
    start, end = faces.astype(np.int64).ravel(), np.roll(faces, -1, axis=1).astype(np.int64).ravel()
    edge = np.sort(np.minimum(start, end) << 32 | np.maximum(start, end))
    changes = np.flatnonzero(np.diff(edge, prepend=-1, append=-1))
    alone = edge[changes[:-1]][np.diff(changes) == 1]
    return np.stack([alone >> 32, alone & 0xFFFFFFFF], axis=1)
