"""A sensor's depth as the colour camera would have measured it."""

import numba
import numpy as np

from engine.core.arrays import F32
from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.depth.consistency import motions

# Pixels this much wider than the sensor's: every one gets a point, and nothing shines through.
WIDER = 1.4


def registered(frame: Frame) -> tuple[F32, F32, Intrinsics]:
    """Return a frame's depth and confidence at the colour camera's place, and their camera.

    Depth that is registered comes back as it is. Else points are carried over and the nearest on a
    pixel wins; the picture is the colour camera's, with pixels somewhat wider than the sensor's.
    Without depth everything is unknown, in the colour camera's size. The frame has colour.
    """
    camera, depth = frame.depth_intrinsics, frame.depth_m
    if depth is None or camera is None:
        size = (frame.intrinsics.height, frame.intrinsics.width)
        return np.zeros(size, np.float32), np.zeros(size, np.float32), frame.intrinsics
    sure = frame.confidence if frame.confidence is not None else np.ones_like(depth)
    if frame.T_cam_depth == Pose.identity():
        return depth, sure, camera
    own = frame.intrinsics
    share = min(1.0, camera.fx / own.fx / WIDER)
    target = own.scaled_to(max(1, round(own.width * share)), max(1, round(own.height * share)))
    A, b = motions(frame.T_cam_depth, camera, [Pose.identity()], [target])
    carried = np.zeros((target.height, target.width), np.float32)
    carried_sure = np.zeros_like(carried)
    _carry(depth, sure, A[0], b[0], carried, carried_sure)
    return carried, carried_sure, target


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _carry(depth, sure, A, b, carried, carried_sure):  # type: ignore[no-untyped-def]
    rows, columns = carried.shape
    for v in range(depth.shape[0]):
        for u in range(depth.shape[1]):
            d = depth[v, u]
            cu, cv = u + 0.5, v + 0.5
            z = (A[2, 0] * cu + A[2, 1] * cv + A[2, 2]) * d + b[2]
            if d <= 0 or z <= 1e-6:
                continue
            x = ((A[0, 0] * cu + A[0, 1] * cv + A[0, 2]) * d + b[0]) / z
            y = ((A[1, 0] * cu + A[1, 1] * cv + A[1, 2]) * d + b[1]) / z
            if 0 <= x < columns and 0 <= y < rows:
                i, j = int(y), int(x)
                if carried[i, j] == 0 or z < carried[i, j]:
                    carried[i, j] = z
                    carried_sure[i, j] = sure[v, u]
