"""The flat parts of a surface near a point, found in spite of noise and rounded edges.

Everything here works on a soup of triangles and welds by position: a textured mesh is split along
the seams of its atlas, and a seam is no edge of the thing.
"""

from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F64, I64, Bool
from engine.core.surface import Mesh

# Faces join a plane if they face its way and lie this near; what is nearer than `_LEAST_M` is
# noise of every scan, and what is farther than `_MOST_M` is something else.
_FACING = np.cos(np.radians(45.0))
_VOTES_FOR = np.cos(np.radians(22.0))
_LEAST_M, _MOST_M = 0.005, 0.015
# A plane needs this share of the surface looked at. The bevel that fusing puts on every edge is
# no plane: it lies nowhere farther than this from its neighbours.
_LEAST_SHARE = 0.05
_BEVEL_M = 0.012
# A cap of a ball strays from its plane by a good share of its width.
_BENT_SHARE = 0.2
_PLANES_AT_MOST = 5
_VOTERS = 240
# Bands by which a plane settles among more surface, and how few triangles say nothing about it.
_BANDS_M = (0.02, 0.015, 0.01, 0.007, 0.005, 0.005)
_FEWEST = 12
_WELD_M = 1e-5
_CELL_M = 0.02
_GROWTHS = 2


@dataclass(frozen=True, slots=True)
class Plane:
    """A flat part of a surface.

    Attributes:
        point_m: (3,) its middle, world.
        normal: (3,) unit, towards free space.
        spread_m: how far the surface strays from it, root mean square.
        area_m2: of the part, as projected onto the plane.
        middles_m: (k, 3) middles of its triangles.
    """

    point_m: F64
    normal: F64
    spread_m: float
    area_m2: float
    middles_m: F64

    def height_m(self, points_m: F64) -> F64:
        """Return how far points (..., 3) lie above the plane, metres."""
        return (points_m - self.point_m) @ self.normal


def patch_round(mesh: Mesh, point_m: F64, radius_m: float) -> F64:
    """Return the triangles (k, 3, 3) within a radius of a point, large ones cut up.

    Cut up they are at most a quarter of the radius long, so that two triangles of a wall count for
    as much as two thousand.
    """
    corners = mesh.vertices[mesh.faces[_near(mesh, point_m, radius_m)]].astype(np.float64)
    while len(corners):
        edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2).max(axis=1)
        is_long = edges > radius_m / 4
        if not is_long.any():
            break
        pieces = _quartered(corners[is_long])
        low, high = pieces.min(axis=1), pieces.max(axis=1)
        inside = ((low <= point_m + radius_m) & (high >= point_m - radius_m)).all(axis=1)
        corners = np.concatenate([corners[~is_long], pieces[inside]])
    middles = corners.mean(axis=1)
    near: F64 = corners[np.linalg.norm(middles - point_m, axis=1) < radius_m]
    return near


def planes_round(mesh: Mesh, point_m: F64, radius_m: float) -> list[Plane]:
    """Return the flat parts within a radius of a point, largest near the point first."""
    corners = patch_round(mesh, point_m, radius_m)
    if not len(corners):
        return []
    middles = corners.mean(axis=1)
    areas, normals = _areas_and_normals(corners)
    near = 1.0 - (np.linalg.norm(middles - point_m, axis=1) / radius_m) ** 2
    weights = areas * near
    total = weights.sum()
    left = weights > 0
    planes: list[Plane] = []
    for _ in range(_PLANES_AT_MOST):
        if weights[left].sum() < _LEAST_SHARE * total:
            break
        normal = _most_faced(normals[left], weights[left])
        chosen = _inliers(middles, normals, weights, left, normal)
        if chosen is None:
            break
        if weights[chosen].sum() > _LEAST_SHARE * total:
            plane = fit_plane(corners[chosen], weights[chosen])
            if not (_is_bevel(plane, planes) or _is_bent(plane)):
                planes.append(plane)
        left &= ~chosen
    return planes


def settled(mesh: Mesh, planes: list[Plane], point_m: F64, radius_m: float) -> list[Plane]:
    """Return planes found near a point, each fitted anew to what lies on it within a radius.

    Fused surface swells and rounds within some voxels of an edge. Seen from farther off that is the
    lesser part, and a band that narrows leaves it out.
    """
    corners = patch_round(mesh, point_m, radius_m)
    if not len(corners):
        return planes
    middles = corners.mean(axis=1)
    _, normals = _areas_and_normals(corners)
    return [_settled(plane, corners, middles, normals) for plane in planes]


