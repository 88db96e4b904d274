"""What a picture can possibly see: a cone cut off at the image's edges."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from engine.core.arrays import F64
from engine.recon.views import View

# Feature maps are a quarter of the picture, and half of their pixel beyond the edge still counts.
EDGE_PX = 4.0


@dataclass(frozen=True, slots=True)
class Frustum:
    """Five planes through a camera's centre; what lies outside of any is not in the picture.

    Attributes:
        planes: (5, 4) in the world: inside where `normal . p + offset >= 0`.
    """

    planes: F64

    @staticmethod
    def of(K: np.ndarray, image_hw: tuple[int, int], T_cam_world: np.ndarray) -> "Frustum":
        """Return what a camera sees, a few pixels more on every side; any single precision is safe.

        `K` (3, 3) has pixel centres at integers.
        """
        (fx, _, cx), (_, fy, cy) = np.asarray(K, np.float64)[:2]
        height, width = image_hw
        left, right = (-EDGE_PX - 0.5 - cx) / fx, (width - 0.5 + EDGE_PX - cx) / fx
        top, bottom = (-EDGE_PX - 0.5 - cy) / fy, (height - 0.5 + EDGE_PX - cy) / fy
        normals_cam = np.array(
            [[0, 0, 1], [1, 0, -left], [-1, 0, right], [0, 1, -top], [0, -1, bottom]], np.float64
        )
        T = np.asarray(T_cam_world, np.float64)
        return Frustum(np.concatenate([normals_cam @ T[:3, :3], normals_cam @ T[:3, 3:]], axis=1))

    def touches(self, low_m: F64, high_m: F64) -> np.ndarray:
        """Return whether boxes (n, 3) to (n, 3) may be seen; some that are not are called so."""
        normals, offsets = self.planes[:, :3], self.planes[:, 3]
        # The corner farthest along a plane's normal is the last to leave.
        farthest = np.where(normals[:, None, :] > 0, high_m, low_m)
        distance = (farthest * normals[:, None, :]).sum(axis=-1) + offsets[:, None]
        inside: np.ndarray = (distance >= 0).all(axis=0)
        return inside


def frusta(view: View) -> tuple[Frustum, ...]:
    """Return what a view's photograph and its depth picture see."""
    found = [Frustum.of(_array(view.K), view.image_hw, _array(view.T_cam_world))]
    if view.depth is not None:
        height, width = view.depth.depth_hw.shape
        depth = view.depth
        found.append(Frustum.of(_array(depth.K), (height, width), _array(depth.T_cam_world)))
    return tuple(found)


def _array(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.cpu().numpy()
    return array
