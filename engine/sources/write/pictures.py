"""Pictures and text to disk, and depth as another camera at the same moment would see it."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from engine.core.arrays import F32, U8, U16, Bool
from engine.core.camera import Intrinsics, lift
from engine.core.frames import Frame

_JPEG = (
    int(cv2.IMWRITE_JPEG_QUALITY),
    95,
    int(cv2.IMWRITE_JPEG_SAMPLING_FACTOR),
    int(cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
)
# Higher levels take several times longer for a tenth of the size.
_PNG = (int(cv2.IMWRITE_PNG_COMPRESSION), 1)
_LIDAR_LONG_SIDE = 256
_CONFIDENCE_LEVELS = 2


def save_color(path: Path, color: U8) -> None:
    """Write (h, w, 3) uint8 RGB as PNG or JPEG, by the suffix.

    Raises:
        OSError: no room or no permission.
    """
    path.write_bytes(encoded_color(color, path.suffix))


def encoded_color(color: U8, suffix: str) -> bytes:
    """Return (h, w, 3) uint8 RGB as the bytes of a `.png` or `.jpg`."""
    options = _PNG if suffix == ".png" else _JPEG
    _, data = cv2.imencode(suffix, cv2.cvtColor(color, cv2.COLOR_RGB2BGR), options)
    return bytes(data)


def save_grey(path: Path, picture: U8 | U16) -> None:
    """Write an 8 or 16 bit grey PNG.

    Raises:
        OSError: no room or no permission.
    """
    _, data = cv2.imencode(".png", picture, _PNG)
    path.write_bytes(bytes(data))


def save_depth(path: Path, depth_m: F32, unit_m: float) -> None:
    """Write metres (h, w) as a 16 bit PNG; what does not fit 16 bits becomes unknown.

    Raises:
        OSError: no room or no permission.
    """
    units = np.rint(depth_m / unit_m)
    save_grey(path, np.where(units < 65535, units, 0).astype(np.uint16))


def save_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file.

    Raises:
        OSError: no room or no permission.
    """
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def lidar_camera(camera: Intrinsics) -> Intrinsics:
    """Return the camera of a phone's depth picture: the same view, 256 pixels along its long side.

    A 4:3 picture gives the phone's 256x192; other shapes keep theirs, because depth covers what
    the picture does.
    """
    scale = _LIDAR_LONG_SIDE / max(camera.width, camera.height)
    return camera.scaled_to(round(camera.width * scale), round(camera.height * scale))


def depth_seen_by(frame: Frame, camera: Intrinsics) -> tuple[F32, F32]:
    """Return depth and confidence (h, w) of a frame as seen from its colour camera's place.

    No value is mixed from two. Pixels that nothing is known of are 0 in both; a frame without
    depth gives zeros.
    """
    shape = (camera.height, camera.width)
    if frame.depth_m is None or frame.depth_intrinsics is None:
        return np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    confidence = frame.confidence
    if confidence is None:
        confidence = np.ones(frame.depth_m.shape, np.float32)
    if frame.T_cam_depth.distance_to(frame.T_cam_depth.identity()) == (0.0, 0.0):
        return _resampled(frame.depth_m, confidence, frame.depth_intrinsics, camera)
    return _projected(frame, confidence, camera)


def confidence_levels(confidence: F32) -> U8:
    """Return confidence 0..1 as ARKit's levels 0, 1, 2."""
    return np.asarray(np.rint(confidence * _CONFIDENCE_LEVELS), np.uint8)


def _resampled(
    depth_m: F32, confidence: F32, source: Intrinsics, target: Intrinsics
) -> tuple[F32, F32]:
    """Take, for every target pixel, the source pixel its ray goes through."""
    u, column_seen = _along(target.width, target.fx, target.cx, source.fx, source.cx, source.width)
    v, row_seen = _along(target.height, target.fy, target.cy, source.fy, source.cy, source.height)
    seen = row_seen[:, None] & column_seen[None, :]
    picked = np.ix_(v, u)
    return (
        np.where(seen, depth_m[picked], np.float32(0)),
        np.where(seen, confidence[picked], np.float32(0)),
    )


def _along(
    count: int, f_to: float, c_to: float, f_from: float, c_from: float, limit: int
) -> tuple[np.ndarray, Bool]:
    # Rounding errors must not push a pixel centre that falls on an edge over it.
    found = np.floor((np.arange(count) + 0.5 - c_to) / f_to * f_from + c_from + 1e-6).astype(int)
    return np.clip(found, 0, limit - 1), (found >= 0) & (found < limit)


def _projected(frame: Frame, confidence: F32, camera: Intrinsics) -> tuple[F32, F32]:
    """Move every depth point into the colour camera; the nearest of those on a pixel stays."""
    assert frame.depth_m is not None  # the caller has looked
    assert frame.depth_intrinsics is not None
    points_cam = lift(frame.depth_m, frame.depth_intrinsics, frame.T_cam_depth)
    trusted = confidence[frame.depth_m > 0]
    pixels, inside = camera.project(points_cam)
    order = np.argsort(-points_cam[inside, 2], kind="stable")
    u, v = pixels[inside][order].astype(int).T
    depth_m = np.zeros((camera.height, camera.width), np.float32)
    believed = np.zeros_like(depth_m)
    # Written from far to near, so that the nearest comes last.
    depth_m[v, u] = points_cam[inside, 2][order]
    believed[v, u] = trusted[inside][order]
    return depth_m, believed
