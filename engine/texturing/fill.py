"""Texels no photograph painted: colour from neighbours, never holes."""

import cv2
import numba
import numpy as np
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import cg

from engine.core.arrays import F32, F64, U8, Bool
from engine.core.surface import Mesh
from engine.texturing.unwrap import Atlas
from engine.texturing.views import Views

# Rings of texels grown exactly round every chart; half the gutter of two charts and more.
RINGS = 6
# Paint less trusted than this does not spread.
SURE = 0.3


def fill_unseen(mesh: Mesh, atlas: Atlas, page: U8, seen: Bool, views: Views) -> None:
    """Paint faces no photograph shows, in place: vertex colours shifted to meet their neighbours.

    The difference between paint and vertex colour, known where paint is, is spread over the mesh
    as heat would be (Laplace's equation), then added to the vertex colours of the rest. Without
    vertex colours this spreads the paint itself.
    """
    face_seen = views.photo[:, 0] >= 0
    if face_seen.all():
        return
    colors = _diffused(mesh, atlas, page, seen, face_seen, views.trusted())
    size = page.shape[0]
    xy = np.stack([atlas.uv[:, 0], 1 - atlas.uv[:, 1]], axis=1) * size
    unseen = ~face_seen
    _shade(xy[atlas.mesh.faces[unseen]], colors[mesh.faces[unseen]], page, seen)


def _diffused(mesh: Mesh, atlas: Atlas, page: U8, seen: Bool, face_seen: Bool, trusted: F32) -> F32:
    """Return a colour (n, 3) for every vertex: paint where there is some, neighbours elsewhere."""
    count, size = len(mesh.vertices), page.shape[0]
    # Paint at the corners of painted faces, read a third inside the face, off the chart's border.
    corner = np.stack([atlas.uv[:, 0], 1 - atlas.uv[:, 1]], axis=1)[atlas.mesh.faces[face_seen]]
    inward = corner + (corner.mean(axis=1, keepdims=True) - corner) / 3
    texel = np.clip((inward * size).astype(np.int64), 0, size - 1)
    painted = seen[texel[..., 1], texel[..., 0]]
    vertex = mesh.faces[face_seen][painted]
    hits = np.bincount(vertex, minlength=count)
    known = hits > 0
    paint = (
        np.stack(
            [
                np.bincount(vertex, page[texel[..., 1], texel[..., 0], c][painted], count)
                for c in range(3)
            ],
            axis=1,
        )
        / np.maximum(hits, 1)[:, None]
    )
    base = np.zeros((count, 3)) if mesh.colors is None else mesh.colors.astype(np.float64)
    # Paint at a silhouette may be the background's; only where all of it is such must it do.
    sure = known & (trusted > SURE)
    sure = sure if sure.any() else known
    offset = _spread(mesh, sure, np.where(sure[:, None], paint - base, 0.0))
    colors = np.where(known[:, None], paint, base + offset)
    return np.clip(colors, 0, 255).astype(np.float32)


def _spread(mesh: Mesh, known: Bool, values: F64) -> F64:
    """Return values (n, 3) at all vertices, harmonic on the mesh's graph where not known."""
    count = len(known)
    if known.all():
        return values
    edges = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    graph = coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count)).tocsr()
    graph = graph + graph.T
    free = ~known
    # A whisper of the mean keeps pieces without any paint solvable, and gives them its colour.
    mean = values[known].mean(axis=0) if known.any() else np.zeros(3)
    degree = np.asarray(graph.sum(axis=1)).ravel()
    system = diags(degree + 1e-6) - graph
    inner = system[free][:, free]
    right = graph[free][:, known] @ values[known] + 1e-6 * mean
    result = values.copy()
    jacobi = diags(1 / inner.diagonal())
    for c in range(3):
        result[free, c], _ = cg(
            inner, right[:, c], x0=np.full(free.sum(), mean[c]), rtol=1e-4, maxiter=500, M=jacobi
        )
    return result


def pad(page: U8, seen: Bool) -> None:
    """Fill every empty texel, in place, so that neither filtering nor mip-maps fetch black.

    Rings of nearest colour first, exact for filtering; then ever coarser means of what is there.
    """
    for _ in range(RINGS):
        weight = cv2.blur(seen.astype(np.float32), (3, 3))
        ring = (weight > 0.01) & ~seen
        if not ring.any():
            return
        total = cv2.blur(np.where(seen[..., None], page, 0).astype(np.float32), (3, 3))
        page[ring] = (total[ring] / weight[ring][:, None] + 0.5).astype(np.uint8)
        seen |= ring
    _pull_push(page, seen)


def _pull_push(page: U8, seen: Bool) -> None:
    height, width = seen.shape
    if seen.all():
        return
    if max(height, width) == 1 or not seen.any():
        page[~seen] = 128
        return
    half = ((width + 1) // 2, (height + 1) // 2)
    weight = cv2.resize(seen.astype(np.float32), half, interpolation=cv2.INTER_AREA)
    total = cv2.resize(
        np.where(seen[..., None], page, 0).astype(np.float32), half, interpolation=cv2.INTER_AREA
    )
    smaller = (total / np.maximum(weight, 1e-6)[..., None] + 0.5).astype(np.uint8)
    _pull_push(smaller, weight > 0.01)
    coarse = cv2.resize(smaller, (width, height), interpolation=cv2.INTER_LINEAR)
    page[~seen] = coarse[~seen]


@numba.njit(nogil=True, cache=True)
def _shade(corners, colors, page, seen):
    size = page.shape[0]
    for face in range(len(corners)):
        x0, y0 = corners[face, 0, 0], corners[face, 0, 1]
        x1, y1 = corners[face, 1, 0] - x0, corners[face, 1, 1] - y0
        x2, y2 = corners[face, 2, 0] - x0, corners[face, 2, 1] - y0
        area = x1 * y2 - x2 * y1
        if abs(area) < 1e-9:
            continue
        for row in range(
            max(int(y0 + min(0.0, y1, y2) - 0.5), 0),
            min(int(y0 + max(0.0, y1, y2) + 0.5), size - 1) + 1,
        ):
            for column in range(
                max(int(x0 + min(0.0, x1, x2) - 0.5), 0),
                min(int(x0 + max(0.0, x1, x2) + 0.5), size - 1) + 1,
            ):
                dx, dy = column + 0.5 - x0, row + 0.5 - y0
                b1 = (dx * y2 - x2 * dy) / area
                b2 = (x1 * dy - dx * y1) / area
                b0 = 1.0 - b1 - b2
                if b0 < -1e-4 or b1 < -1e-4 or b2 < -1e-4 or seen[row, column]:
                    continue
                for c in range(3):
                    level = (
                        b0 * colors[face, 0, c] + b1 * colors[face, 1, c] + b2 * colors[face, 2, c]
                    )
                    page[row, column, c] = np.uint8(min(max(level + 0.5, 0.0), 255.0))
                seen[row, column] = True
