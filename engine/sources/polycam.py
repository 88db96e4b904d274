"""Polycam raw exports: key frames by time stamp, each with a camera file.

Camera-to-world with OpenGL axes, y up. `corrected_*` (undistorted pictures, optimised poses) is
used when there for every key frame, which long captures lack. Depth is 16-bit millimetres, and a
guess beyond 5 m; confidence is 0, 127 or 255.
"""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.arrays import F32
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.sources.arkit import DEPTH_UNIT_M, UP
from engine.sources.images import read_color, read_depth_png, read_grey
from engine.sources.raw import Convention, RawFrame, RawRecording
from engine.sources.safe_zip import member_names, open_folder
from engine.sources.text import number_at, read_json

LAYOUT = "polycam"
_LIDAR_REACH_M = 5.0
_MATRIX_KEYS = tuple(f"t_{row}{column}" for row in range(3) for column in range(4))
_CAMERA_KEYS = ("fx", "fy", "cx", "cy")


def sniff(path: Path) -> bool:
    """Return whether a path is a Polycam raw export, or a zip of one."""
    if path.is_dir():
        return (path / "keyframes" / "cameras").is_dir() or (
            path / "keyframes" / "corrected_cameras"
        ).is_dir()
    names = member_names(path)
    return any("keyframes/cameras/" in n or "keyframes/corrected_cameras/" in n for n in names)


def read(path: Path) -> RawRecording:
    """Return the recording as the app wrote it.

    Raises:
        BadInput: a part is missing or damaged.
    """
    with ExitStack() as closing:
        folder = open_folder(path, closing)
        if folder.name == "keyframes":
            folder = folder.parent
        base = folder / "keyframes"
        images, cameras, notes = _choose(base)
        frames, damaged = [], 0
        for file in sorted(cameras.glob("*.json"), key=lambda file: (len(file.stem), file.stem)):
            try:
                frames.append(_frame(base, images, file))
            except BadInput:
                damaged += 1
        if damaged:
            notes.append(f"{damaged} key frames have a camera file that cannot be used.")
        if not frames:
            raise BadInput(f"The export {path.name} holds no usable camera file.")
        closer = closing.pop_all()
    return RawRecording(
        name=path.stem,
        layout=LAYOUT,
        frames=tuple(frames),
        declared=Convention("c2w", "gl"),
        up_source=UP,
        notes=tuple(notes),
        close=closer.close,
    )


def _choose(base: Path) -> tuple[Path, Path, list[str]]:
    corrected_images, corrected = base / "corrected_images", base / "corrected_cameras"
    raw = {file.stem for file in (base / "cameras").glob("*.json")}
    better = {file.stem for file in corrected.glob("*.json")}
    better &= {file.stem for file in corrected_images.glob("*.jpg")}
    if better and better >= raw:
        return (
            corrected_images,
            corrected,
            ["Corrected pictures and poses are used; the pictures have a black rim."],
        )
    note = "Uncorrected pictures and poses are used: "
    note += (
        f"only {len(better)} of {len(raw)} key frames are corrected."
        if better
        else "the export has no corrected ones."
    )
    return base / "images", base / "cameras", [note]


def _frame(base: Path, images: Path, file: Path) -> RawFrame:
    camera = read_json(file)
    matrix = np.eye(4)
    matrix[:3] = np.reshape([_number(camera, key, file) for key in _MATRIX_KEYS], (3, 4))
    fx, fy, cx, cy = (_number(camera, key, file) for key in _CAMERA_KEYS)
    width, height = (int(_number(camera, key, file)) for key in ("width", "height"))
    if not file.stem.isdigit():
        raise BadInput(f"The camera file {file.name} is not named by its time.")
    depth = base / "depth" / f"{file.stem}.png"
    confidence = base / "confidence" / f"{file.stem}.png"
    return RawFrame(
        t_ns=int(file.stem) * 1000,
        name=file.stem,
        pose=matrix,
        color=partial(read_color, images / f"{file.stem}.jpg"),
        depth=partial(_depth, depth) if depth.is_file() else None,
        confidence=partial(_confidence, confidence) if confidence.is_file() else None,
        color_camera=Intrinsics.from_opencv(width, height, fx, fy, cx, cy),
    )


def _number(camera: dict[str, Any], key: str, file: Path) -> float:
    value = number_at(camera, key)
    if value is None:
        raise BadInput(f"The camera file {file.name} has no number {key}.")
    return value


def _depth(path: Path) -> F32:
    depth_m = read_depth_png(path, DEPTH_UNIT_M)
    depth_m[depth_m > _LIDAR_REACH_M] = 0
    return depth_m


def _confidence(path: Path) -> F32:
    return read_grey(path).astype(np.float32) / np.float32(255)
