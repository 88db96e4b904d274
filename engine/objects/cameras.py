"""Cameras round an object: text files, rays, matrices for rasterisers, the usual rigs.

The object's world is right-handed with +Y up and lives in the box [-1, 1]^3; cameras have OpenCV
axes. Only here is +Y up: whoever brings the object into a room turns it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.core.arrays import F64
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.poses import Pose

NEAR, FAR = 0.1, 100.0
# The six views of Zero123++: angle from +Y, and in the XZ plane from +X towards +Z.
RIG_FROM_UP_DEG = (70, 100, 70, 100, 70, 100)
RIG_PHI_DEG = (60, 0, -60, -120, 180, 120)
RIG_RADIUS, RIG_FOV_DEG, RIG_SIZE_PX = 4.0, 30.0, 512
# From OpenCV camera axes (y down, z forward) to OpenGL ones (y up, z backward), and back.
OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


@dataclass(frozen=True, slots=True)
class ObjectCamera:
    """A pinhole camera that looks at an object.

    Attributes:
        intrinsics: the camera of the picture and its rays.
        T_world_cam: where it stands.
        frustum: the camera that rasterisers are told of; `intrinsics` unless a published network
            expects another (see `released_frustum`).
    """

    intrinsics: Intrinsics
    T_world_cam: Pose
    frustum: Intrinsics

    def rays(self, height: int, width: int) -> tuple[F64, F64]:
        """Return origin (3,) and unit directions (height, width, 3) through pixel centres, world.

        The camera is scaled to the given size.
        """
        directions = self.intrinsics.scaled_to(width, height).directions()
        directions = directions @ self.T_world_cam.rotation.T
        return self.T_world_cam.translation, directions / np.linalg.norm(
            directions, axis=-1, keepdims=True
        )

    def view(self) -> F64:
        """Return the (4, 4) matrix from world to OpenGL camera axes."""
        return OPENGL_FROM_OPENCV @ self.T_world_cam.inverse.matrix

    def projection(self, near: float = NEAR, far: float = FAR) -> F64:
        """Return the (4, 4) matrix from OpenGL camera axes to clip space, row 0 at the top.

        The y axis is flipped, so that rows grow with normalised y.
        """
        lens = self.frustum
        matrix = np.zeros((4, 4))
        matrix[0, 0] = 2 * lens.fx / lens.width
        matrix[0, 2] = 1 - 2 * lens.cx / lens.width
        matrix[1, 1] = -2 * lens.fy / lens.height
        matrix[1, 2] = 1 - 2 * lens.cy / lens.height
        matrix[2, 2:] = (far + near) / (near - far), 2 * far * near / (near - far)
        matrix[3, 2] = -1
        return matrix

    def mvp(self) -> F64:
        """Return the (4, 4) matrix from world to clip space."""
        return self.projection() @ self.view()


def released_frustum(lens: Intrinsics, width: int, height: int) -> Intrinsics:
    """Return the camera that the published code tells its rasteriser of.

    `lens` is already scaled to the network's picture, `width` and `height` are those of the
    camera file. Two faults are kept: the principal point is taken to be the centre, and the field
    of view is that of the scaled focal length over the unscaled size.
    """
    return Intrinsics(width, height, lens.fx, lens.fy, width / 2, height / 2)


def read_camera(text: str) -> ObjectCamera:
    """Return the camera of a text file.

    Line 1 is a header, lines 2 to 5 hold the 4x4 matrix from world to camera, line 6 is blank,
    line 7 a header, line 8 `fx fy cx cy height width`.

    Raises:
        BadInput: a line is missing, is not numbers, or the camera cannot exist.
    """
    lines = text.strip().splitlines()
    if len(lines) != 8:
        raise BadInput(
            f"A camera file has {len(lines)} lines instead of 8.",
            "It needs a header, a 4x4 matrix, a blank line, a header and "
            "'fx fy cx cy height width'.",
        )
    matrix = np.array([_numbers(line, 4) for line in lines[1:5]])
    fx, fy, cx, cy, height, width = _numbers(lines[7], 6)
    if not (height.is_integer() and width.is_integer()):
        raise BadInput(f"A camera file gives the size {width:g}x{height:g}: not whole pixels.")
    lens = Intrinsics(int(width), int(height), fx, fy, cx, cy)
    # Checked to be rigid but not made so: the inverse of the six decimals is what was published.
    Pose.from_matrix(matrix)
    T_world_cam = np.linalg.inv(matrix)
    return ObjectCamera(lens, Pose.from_parts(T_world_cam[:3, :3], T_world_cam[:3, 3]), lens)


def write_camera(camera: ObjectCamera) -> str:
    """Return the text that `read_camera` reads: six decimals, last row `0 0 0 1`."""
    lens = camera.intrinsics
    rows = np.linalg.inv(camera.T_world_cam.matrix)[:3]
    return "\n".join(
        [
            "extrinsic",
            *("".join(f"{value:.6f} " for value in row) for row in rows),
            "0 0 0 1",
            "",
            "intrinsic fx, fy, cx, cy, height, width ",
            f"{lens.fx:.6f} {lens.fy:.6f} {lens.cx:.6f} {lens.cy:.6f} {lens.height} {lens.width}",
        ]
    )


def _numbers(line: str, count: int) -> list[float]:
    try:
        values = [float(word) for word in line.split()]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise BadInput(f"A camera file has the line '{line[:60]}' instead of {count} numbers.")
    return values


def look_at_origin(eye: F64) -> Pose:
    """Return the pose of a camera at `eye` (3,) that looks at the origin, +Y up in the picture.

    Raises:
        BadInput: the camera stands straight above or below the origin.
    """
    forward = -eye / np.linalg.norm(eye)
    # The picture's y axis points down, so "up" is turned over as well.
    right = np.cross((0.0, -1.0, 0.0), forward)
    length = np.linalg.norm(right)
    if length < 1e-9:
        raise BadInput("A camera straight above or below the object has no upright picture.")
    right /= length
    down = np.cross(forward, right)
    return Pose.from_parts(np.stack([right, down, forward], axis=1), eye)


def six_view_rig() -> tuple[ObjectCamera, ...]:
    """Return the cameras of the six pictures that Zero123++ makes, in its order.

    512 x 512 pixels, 30 degrees, four units from the origin.
    """
    lens = _lens(RIG_SIZE_PX, RIG_FOV_DEG)
    cameras = []
    for from_up_deg, phi_deg in zip(RIG_FROM_UP_DEG, RIG_PHI_DEG, strict=True):
        theta, phi = np.radians(from_up_deg), np.radians(phi_deg)
        eye = RIG_RADIUS * np.array(
            [np.sin(theta) * np.cos(phi), np.cos(theta), np.sin(theta) * np.sin(phi)]
        )
        # Published in single precision; only so do the files agree to the last sign of a zero.
        pose = look_at_origin(eye).matrix.astype(np.float32).astype(np.float64)
        cameras.append(ObjectCamera(lens, Pose.from_parts(pose[:3, :3], pose[:3, 3]), lens))
    return tuple(cameras)


def turntable(
    azimuths_deg: Sequence[float],
    elevation_deg: float = 20.0,
    distance: float = 3.5,
    fov_deg: float = 50.0,
    size_px: int = 512,
) -> tuple[ObjectCamera, ...]:
    """Return cameras that circle the object at one height and look at the origin.

    Azimuth 0 stands on +X, 90 degrees on +Z.
    """
    lens = _lens(size_px, fov_deg)
    rise = np.radians(elevation_deg)
    cameras = []
    for azimuth in np.radians(np.asarray(azimuths_deg, np.float64)):
        flat = np.cos(rise)
        eye = distance * np.array([flat * np.cos(azimuth), np.sin(rise), flat * np.sin(azimuth)])
        cameras.append(ObjectCamera(lens, look_at_origin(eye), lens))
    return tuple(cameras)


def _lens(size_px: int, fov_deg: float) -> Intrinsics:
    """Return the camera of a square picture that sees `fov_deg` from side to side."""
    focal = size_px / 2 / np.tan(np.radians(fov_deg) / 2)
    return Intrinsics(size_px, size_px, focal, focal, size_px / 2, size_px / 2)
