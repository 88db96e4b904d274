"""Folders of `frame-000000.{color,depth,pose}`: 7-Scenes, and the fusion samples that follow it.

What else lies in the folder says how it differs: a camera matrix under one of several names,
`calibration.json` when colour is not registered to depth, `color-poses-sfm.txt` when the colour
camera's poses are known better, `gravity-direction.txt` when down is known.

The folder's own poses and the better ones live in worlds that differ by degrees and drift apart
by centimetres, so only one kind is used: depth then sits in colour by calibration alone.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from engine.core.arrays import F32, F64, U8
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.poses import Pose, average
from engine.sources import images, numbers, scannet, text
from engine.sources.conventions import rigid_inverse
from engine.sources.raw import Convention, RawFrame, RawRecording

_UNKNOWN = (65535,)
_UNIT_M = 0.001
# Most published sets are of this size; none states it beside its camera matrix.
_SIZE = (640, 480)
_KINECT_FOCAL_PX = 585.0
_COLOR_POSES = "color-poses-sfm.txt"

_MATRIX_NAMES = (
    "camera-intrinsics.txt",
    "intrinsics.K.txt",
    "camera-intrinsics.depth.txt",
    "intrinsics.txt",
)
# The picking-challenge sets name their one camera so, and write depth in rotated bits.
_ROTATED_MATRIX_NAME = "camera-intrinsics.color.txt"
_ROTATED_UNIT_M = 0.0001


def sniff(path: Path) -> bool:
    """Return whether a folder holds numbered frames with a pose file each."""
    return path.is_dir() and any(path.glob("frame-*.pose.txt"))


def read(path: Path) -> RawRecording:
    """Return the recording of such a folder.

    Raises:
        BadInput: a camera or calibration file that is damaged.
    """
    rotated = (path / _ROTATED_MATRIX_NAME).is_file()
    notes: list[str] = []
    if rotated:
        notes.append("Depth is written in rotated bits of 0.1 mm and was turned back.")
    color_camera, depth_camera, T_cam_depth = _cameras(path, notes)
    color_poses, focal_px = _color_poses(path)
    if color_poses:
        # Structure from motion put the principal point in the very middle of the picture.
        width, height = _SIZE
        color_camera = Intrinsics(width, height, focal_px, focal_px, width / 2, height / 2)
        notes.append(
            f"Poses are those of {_COLOR_POSES}, for a colour camera of {focal_px:g} px; "
            "the folder's own belong to another world and are not used."
        )
    if T_cam_depth != Pose.identity():
        notes.append("Colour is not registered to depth and was placed by calibration.json.")
    load_depth = _load_rotated if rotated else _load_depth
    frames = []
    folder_poses: dict[int, F64] = {}
    for pose_path in sorted(path.glob("frame-*.pose.txt")):
        stem = pose_path.name.removesuffix(".pose.txt")
        number = numbers.number_in(stem)
        if number is None:
            raise BadInput(f"The file {pose_path.name} has no frame number in its name.")
        depth_pose = _pose(pose_path)
        # The folder's poses are the depth camera's; frames are posed by colour.
        pose: F64 | None = depth_pose @ rigid_inverse(T_cam_depth.matrix)
        if color_poses:
            folder_poses[number], pose = depth_pose, color_poses.get(number)
        frames.append(
            RawFrame(
                t_ns=number,
                name=stem,
                pose=pose,
                color=_color(path, stem),
                depth=partial(load_depth, path / f"{stem}.depth.png"),
                color_camera=color_camera,
                depth_camera=depth_camera,
                T_cam_depth=T_cam_depth,
            )
        )
    up = _up(path)
    if up is not None and color_poses:
        up = _into_color_world(up, folder_poses, color_poses, T_cam_depth)
    return RawRecording(
        name=path.resolve().name,
        layout="7-scenes",
        frames=tuple(frames),
        declared=Convention("c2w", "cv"),
        up_source=up,
        notes=tuple(notes),
    )


def _cameras(path: Path, notes: list[str]) -> tuple[Intrinsics, Intrinsics, Pose]:
    """Return the colour camera, the depth camera, and where depth sits in colour."""
    info = path / "_info.txt"
    if info.is_file():
        return scannet.cameras_of_info(info)
    depth_camera = _depth_camera(path, notes)
    color_camera, T_cam_depth = _calibration(path, depth_camera)
    if depth_camera.fx == _KINECT_FOCAL_PX and T_cam_depth == Pose.identity():
        notes.append(
            "Colour is taken as registered to depth, which 7-Scenes does not promise; "
            "a calibration.json beside the frames would place it."
        )
    return color_camera, depth_camera, T_cam_depth


def _depth_camera(path: Path, notes: list[str]) -> Intrinsics:
    for name in (*_MATRIX_NAMES, _ROTATED_MATRIX_NAME):
        if (path / name).is_file():
            depths = sorted(path.glob("frame-*.depth.png"))
            sizes = [_SIZE, images.first_size(depths)] if depths else [_SIZE]
            return numbers.read_camera(path / name, *sizes)
    notes.append("No camera matrix was found; the Kinect's documented 585 px was assumed.")
    focal = _KINECT_FOCAL_PX
    return Intrinsics.from_opencv(*_SIZE, focal, focal, 320.0, 240.0)


def _calibration(path: Path, depth_camera: Intrinsics) -> tuple[Intrinsics, Pose]:
    """Return the colour camera and where depth sits in it."""
    file = path / "calibration.json"
    if not file.is_file():
        return depth_camera, Pose.identity()
    content = text.read_json(file)
    try:
        given = content["color"]
        fx, fy, cx, cy = (float(given[key]) for key in ("fx", "fy", "cx", "cy"))
        size = int(given["width"]), int(given["height"])
        camera = Intrinsics.from_opencv(*size, fx, fy, cx, cy)
        matrix = np.array(content["color_from_depth"], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInput(f"The file {file.name} is not a colour calibration ({error}).") from error
    return camera, Pose.from_matrix(matrix)


def _color_poses(path: Path) -> tuple[dict[int, F64], float]:
    """Return the colour camera's own poses by frame number, and its focal length in pixels."""
    file = path / _COLOR_POSES
    if not file.is_file():
        return {}, 0.0
    header = text.read_text(file)
    focal = re.search(r"^#.*\bf\s+([0-9.]+)", header, re.MULTILINE)
    if focal is None:
        raise BadInput(f"The file {file.name} does not state its focal length (f ...).")
    poses = {}
    for row in numbers.read_table(file):
        if len(row) != 13:
            raise BadInput(f"The file {file.name} needs a number and 3x4 numbers a line.")
        poses[int(row[0])] = np.vstack([row[1:].reshape(3, 4), (0, 0, 0, 1)])
    return poses, float(focal.group(1))


