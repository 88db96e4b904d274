"""How depth from photographs is judged: which pictures, which sources, which numbers.

Every fifth picture is a reference. Its sources come from up to 40 pictures on either side, by the
rule `SOURCES`, which stays as it is while scanning may choose others. Pixels whose sensor depth is
0.3 to 4.5 m count, on the sensor picture's own grid; estimates are fetched from the nearest pixel
and clipped to 0.25 to 5 m. Numbers are means over pictures of each picture's own number.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np

from engine.core.arrays import F32, F64
from engine.core.camera import Intrinsics, lift
from engine.core.faults import BadInput
from engine.core.frames import Frame, Photo
from engine.core.poses import Pose
from engine.depth.base import DepthMap
from engine.depth.views import ViewRule, choose_sources

EVERY = 5
WINDOW = 40
# Those of the published figures that ours stand beside.
SOURCES = ViewRule(best_distance=0.2, spacing=0.05)
JUDGED_M = (0.3, 4.5)
CLIPPED_M = (0.25, 5.0)
# Estimates less sure than this are left out of the kept part, as fusion leaves them out.
KEPT_CONFIDENCE = 0.4


@dataclass(frozen=True, slots=True)
class Case:
    """One reference picture with what the sensor says, and the pictures that may help."""

    reference: Photo
    sources: tuple[Photo, ...]
    true_m: F32
    true_camera: Intrinsics


@dataclass(frozen=True, slots=True)
class Errors:
    """Errors of one picture, or their mean over pictures; `coverage` is the share judged."""

    abs_rel: float
    sq_rel_m: float
    rmse_m: float
    median_rel: float
    within_1_05: float
    within_1_10: float
    within_1_25: float
    coverage: float


@dataclass(frozen=True, slots=True)
class PictureScore:
    """Errors of every known pixel, and of the part the estimator vouches for (None if empty)."""

    every: Errors | None
    kept: Errors | None


def cases(
    frames: Iterable[Frame], count: int, past_only: bool = False, every: int = EVERY
) -> Iterator[Case]:
    """Yield every reference with at least one source; frames lacking anything are passed over."""
    window: deque[Photo] = deque(maxlen=2 * WINDOW + 1)
    waiting: deque[tuple[int, Photo, F32, Intrinsics]] = deque()
    seen = 0
    for frame in frames:
        if frame.color is None or frame.T_world_cam is None:
            continue
        photo = Photo(frame.color, frame.intrinsics, frame.T_world_cam, seen)
        window.append(photo)
        if seen % every == 0 and frame.depth_m is not None:
            waiting.append((seen, photo, *true_depth(frame)))
        seen += 1
        while waiting and (past_only or waiting[0][0] + WINDOW < seen):
            yield from _case(waiting.popleft(), window, count, past_only)
    while waiting:
        yield from _case(waiting.popleft(), window, count, past_only)


def true_depth(frame: Frame) -> tuple[F32, Intrinsics]:
    """Return sensor depth as the colour camera sees it, and the camera of that picture.

    Where the depth camera sits elsewhere, points are carried over and the nearest wins.
    """
    depth, camera = frame.depth_m, frame.depth_intrinsics
    assert depth is not None
    assert camera is not None
    if frame.T_cam_depth == Pose.identity():
        return depth, camera
    points_cam = lift(depth, camera, frame.T_cam_depth)
    target = frame.intrinsics
    pixels, inside = target.project(points_cam)
    u, v = pixels[inside].astype(np.int64).T
    carried = np.full((target.height, target.width), np.inf, np.float32)
    np.minimum.at(carried, (v, u), points_cam[inside, 2].astype(np.float32))
    carried[np.isinf(carried)] = 0
    return carried, target


def score(estimate: DepthMap, true_m: F32, true_camera: Intrinsics) -> PictureScore:
    """Return how an estimate agrees with true depth (h, w) of a camera at the same place."""
    depth, confidence = fetched(estimate, true_camera)
    judged = (true_m >= JUDGED_M[0]) & (true_m <= JUDGED_M[1])
    known = judged & (depth > 0)
    kept = known & (confidence >= KEPT_CONFIDENCE)
    total = int(judged.sum())
    return PictureScore(
        _errors(depth[known], true_m[known], total), _errors(depth[kept], true_m[kept], total)
    )


def mean_row(scores: Iterable[PictureScore]) -> dict[str, float]:
    """Return means over pictures: `every_...` and `kept_...` of each error, `pictures`.

    Raises:
        BadInput: no picture with a known pixel.
    """
    listed = list(scores)
    row: dict[str, float] = {"pictures": len(listed)}
    for part in ("every", "kept"):
        found = [errors for s in listed if (errors := getattr(s, part)) is not None]
        if not found:
            raise BadInput(
                "No picture has a pixel with both estimated and sensor depth.",
                "Check poses and the range of depths looked for.",
            )
        for field in fields(Errors):
            values = [getattr(errors, field.name) for errors in found]
            row[f"{part}_{field.name}"] = float(np.mean(values))
        # A picture with nothing kept has no error, but it does lower the share that is kept.
        row[f"{part}_coverage"] *= len(found) / len(listed)
    return row


def _case(
    entry: tuple[int, Photo, F32, Intrinsics], window: deque[Photo], count: int, past_only: bool
) -> Iterator[Case]:
    number, photo, true_m, camera = entry
    last = number - 1 if past_only else number + WINDOW
    near = [p for p in window if number - WINDOW <= p.index <= last and p.index != number]
    sources = choose_sources(photo, near, count, SOURCES)
    if sources:
        yield Case(photo, tuple(sources), true_m, camera)


def fetched(estimate: DepthMap, camera: Intrinsics) -> tuple[F32, F32]:
    """Return an estimate's depth and confidence (h, w) as a camera at the same place samples it.

    Each pixel takes the nearest one of the estimate; outside it both are 0.
    """
    own = estimate.intrinsics
    u = (np.arange(camera.width) + 0.5 - camera.cx) / camera.fx * own.fx + own.cx
    v = (np.arange(camera.height) + 0.5 - camera.cy) / camera.fy * own.fy + own.cy
    inside = ((v >= 0) & (v < own.height))[:, None] & ((u >= 0) & (u < own.width))
    rows = np.clip(v.astype(np.int64), 0, own.height - 1)[:, None]
    columns = np.clip(u.astype(np.int64), 0, own.width - 1)
    depth = np.where(inside, estimate.depth_m[rows, columns], 0)
    confidence = np.where(inside, estimate.confidence[rows, columns], 0)
    return depth.astype(np.float32), confidence.astype(np.float32)


def _errors(estimated_m: F32, true_m: F32, total: int) -> Errors | None:
    if not len(estimated_m):
        return None
    t: F64 = true_m.astype(np.float64)
    p = np.clip(estimated_m.astype(np.float64), *CLIPPED_M)
    error = np.abs(p - t)
    ratio = np.maximum(p / t, t / p)
    return Errors(
        abs_rel=float((error / t).mean()),
        sq_rel_m=float((error**2 / t).mean()),
        rmse_m=float(np.sqrt((error**2).mean())),
        median_rel=float(np.median(error / t)),
        within_1_05=float((ratio < 1.05).mean()),
        within_1_10=float((ratio < 1.10).mean()),
        within_1_25=float((ratio < 1.25).mean()),
        coverage=len(t) / total,
    )
