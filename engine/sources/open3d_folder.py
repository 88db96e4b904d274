"""Folders of Open3D's reconstruction system: `color/`, `depth/`, `camera_intrinsic.json`, a log."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.arrays import F64
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.sources import images, numbers, text
from engine.sources.raw import Convention, RawFrame, RawRecording

_UNIT_M = 0.001
_CAMERA_NAMES = ("camera_intrinsic.json", "intrinsic.json", "camera.json")
_LOG_NAMES = ("scene/trajectory.log", "trajectory.log", "odometry.log")
_COLOR_NAMES = ("color", "image", "rgb")


def sniff(path: Path) -> bool:
    """Return whether a folder has colour and depth folders and a camera, or a log, of Open3D."""
    has_pictures = _color_folder(path) is not None and (path / "depth").is_dir()
    return has_pictures and (
        _first(path, _CAMERA_NAMES) is not None or _first(path, _LOG_NAMES) is not None
    )


def read(path: Path) -> RawRecording:
    """Return the recording of such a folder; without a log the frames have no poses.

    Raises:
        BadInput: no camera, a damaged log, or another number of colour than of depth pictures.
    """
    notes: list[str] = []
    folder = _color_folder(path)
    colors = [] if folder is None else numbers.pictures_in(folder, ".jpg", ".jpeg", ".png")
    depths = numbers.pictures_in(path / "depth", ".png")
    if len(colors) != len(depths):
        raise BadInput(
            f"The folder {path.name} holds {len(colors)} colour and {len(depths)} depth pictures.",
            "There must be one depth picture for each colour picture.",
        )
    if not colors:
        raise BadInput(f"The folder {path.name} holds no picture.")
    camera, unit_m = _camera(path, colors, notes)
    log = _first(path, _LOG_NAMES)
    poses = {} if log is None else _trajectory(log)
    frames = [
        RawFrame(
            t_ns=order,
            name=color.stem,
            pose=poses.get(order),
            color=partial(images.read_color, color),
            depth=partial(images.read_depth_png, depth, unit_m),
            color_camera=camera,
        )
        for order, (color, depth) in enumerate(zip(colors, depths, strict=True))
    ]
    return RawRecording(
        name=path.resolve().name,
        layout="open3d",
        frames=tuple(frames),
        declared=Convention("c2w", "cv"),
        notes=tuple(notes),
    )


def _first(path: Path, names: tuple[str, ...]) -> Path | None:
    return next((path / name for name in names if (path / name).is_file()), None)


def _color_folder(path: Path) -> Path | None:
    return next((path / name for name in _COLOR_NAMES if (path / name).is_dir()), None)


def _camera(path: Path, pictures: list[Path], notes: list[str]) -> tuple[Intrinsics, float]:
    """Return the camera and the size of a depth unit."""
    file = _first(path, _CAMERA_NAMES)
    if file is None:
        # Open3D itself falls back to this sensor.
        width, height = images.first_size(pictures)
        notes.append("No camera file was found; Open3D's default, a PrimeSense of 525 px, is used.")
        default = Intrinsics.from_opencv(640, 480, 525.0, 525.0, 319.5, 239.5)
        return default.scaled_to(width, height), _UNIT_M
    return _parse_camera(text.read_json(file), file)


def _parse_camera(content: dict[str, Any], file: Path) -> tuple[Intrinsics, float]:
    try:
        per_metre = float(content.get("depth_scale", 1000.0))
        given = np.array(content["intrinsic_matrix"], np.float64)
        width, height = int(content["width"]), int(content["height"])
        matrix = given.reshape(3, 3, order="F")
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"The file {file.name} is not a camera of Open3D ({error}).") from error
    if matrix[0, 2] == 0 and matrix[2, 0] != 0:
        # A few writers keep rows; a principal point in the last row says so.
        matrix = matrix.T
    fx, fy, cx, cy = (float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    if not 1 <= per_metre <= 1e6:
        raise BadInput(f"The file {file.name} states {per_metre:g} depth units a metre.")
    return Intrinsics.from_opencv(width, height, fx, fy, cx, cy), 1.0 / per_metre


def _trajectory(log: Path) -> dict[int, F64]:
    """Return poses by picture number: a line of three whole numbers, then four rows, each."""
    rows = text.split_rows(text.read_text(log))
    if len(rows) % 5:
        raise BadInput(f"The file {log.name} is cut off: it needs five lines a pose.")
    poses = {}
    for start in range(0, len(rows), 5):
        if len(rows[start]) != 3:
            raise BadInput(
                f"The file {log.name} has no frame number where pose {start // 5} begins."
            )
        matrix = numbers.numbers(rows[start + 1 : start + 5], log.name)
        if matrix.shape != (4, 4):
            raise BadInput(f"The file {log.name} holds something that is no 4x4 matrix.")
        # The last of the three numbers may count frames overall; the order in the file always does.
        poses[start // 5] = matrix
    return poses
