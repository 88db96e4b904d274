"""From the raw surface to a tidy one: crumbs off, holes closed, fewer triangles."""

import threading

import fast_simplification
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from engine.core.arrays import I32, I64, U8, Bool
from engine.core.late import open3d
from engine.core.surface import Mesh

# Eagerness of the decimation. The library's own 7 folds a few faces over; at 5 it is rare.
EAGERNESS = 5.0
# A cover that looks this much against the faces round it closes no hole: it is laid over the
# outer rim of a flat piece.
AGAINST = -0.5
# The library keeps the mesh at hand in one place for the whole process.
_DECIMATING = threading.Lock()


def remove_islands(mesh: Mesh, min_faces: int) -> Mesh:
    """Return the mesh without pieces of fewer faces, and without vertices no face uses.

    Faces belong to one piece when they are connected through shared vertices.
    """
    if mesh.is_empty:
        return _with_faces(mesh, mesh.faces)
    piece = _pieces(mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], len(mesh.vertices))
    of_face = piece[mesh.faces[:, 0]]
    return _with_faces(mesh, mesh.faces[np.bincount(of_face)[of_face] >= min_faces])


def fill_holes(mesh: Mesh, max_edges: int) -> Mesh:
    """Return the mesh with every hole closed whose rim has at most so many edges.

    No vertex is added or moved. Larger holes stay, and so do the outer rims of flat pieces, and
    some holes that meet in a single vertex.
    """
    if mesh.is_empty or max_edges < 3:
        return mesh
    o3d = open3d()
    library = o3d.t.geometry.TriangleMesh(
        o3d.core.Tensor(np.ascontiguousarray(mesh.vertices, np.float32)),
        o3d.core.Tensor(np.ascontiguousarray(mesh.faces, np.int32)),
    )
    # The library limits holes by radius; ours are limited by their rim, so it fills all of them.
    closed = library.fill_holes(hole_size=1e6).triangle.indices.numpy().astype(np.int32)
    covers = closed[len(mesh.faces) :]
    if not len(covers):
        return mesh
    cover = _pieces_by_edge(covers)
    covers = _turned_to_fit(mesh, covers, cover)
    # A polygon of n edges takes n - 2 triangles.
    small = np.bincount(cover) + 2 <= max_edges
    good = small & ~_spoils(mesh, covers, cover)
    faces = np.concatenate([mesh.faces, covers[good[cover]]])
    return Mesh(mesh.vertices, faces, mesh.colors, mesh.is_observed)


def simplify(mesh: Mesh, target_faces: int) -> Mesh:
    """Return the mesh with about `target_faces` faces, or more where its open rims need them.

    Rims are kept edge for edge. Each new vertex takes the mean colour of the old ones nearest to
    it; which were observed is not carried over. Quadric error metrics (Garland and Heckbert 1997)
    by fast-simplification.
    """
    if len(mesh.faces) <= target_faces:
        return mesh
    with _DECIMATING:
        vertices, faces = fast_simplification.simplify(
            # Copies: the library refuses arrays that cannot be written to.
            mesh.vertices.astype(np.float64),
            np.array(mesh.faces, np.int32),
            target_count=max(target_faces, 1),
            agg=EAGERNESS,
            preserve_border=True,
        )
    fewer = Mesh(vertices.astype(np.float32), faces.astype(np.int32))
    solid = np.linalg.norm(fewer.face_normals(), axis=1) > 0
    fewer = _with_faces(fewer, fewer.faces[solid])
    if mesh.colors is None or fewer.is_empty:
        return fewer
    return Mesh(fewer.vertices, fewer.faces, _carried_colors(mesh, mesh.colors, fewer))


def _with_faces(mesh: Mesh, faces: I32) -> Mesh:
    used, renamed = np.unique(faces, return_inverse=True)
    colors = None if mesh.colors is None else mesh.colors[used]
    observed = None if mesh.is_observed is None else mesh.is_observed[used]
    return Mesh(mesh.vertices[used], renamed.reshape(-1, 3).astype(np.int32), colors, observed)


