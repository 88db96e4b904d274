"""What is in a recording: for the eye, for the log, for other programs."""

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.files import write_whole
from app.preview import preview
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.sources.base import FrameSource

SHEET_COLUMNS, SHEET_PICTURES, SHEET_WIDTH_PX = 4, 12, 320
# Pictures are taken from so many frames at the start: a long video takes long to decode.
SHEET_FRAMES = 60


def summary(source: FrameSource) -> dict[str, Any]:
    """Return what a source says of itself, ready for JSON."""
    info = source.describe()
    camera = info.color_camera or info.depth_camera
    return {
        "name": info.name,
        "format": info.layout,
        "frames": info.frame_count,
        "has_color": info.has_color,
        "has_depth": info.has_depth,
        "has_poses": info.has_poses,
        "camera": None
        if camera is None
        else f"{camera.width}x{camera.height} f {camera.fx:.1f} {camera.fy:.1f} "
        f"c {camera.cx:.1f} {camera.cy:.1f}",
        "convention": info.convention,
        "T_world_source": info.T_world_source.matrix.round(9).tolist(),
        "is_metric": info.is_metric,
        "notes": list(info.notes),
        "warnings": list(info.warnings),
        "skipped": dict(source.skipped),
        "details": info.details,
    }


def contact_sheet(source: FrameSource, path: Path) -> None:
    """Write one picture of frames spread over the beginning of the recording.

    Raises:
        BadInput: no frame has a picture.
        CannotWrite: the file cannot be written.
    """
    count = min(source.describe().frame_count or SHEET_FRAMES, SHEET_FRAMES)
    step = max(1, math.ceil(count / SHEET_PICTURES))
    pictures = [
        shown
        for frame in islice(_every(source, step), SHEET_PICTURES)
        if (shown := preview(frame, SHEET_WIDTH_PX)) is not None
    ]
    if not pictures:
        raise BadInput("No frame of this recording has a picture.")
    height = max(p.shape[0] for p in pictures)
    rows = math.ceil(len(pictures) / SHEET_COLUMNS)
    sheet = np.full((rows * height, SHEET_COLUMNS * SHEET_WIDTH_PX, 3), 255, np.uint8)
    for i, picture in enumerate(pictures):
        y, x = i // SHEET_COLUMNS * height, i % SHEET_COLUMNS * SHEET_WIDTH_PX
        sheet[y : y + picture.shape[0], x : x + picture.shape[1]] = picture
    write_whole(path, cv2.imencode(".png", sheet[..., ::-1])[1].tobytes())


def write_trajectory(source: FrameSource, path: Path) -> None:
    """Write T_world_cam of every frame as 't tx ty tz qx qy qz qw', seconds and metres.

    Raises:
        CannotWrite: the file cannot be written.
    """
    lines = ["# t tx ty tz qx qy qz qw  (camera-to-world, OpenCV axes, world +Z up)"]
    for frame in source.frames():
        if frame.T_world_cam is not None:
            numbers = (*frame.T_world_cam.translation, *frame.T_world_cam.quaternion())
            lines.append(f"{frame.t_ns / 1e9:.6f} " + " ".join(f"{n:.9f}" for n in numbers))
    write_whole(path, ("\n".join(lines) + "\n").encode())


def _every(source: FrameSource, step: int) -> Iterator[Frame]:
    for number, frame in enumerate(source.frames()):
        if number % step == 0:
            yield frame
