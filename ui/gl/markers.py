"""What is drawn beside the surface: floor, camera, and the way it came."""

import numpy as np

from engine.core.arrays import F32
from engine.core.poses import Pose
from ui.gl.lines import Lines

FRUSTUM_DEPTH_M = 0.25
FRUSTUM_HALF_WIDTH_M = 0.16
FRUSTUM_HALF_HEIGHT_M = 0.12
PATH_STEP_M = 0.02
PATH_LIMIT = 4096
FLOOR_HALF_M = 6

# Seen on dark paper and on light.
_CAMERA_RGBA = (0.16, 0.66, 0.78, 1.0)
_PATH_RGBA = (0.16, 0.66, 0.78, 0.6)
_FLOOR_RGBA = (0.50, 0.57, 0.67, 0.22)


def frustum_lines(T_world_cam: Pose) -> F32:
    """Return line ends (16, 3) in the world: pyramid of the view, and a tick that marks up."""
    w, h, d = FRUSTUM_HALF_WIDTH_M, FRUSTUM_HALF_HEIGHT_M, FRUSTUM_DEPTH_M
    corners = np.array([[-w, -h, d], [w, -h, d], [w, h, d], [-w, h, d]])
    apex = np.zeros(3)
    lines = [point for corner in corners for point in (apex, corner)]
    lines += [point for i in range(4) for point in (corners[i], corners[(i + 1) % 4])]
    return T_world_cam.apply(np.array(lines)).astype(np.float32)


def floor_lines() -> F32:
    """Return line ends (4 n, 3) of a grid of one-metre squares round the origin."""
    lines = []
    far = FLOOR_HALF_M
    for tick in range(-far, far + 1):
        lines += [(tick, -far, 0), (tick, far, 0), (-far, tick, 0), (far, tick, 0)]
    return np.array(lines, np.float32)


class Path:
    """Where the camera has been, in bounded memory: a full path keeps every second point."""

    def __init__(self) -> None:
        self._points: list[F32] = []
        self._step_m = PATH_STEP_M

    def add(self, point_world: F32) -> bool:
        """Return whether the point was far enough from the last one to be kept."""
        if self._points and np.linalg.norm(point_world - self._points[-1]) < self._step_m:
            return False
        self._points.append(np.asarray(point_world, np.float32))
        if len(self._points) > PATH_LIMIT:
            self._points = self._points[::2]
            self._step_m *= 2
        return True

    def points(self) -> F32:
        """Return the path (n, 3), world, oldest first."""
        return np.array(self._points, np.float32).reshape(-1, 3)


class Markers:
    """Floor grid, camera pyramid and path."""

    def __init__(self) -> None:
        """Begin with the floor; camera and path appear with the first pose."""
        self._path = Path()
        self._floor = Lines(_FLOOR_RGBA)
        self._camera = Lines(_CAMERA_RGBA)
        self._trail = Lines(_PATH_RGBA, joined=True)
        self._floor_at: tuple[float, float, float] | None = None
        self.all = (self._floor, self._camera, self._trail)
        self.set_floor(0.0, 0.0, 0.0)

    def set_floor(self, x_m: float, y_m: float, z_m: float) -> None:
        """Lay the grid of one-metre squares at a height, about a point."""
        place = (round(x_m), round(y_m), round(z_m, 2))
        if place != self._floor_at:
            self._floor_at = place
            self._floor.set_points(floor_lines() + np.array(place, np.float32))

    def show_camera(self, T_world_cam: Pose) -> None:
        """Put the pyramid at a pose and lengthen the path."""
        self._camera.set_points(frustum_lines(T_world_cam))
        if self._path.add(T_world_cam.translation.astype(np.float32)):
            self._trail.set_points(self._path.points())

    def hide_camera(self) -> None:
        """Show the path no more, and no camera: the scan is over."""
        self._camera.is_visible = self._trail.is_visible = False
