"""Seam levelling: the broad colours of a place are those all its photographs agree on."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_matrix

from engine.core.arrays import F32, F64
from engine.core.frames import Photo
from engine.core.surface import Mesh
from engine.texturing.blend import blend_points, prepare
from engine.texturing.views import SHRINK, Views

# Rounds in which untrusted vertices learn from neighbours, and the say of a neighbour beside one's
# own: little, or the shift would lose the detail that measures best.
ROUNDS = 4
FOLLOW = 0.02


def shift_of(mesh: Mesh, photos: Sequence[Photo], views: Views, gains: F32) -> F32:
    """Return what to add to the blend at every vertex (n, 3), in levels.

    The few best photographs give detail, but also their own exposure, and where one takes over
    from another a step. So their broad colours, from shrunken photographs, are replaced by the
    mean over every photograph that shows the place. It is the additive levelling of Lempitsky and
    Ivanov (2007) with a known target instead of a smoothest one.
    """
    count = len(mesh.vertices)
    face_of = np.full(count, -1)
    seen = views.photo[:, 0] >= 0
    face_of[mesh.faces[seen]] = np.flatnonzero(seen)[:, None]
    known = (face_of >= 0) & (views.usual[:, 3] > 0)
    candidates = np.where(known[:, None], views.photo[face_of], -1).astype(np.int32)
    small = prepare(photos, views, gains, SHRINK)
    blend = blend_points(mesh.vertices, mesh.vertex_normals(), candidates, small)
    usual = views.usual[:, :3] / np.maximum(views.usual[:, 3:4], 1e-12)
    shift = np.where(known[:, None], usual - blend, 0).astype(np.float64)
    return _settled(mesh, shift, np.where(known, views.trusted(), 0.0)).astype(np.float32)


def _settled(mesh: Mesh, shift: F64, trust: F64) -> F64:
    """Return the shift with little trusted vertices following their neighbours.

    Shrunken photographs mix what lies on both sides of a silhouette.
    """
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    count = len(mesh.vertices)
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count)).tocsr()
    graph = (graph + graph.T) * FOLLOW
    for _ in range(ROUNDS):
        total = trust + graph @ trust
        weighted = trust[:, None] * shift + graph @ (trust[:, None] * shift)
        shift = weighted / np.maximum(total, 1e-12)[:, None]
        trust = np.minimum(total, 1.0)
    return shift
