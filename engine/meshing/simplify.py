"""From the raw surface to a tidy one: crumbs off, holes closed, fewer triangles."""

import fast_simplification
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from engine.core.arrays import F64, I32, I64, U8, Bool
from engine.core.surface import Mesh

# Up to this many faces may fold over while decimating before the result is taken back to a
# gentler setting; see README.
GENTLE, GENTLEST = 7.0, 3.0


def remove_islands(mesh: Mesh, min_faces: int) -> Mesh:
    """Return the mesh without pieces of fewer faces, and without vertices no face uses.

    Pieces are connected by shared vertices.
    """
    if mesh.is_empty:
        return mesh
    count = len(mesh.vertices)
    first, second = mesh.faces[:, :2].ravel(), mesh.faces[:, 1:].ravel()
    graph = coo_matrix((np.ones(len(first), np.int8), (first, second)), (count, count))
    _, piece = connected_components(graph, directed=False)
    size = np.bincount(piece[mesh.faces[:, 0]], minlength=piece.max() + 1)
    return _with_faces(mesh, mesh.faces[size[piece[mesh.faces[:, 0]]] >= min_faces])
