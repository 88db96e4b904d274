"""Texels no photograph painted: colour from neighbours, never holes."""

import cv2
import numba
import numpy as np
from scipy.sparse import coo_matrix, diags
from scipy.sparse.linalg import cg

from engine.core.arrays import F32, F64, I32, U8, Bool
from engine.core.surface import Mesh
from engine.kernels.parallel import over_slices
from engine.texturing.texels import inside
from engine.texturing.views import Views

# Rings of texels grown exactly round every chart; half the gutter of two charts and more.
RINGS = 6
# Paint less trusted than this does not spread.
SURE = 0.3


def fill_unseen(
    mesh: Mesh, corners_px: F32, owner: I32, views: Views, page: U8, seen: Bool
) -> None:
    """Paint faces no photograph shows, in place: vertex colours shifted to meet their neighbours.

    The difference between paint and vertex colour, known where paint is, is spread over the mesh
    as heat would be (Laplace's equation), then added to the vertex colours of the rest. Without
    vertex colours this spreads the paint itself.
    """
    if views.shown.all():
        return
    colors = _diffused(mesh, corners_px, page, seen, views)

    def kernel(start: int, stop: int) -> None:
        rows = slice(start, stop)
        _shade(start, owner[rows], corners_px, mesh.faces, colors, page[rows], seen[rows])

    over_slices(kernel, len(owner))


def _diffused(mesh: Mesh, corners_px: F32, page: U8, seen: Bool, views: Views) -> F32:
    """Return a colour (n, 3) for every vertex: paint where there is some, neighbours elsewhere."""
    count, size = len(mesh.vertices), page.shape[0]
    # Paint at the corners of painted faces, read a third inside the face, off the chart's border.
    corner = corners_px[views.shown]
    inward = corner + (corner.mean(axis=1, keepdims=True) - corner) / 3
    texel = np.clip(inward.astype(np.int64), 0, size - 1)
    painted = seen[texel[..., 1], texel[..., 0]]
    vertex = mesh.faces[views.shown][painted]
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
    sure = known & (views.trusted() > SURE)
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
def _shade(  # type: ignore[no-untyped-def]
    first_row, owner, corners, faces, colors, page, seen
):
    """Paint owned but unseen texels in colours interpolated between the corners of their face."""
    for row in range(owner.shape[0]):
        for column in range(owner.shape[1]):
            face = owner[row, column]
            if face < 0 or seen[row, column]:
                continue
            b1, b2 = inside(corners[face], column + 0.5, first_row + row + 0.5)
            for c in range(3):
                first = colors[faces[face, 0], c]
                level = (
                    first
                    + b1 * (colors[faces[face, 1], c] - first)
                    + b2 * (colors[faces[face, 2], c] - first)
                )
                page[row, column, c] = np.uint8(min(max(level + 0.5, 0.0), 255.0))
            seen[row, column] = True
