"""The small picture beside the 3D view: what the camera sees, and where it knows no depth."""

import numpy as np

from engine.core.arrays import U8
from engine.core.frames import Frame

PREVIEW_WIDTH_PX = 320
# Half amber over pixels without depth: told apart from any surface by brightness as well as hue.
NO_DEPTH_TINT = np.array([255, 170, 40], np.uint16)


def preview(frame: Frame, width_px: int = PREVIEW_WIDTH_PX) -> U8 | None:
    """Return a picture (h, w, 3) at most `width_px` wide, or None when the frame shows nothing.

    Pixels whose depth is unknown are tinted where depth is registered to colour; a frame without
    colour shows its depth, near bright and far dark.
    """
    if frame.color is None:
        return None if frame.depth_m is None else _depth_picture(_thin(frame.depth_m, width_px))
    small: U8 = _thin(frame.color, width_px)
    is_registered = np.allclose(frame.T_cam_depth.matrix, np.eye(4), atol=1e-6)
    if frame.depth_m is None or not is_registered:
        return np.ascontiguousarray(small)
    rows, columns = small.shape[:2]
    height, width = frame.depth_m.shape
    unknown = (
        frame.depth_m[
            np.ix_(np.arange(rows) * height // rows, np.arange(columns) * width // columns)
        ]
        <= 0
    )
    tinted = small.copy()
    tinted[unknown] = ((small[unknown].astype(np.uint16) + NO_DEPTH_TINT) // 2).astype(np.uint8)
    return tinted


def _thin(picture: np.ndarray, width_px: int) -> np.ndarray:
    step = max(1, -(-picture.shape[1] // width_px))
    return picture[::step, ::step]


def _depth_picture(depth_m: np.ndarray) -> U8:
    known = depth_m > 0
    nearness = np.where(known, 1.0 / (1.0 + depth_m), 0.0)
    grey = (nearness * 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=2)
    picture[~known] = (NO_DEPTH_TINT // 2).astype(np.uint8)
    return picture
