"""ios_logger folders: a video, its frame times with intrinsics, and poses at the sensor's rate.

Poses are camera-to-world with OpenGL axes in ARKit's y-up world, quaternions w first. The video may
hold fewer frames than there are poses, so both are brought together by time. There is no depth.
"""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np

from engine.core.arrays import F64
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.sources.arkit import UP
from engine.sources.raw import Convention, RawFrame, RawRecording
from engine.sources.safe_zip import member_names, open_folder
from engine.sources.text import (
    nearest,
    number_rows,
    quaternion_matrix,
    read_text,
    seconds_to_ns,
    split_rows,
)
from engine.sources.video import Video

LAYOUT = "ios-logger"
_VIDEO, _FRAMES, _POSES = "Frames.m4v", "Frames.txt", "ARposes.txt"
# Poses come at 60 Hz: one farther away than half a period belongs to another picture.
_POSE_LIMIT_S = 0.009
_MOST_FRAMES = 10_000_000


def sniff(path: Path) -> bool:
    """Return whether a path is an ios_logger folder, or a zip of one."""
    if path.is_dir():
        return all((path / name).is_file() for name in (_VIDEO, _FRAMES, _POSES))
    ends = {name.rsplit("/", 1)[-1] for name in member_names(path)}
    return {_VIDEO, _FRAMES, _POSES} <= ends


def read(path: Path) -> RawRecording:
    """Return the recording as the app wrote it; the video stays open until closed.

    Raises:
        BadInput: a part is missing or damaged.
    """
    notes: list[str] = []
    with ExitStack() as closing:
        folder = open_folder(path, closing)
        pictures = _table(folder / _FRAMES, 6, notes)
        poses = _table(folder / _POSES, 8, notes)
        poses = poses[np.argsort(poses[:, 0], kind="stable")]
        video = Video(folder / _VIDEO)
        closing.callback(video.close)
        if video.frame_count is not None and video.frame_count != len(pictures):
            notes.append(
                f"{_FRAMES} has {len(pictures)} lines, the video {video.frame_count} frames."
            )
        if video.rotation_deg:
            notes.append(
                f"Players turn this video by {video.rotation_deg} degrees; it is read unturned."
            )
        size = video.stated_size([(cx, cy) for cx, cy in pictures[:, 4:6]])
        if size != (video.width, video.height):
            notes.append(f"The intrinsics are for {size[0]}x{size[1]} pixels, not the video's.")
        frames = tuple(_frame(row, poses, video, size) for row in pictures)
        alone = sum(frame.pose is None for frame in frames)
        if alone:
            notes.append(f"{alone} pictures have no pose within {_POSE_LIMIT_S * 1e3:.0f} ms.")
        closer = closing.pop_all()
    return RawRecording(
        name=path.stem,
        layout=LAYOUT,
        frames=frames,
        declared=Convention("c2w", "gl"),
        up_source=UP,
        notes=tuple(notes),
        close=closer.close,
    )


def _table(path: Path, columns: int, notes: list[str]) -> F64:
    table, damaged = number_rows(split_rows(read_text(path)), columns, path.name)
    timed = np.isfinite(table[:, 0])
    if path.name == _FRAMES:
        timed &= np.isfinite(table).all(axis=1) & (table[:, 1] >= 0) & (table[:, 1] < _MOST_FRAMES)
        timed &= (table[:, 2:4] > 0).all(axis=1)
    damaged += int((~timed).sum())
    if damaged:
        notes.append(f"{damaged} damaged lines of {path.name} were left out.")
    if not timed.any():
        raise BadInput(f"The file {path.name} holds no usable line.")
    return table[timed]


def _frame(row: F64, poses: F64, video: Video, size: tuple[int, int]) -> RawFrame:
    number = int(row[1])
    at = nearest(poses[:, 0], float(row[0]), _POSE_LIMIT_S)
    fx, fy, cx, cy = (float(n) for n in row[2:6])
    return RawFrame(
        t_ns=seconds_to_ns(float(row[0])),
        name=f"frame {number}",
        pose=None if at is None else quaternion_matrix(poses[at, [5, 6, 7, 4]], poses[at, 1:4]),
        color=partial(video.frame, number),
        color_camera=Intrinsics.from_opencv(*size, fx, fy, cx, cy),
    )