def _up(path: Path) -> tuple[float, float, float] | None:
    file = path / "gravity-direction.txt"
    if not file.is_file():
        return None
    down = numbers.read_table(file).ravel()
    if down.shape != (3,) or not np.isfinite(down).all() or np.linalg.norm(down) < 1e-6:
        raise BadInput(f"The file {file.name} does not hold a direction.")
    return (-float(down[0]), -float(down[1]), -float(down[2]))


def _into_color_world(
    up: tuple[float, float, float],
    folder_poses: dict[int, F64],
    color_poses: dict[int, F64],
    T_cam_depth: Pose,
) -> tuple[float, float, float]:
    """Return the folder's up in the world of the colour poses, some degrees away from its own."""
    between = []
    for number, depth_pose in folder_poses.items():
        if number in color_poses and np.isfinite(depth_pose).all():
            T_color_world = Pose.from_matrix(color_poses[number]) @ T_cam_depth
            between.append(T_color_world @ Pose.from_matrix(depth_pose).inverse)
    if not between:
        return up
    x, y, z = average(between).rotation @ up
    return (float(x), float(y), float(z))


def _pose(path: Path) -> F64:
    """Return the matrix of a pose file, all NaN when it holds none: the recording counts those."""
    try:
        matrix = numbers.read_matrix(path)
    except BadInput:
        return np.full((4, 4), np.nan)
    return matrix if np.isfinite(matrix).all() else np.full((4, 4), np.nan)


def _color(path: Path, stem: str) -> Callable[[], U8] | None:
    for suffix in ("png", "jpg"):
        file = path / f"{stem}.color.{suffix}"
        if file.is_file():
            return partial(images.read_color, file)
    return None


def _load_depth(path: Path) -> F32:
    return images.read_depth_png(path, _UNIT_M, _UNKNOWN)


def _load_rotated(path: Path) -> F32:
    value = images.read_u16(path)
    turned = (value >> 3) | (value << 13)
    return images.depth_from_units(turned.astype(np.uint16), _ROTATED_UNIT_M, (0,))
