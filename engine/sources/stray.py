"""Stray Scanner folders: a video, `odometry.csv`, and depth and confidence pictures by number.

The app writes camera-to-world with OpenCV axes in ARKit's y-up world. Row n of the log, frame n of
the video and picture n belong together. Column order and number changed over the years, so columns
are found by name; intrinsics stand in every row in newer logs, and once (for the last frame) in
older ones.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from engine.core.arrays import F32, F64
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.sources.arkit import DEPTH_UNIT_M, UP, confidence_of
from engine.sources.images import read_depth_npy, read_depth_png, read_grey
from engine.sources.raw import Convention, RawFrame, RawRecording
from engine.sources.safe_zip import member_names, open_folder
from engine.sources.text import (
    number_rows,
    quaternion_matrix,
    read_text,
    seconds_to_ns,
    split_rows,
)
from engine.sources.video import Video

LAYOUT = "stray-scanner"
_LOG, _VIDEO, _MATRIX = "odometry.csv", "rgb.mp4", "camera_matrix.csv"
_POSE_COLUMNS = ("timestamp", "x", "y", "z", "qx", "qy", "qz", "qw")
_CAMERA_COLUMNS = ("fx", "fy", "cx", "cy")
# Files without a heading have the order of the first public version.
_OLD_HEADING = ["timestamp", "frame", *_POSE_COLUMNS[1:]]
_MOST_FRAMES = 10_000_000


def sniff(path: Path) -> bool:
    """Return whether a path is a Stray Scanner folder, or a zip of one."""
    if path.is_dir():
        return (path / _LOG).is_file() and (path / _VIDEO).is_file()
    ends = {name.rsplit("/", 1)[-1] for name in member_names(path)}
    return {_LOG, _VIDEO} <= ends


def read(path: Path) -> RawRecording:
    """Return the recording as the app wrote it; the video stays open until closed.

    Raises:
        BadInput: a part is missing or damaged.
    """
    with ExitStack() as closing:
        folder = open_folder(path, closing)
        rows, notes = parse_odometry(read_text(folder / _LOG))
        video = Video(folder / _VIDEO)
        closing.callback(video.close)
        notes += _compare_counts(len(rows), video)
        last_camera = None
        if any(row.camera is None for row in rows):
            last_camera = _camera_matrix(folder / _MATRIX)
            notes.append("The log has one camera matrix, of its last frame, for all frames.")
        cameras = [row.camera or last_camera for row in rows]
        size = video.stated_size([(c[2], c[3]) for c in cameras if c is not None])
        if size != (video.width, video.height):
            notes.append(f"The intrinsics are for {size[0]}x{size[1]} pixels, not the video's.")
        frames = tuple(
            _frame(folder, row, video, Intrinsics.from_opencv(*size, *camera))
            for row, camera in zip(rows, cameras, strict=True)
            if camera is not None
        )
        without = sum(frame.depth is None for frame in frames)
        if 0 < without < len(frames):
            notes.append(f"{without} frames have no depth picture.")
        closer = closing.pop_all()
    return RawRecording(
        name=path.stem,
        layout=LAYOUT,
        frames=frames,
        declared=Convention("c2w", "cv"),
        up_source=UP,
        notes=tuple(notes),
        close=closer.close,
    )


@dataclass(frozen=True, slots=True)
class OdometryRow:
    """One line of the log; `camera` is fx, fy, cx, cy, pixel centres at integers, or None."""

    t_ns: int
    number: int
    pose: F64
    camera: tuple[float, float, float, float] | None


def parse_odometry(text: str) -> tuple[list[OdometryRow], list[str]]:
    """Return the lines of `odometry.csv`, and a sentence for each thing left out.

    Raises:
        BadInput: no usable line, or a heading without the columns of a pose.
    """
    rows = split_rows(text)
    heading = _OLD_HEADING
    if rows and rows[0][0].lower() == "timestamp":
        heading = [cell.lower() for cell in rows.pop(0)]
    missing = [name for name in _POSE_COLUMNS if name not in heading]
    if missing:
        raise BadInput(f"The log {_LOG} has no column {missing[0]}.")
    # Cells that may be absent or empty become nan, so that the others can be parsed in one go.
    picked = [
        [_cell(row, heading, name, "") for name in _POSE_COLUMNS]
        + [_cell(row, heading, "frame", str(n))]
        + [_cell(row, heading, name, "nan") for name in _CAMERA_COLUMNS]
        for n, row in enumerate(rows)
    ]
    table, damaged = number_rows(picked, len(_POSE_COLUMNS) + 5, _LOG)
    usable = np.isfinite(table[:, 0]) & (table[:, 8] >= 0) & (table[:, 8] < _MOST_FRAMES)
    damaged += int((~usable).sum())
    if not usable.any():
        raise BadInput(f"The log {_LOG} holds no row with a time and a frame number.")
    notes = [f"{damaged} damaged lines of {_LOG} were left out."] if damaged else []
    return [_row(numbers) for numbers in table[usable]], notes


def _cell(row: list[str], heading: list[str], name: str, otherwise: str) -> str:
    at = heading.index(name) if name in heading else len(row)
    return row[at] if at < len(row) and row[at] else otherwise


def _row(numbers: F64) -> OdometryRow:
    fx, fy, cx, cy = (float(n) for n in numbers[9:13])
    has_camera = bool(np.isfinite(numbers[9:13]).all() and fx > 0 and fy > 0)
    return OdometryRow(
        t_ns=seconds_to_ns(float(numbers[0])),
        number=int(numbers[8]),
        pose=quaternion_matrix(numbers[4:8], numbers[1:4]),
        camera=(fx, fy, cx, cy) if has_camera else None,
    )


def _camera_matrix(path: Path) -> tuple[float, float, float, float]:
    matrix, _ = number_rows(split_rows(read_text(path)), 3, path.name)
    if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
        raise BadInput(f"The file {path.name} does not hold a 3x3 matrix.")
    return float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2])


def _compare_counts(rows: int, video: Video) -> list[str]:
    notes = []
    if video.frame_count is not None and video.frame_count != rows:
        notes.append(f"The log has {rows} lines, the video {video.frame_count} frames.")
    if video.rotation_deg:
        notes.append(
            f"Players turn this video by {video.rotation_deg} degrees; it is read unturned."
        )
    return notes


def _frame(folder: Path, row: OdometryRow, video: Video, camera: Intrinsics) -> RawFrame:
    stem = f"{row.number:06d}"
    depth_png = folder / "depth" / f"{stem}.png"
    depth_npy = depth_png.with_suffix(".npy")
    confidence = folder / "confidence" / f"{stem}.png"
    depth = None
    if depth_png.is_file():
        depth = partial(read_depth_png, depth_png, DEPTH_UNIT_M)
    elif depth_npy.is_file():
        depth = partial(read_depth_npy, depth_npy, DEPTH_UNIT_M)
    return RawFrame(
        t_ns=row.t_ns,
        name=stem,
        pose=row.pose,
        color=partial(video.frame, row.number),
        depth=depth,
        confidence=partial(_confidence, confidence) if confidence.is_file() else None,
        color_camera=camera,
    )


def _confidence(path: Path) -> F32:
    return confidence_of(read_grey(path))
