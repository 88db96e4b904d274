"""The pinhole camera and its lens.

Pixels: integer (u, v) names a pixel and its centre is (u + 0.5, v + 0.5), so that resizing a
picture scales every number alike. OpenCV, and most files, put the centre at (u, v): convert with
`Intrinsics.from_opencv` where such numbers enter and `opencv_matrix` where they leave.
"""

from dataclasses import dataclass, replace

import numpy as np

from engine.core.arrays import F64, Bool
from engine.core.faults import BadInput
from engine.core.poses import Pose


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole camera in pixels; `distortion` holds OpenCV's k1 k2 p1 p2 [k3 ...], or nothing.

    Frames inside the program are already undistorted; a distortion is met only where data enters.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse cameras that cannot exist.

        Raises:
            BadInput: a size below one pixel, a focal length that is not positive, NaN.
        """
        if self.width < 1 or self.height < 1:
            raise BadInput(f"A camera of {self.width}x{self.height} pixels cannot be used.")
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        if not np.isfinite(numbers).all() or self.fx <= 0 or self.fy <= 0:
            raise BadInput(
                f"The intrinsics fx {self.fx:g}, fy {self.fy:g}, cx {self.cx:g}, cy {self.cy:g} "
                "are not a camera.",
                "Focal lengths must be positive and every number finite.",
            )

    @staticmethod
    def from_opencv(
        width: int,
        height: int,
        fx: float,
        fy: float,
        cx: float,
        cy: float,
        distortion: tuple[float, ...] = (),
    ) -> "Intrinsics":
        """Return the camera whose principal point was given with pixel centres at integers."""
        return Intrinsics(width, height, fx, fy, cx + 0.5, cy + 0.5, distortion)

    def opencv_matrix(self) -> F64:
        """Return the (3, 3) matrix with pixel centres at integers."""
        return np.array(
            [[self.fx, 0, self.cx - 0.5], [0, self.fy, self.cy - 0.5], [0, 0, 1]], np.float64
        )

    def scaled_to(self, width: int, height: int) -> "Intrinsics":
        """Return the same camera for a picture resized to another size."""
        sx, sy = width / self.width, height / self.height
        return replace(
            self,
            width=width,
            height=height,
            fx=self.fx * sx,
            fy=self.fy * sy,
            cx=self.cx * sx,
            cy=self.cy * sy,
        )

    def without_distortion(self) -> "Intrinsics":
        """Return the ideal camera with the same pinhole."""
        return replace(self, distortion=())

    def directions(self) -> F64:
        """Return the (height, width, 3) point at depth one behind every pixel centre, camera frame.

        Multiplied by depth along the axis (not by range), they give points.
        """
        u = (np.arange(self.width) + 0.5 - self.cx) / self.fx
        v = (np.arange(self.height) + 0.5 - self.cy) / self.fy
        grid_u, grid_v = np.meshgrid(u, v)
        return np.stack([grid_u, grid_v, np.ones_like(grid_u)], axis=-1)

    def project(self, points_cam: F64) -> tuple[F64, Bool]:
        """Return pixel coordinates (..., 2) of points (..., 3), and whether each is in view.

        Lens distortion is not applied. Points behind the camera are never in view.
        """
        z = points_cam[..., 2]
        ahead = z > 1e-6
        safe = np.where(ahead, z, 1.0)
        u = self.fx * points_cam[..., 0] / safe + self.cx
        v = self.fy * points_cam[..., 1] / safe + self.cy
        inside = ahead & (u >= 0) & (u < self.width) & (v >= 0) & (v < self.height)
        return np.stack([u, v], axis=-1), inside


def lift(depth_m: np.ndarray, intrinsics: Intrinsics, T_world_cam: Pose) -> F64:
    """Return the world point (n, 3) behind every known pixel of a (height, width) depth picture.

    Unknown pixels (zero) are skipped, so n <= height * width. Depth is along the camera's axis.

    Raises:
        BadInput: the picture's size differs from the camera's.
    """
    if depth_m.shape != (intrinsics.height, intrinsics.width):
        raise BadInput(
            f"A depth picture of {depth_m.shape[1]}x{depth_m.shape[0]} does not fit a camera of "
            f"{intrinsics.width}x{intrinsics.height}."
        )
    known = depth_m > 0
    points_cam = intrinsics.directions()[known] * depth_m[known, None].astype(np.float64)
    return T_world_cam.apply(points_cam)
