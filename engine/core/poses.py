"""Rigid transforms between named frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.transform import RigidTransform, Rotation, Slerp

from engine.core.arrays import F64
from engine.core.faults import BadInput

# Published trajectories are rigid only to a few parts in ten thousand (7-Scenes: 4e-4), so up to
# this much is rounding and is projected away; beyond it the matrix is something else.
RIGID_TOLERANCE = 5e-3


@dataclass(frozen=True, eq=False)
class Pose:
    """A rigid transform `T_to_from`: `p_to = T_to_from @ p_from`, metres.

    `matrix` is (4, 4) float64, read-only, with an exactly orthonormal rotation part.
    Build it with `from_matrix`, which checks, or `from_quaternion`.
    """

    matrix: F64

    @staticmethod
    def identity() -> "Pose":
        """Return the transform that changes nothing."""
        return _frozen(np.eye(4))

    @staticmethod
    def from_matrix(matrix: ArrayLike) -> "Pose":
        """Return the rigid transform nearest to a (4, 4) or (3, 4) matrix.

        Raises:
            BadInput: the matrix holds NaN, mirrors, scales or shears by more than rounding.
        """
        given = np.asarray(matrix, dtype=np.float64)
        if given.shape not in ((4, 4), (3, 4)):
            raise BadInput(f"A pose must be a 4x4 or 3x4 matrix, not {given.shape}.")
        if not np.isfinite(given).all():
            raise BadInput("A pose holds NaN or infinity.")
        if given.shape == (4, 4) and not np.allclose(given[3], (0, 0, 0, 1), atol=1e-6):
            raise BadInput("A pose has a last row other than 0 0 0 1.")
        u, _, vt = np.linalg.svd(given[:3, :3])
        rotation = u @ vt
        if np.linalg.det(rotation) < 0:
            raise BadInput("A pose mirrors space: its determinant is negative.")
        if np.abs(rotation - given[:3, :3]).max() > RIGID_TOLERANCE:
            raise BadInput("A pose is not rigid: its rotation part scales or shears.")
        rigid = np.eye(4)
        rigid[:3, :3] = rotation
        rigid[:3, 3] = given[:3, 3]
        return _frozen(rigid)

    @staticmethod
    def from_quaternion(xyzw: ArrayLike, translation: ArrayLike) -> "Pose":
        """Return the pose of a quaternion (x, y, z, w), any length but zero, and a translation.

        Raises:
            BadInput: NaN, infinity, or a quaternion of length zero.
        """
        q = np.asarray(xyzw, dtype=np.float64)
        t = np.asarray(translation, dtype=np.float64)
        if not (np.isfinite(q).all() and np.isfinite(t).all()):
            raise BadInput("A pose holds NaN or infinity.")
        if np.abs(q).max() < 1e-9:
            raise BadInput("A pose has a quaternion of length zero.")
        return Pose.from_parts(Rotation.from_quat(q).as_matrix(), t)

    @staticmethod
    def from_parts(rotation: ArrayLike, translation: ArrayLike) -> "Pose":
        """Return the pose of a (3, 3) rotation matrix and a (3,) translation, both trusted."""
        matrix = np.eye(4)
        matrix[:3, :3] = rotation
        matrix[:3, 3] = translation
        return _frozen(matrix)

    @staticmethod
    def exp(twist: ArrayLike) -> "Pose":
        """Return the pose of a twist (6,): rotation vector in radians, then translation part."""
        # SciPy orders the exponential coordinates rotation first, as we do.
        return _frozen(RigidTransform.from_exp_coords(np.asarray(twist, np.float64)).as_matrix())

    def log(self) -> F64:
        """Return the twist (6,) whose `exp` this is; rotation angles lie in [0, pi]."""
        return np.asarray(RigidTransform.from_matrix(self.matrix).as_exp_coords())

    @property
    def rotation(self) -> F64:
        """The (3, 3) rotation part."""
        return self.matrix[:3, :3]

    @property
    def translation(self) -> F64:
        """The (3,) translation part: where the origin of `from` lies in `to`."""
        return self.matrix[:3, 3]

    @cached_property
    def inverse(self) -> "Pose":
        """The transform the other way."""
        rotation = self.rotation.T
        return Pose.from_parts(rotation, -rotation @ self.translation)

    def __matmul__(self, other: "Pose") -> "Pose":
        """Compose: `T_a_c = T_a_b @ T_b_c`."""
        return _frozen(self.matrix @ other.matrix)

    def __eq__(self, other: object) -> bool:
        """Two poses are equal when every number is."""
        return isinstance(other, Pose) and bool(np.array_equal(self.matrix, other.matrix))

    def __hash__(self) -> int:
        """Hash by value."""
        return hash(self.matrix.tobytes())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by value; the copy is read-only too."""
        return (_frozen, (np.array(self.matrix),))

    def apply(self, points: F64) -> F64:
        """Return points (..., 3) given in `from`, expressed in `to`."""
        return points @ self.rotation.T + self.translation

    def distance_to(self, other: "Pose") -> tuple[float, float]:
        """Return how far apart two poses are: metres, radians."""
        metres = float(np.linalg.norm(self.translation - other.translation))
        return metres, Rotation.from_matrix(self.rotation.T @ other.rotation).magnitude()

    def quaternion(self) -> F64:
        """Return the rotation as a unit quaternion (x, y, z, w)."""
        return np.asarray(Rotation.from_matrix(self.rotation).as_quat())


def interpolate(start: Pose, end: Pose, fraction: float) -> Pose:
    """Return the pose a fraction of the way: rotation by slerp, translation in a straight line."""
    turn = Slerp([0.0, 1.0], Rotation.from_matrix(np.stack([start.rotation, end.rotation])))
    translation = (1 - fraction) * start.translation + fraction * end.translation
    return Pose.from_parts(turn(fraction).as_matrix(), translation)


def average(poses: Sequence[Pose]) -> Pose:
    """Return the mean pose: chordal mean of rotations, arithmetic mean of translations."""
    rotations = Rotation.from_matrix(np.stack([p.rotation for p in poses]))
    translation = np.mean([p.translation for p in poses], axis=0)
    return Pose.from_parts(rotations.mean().as_matrix(), translation)


def _frozen(matrix: F64) -> Pose:
    own = np.array(matrix, dtype=np.float64)
    own.flags.writeable = False
    return Pose(own)
