"""From the camera a file states to the ideal camera of the picture found."""

import cv2
import numpy as np

from engine.core.arrays import F32
from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame

# Rounding of a size is worth at most this many pixels of whichever picture is larger.
_SIZE_SLACK_PX = 1.5
_KEPT_MAPS = 8

_Maps = tuple[np.ndarray, np.ndarray, np.ndarray]


def fit_camera(camera: Intrinsics, width: int, height: int, what: str) -> Intrinsics:
    """Return the camera rescaled to the picture found.

    Raises:
        BadFrame: the picture has another aspect ratio, so it was cropped, turned or mixed up.
    """
    if (camera.width, camera.height) == (width, height):
        return camera
    scale = width / camera.width
    if abs(camera.height * scale - height) > _SIZE_SLACK_PX * max(1.0, scale):
        raise BadFrame(
            f"A {what} picture of {width}x{height} pixels does not fit its camera of "
            f"{camera.width}x{camera.height}.",
            "It was cropped, turned, or belongs to another recording.",
        )
    return camera.scaled_to(width, height)


class Undistorter:
    """Straightens pictures; keeps the tables of the last few cameras."""

    def __init__(self) -> None:
        """Start without tables; each is made when its camera is first met."""
        self._maps: dict[Intrinsics, _Maps] = {}

    def smooth(self, picture: np.ndarray, camera: Intrinsics) -> np.ndarray:
        """Return a picture as the ideal camera sees it, interpolated.

        Pixels the bent lens never saw repeat their nearest seen neighbour: black would end up in
        textures, and depth says by zero that nothing is known there.
        """
        if not any(camera.distortion):
            return picture
        coarse, fine, _ = self._tables(camera)
        return np.asarray(
            cv2.remap(picture, coarse, fine, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
        )

    def nearest(self, picture: F32, camera: Intrinsics) -> F32:
        """Return depth or confidence as the ideal camera sees it.

        Values are never mixed, and 0 where the bent lens saw nothing.
        """
        if not any(camera.distortion):
            return picture
        _, _, whole = self._tables(camera)
        # The table is signed whole pixels, and OpenCV wants an empty second one for it.
        return np.asarray(cv2.remap(picture, whole, None, cv2.INTER_NEAREST), np.float32)

    def _tables(self, camera: Intrinsics) -> _Maps:
        if camera not in self._maps:
            matrix = camera.opencv_matrix()
            lens = np.asarray(camera.distortion, np.float64)
            size = (camera.width, camera.height)
            x, y = cv2.initUndistortRectifyMap(matrix, lens, None, matrix, size, cv2.CV_32FC1)
            coarse, fine = cv2.convertMaps(x, y, cv2.CV_16SC2)
            whole, _ = cv2.convertMaps(x, y, cv2.CV_16SC2, nninterpolation=True)
            while len(self._maps) >= _KEPT_MAPS:
                del self._maps[next(iter(self._maps))]
            self._maps[camera] = (coarse, fine, whole)
        return self._maps[camera]