def _settled(plane: Plane, corners: F64, middles: F64, normals: F64) -> Plane:
    for band_m in _BANDS_M:
        on_it = np.abs(plane.height_m(middles)) < band_m
        on_it &= normals @ plane.normal > _FACING
        if on_it.sum() < _FEWEST:
            break
        plane = fit_plane(corners[on_it])
    return plane


def fit_plane(corners_m: F64, weights: F64 | None = None) -> Plane:
    """Return the plane through triangles (k, 3, 3) by least squares, larger ones heavier."""
    areas, normals = _areas_and_normals(corners_m, smooth=False)
    weights = areas if weights is None else weights
    share = weights / max(weights.sum(), 1e-12)
    middles = corners_m.mean(axis=1)
    point = share @ middles
    away = middles - point
    values, vectors = np.linalg.eigh((away * share[:, None]).T @ away)
    # A single triangle's middle has no extent; its own normal is all that is known.
    normal = vectors[:, 0] if values[1] > 1e-10 else share @ normals
    normal = normal / max(float(np.linalg.norm(normal)), 1e-12)
    if (share @ normals) @ normal < 0:
        normal = -normal
    area = float(np.abs(areas * (normals @ normal)).sum())
    return Plane(point, normal, float(np.sqrt(max(values[0], 0.0))), area, middles)


def grown(mesh: Mesh, seed: Plane, near_m: F64) -> Plane:
    """Return the connected flat part of the surface that a seed plane near a point belongs to."""
    plane = seed
    for _ in range(_GROWTHS):
        # Wider than for finding it: noise must not punch holes into it. What stands upright within
        # the band does no harm, as areas are projected; what faces away is another side.
        limit = float(np.clip(4 * plane.spread_m, 2 * _LEAST_M, 2 * _MOST_M))
        normal = plane.normal.astype(np.float32)
        heights = mesh.vertices @ normal - np.float32(plane.point_m @ plane.normal)
        is_level = np.abs(heights) < limit
        a, b, c = (is_level[mesh.faces[:, corner]] for corner in range(3))
        corners = mesh.vertices[mesh.faces[a & b & c]].astype(np.float64)
        _, normals = _areas_and_normals(corners, smooth=False)
        corners = corners[normals @ plane.normal > 0]
        if not len(corners):
            return plane
        parts = connected_parts(corners)
        nearest = np.linalg.norm(corners - near_m, axis=2).min(axis=1)
        inside = _contains(corners, near_m, plane.normal)
        start = int(np.argmin(np.where(inside, 0.0, nearest)))
        plane = fit_plane(corners[parts == parts[start]])
    return plane


def connected_parts(corners_m: F64) -> I64:
    """Return the number (k,) of the part each triangle (k, 3, 3) belongs to.

    Corners within one small cube are one: so neither a seam of the atlas nor a crack parts a wall,
    and there are far fewer links than triangles.
    """
    cells = _numbered(corners_m, _CELL_M)
    labels = np.arange(int(cells.max()) + 1 if len(cells) else 0)
    links = np.unique(cells[:, 1:] * len(labels) + cells[:, :1])
    one, other = links // max(len(labels), 1), links % max(len(labels), 1)
    while True:
        lowest = np.minimum(labels[one], labels[other])
        after = labels.copy()
        # Roots follow too, and every label then goes to its root: the rounds grow with the
        # logarithm of the part's extent.
        for ends in (one, other):
            np.minimum.at(after, labels[ends], lowest)
        while not np.array_equal(after, after[after]):
            after = after[after]
        if np.array_equal(after, labels):
            return np.asarray(labels[cells[:, 0]], np.int64)
        labels = after


def _near(mesh: Mesh, point_m: F64, radius_m: float) -> Bool:
    """Return which faces' bounding boxes meet the box round a ball: those not all on one side."""
    sides = np.zeros(len(mesh.vertices), np.uint8)
    for axis in range(3):
        away = mesh.vertices[:, axis] - np.float32(point_m[axis])
        sides |= (away < -radius_m).astype(np.uint8) << (2 * axis)
        sides |= (away > radius_m).astype(np.uint8) << (2 * axis + 1)
    a, b, c = (sides[mesh.faces[:, corner]] for corner in range(3))
    near: Bool = (a & b & c) == 0
    return near


