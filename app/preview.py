"""The small picture beside the 3D view: what the camera sees, and where it knows no depth."""

import cv2
import numpy as np

from engine.core.arrays import F32, U8, Bool
from engine.core.camera import Intrinsics
from engine.core.frames import Frame

PREVIEW_WIDTH_PX = 320
# Half amber over pixels without depth: told apart from any surface by brightness as well as hue.
NO_DEPTH_TINT = np.array([255, 170, 40], np.uint16)
TINTED = ((np.arange(256)[:, None, None] + NO_DEPTH_TINT) // 2).astype(np.uint8)
# Depth from a second camera is looked up in cells of this size, with a few samples for each.
CELL_PX = 8
SAMPLES_A_CELL = 3


def preview(frame: Frame, width_px: int = PREVIEW_WIDTH_PX) -> U8 | None:
    """Return a picture (h, w, 3) at most `width_px` wide, or None when the frame shows nothing.

    Pixels whose depth is unknown are tinted, by cells where depth comes from a camera of its own.
    A frame without colour shows its depth, near bright and far dark.
    """
    if frame.color is None:
        return None if frame.depth_m is None else depth_picture(_thin(frame.depth_m, width_px))
    small: U8 = np.ascontiguousarray(_thin(frame.color, width_px))
    if frame.depth_m is None or frame.depth_intrinsics is None:
        return small
    rows, columns = small.shape[:2]
    if np.allclose(frame.T_cam_depth.matrix, np.eye(4), atol=1e-6):
        known = _resized(frame.depth_m > 0, rows, columns)
    else:
        known = _covered(frame, frame.depth_m, frame.depth_intrinsics, rows, columns)
    return np.asarray(cv2.copyTo(small, known.view(np.uint8), cv2.LUT(small, TINTED)))


def _thin(picture: np.ndarray, width_px: int) -> np.ndarray:
    step = max(1, -(-picture.shape[1] // width_px))
    return picture[::step, ::step]


def _resized(mask: Bool, rows: int, columns: int) -> Bool:
    """Return the mask in another size, by nearest pixel."""
    height, width = mask.shape
    from_rows = np.arange(rows) * height // rows
    from_columns = np.arange(columns) * width // columns
    return mask[np.ix_(from_rows, from_columns)]


def _covered(frame: Frame, depth_m: F32, camera: Intrinsics, rows: int, columns: int) -> Bool:
    """Return which pixels of the colour picture lie in a cell that some depth falls into."""
    cells_down, cells_across = max(1, rows // CELL_PX), max(1, columns // CELL_PX)
    step = max(1, depth_m.shape[1] // (cells_across * SAMPLES_A_CELL))
    v, u = np.mgrid[0 : depth_m.shape[0] : step, 0 : depth_m.shape[1] : step]
    z = depth_m[v, u].astype(np.float64)
    x = (u + 0.5 - camera.cx) / camera.fx * z
    y = (v + 0.5 - camera.cy) / camera.fy * z
    points_depth = np.stack([x, y, z], axis=-1)[z > 0]
    pixels, inside = frame.intrinsics.project(frame.T_cam_depth.apply(points_depth))
    size = np.array([frame.intrinsics.width, frame.intrinsics.height])
    across, down = (pixels[inside] / size * [cells_across, cells_down]).astype(np.int64).T
    covered = np.zeros((cells_down, cells_across), np.bool_)
    covered[down, across] = True
    return _resized(covered, rows, columns)


def depth_picture(depth_m: np.ndarray) -> U8:
    """Return depth (h, w) in metres as a grey picture (h, w, 3), near bright and unknown amber."""
    known = depth_m > 0
    nearness = np.where(known, 1.0 / (1.0 + depth_m), 0.0)
    grey = (nearness * 255).astype(np.uint8)
    picture = np.repeat(grey[..., None], 3, axis=2)
    picture[~known] = (NO_DEPTH_TINT // 2).astype(np.uint8)
    return picture
