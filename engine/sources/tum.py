"""TUM RGB-D folders: `rgb/`, `depth/`, their lists, and a motion-capture trajectory.

The streams run at their own rates: depth is paired with the nearest colour, poses are
interpolated. A folder of key frames with `truth_cam_poses.txt` has them in step already.
"""

import re
from functools import partial
from pathlib import Path

import numpy as np

from engine.core.arrays import F64, I64
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.poses import Pose, interpolate
from engine.sources import images, numbers, text
from engine.sources.raw import Convention, RawFrame, RawRecording

_UNIT_M = 1 / 5000
_SIZE = (640, 480)
_PAIR_NS = 20_000_000
# Motion capture runs at 100 Hz or more; across a longer hole nothing is known.
_SECONDS_DIGITS = 10
_POSE_HOLE_NS = 100_000_000

# Published calibration of each sensor: fx fy cx cy, then k1 k2 p1 p2 k3.
_KNOWN = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3, 0.2624, -0.9531, -0.0054, 0.0026, 1.1633),
    "freiburg2": (520.9, 521.0, 325.1, 249.7, 0.2312, -0.7849, -0.0033, -0.0001, 0.9172),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
_DECLARED = Convention("c2w", "cv")
_UP = (0.0, 0.0, 1.0)


def sniff(path: Path) -> bool:
    """Return whether a folder has TUM's lists, or key frames with a table of true poses."""
    lists = (path / "rgb.txt").is_file() and (path / "rgb").is_dir()
    return lists or _has_key_frames(path)


def _has_key_frames(path: Path) -> bool:
    return (path / "truth_cam_poses.txt").is_file() and (path / "rgb").is_dir()


def read(path: Path) -> RawRecording:
    """Return the recording of such a folder.

    Raises:
        BadInput: a list that is damaged, or no camera known for the folder.
    """
    camera, note = _camera(path)
    frames = _key_frames(path, camera) if _has_key_frames(path) else _streams(path, camera)
    return RawRecording(
        name=path.resolve().name,
        layout="tum",
        frames=tuple(frames),
        declared=_DECLARED,
        up_source=_UP,
        notes=(note,),
    )


def _camera(path: Path) -> tuple[Intrinsics, str]:
    file = path / "camera.txt"
    if file.is_file():
        values = tuple(numbers.numbers(_rows(file)[:1], file.name).ravel().tolist())
        return _intrinsics(values, file.name), "The camera is that of camera.txt."
    for settings in sorted(path.glob("*.yaml")):
        content = text.read_text(settings)
        found = dict(re.findall(r"^Camera\.(\w+):\s*([-+0-9.eE]+)", content, re.MULTILINE))
        if {"fx", "fy", "cx", "cy"} <= found.keys():
            lens = [float(found.get(key, 0)) for key in ("k1", "k2", "p1", "p2", "k3")]
            values = (*(float(found[key]) for key in ("fx", "fy", "cx", "cy")), *lens)
            return _intrinsics(values, settings.name), f"The camera is that of {settings.name}."
    name = path.resolve().name.lower()
    for sensor, values in _KNOWN.items():
        if sensor in name or sensor.replace("freiburg", "fr") in name:
            return _intrinsics(values, sensor), f"The camera is the published one of {sensor}."
    raise BadInput(
        f"The camera of {path.name} is not known.",
        "Put a camera.txt beside rgb.txt: fx fy cx cy, then k1 k2 p1 p2 k3 if the lens distorts.",
    )


def _intrinsics(values: tuple[float, ...], name: str) -> Intrinsics:
    if len(values) not in (4, 8, 9):
        raise BadInput(f"The camera of {name} needs 4 numbers, or 8 or 9 with distortion.")
    fx, fy, cx, cy, *lens = values
    distortion = tuple(lens) if any(lens) else ()
    return Intrinsics.from_opencv(*_SIZE, fx, fy, cx, cy, distortion)


def _nanoseconds(seconds: str, name: str) -> int:
    """Return a time in whole nanoseconds; a float would lose the last two digits."""
    match = re.fullmatch(r"(\d+)(?:\.(\d*))?", seconds)
    if match is None or len(match.group(1)) > _SECONDS_DIGITS:
        raise BadInput(f"The file {name} holds the time stamp '{seconds}', which is no time.")
    fraction = (match.group(2) or "")[:9].ljust(9, "0")
    return int(match.group(1)) * 1_000_000_000 + int(fraction)


def _rows(path: Path) -> list[list[str]]:
    return text.split_rows(text.read_text(path))