def _quartered(corners: F64) -> F64:
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
    pieces = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.concatenate([np.stack(piece, axis=1) for piece in pieces])


def _areas_and_normals(corners: F64, smooth: bool = True) -> tuple[F64, F64]:
    """Return areas (k,) and unit normals (k, 3), these averaged over neighbours against noise."""
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas: F64 = np.linalg.norm(normals, axis=1) / 2
    if smooth and len(corners):
        faces = _numbered(corners, _WELD_M)
        at_corners = np.zeros((int(faces.max()) + 1, 3))
        for axis in range(3):
            for corner in range(3):
                at_corners[:, axis] += np.bincount(
                    faces[:, corner], normals[:, axis], minlength=len(at_corners)
                )
        normals = at_corners[faces].sum(axis=1)
    return areas, normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)


def _numbered(corners: F64, cell_m: float) -> I64:
    """Return faces (k, 3) into the different cubes that corners of triangles (k, 3, 3) lie in."""
    ticks = np.round(corners.reshape(-1, 3) / cell_m).astype(np.int64)
    ticks -= ticks.min(axis=0, initial=0)
    spans = ticks.max(axis=0, initial=0) + 1
    keys = (ticks[:, 0] * spans[1] + ticks[:, 1]) * spans[2] + ticks[:, 2]
    return np.unique(keys, return_inverse=True)[1].reshape(-1, 3).astype(np.int64)


def _most_faced(normals: F64, weights: F64) -> F64:
    """Return the direction that most of the surface faces."""
    voters = normals[:: max(1, len(normals) // _VOTERS)]
    agree = normals @ voters.T > _VOTES_FOR
    best = int(np.argmax(weights @ agree))
    mean = (weights * agree[:, best]) @ normals
    unit: F64 = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return unit


def _inliers(middles: F64, normals: F64, weights: F64, left: Bool, normal: F64) -> Bool | None:
    """Return which of the triangles left lie on the strongest plane that faces one way."""
    facing = left & (normals @ normal > _FACING)
    if not facing.any():
        return None
    heights = middles[facing] @ normal
    order = np.argsort(heights)
    heights = heights[order]
    sums = np.concatenate([[0.0], np.cumsum(weights[facing][order])])
    ends = np.searchsorted(heights, heights + 2 * _LEAST_M, side="right")
    best = int(np.argmax(sums[ends] - sums[:-1]))
    middle = (heights[best] + heights[ends[best] - 1]) / 2
    chosen: Bool = facing & (np.abs(middles @ normal - middle) < _MOST_M)
    for _ in range(3):
        share = weights[chosen] / weights[chosen].sum()
        point = share @ middles[chosen]
        away = middles[chosen] - point
        values, vectors = np.linalg.eigh((away * share[:, None]).T @ away)
        if values[1] > 1e-10:
            normal = vectors[:, 0] * np.sign(vectors[:, 0] @ normal)
        limit = np.clip(3 * np.sqrt(max(values[0], 0.0)), _LEAST_M, _MOST_M)
        again = left & (normals @ normal > _FACING) & (np.abs((middles - point) @ normal) < limit)
        if not again.any():
            break
        chosen = again
    return chosen


def _is_bevel(plane: Plane, planes: list[Plane]) -> bool:
    if len(planes) < 2:
        return False
    heights = np.stack([np.abs(other.height_m(plane.middles_m)) for other in planes])
    return float(heights.min(axis=0).mean()) < _BEVEL_M


def _is_bent(plane: Plane) -> bool:
    away = plane.middles_m - plane.point_m
    width = float(np.sqrt(max(np.linalg.eigvalsh(away.T @ away / len(away))[1], 0.0)))
    return plane.spread_m > _BENT_SHARE * width


def _contains(corners: F64, point: F64, normal: F64) -> Bool:
    """Return in which triangles (k, 3, 3) a point falls, looking along a normal."""
    sides = np.stack(
        [
            np.cross(corners[:, (i + 1) % 3] - corners[:, i], point - corners[:, i]) @ normal
            for i in range(3)
        ]
    )
    return np.asarray((sides >= 0).all(axis=0), np.bool_)
