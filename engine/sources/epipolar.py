"""Finds out how poses are meant where there is no depth: matched features and epipolar lines."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from engine.core.arrays import F64, U8
from engine.core.camera import Intrinsics
from engine.sources.conventions import EVERY_CONVENTION, camera_to_world, rigid_inverse, spoken
from engine.sources.raw import Convention
from engine.sources.verify import Verdict, opening, unverified

_LONGEST_PX = 640
# Matching costs more than moving depth, so fewer pairs do.
PAIRS = 4
_FEATURES = 800
_LEAST_MATCHES = 25
_RATIO = 0.75
# Good poses leave well under a pixel at this size; wrong ones tens.
_GOOD_PX = 3.0
_LEAST_BASELINE_M = 1e-3


@dataclass(frozen=True, slots=True)
class ColorView:
    """One picture (h, w, 3) as stored, its camera with its lens, and the pose (4, 4) as written."""

    color: U8
    camera: Intrinsics
    pose: F64


def verify_by_color(pairs: Sequence[tuple[ColorView, ColorView]], declared: Convention) -> Verdict:
    """Return the convention whose epipolar lines pass nearest to matched features."""
    known: dict[int, tuple[F64, np.ndarray, Intrinsics]] = {}
    matched = []
    for a, b in pairs:
        for view in (a, b):
            if id(view) not in known:
                known[id(view)] = _features(view)
        found = _match(known[id(a)], known[id(b)])
        if found is not None:
            matched.append((a, b, *found))
    if not matched:
        return unverified(declared, "too few features could be matched between pictures")
    errors = {c: _error_px(matched, c) for c in EVERY_CONVENTION}
    details = {f"{c.maps}_{c.axes}_epipolar_px": round(e, 3) for c, e in errors.items()}
    best = min(errors, key=lambda c: errors[c])
    chosen, warnings = declared, []
    if errors[best] < 0.4 * errors[declared] and errors[best] < _GOOD_PX:
        chosen = best
        warnings.append(
            f"The poses are {spoken(best)}, not {spoken(declared)} as the format states: features "
            f"then lie {errors[best]:.1f} px from their epipolar lines instead of "
            f"{errors[declared]:.1f} px."
        )
    if errors[chosen] > _GOOD_PX:
        warnings.append(
            "No pose convention fits this recording well: matched features lie "
            f"{errors[chosen]:.1f} px from their epipolar lines; check poses and intrinsics."
        )
    runner_up = min(error for c, error in errors.items() if c != chosen)
    sentence = (
        f"{opening(chosen, declared)}: features of {len(matched)} picture pairs lie "
        f"{errors[chosen]:.2f} px from their epipolar lines; "
        f"next best {runner_up:.1f} px."
    )
    return Verdict(chosen, sentence, tuple(warnings), details)


def _features(view: ColorView) -> tuple[F64, np.ndarray, Intrinsics]:
    """Return rays (n, 3) at depth one, descriptors (n, 128), and the camera they were seen at."""
    scale = min(1.0, _LONGEST_PX / max(view.camera.width, view.camera.height))
    size = (round(view.camera.width * scale), round(view.camera.height * scale))
    camera = view.camera.scaled_to(*size)
    grey = cv2.resize(
        cv2.cvtColor(view.color, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA
    )
    points, descriptors = cv2.SIFT.create(nfeatures=_FEATURES).detectAndCompute(grey, None)
    if descriptors is None:
        return np.zeros((0, 3)), np.zeros((0, 128), np.float32), camera
    pixels = np.array([point.pt for point in points], np.float64)
    lens = np.array(camera.distortion or (0.0,) * 4, np.float64)
    # A few hundred points are straightened at no cost, a whole picture is not.
    straight = cv2.undistortPoints(pixels[:, None], camera.opencv_matrix(), lens)
    rays = np.ones((len(pixels), 3))
    rays[:, :2] = straight[:, 0]
    return rays, descriptors, camera


def _match(
    a: tuple[F64, np.ndarray, Intrinsics], b: tuple[F64, np.ndarray, Intrinsics]
) -> tuple[F64, F64, float] | None:
    """Return matched rays (n, 3) of both and the focal length in pixels; None when too few."""
    if min(len(a[0]), len(b[0])) < _LEAST_MATCHES:
        return None
    both = cv2.BFMatcher().knnMatch(a[1], b[1], k=2)
    good = [m for m, other in both if m.distance < _RATIO * other.distance]
    if len(good) < _LEAST_MATCHES:
        return None
    first = a[0][[m.queryIdx for m in good]]
    second = b[0][[m.trainIdx for m in good]]
    return first, second, (a[2].fx + b[2].fx) / 2


def _error_px(
    matched: Sequence[tuple[ColorView, ColorView, F64, F64, float]], convention: Convention
) -> float:
    """Return the median over pairs of the median distance to the epipolar line, in pixels."""
    medians = []
    for a, b, rays_a, rays_b, focal_px in matched:
        T_b_a = rigid_inverse(camera_to_world(b.pose, convention)) @ camera_to_world(
            a.pose, convention
        )
        t = T_b_a[:3, 3]
        if np.linalg.norm(t) < _LEAST_BASELINE_M:
            continue
        skew = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
        essential = skew @ T_b_a[:3, :3]
        lines_b = rays_a @ essential.T
        lines_a = rays_b @ essential
        residual = np.abs(np.sum(rays_b * lines_b, axis=1))
        # Sampson's distance: first order, so it needs no triangulation.
        slope = np.sqrt((lines_a[:, :2] ** 2).sum(axis=1) + (lines_b[:, :2] ** 2).sum(axis=1))
        medians.append(float(np.median(residual / np.maximum(slope, 1e-12))) * focal_px)
    return float(np.median(medians)) if medians else float("inf")
