"""How far away a scene lies, in the unit of its poses: features matched and triangulated."""

from collections.abc import Sequence

import cv2
import numpy as np

from engine.core.arrays import F64
from engine.core.camera import Intrinsics
from engine.core.frames import Photo

LONGEST_PX = 640
FEATURES = 800
RATIO = 0.75
# Two rays to one point pass each other by less than this angle, and meet at more than that.
MISS_RAD = 0.005
LEAST_ANGLE_RAD = 0.02
LEAST_POINTS = 20

_Features = tuple[F64, np.ndarray]


def median_depth(photos: Sequence[Photo]) -> float | None:
    """Return the median depth of what neighbours in the list both show, in the poses' own unit.

    None when no two neighbours share enough: they overlap too little or stand in one spot.
    """
    known = [_features(photo) for photo in photos]
    pairs = zip(photos, photos[1:], known, known[1:], strict=False)
    depths = [depth for a, b, in_a, in_b in pairs for depth in _depths(a, b, in_a, in_b)]
    return float(np.median(depths)) if len(depths) >= LEAST_POINTS else None


def _depths(a: Photo, b: Photo, in_a: _Features, in_b: _Features) -> F64:
    """Return the depths, in the first picture, of points that both show."""
    if len(in_a[0]) < 2 or len(in_b[0]) < 2:
        return np.zeros(0)
    found = cv2.BFMatcher().knnMatch(in_a[1], in_b[1], k=2)
    pairs = [(m.queryIdx, m.trainIdx) for m, n in found if m.distance < RATIO * n.distance]
    if not pairs:
        return np.zeros(0)
    one, other = np.array(pairs).T
    T_a_b = a.T_world_cam.inverse @ b.T_world_cam
    p, q = in_a[0][one], in_b[0][other] @ T_a_b.rotation.T
    between = T_a_b.translation
    # Where both rays come nearest: s * p = between + t * q, in the least squares sense.
    dot, along_p, along_q = (p * q).sum(axis=1), p @ between, q @ between
    spread = np.maximum(1 - dot**2, 1e-12)
    s, t = (along_p - dot * along_q) / spread, (dot * along_p - along_q) / spread
    miss = np.linalg.norm(s[:, None] * p - between - t[:, None] * q, axis=1)
    meet = (s > 0) & (t > 0) & (miss < MISS_RAD * s) & (spread > LEAST_ANGLE_RAD**2)
    return np.asarray((s * p[:, 2])[meet], np.float64)


def _features(photo: Photo) -> _Features:
    """Return unit rays (n, 3) in the camera's frame, and their descriptors (n, 128)."""
    camera = photo.intrinsics
    scale = min(1.0, LONGEST_PX / max(camera.width, camera.height))
    small: Intrinsics = camera.scaled_to(round(camera.width * scale), round(camera.height * scale))
    grey = cv2.cvtColor(photo.color, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, (small.width, small.height), interpolation=cv2.INTER_AREA)
    points, descriptors = cv2.SIFT.create(nfeatures=FEATURES).detectAndCompute(grey, None)
    if descriptors is None:
        return np.zeros((0, 3)), np.zeros((0, 128), np.float32)
    # OpenCV counts pixel centres from whole numbers.
    u, v = np.array([point.pt for point in points], np.float64).T + 0.5
    rays = np.stack([(u - small.cx) / small.fx, (v - small.cy) / small.fy, np.ones_like(u)], axis=1)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True), descriptors
