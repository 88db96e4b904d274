"""Where the floor is, and how to stand a surface on it."""

from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F64, Bool
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.core.surface import Mesh

# A floor that was scanned askew still looks up this much; a ramp or a roof does not.
STEEPEST_DEG = 35.0
# Faces this near to a plane, looking much the same way, belong to it.
NEAR_M = 0.03
ALIKE_DEG = 25.0
# What is smaller is no floor, and so is what is much smaller than the largest flat thing: a step.
LEAST_M2 = 0.25
LEAST_SHARE = 0.2
PLANES = 6
TRIES = 150
# Faces looked at by every try, drawn by their area.
SAMPLES = 4000
ROUNDS = 5
# How far round a clicked point its plane is sought, growing while it stays flat.
REACHES_M = (0.3, 0.8, 2.0, 100.0)


@dataclass(frozen=True, slots=True)
class _Faces:
    """Centres (m, 3), unit normals (m, 3) and areas (m,) of faces."""

    centre: F64
    normal: F64
    area: F64

    def where(self, mask: Bool) -> "_Faces":
        return _Faces(self.centre[mask], self.normal[mask], self.area[mask])


@dataclass(frozen=True, slots=True)
class Plane:
    """A plane: a point on it and its unit normal, both (3,), world; how much surface is on it."""

    point: F64
    normal: F64
    area_m2: float


def standing(floor: Plane) -> Pose:
    """Return T_new_old that makes the floor level and puts it at height zero.

    The turn is the least that does so, round the floor's point, which stays where it is on the map.
    """
    up = np.array([0.0, 0.0, 1.0])
    axis = np.cross(floor.normal, up)
    sine, cosine = float(np.linalg.norm(axis)), float(floor.normal[2])
    # Upside down there is no least turn: over the x axis it is.
    axis = axis / sine if sine > 1e-9 else np.array([1.0, 0.0, 0.0])
    turn = Pose.exp([*(axis * np.arctan2(sine, cosine)), 0.0, 0.0, 0.0]).rotation
    flat = floor.point * [1.0, 1.0, 0.0]
    return Pose.from_parts(turn, flat - turn @ floor.point)


def find_floor(mesh: Mesh) -> Plane:
    """Return the lowest of the large flat parts that look up.

    Planes are sought by random sampling, largest first, then fitted to their faces.

    Raises:
        BadInput: nothing flat and large enough looks up.
    """
    faces = _faces(mesh)
    left = faces.where(faces.normal[:, 2] > np.cos(np.radians(STEEPEST_DEG)))
    random = np.random.default_rng(0)
    found: list[Plane] = []
    while len(found) < PLANES and left.area.sum() >= LEAST_M2:
        plane = _fitted(left, _guess(left, random))
        if plane.area_m2 < max(LEAST_M2, LEAST_SHARE * found[0].area_m2 if found else 0.0):
            break
        found.append(plane)
        left = left.where(~_on(left, plane.point, plane.normal))
    if not found:
        raise BadInput(
            "No floor was found: nothing flat and large enough looks up.",
            "Click on a point of the floor instead.",
        )
    return min(found, key=lambda plane: plane.point[2])


def floor_at(mesh: Mesh, point_m: F64, normal: F64) -> Plane:
    """Return the plane of the surface round a point (3,), looking the way of the normal (3,).

    One face's normal is rough, so a plane is fitted to what lies round it, as far as it is flat.
    Where there is no surface, the point and the normal are taken at their word.

    Raises:
        BadInput: NaN, infinity, or a normal of length zero.
    """
    length = float(np.linalg.norm(normal))
    if not (np.isfinite(point_m).all() and np.isfinite(length) and length > 1e-9):
        raise BadInput("The floor's point or normal is no number.", "Click on the floor again.")
    plane = Plane(point_m, normal / length, 0.0)
    faces = _faces(mesh)
    far = np.linalg.norm(faces.centre - point_m, axis=1)
    for reach_m in REACHES_M:
        near = faces.where(far < reach_m)
        if not _on(near, plane.point, plane.normal).any():
            continue
        plane = _fitted(near, plane)
    return plane


def _faces(mesh: Mesh) -> _Faces:
    normal = mesh.face_normals().astype(np.float64)
    twice = np.linalg.norm(normal, axis=1)
    solid = twice > 0
    centre = mesh.vertices[mesh.faces[solid]].astype(np.float64).mean(axis=1)
    return _Faces(centre, normal[solid] / twice[solid, None], twice[solid] / 2)


def _on(faces: _Faces, point: F64, normal: F64) -> Bool:
    near = np.abs((faces.centre - point) @ normal) < NEAR_M
    alike = faces.normal @ normal > np.cos(np.radians(ALIKE_DEG))
    return np.asarray(near & alike, np.bool_)


def _guess(faces: _Faces, random: np.random.Generator) -> Plane:
    """Return the best plane among those through a face and two others that look alike."""
    share = faces.area / faces.area.sum()
    drawn = random.choice(len(share), SAMPLES, p=share)
    some = _Faces(faces.centre[drawn], faces.normal[drawn], np.ones(SAMPLES))
    best = Plane(some.centre[0], some.normal[0], -1.0)
    for _ in range(TRIES):
        a, b, c = some.centre[random.integers(0, SAMPLES, 3)]
        normal = np.cross(b - a, c - a)
        length = np.linalg.norm(normal)
        if length < 1e-6:
            continue
        normal = normal * np.sign(normal[2]) / length
        if normal[2] < np.cos(np.radians(STEEPEST_DEG)):
            continue
        count = float(_on(some, a, normal).sum())
        if count > best.area_m2:
            best = Plane(a, normal, count)
    return best


def _fitted(faces: _Faces, plane: Plane) -> Plane:
    """Return the plane of least squares through the faces on a plane, looking the same way."""
    point, normal, area = plane.point, plane.normal, 0.0
    for _ in range(ROUNDS):
        part = faces.where(_on(faces, point, normal))
        area = float(part.area.sum())
        if area <= 0 or len(part.area) < 3:
            break
        middle = part.area @ part.centre / area
        offset = part.centre - middle
        spread = (offset * part.area[:, None]).T @ offset
        value, vector = np.linalg.eigh(spread)
        # A line or a point has no plane of its own.
        if value[1] > 1e-3 * value[2]:
            normal = vector[:, 0] * np.sign(vector[:, 0] @ normal)
        point = middle
    return Plane(point, normal, area)
