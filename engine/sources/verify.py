"""Finds out how a recording's poses are meant, by moving depth from one frame into another.

A depth picture moved by the right poses lands on the other frame's depth; by wrong ones it does
not. The declared convention is kept unless another one agrees clearly better.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from engine.core.arrays import F32, F64
from engine.core.camera import Intrinsics
from engine.sources.conventions import EVERY_CONVENTION, camera_to_world, rigid_inverse, spoken
from engine.sources.raw import Convention

ANCHORS = 6
# Parallax worth one unit each: enough to tell conventions apart, little enough to overlap.
_TURN_RAD = np.deg2rad(9.0)
_BASELINE_M = 0.25
_LEAST_MOTION = 0.15

_AGREES = 0.03
_SAMPLES = 4000
_LEAST_SAMPLES = 150
_LEAST_OVERLAP = 0.08
_FAR = 1e9

# Depth written in another unit is off by one of these.
_UNIT_SLIPS = (0.001, 0.01, 0.1, 0.2, 0.25, 0.5, 2.0, 4.0, 5.0, 10.0, 100.0, 1000.0)


@dataclass(frozen=True, slots=True)
class DepthView:
    """One undistorted depth picture with the pose as written.

    Attributes:
        depth_m: (h, w) float32 metres, 0 unknown.
        camera: the depth camera, sized as the picture.
        pose: (4, 4) as written.
        T_posed_depth: (4, 4) depth camera in the camera the pose is of.
    """

    depth_m: F32
    camera: Intrinsics
    pose: F64
    T_posed_depth: F64


@dataclass(frozen=True, slots=True)
class Score:
    """How well one convention agrees: median relative depth error and the share within 3 %."""

    error: float
    within: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """The convention to use, why in one sentence, warnings, and numbers for machines."""

    chosen: Convention
    sentence: str
    warnings: tuple[str, ...] = ()
    details: dict[str, float] = field(default_factory=dict)


def choose_pairs(poses: F64) -> list[tuple[int, int]]:
    """Return pairs of frames with parallax and overlap, from poses (n, 4, 4) as written.

    The angle between two poses is the same under every convention; of the two possible baselines
    the shorter counts, so that the choice favours none. Empty when the camera hardly moves.
    """
    count = len(poses)
    rotations = poses[:, :3, :3]
    centres = (poses[:, :3, 3], rigid_inverse(poses)[:, :3, 3])
    pairs: list[tuple[int, int]] = []
    for anchor in np.unique(np.linspace(0, count - 1, ANCHORS).astype(int)):
        cosine = (np.einsum("nij,ij->n", rotations, rotations[anchor]) - 1) / 2
        angle = np.arccos(np.clip(cosine, -1, 1))
        baseline = np.min([np.linalg.norm(c - c[anchor], axis=1) for c in centres], axis=0)
        motion = angle / _TURN_RAD + baseline / _BASELINE_M
        others = np.arange(anchor + 1, count) if anchor < count / 2 else np.arange(anchor)[::-1]
        if len(others) == 0:
            continue
        enough = others[motion[others] >= 1.0]
        partner = enough[0] if len(enough) else others[np.argmax(motion[others])]
        pair = (min(int(anchor), int(partner)), max(int(anchor), int(partner)))
        if motion[partner] >= _LEAST_MOTION and pair not in pairs:
            pairs.append(pair)
    return pairs


def verify_by_depth(pairs: Sequence[tuple[DepthView, DepthView]], declared: Convention) -> Verdict:
    """Return the convention under which the pairs of depth views agree best."""
    prepared = [(_Prepared(a), _Prepared(b)) for a, b in pairs]
    if not prepared:
        return unverified(declared, "the camera hardly moves")
    scores = {c: _score(prepared, c) for c in EVERY_CONVENTION}
    details = {f"{c.maps}_{c.axes}_error": round(s.error, 5) for c, s in scores.items()}
    details |= {f"{c.maps}_{c.axes}_within_3pct": round(s.within, 4) for c, s in scores.items()}
    best = min(scores, key=lambda c: scores[c].error)
    mine, theirs = scores[declared], scores[best]
    warnings = []
    chosen = declared
    if (
        theirs.error < 0.5 * mine.error
        and theirs.error < _AGREES
        and theirs.within > mine.within + 0.15
    ):
        chosen = best
        warnings.append(
            f"The poses are {spoken(best)}, not {spoken(declared)} as the format states: depth "
            f"then agrees to {theirs.error:.1%} instead of {mine.error:.1%}."
        )
    score = scores[chosen]
    runner_up = min((c for c in scores if c != chosen), key=lambda c: scores[c].error)
    sentence = (
        f"{opening(chosen, declared)}: depth of {len(prepared)} frame pairs agrees to "
        f"{score.error:.1%} ({score.within:.0%} within 3 %); "
        f"next best {scores[runner_up].error:.1%}."
    )
    if score.error > 0.05 or score.within < 0.35:
        warnings.append(
            "No pose convention fits this recording well: depth moved between frames disagrees by "
            f"{score.error:.1%}; check poses, depth scale and intrinsics."
        )
    warnings += _unit_warning(prepared, chosen, score)
    return Verdict(chosen, sentence, tuple(warnings), details)


def unverified(declared: Convention, reason: str) -> Verdict:
    """Return the declared convention, saying why it could not be checked."""
    return Verdict(declared, f"{opening(declared, declared)}; not verified because {reason}.")


def opening(chosen: Convention, declared: Convention) -> str:
    """Return how every sentence about a verdict begins."""
    return f"Poses are {spoken(chosen)}, {'as' if chosen == declared else 'NOT as'} declared"


def _unit_warning(
    pairs: Sequence[tuple["_Prepared", "_Prepared"]], chosen: Convention, score: Score
) -> list[str]:
    if score.error < 0.012:
        return []
    slips = {s: _score(pairs, chosen, depth_factor=s) for s in _UNIT_SLIPS}
    best = min(slips, key=lambda s: slips[s].error)
    if slips[best].error > 0.6 * score.error or slips[best].within < score.within + 0.1:
        return []
    return [
        f"Depth agrees better when multiplied by {best:g} ({slips[best].error:.1%} instead of "
        f"{score.error:.1%}): its unit, or that of the poses, is probably another one."
    ]


class _Prepared:
    """A view ready for many comparisons: depth edges dropped, a few thousand points lifted."""

    def __init__(self, view: DepthView) -> None:
        self.view = view
        self.depth_m = _without_edges(view.depth_m)
        v, u = np.nonzero(self.depth_m)
        if len(u) > _SAMPLES:
            # A fixed stride would alias with dotted depth patterns.
            pick = np.random.default_rng(0).choice(len(u), _SAMPLES, replace=False)
            v, u = v[pick], u[pick]
        camera = view.camera
        z = self.depth_m[v, u].astype(np.float64)
        x = (u + 0.5 - camera.cx) / camera.fx * z
        y = (v + 0.5 - camera.cy) / camera.fy * z
        self.points = np.stack([x, y, z], axis=1)

    def world_from_depth(self, convention: Convention, depth_factor: float) -> F64:
        offset = self.view.T_posed_depth.copy()
        # Scaling the world down is scaling the depth up, and needs no second set of points.
        matrix = camera_to_world(self.view.pose, convention) @ offset
        scaled = matrix.copy()
        scaled[:3, 3] /= depth_factor
        return scaled


def _without_edges(depth_m: F32) -> F32:
    """Return the depth with pixels at a step of more than 5 % set to 0; holes are no steps."""
    box = np.ones((3, 3), np.uint8)
    high = cv2.dilate(depth_m, box)
    low = cv2.erode(np.where(depth_m > 0, depth_m, np.float32(_FAR)), box)
    return np.where(high - low < 0.05 * depth_m, depth_m, np.float32(0))


def _score(
    pairs: Sequence[tuple[_Prepared, _Prepared]],
    convention: Convention,
    depth_factor: float = 1.0,
) -> Score:
    errors, within = [], []
    for a, b in pairs:
        for source, target in ((a, b), (b, a)):
            relative = _disagreement(source, target, convention, depth_factor)
            if relative is None:
                # Frames chosen to overlap that do not are the worst disagreement there is.
                errors.append(1.0)
                within.append(0.0)
            else:
                errors.append(float(np.median(relative)))
                within.append(float(np.mean(relative < _AGREES)))
    return Score(float(np.median(errors)), float(np.mean(within)))


def _disagreement(
    source: _Prepared, target: _Prepared, convention: Convention, depth_factor: float
) -> F64 | None:
    """Return relative depth errors of the source's points in the target; None without overlap."""
    if len(source.points) < _LEAST_SAMPLES:
        return None
    T_target_source = rigid_inverse(
        target.world_from_depth(convention, depth_factor)
    ) @ source.world_from_depth(convention, depth_factor)
    points = source.points @ T_target_source[:3, :3].T + T_target_source[:3, 3]
    pixels, inside = target.view.camera.project(points)
    u, v = pixels[inside].astype(int).T
    found = target.depth_m[v, u].astype(np.float64)
    z = points[inside, 2]
    known = found > 0
    if known.sum() < max(_LEAST_SAMPLES, _LEAST_OVERLAP * len(points)):
        return None
    return np.asarray(np.abs(z[known] - found[known]) / found[known])
