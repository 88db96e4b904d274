"""The four ways a file may write a camera pose, and the way out of each."""

import numpy as np

from engine.core.arrays import F64
from engine.sources.raw import Convention

EVERY_CONVENTION = (
    Convention("c2w", "cv"),
    Convention("c2w", "gl"),
    Convention("w2c", "cv"),
    Convention("w2c", "gl"),
)

# A half turn about x leads from OpenGL's camera axes to OpenCV's, and back.
_CV_FROM_GL = np.diag([1.0, -1.0, -1.0, 1.0])


def camera_to_world(matrices: F64, convention: Convention) -> F64:
    """Return rigid matrices (..., 4, 4), as a convention writes them, as camera-to-world OpenCV."""
    written = np.asarray(matrices, np.float64)
    if convention.maps == "w2c":
        # The world-to-camera matrix answers in the camera's axes, so those are turned first.
        toward = _CV_FROM_GL @ written if convention.axes == "gl" else written
        return rigid_inverse(toward)
    return written @ _CV_FROM_GL if convention.axes == "gl" else written


def as_written(matrices: F64, convention: Convention) -> F64:
    """Return camera-to-world OpenCV matrices (..., 4, 4) as a convention writes them."""
    if convention.maps == "w2c":
        toward = rigid_inverse(np.asarray(matrices, np.float64))
        return _CV_FROM_GL @ toward if convention.axes == "gl" else toward
    return camera_to_world(matrices, convention)


def rigid_inverse(matrices: F64) -> F64:
    """Return the inverses of rigid matrices (..., 4, 4)."""
    turned = np.swapaxes(matrices[..., :3, :3], -1, -2)
    inverse = np.zeros_like(matrices)
    inverse[..., :3, :3] = turned
    inverse[..., :3, 3] = -(turned @ matrices[..., :3, 3, None])[..., 0]
    inverse[..., 3, 3] = 1
    return inverse


def spoken(convention: Convention) -> str:
    """Return the convention in words."""
    maps = "camera-to-world" if convention.maps == "c2w" else "world-to-camera"
    return f"{maps}, {'OpenCV' if convention.axes == 'cv' else 'OpenGL'} camera axes"
