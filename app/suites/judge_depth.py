"""Depth from photographs held against the sensor's, picture by picture."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from app.files import write_whole
from engine.core.arrays import F32, U8
from engine.core.faults import BadInput
from engine.core.news import Progress
from engine.depth.base import DepthEstimator, DepthMap
from engine.depth.plane_sweep import PlaneSweep
from engine.evaluation.depth_protocol import (
    EVERY,
    KEPT_CONFIDENCE,
    Case,
    PictureScore,
    cases,
    fetched,
    mean_row,
    score,
)
from engine.sources.base import FrameSource
from engine.sources.detect import open_source


def _simplerecon() -> DepthEstimator:
    # Only who asks for the network pays for importing it.
    from app.chosen_weights import simplerecon

    return simplerecon(None, torch.device("cpu"), torch.float32)


def _learned() -> DepthEstimator:
    from app.chosen_weights import corrected_sweep

    return corrected_sweep(None, torch.device("cpu"), torch.float32)


ESTIMATORS: dict[str, Callable[[], DepthEstimator]] = {
    "plane-sweep": PlaneSweep,
    "learned": _learned,
    "simplerecon": _simplerecon,
}
SHEET_ROWS = 6
SHEET_WIDTH_PX = 320
# Depth is coloured from near to far by its inverse; errors are white from a fifth of the depth on.
SHEET_RANGE_M = (0.4, 4.5)
WORST_ERROR = 0.2


def judge_depth(
    source: str,
    estimator_name: str,
    on_progress: Callable[[Progress], object],
    past_only: bool = False,
    sheet: Path | None = None,
) -> dict[str, Any]:
    """Return how a named estimator does on a recording; see `judge_estimator`.

    Raises:
        BadInput: no such estimator, or the recording cannot judge it.
    """
    if estimator_name not in ESTIMATORS:
        raise BadInput(
            f"There is no depth estimator called '{estimator_name}'.",
            f"Use {' or '.join(ESTIMATORS)}.",
        )
    with open_source(source) as opened:
        row = judge_estimator(opened, ESTIMATORS[estimator_name](), on_progress, past_only, sheet)
    return {"source": source, "estimator": estimator_name} | row


def judge_estimator(
    source: FrameSource,
    estimator: DepthEstimator,
    on_progress: Callable[[Progress], object],
    past_only: bool = False,
    sheet: Path | None = None,
) -> dict[str, Any]:
    """Return mean errors over all references: `every_...`, `kept_...`, `cpu_s`, `pictures`.

    `cpu_s` is processor time a reference of all threads, without the first call, which compiles.
    A contact sheet, if wanted, shows colour, sensor depth, estimate, error and what was kept.

    Raises:
        BadInput: the source lacks colour, depth or poses, or no picture has a source.
        CannotWrite: the sheet cannot be written.
    """
    info = source.describe()
    if not (info.has_color and info.has_depth and info.has_poses):
        raise BadInput(
            f"{info.name} cannot judge depth: that takes colour, sensor depth and poses."
        )
    scores: list[PictureScore] = []
    rows: list[U8] = []
    cpu_s = 0.0
    every = max(1, (info.frame_count or 0) // (EVERY * SHEET_ROWS))
    for number, case in enumerate(cases(source.frames(), estimator.source_count, past_only)):
        if number == 0:
            estimator.estimate(case.reference, case.sources)
        started = time.process_time()
        estimate = estimator.estimate(case.reference, case.sources)
        cpu_s += time.process_time() - started
        scores.append(score(estimate, case.true_m, case.true_camera))
        if sheet is not None and number % every == 0 and len(rows) < SHEET_ROWS:
            rows.append(_sheet_row(case, estimate))
        on_progress(Progress("depth", number + 1, (info.frame_count or 0) // EVERY))
    if not scores:
        raise BadInput(
            f"{info.name} has no picture with another one of the same place beside it.",
            "The camera must move by 5 cm or more between pictures that overlap.",
        )
    if sheet is not None:
        _write(sheet, np.vstack(rows))
    row: dict[str, Any] = {**mean_row(scores), "cpu_s": cpu_s / len(scores)}
    row["protocol"] = (
        f"every {EVERY}th picture, sources {'before' if past_only else 'on both sides of'} it, "
        f"means over pictures; kept is confidence {KEPT_CONFIDENCE:g} or more"
    )
    return row


def _sheet_row(case: Case, estimate: DepthMap) -> U8:
    camera = case.true_camera
    depth, confidence = fetched(estimate, camera)
    both = (case.true_m > 0) & (depth > 0)
    error = np.abs(depth - case.true_m) / np.where(both, case.true_m, 1)
    shown = np.uint8(np.clip(np.where(both, error, 0) / WORST_ERROR, 0, 1) * 255)
    errors = cv2.applyColorMap(np.asarray(shown), cv2.COLORMAP_INFERNO)
    errors[~both] = 60
    kept = np.where(confidence >= KEPT_CONFIDENCE, depth, 0)
    height = round(SHEET_WIDTH_PX * camera.height / camera.width)
    color = case.reference.color[..., ::-1]
    pictures = [color, *map(_colored, (case.true_m, depth)), errors, _colored(kept)]
    small = [
        cv2.resize(p, (SHEET_WIDTH_PX, height), interpolation=cv2.INTER_AREA) for p in pictures
    ]
    return np.asarray(np.hstack(small), np.uint8)


def _colored(depth_m: F32) -> U8:
    near, far = SHEET_RANGE_M
    share = (1 / np.clip(depth_m, near, far) - 1 / far) / (1 / near - 1 / far)
    picture = cv2.applyColorMap(np.asarray(share * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    picture[depth_m <= 0] = 0
    return np.asarray(picture, np.uint8)


def _write(path: Path, picture: U8) -> None:
    good, data = cv2.imencode(".png", picture)
    if not good:
        raise BadInput("The contact sheet could not be encoded.")
    write_whole(path, data.tobytes())
