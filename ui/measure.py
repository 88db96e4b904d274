"""Measuring a finished surface: what was clicked becomes distances, angles, areas and boxes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np

from engine.core.arrays import F32, F64
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.core.surface import Mesh
from ui.planes import Plane, grown, planes_round, settled
from ui.units import (
    Units,
    angle_in_words,
    area_in_words,
    length_in_words,
    size_in_words,
    volume_in_words,
)

# Nearer than this to an edge or a corner, a click means it.
REACH_M = 0.03
# Planes this nearly parallel have a distance; others have an angle.
PARALLEL_DEG = 5.0
# To place an edge its sides are looked at this much farther out than a click may miss it.
_LOOK_SHARE = 4.0
_LEAST_LOOK_M = 0.1
_SETTLE_SHARE = 2.5
# Sides must turn by this much to make an edge, and reach it to within a share of the look.
_SHARP = np.cos(np.radians(30.0))
_CORNER_VOLUME = 0.3
_MEETS_SHARE = 0.35


@dataclass(frozen=True, slots=True)
class Snapped:
    """A click moved to what it meant.

    Attributes:
        point_m: (3,) world.
        kind: "corner", "edge" or "surface".
    """

    point_m: F64
    kind: str


def snap(mesh: Mesh, point_m: F64 | F32, reach_m: float = REACH_M) -> Snapped:
    """Return the corner or edge a click on the surface means, or the point itself.

    Edges are where the flat parts on their sides meet, not where triangles happen to be: noise
    and the rounding of every fused edge do not matter.
    """
    point = np.asarray(point_m, np.float64)
    look_m = max(_LOOK_SHARE * reach_m, _LEAST_LOOK_M)
    planes = settled(mesh, planes_round(mesh, point, look_m), point, _SETTLE_SHARE * look_m)
    corners = [_corner(sides) for sides in combinations(planes, 3)]
    edges = [_on_edge(sides, point) for sides in combinations(planes, 2)]
    for kind, places, groups in (
        ("corner", corners, list(combinations(planes, 3))),
        ("edge", edges, list(combinations(planes, 2))),
    ):
        near = [
            (float(np.linalg.norm(place - point)), i)
            for i, (place, sides) in enumerate(zip(places, groups, strict=True))
            if place is not None and _meets(place, sides, look_m)
        ]
        if near and min(near)[0] <= reach_m:
            found = places[min(near)[1]]
            if found is not None:
                return Snapped(found, kind)
    return Snapped(point, "surface")


def plane_at(mesh: Mesh, point_m: F64 | F32, normal: F64 | F32) -> Plane:
    """Return the flat part of the surface that was clicked, as far as it goes.

    Args:
        mesh: the surface.
        point_m: (3,) where, world.
        normal: (3,) of the face that was hit.

    Raises:
        BadInput: nothing flat is there.
    """
    point = np.asarray(point_m, np.float64)
    planes = planes_round(mesh, point, _LEAST_LOOK_M)
    under = [p for p in planes if abs(float(p.height_m(point))) < _LEAST_LOOK_M / 5]
    facing = [p for p in under if float(p.normal @ np.asarray(normal, np.float64)) > 0.5]
    if not facing:
        raise BadInput("Nothing flat is there.", "Choose a wall, a floor or a table.")
    seed = min(facing, key=lambda p: abs(float(p.height_m(point))))
    return grown(mesh, seed, point)


class Measurement(Protocol):
    """Something measured."""

    @property
    def title(self) -> str:
        """What was measured."""
        ...

    @property
    def points_m(self) -> F64:
        """Points (n, 3) of its line, world."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the line ends where it begins."""
        ...

    def in_words(self, units: Units) -> str:
        """Return its value with units."""
        ...


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two points are from each other."""

    points_m: F64
    title: str = "Distance"
    closed: bool = False

    @property
    def metres(self) -> float:
        """The distance."""
        return float(np.linalg.norm(self.points_m[1] - self.points_m[0]))

    def in_words(self, units: Units) -> str:
        """Return the distance with units."""
        return length_in_words(self.metres, units)


@dataclass(frozen=True, slots=True)
class Planes:
    """How two flat parts stand to each other.

    Attributes:
        degrees: angle between the two surfaces, 180 when one goes on as the other.
        metres: distance between them when they are parallel, else None.
    """

    points_m: F64
    degrees: float
    metres: float | None
    closed: bool = False

    @property
    def title(self) -> str:
        """What can be said of them."""
        return "Angle of surfaces" if self.metres is None else "Distance of surfaces"

    def in_words(self, units: Units) -> str:
        """Return the distance, or else the angle."""
        if self.metres is None:
            return angle_in_words(self.degrees)
        return length_in_words(self.metres, units)


@dataclass(frozen=True, slots=True)
class Area:
    """How large a flat part or a polygon is."""

    points_m: F64
    square_metres: float
    title: str = "Area"
    closed: bool = True

    def in_words(self, units: Units) -> str:
        """Return the area with units."""
        return area_in_words(self.square_metres, units)


@dataclass(frozen=True, slots=True)
class Box:
    """How large a box is."""

    points_m: F64
    size_m: tuple[float, float, float]
    title: str = "Box"
    closed: bool = True

    @property
    def cubic_metres(self) -> float:
        """Its volume."""
        x, y, z = self.size_m
        return x * y * z

    def in_words(self, units: Units) -> str:
        """Return edges and volume with units."""
        volume = volume_in_words(self.cubic_metres, units)
        return f"{size_in_words(self.size_m, units)}, {volume}"


def distance(start_m: F64 | F32, end_m: F64 | F32) -> Distance:
    """Return the distance between two points (3,)."""
    return Distance(np.array([start_m, end_m], np.float64))


def between(first: Plane, second: Plane) -> Planes:
    """Return the distance between two parallel planes, or the angle between two others."""
    cosine = float(np.clip(first.normal @ second.normal, -1, 1))
    turn_deg = float(np.degrees(np.arccos(cosine)))
    points = np.array([first.point_m, second.point_m])
    if min(turn_deg, 180 - turn_deg) > PARALLEL_DEG:
        return Planes(points, 180 - turn_deg, None)
    common = first.normal + np.copysign(1.0, cosine) * second.normal
    common = common / np.linalg.norm(common)
    gap = float((second.point_m - first.point_m) @ common)
    # The line is drawn straight across, from the middle of the first part.
    points[1] = points[0] + gap * common
    return Planes(points, 180 - turn_deg, abs(gap))


def area_of_plane(plane: Plane) -> Area:
    """Return the area of a flat part, with a frame round it."""
    across = np.cross(plane.normal, (0, 0, 1) if abs(plane.normal[2]) < 0.9 else (0, 1, 0))
    across = across / np.linalg.norm(across)
    along = np.cross(plane.normal, across)
    flat = (plane.middles_m - plane.point_m) @ np.stack([across, along], axis=1)
    (left, low), (right, high) = flat.min(axis=0), flat.max(axis=0)
    frame = np.array([[left, low], [right, low], [right, high], [left, high]])
    return Area(plane.point_m + frame @ np.stack([across, along]), plane.area_m2)


def area_of_polygon(points_m: Sequence[F64]) -> Area:
    """Return the area inside points (3,) taken in turn; they need not lie in one plane exactly.

    Raises:
        BadInput: fewer than three points.
    """
    points = np.array(points_m, np.float64).reshape(-1, 3)
    if len(points) < 3:
        raise BadInput("An area needs three points at least.", "Place another point.")
    # The sum of all triangles seen from one corner: twice the area, along the common normal.
    rays = points[1:] - points[0]
    twice = np.cross(rays[:-1], rays[1:]).sum(axis=0)
    return Area(points, float(np.linalg.norm(twice)) / 2)


def box_of(T_world_box: Pose, size_m: tuple[float, float, float]) -> Box:
    """Return edges and volume of a box, with its lower and upper rim as a line."""
    x, y, z = (edge / 2 for edge in size_m)
    rim = [(-x, -y), (x, -y), (x, y), (-x, y), (-x, -y)]
    corners = [(*at, height) for height in (-z, z) for at in rim]
    return Box(T_world_box.apply(np.array(corners)), size_m, closed=False)


def _corner(sides: tuple[Plane, ...]) -> F64 | None:
    normals = np.stack([side.normal for side in sides])
    if abs(float(np.linalg.det(normals))) < _CORNER_VOLUME:
        return None
    heights = np.array([side.normal @ side.point_m for side in sides])
    place: F64 = np.linalg.solve(normals, heights)
    return place


def _on_edge(sides: tuple[Plane, ...], point: F64) -> F64 | None:
    """Return the point of the line where two planes meet that is nearest to a point."""
    normals = np.stack([side.normal for side in sides])
    if abs(float(normals[0] @ normals[1])) > _SHARP:
        return None
    missing = np.array([float(side.height_m(point)) for side in sides])
    # The shortest move that brings both heights to zero.
    move: F64 = normals.T @ np.linalg.solve(normals @ normals.T, missing)
    return point - move


def _meets(place: F64, sides: tuple[Plane, ...], look_m: float) -> bool:
    """Return whether all sides come near a place: planes meet somewhere even if walls do not."""
    gaps = [float(np.linalg.norm(side.middles_m - place, axis=1).min()) for side in sides]
    return max(gaps) < _MEETS_SHARE * look_m
