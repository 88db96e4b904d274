"""What lies under the pointer: the exact place where a ray meets what is shown."""

from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F32, F64
from ui.gl.guessed import Guessed
from ui.gl.page import Page
from ui.gl.painter import Surface

# A ray along two faces' common edge hits one of them: so far outside still counts as inside, in
# metres for the rough look and as a share of the face for the exact one.
EDGE_M = 1e-4
EDGE = 1e-9
ALL_SIDES = 15


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a ray meets the surface.

    Attributes:
        point_m: (3,) world.
        normal: (3,) unit, world, towards free space.
        face: its number in the finished mesh; None on a growing one.
    """

    point_m: F32
    normal: F32
    face: int | None


@dataclass(frozen=True, slots=True)
class Ray:
    """A half line: origin and unit direction (3,), world."""

    origin_m: F64
    direction: F64


def pick(
    surface: Surface, ray: Ray, guessed: Guessed = Guessed.SHOW, unit_world: F64 | None = None
) -> Hit | None:
    """Return the nearest place where the ray meets a face from its free side, or None.

    Hidden faces are passed through, and so is what lies outside a box (4, 4 as
    `shaders.unit_of_box`).
    """
    numbers, low, high = surface.sheets.boxes()
    entry = _entries_m(ray, low, high)
    best: tuple[float, Hit] | None = None
    for i in np.argsort(entry, kind="stable"):
        if not np.isfinite(entry[i]) or (best is not None and entry[i] > best[0]):
            break
        found = _on_page(surface.page(numbers[i]), ray, guessed, unit_world)
        if found is not None and (best is None or found[0] < best[0]):
            best = found
    return best[1] if best is not None else None


def _entries_m(ray: Ray, low: F32, high: F32) -> F64:
    """Return how far along the ray each box (n, 3) begins, infinite where it is missed."""
    way = np.where(np.abs(ray.direction) < 1e-12, 1e-12, ray.direction)
    near, far = (low - ray.origin_m) / way, (high - ray.origin_m) / way
    # A box round a flat page has no thickness; rounding must not miss it.
    first = np.minimum(near, far).max(axis=1) - 1e-5
    last = np.maximum(near, far).min(axis=1) + 1e-5
    distance: F64 = np.where((first <= last) & (last >= 0), np.maximum(first, 0), np.inf)
    return distance


def _on_page(
    page: Page, ray: Ray, guessed: Guessed, unit_world: F64 | None
) -> tuple[float, Hit] | None:
    # The plane across the ray has two axes. A face can only hold the ray if it has corners on both
    # sides of each: four bits a corner tell, and few faces are left to be looked at exactly.
    first, second = _across(ray.direction).astype(np.float32)
    away = page.vertices - ray.origin_m.astype(np.float32)
    x, y = away @ first, away @ second
    sides = (
        (x <= EDGE_M) * np.uint8(1)
        | (x >= -EDGE_M) * np.uint8(2)
        | (y <= EDGE_M) * np.uint8(4)
        | (y >= -EDGE_M) * np.uint8(8)
    )
    corners = sides[page.faces]
    covers = (corners[:, 0] | corners[:, 1] | corners[:, 2]) == ALL_SIDES
    chosen = np.flatnonzero(covers)
    if guessed is Guessed.HIDE:
        chosen = chosen[page.is_observed[page.faces[chosen]].all(axis=1)]
    if not len(chosen):
        return None
    a, b, c = page.vertices[page.faces[chosen]].astype(np.float64).transpose(1, 0, 2)
    share, distance, normal = _meet(a, b, c, ray)
    is_met = (share >= -EDGE).all(axis=1) & (distance > 0) & (normal @ ray.direction < 0)
    points = ray.origin_m + distance[:, None] * ray.direction
    if unit_world is not None:
        inside = np.abs(points @ unit_world[:3, :3].T + unit_world[:3, 3]).max(axis=1) <= 1
        is_met &= inside
    if not is_met.any():
        return None
    first = int(np.argmin(np.where(is_met, distance, np.inf)))
    unit = normal[first] / np.linalg.norm(normal[first])
    number = None if page.numbers is None else int(page.numbers[chosen[first]])
    hit = Hit(points[first].astype(np.float32), unit.astype(np.float32), number)
    return float(distance[first]), hit


def _meet(a: F64, b: F64, c: F64, ray: Ray) -> tuple[F64, F64, F64]:
    """Return shares of the corners (n, 3), distances (n,) and normals (n, 3) of planes and ray.

    Möller and Trumbore, "Fast, Minimum Storage Ray/Triangle Intersection", 1997.
    """
    one, two, gap = b - a, c - a, ray.origin_m - a
    cross = np.cross(ray.direction, two)
    volume = (one * cross).sum(axis=1)
    volume = np.where(np.abs(volume) < 1e-30, np.nan, volume)
    u = (gap * cross).sum(axis=1) / volume
    turned = np.cross(gap, one)
    v = (turned @ ray.direction) / volume
    distance = (two * turned).sum(axis=1) / volume
    return np.stack([1 - u - v, u, v], axis=1), distance, np.cross(one, two)


def _across(direction: F64) -> F64:
    """Return two unit vectors (2, 3) at right angles to a direction and to each other."""
    least = np.eye(3)[np.argmin(np.abs(direction))]
    first = np.cross(direction, least)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(direction, first)])