def _listed(path: Path) -> tuple[I64, list[str]]:
    rows = _rows(path)
    if not rows or any(len(row) < 2 for row in rows):
        raise BadInput(f"The file {path.name} needs a time stamp and a file name on every line.")
    stamps = np.array([_nanoseconds(row[0], path.name) for row in rows], np.int64)
    return stamps, [row[1] for row in rows]


def _trajectory(path: Path) -> tuple[I64, list[Pose]]:
    """Return time stamps and poses, in order of time; rows that are no pose are left out."""
    rows = _rows(path)
    if any(len(row) != 8 for row in rows):
        raise BadInput(f"The file {path.name} needs 8 numbers a line: t x y z qx qy qz qw.")
    values = numbers.numbers([row[1:] for row in rows], path.name) if rows else np.zeros((0, 7))
    stamps, poses = [], []
    for row, value in zip(rows, values, strict=True):
        try:
            pose = Pose.from_quaternion(value[3:], value[:3])
        except BadInput:
            continue
        stamps.append(_nanoseconds(row[0], path.name))
        poses.append(pose)
    if not poses:
        raise BadInput(f"None of the {len(rows)} poses of {path.name} can be used.")
    order = np.argsort(stamps, kind="stable")
    return np.array(stamps, np.int64)[order], [poses[i] for i in order]


def _streams(path: Path, camera: Intrinsics) -> list[RawFrame]:
    color_ns, color_names = _listed(path / "rgb.txt")
    has_depth = (path / "depth.txt").is_file()
    depth_ns, depth_names = _listed(path / "depth.txt") if has_depth else (color_ns[:0], [])
    trajectory = None
    if (path / "groundtruth.txt").is_file():
        trajectory = _trajectory(path / "groundtruth.txt")
    frames = []
    for stamp, name in zip(color_ns.tolist(), color_names, strict=True):
        near = _nearest(depth_ns, stamp)
        # The pose at colour's time serves depth too: at depth's own stamp, depth agrees less
        # between frames (measured on freiburg1), so the stamps differ more than the shots do.
        depth = None if near is None else path / depth_names[near]
        frames.append(
            RawFrame(
                t_ns=stamp,
                name=name,
                pose=None if trajectory is None else _pose_at(*trajectory, stamp),
                color=partial(images.read_color, path / name),
                depth=None if depth is None else partial(images.read_depth_png, depth, _UNIT_M),
                color_camera=camera,
            )
        )
    return frames


def _nearest(stamps: I64, wanted: int) -> int | None:
    if len(stamps) == 0:
        return None
    best = int(np.argmin(np.abs(stamps - wanted)))
    return best if abs(int(stamps[best]) - wanted) <= _PAIR_NS else None


def _pose_at(stamps: I64, poses: list[Pose], wanted: int) -> F64 | None:
    """Return the pose between its two neighbours in time, None across a hole or past the ends."""
    after = int(np.searchsorted(stamps, wanted))
    if after < len(stamps) and stamps[after] == wanted:
        return poses[after].matrix
    if after == 0 or after == len(stamps):
        return None
    start, end = int(stamps[after - 1]), int(stamps[after])
    if end - start > _POSE_HOLE_NS:
        return None
    return interpolate(poses[after - 1], poses[after], (wanted - start) / (end - start)).matrix


def _key_frames(path: Path, camera: Intrinsics) -> list[RawFrame]:
    colors = numbers.pictures_in(path / "rgb", ".png", ".jpg")
    depths = numbers.pictures_in(path / "depth", ".png")
    rows = _rows(path / "truth_cam_poses.txt")
    if len(rows) != len(colors):
        raise BadInput(
            f"The file truth_cam_poses.txt has {len(rows)} lines for {len(colors)} pictures."
        )
    by_number = {numbers.number_in(depth.stem): depth for depth in depths}
    frames = []
    for color, row in zip(colors, rows, strict=True):
        if len(row) != 8:
            raise BadInput("The file truth_cam_poses.txt needs 8 numbers a line.")
        values = numbers.numbers([row[1:]], "truth_cam_poses.txt")[0]
        try:
            pose = Pose.from_quaternion(values[3:], values[:3]).matrix
        except BadInput:
            pose = np.full((4, 4), np.nan)
        depth = by_number.get(numbers.number_in(color.stem))
        frames.append(
            RawFrame(
                t_ns=_nanoseconds(row[0], "truth_cam_poses.txt"),
                name=color.stem,
                pose=pose,
                color=partial(images.read_color, color),
                depth=None if depth is None else partial(images.read_depth_png, depth, _UNIT_M),
                color_camera=camera,
            )
        )
    return frames
