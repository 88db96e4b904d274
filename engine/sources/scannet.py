"""Exported ScanNet scenes: `color/`, `depth/`, `pose/` by frame number, and `intrinsic/`.

Colour and depth have cameras of their own (1296x968 and 640x480, which differ in aspect), joined
by the sensor's extrinsics where exported. Poses are the depth camera's world in published code and
colour's in the sensor file; the two lenses are calibrated onto each other, so one pose serves both.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from engine.core.arrays import F64
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.sources import images, numbers, text
from engine.sources.conventions import rigid_inverse
from engine.sources.raw import Convention, RawFrame, RawRecording

_UNIT_M = 0.001
_COLOR_SIZE = (1296, 968)
_DEPTH_SIZE = (640, 480)


def sniff(path: Path) -> bool:
    """Return whether a folder has numbered colour and pose files and a camera for them."""
    has_camera = (path / "intrinsic").is_dir() or _info(path) is not None
    return (path / "color").is_dir() and (path / "pose").is_dir() and has_camera


def read(path: Path) -> RawRecording:
    """Return the recording of such a folder; the world is z up.

    Raises:
        BadInput: no pose file, or no camera.
    """
    notes: list[str] = []
    color_camera, depth_camera, T_cam_depth = _cameras(path, notes)
    colors = _by_number(path / "color", ".jpg", ".jpeg", ".png")
    depths = _by_number(path / "depth", ".png")
    poses = _by_number(path / "pose", ".txt")
    if not poses:
        raise BadInput(f"The folder {path / 'pose'} holds no numbered pose file.")
    frames = []
    for number in sorted(colors.keys() | depths.keys()):
        color, depth = colors.get(number), depths.get(number)
        frames.append(
            RawFrame(
                t_ns=number,
                name=str(number),
                pose=_pose(poses.get(number)),
                color=None if color is None else partial(images.read_color, color),
                depth=None if depth is None else partial(images.read_depth_png, depth, _UNIT_M),
                color_camera=color_camera,
                depth_camera=depth_camera,
                T_cam_depth=T_cam_depth,
            )
        )
    return RawRecording(
        name=path.resolve().name,
        layout="scannet",
        frames=tuple(frames),
        declared=Convention("c2w", "cv"),
        up_source=(0.0, 0.0, 1.0),
        notes=tuple(notes),
    )


def _by_number(folder: Path, *suffixes: str) -> dict[int, Path]:
    found = {}
    for file in numbers.pictures_in(folder, *suffixes):
        number = numbers.number_in(file.stem)
        if number is not None:
            found[number] = file
    return found


def _pose(path: Path | None) -> F64 | None:
    if path is None:
        return None
    try:
        return numbers.read_matrix(path)
    except BadInput:
        # Left to the recording, which counts frames whose pose cannot be used.
        return np.full((4, 4), np.nan)


def _info(path: Path) -> Path | None:
    """Return the file of `key = value` lines that some exports have instead of `intrinsic/`."""
    candidates = (path / "_info.txt", path / f"{path.resolve().name}.txt")
    return next((file for file in candidates if file.is_file()), None)


def _cameras(path: Path, notes: list[str]) -> tuple[Intrinsics, Intrinsics | None, Pose]:
    folder = path / "intrinsic"
    if not folder.is_dir():
        info = _info(path)
        if info is None:
            raise BadInput(f"The folder {path.name} states no camera.")
        return cameras_of_info(info)
    color = numbers.read_camera(
        folder / "intrinsic_color.txt", *_sizes(path / "color", _COLOR_SIZE)
    )
    if not (folder / "intrinsic_depth.txt").is_file():
        notes.append("No depth camera is stated; depth is taken as registered to colour.")
        return color, None, Pose.identity()
    depth = numbers.read_camera(
        folder / "intrinsic_depth.txt", *_sizes(path / "depth", _DEPTH_SIZE)
    )
    extrinsics = [Pose.identity(), Pose.identity()]
    for at, name in enumerate(("extrinsic_color.txt", "extrinsic_depth.txt")):
        if (folder / name).is_file():
            extrinsics[at] = Pose.from_matrix(numbers.read_matrix(folder / name))
    return color, depth, extrinsics[0].inverse @ extrinsics[1]


def cameras_of_info(file: Path) -> tuple[Intrinsics, Intrinsics, Pose]:
    """Return colour camera, depth camera and depth in colour of a file of `key = value` lines.

    Raises:
        BadInput: a camera that is missing or damaged.
    """
    lines = text.read_text(file).splitlines()
    pairs = [line.split("=", 1) for line in lines if "=" in line]
    values = {re.sub(r"^m_", "", key.strip()): value.split() for key, value in pairs}
    color = _info_camera(values, "color", file)
    depth = _info_camera(values, "depth", file)
    T_color, T_depth = (_info_matrix(values, what, file) for what in ("color", "depth"))
    return color, depth, Pose.from_matrix(rigid_inverse(T_color) @ T_depth)


def _info_camera(values: dict[str, list[str]], what: str, file: Path) -> Intrinsics:
    """Return one camera, from the matrices of `_info.txt` or the scalars of `<scene>.txt`."""
    try:
        width, height = (int(values[f"{what}{side}"][0]) for side in ("Width", "Height"))
        if f"calibration{what.capitalize()}Intrinsic" in values:
            m = [float(word) for word in values[f"calibration{what.capitalize()}Intrinsic"]]
            fx, fy, cx, cy = m[0], m[5], m[2], m[6]
        else:
            fx, fy, cx, cy = (float(values[f"{key}_{what}"][0]) for key in ("fx", "fy", "mx", "my"))
    except (KeyError, IndexError, ValueError) as error:
        raise BadInput(f"The file {file.name} does not state the {what} camera.") from error
    return Intrinsics.from_opencv(width, height, fx, fy, cx, cy)


def _info_matrix(values: dict[str, list[str]], what: str, file: Path) -> F64:
    key = f"calibration{what.capitalize()}Extrinsic"
    # The scene file gives colour in depth instead, which makes depth the common camera.
    words = values.get(key, values.get("colorToDepthExtrinsics") if what == "color" else None)
    if words is None:
        return np.eye(4)
    matrix = numbers.numbers([words], file.name).ravel()
    if matrix.shape != (16,):
        raise BadInput(f"The file {file.name} holds an extrinsic that is no 4x4 matrix.")
    return matrix.reshape(4, 4)


def _sizes(folder: Path, published: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the sizes a camera matrix may be made for: the published one, and that found."""
    found = numbers.pictures_in(folder, ".jpg", ".jpeg", ".png")
    return [published, images.first_size(found)] if found else [published]