def _pieces(some: I32 | I64, more: I32 | I64, count: int) -> I64:
    """Return for each of `count` nodes its connected component, links given as (n, 2) pairs."""
    links = np.concatenate([some, more])
    graph = coo_matrix((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), (count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _edges(faces: I32) -> I64:
    """Return the directed edges (3, m) of faces, each packed into one number."""
    start, end = faces.astype(np.int64).T, np.roll(faces, -1, axis=1).astype(np.int64).T
    return np.asarray(start << 32 | end, np.int64)


def _either_way(edges: I64) -> I64:
    start, end = edges >> 32, edges & 0xFFFFFFFF
    return np.asarray(np.minimum(start, end) << 32 | np.maximum(start, end), np.int64)


def _pieces_by_edge(faces: I32) -> I64:
    """Return for every face the number of its piece; faces connect through shared edges only."""
    edge = _either_way(_edges(faces)).ravel()
    face = np.tile(np.arange(len(faces)), 3)
    order = np.argsort(edge, kind="stable")
    edge, face = edge[order], face[order]
    same = edge[1:] == edge[:-1]
    pairs = np.stack([face[1:][same], face[:-1][same]], axis=1)
    return _pieces(pairs, pairs[:0], len(faces))


def _turned_to_fit(mesh: Mesh, covers: I32, cover: I64) -> I32:
    """Return the covers wound like the mesh: a shared edge runs opposite ways in its two faces."""
    clash = np.isin(_edges(covers), _edges(mesh.faces)).sum(axis=0)
    fits = np.isin(_edges(covers[:, ::-1]), _edges(mesh.faces)).sum(axis=0)
    turn = np.bincount(cover, clash) > np.bincount(cover, fits)
    return np.where(turn[cover, None], covers[:, ::-1], covers)


def _spoils(mesh: Mesh, covers: I32, cover: I64) -> Bool:
    """Return for every cover whether it would give an edge a third face, or folds back."""
    old = _either_way(_edges(mesh.faces))
    new = _either_way(_edges(covers))
    value, faces_of_edge = np.unique(np.concatenate([old.ravel(), new.ravel()]), return_counts=True)
    crowded = np.isin(new, value[faces_of_edge > 2]).any(axis=0)
    # How the cover lies to the faces across its rim: both normals, weighted by their areas.
    normals = mesh.face_normals()
    order = np.argsort(old.ravel(), kind="stable")
    place = np.searchsorted(old.ravel()[order], new)
    found = order[np.minimum(place, len(order) - 1)]
    rim = old.ravel()[found] == new
    across = normals[found % len(mesh.faces)]
    own = Mesh(mesh.vertices, covers).face_normals()
    dot = np.where(rim, (across * own).sum(axis=2), 0).sum(axis=0)
    size = np.linalg.norm(across, axis=2) * np.linalg.norm(own, axis=1)
    against = np.bincount(cover, dot) < AGAINST * np.bincount(
        cover, np.where(rim, size, 0).sum(axis=0)
    )
    return against | (np.bincount(cover, crowded) > 0)


def _carried_colors(mesh: Mesh, colors: U8, fewer: Mesh) -> U8:
    """Return the mean colour of the old vertices nearest to each new one; all stay represented."""
    nearest = cKDTree(fewer.vertices).query(mesh.vertices)[1]
    count = np.bincount(nearest, minlength=len(fewer.vertices))
    total = np.stack(
        [np.bincount(nearest, colors[:, c], len(fewer.vertices)) for c in range(3)], axis=1
    )
    alone = count == 0
    mean = total / np.maximum(count, 1)[:, None]
    mean[alone] = colors[cKDTree(mesh.vertices).query(fewer.vertices[alone])[1]]
    return (mean + 0.5).astype(np.uint8)
