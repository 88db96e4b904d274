"""Writers of research layouts: 7-Scenes, TUM RGB-D, ScanNet and Open3D.

All keep camera-to-world poses with OpenCV axes, one camera, and depth registered to colour at the
same size. The world stays as it is, +Z up.
"""

from pathlib import Path

import numpy as np

from engine.core.arrays import F32
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.sources.write.pictures import depth_seen_by, save_color, save_depth, save_json
from engine.sources.write.writer import (
    OneCamera,
    Writer,
    color_of,
    made_folders,
    opencv_numbers,
    pose_of,
    seconds,
)

_MILLIMETRE_M = 0.001
_TUM_UNIT_M = 1 / 5000
# 7-Scenes and TUM state no picture size: their cameras are for this one.
_KINECT_SIZE = (640, 480)


class SevenScenes(Writer):
    """`frame-000000.{color.png,depth.png,pose.txt}` and `camera-intrinsics.txt`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._one = OneCamera("7-scenes")

    def add(self, number: int, frame: Frame) -> None:
        """Write two pictures and a matrix."""
        self._one.check(frame.intrinsics)
        stem = f"frame-{number:06d}"
        save_color(self._folder / f"{stem}.color.png", color_of(frame))
        save_depth(self._folder / f"{stem}.depth.png", _registered(frame), _MILLIMETRE_M)
        (self._folder / f"{stem}.pose.txt").write_text(_rows(pose_of(frame).matrix))

    def finish(self) -> None:
        """Write the camera."""
        camera = _as_kinect(self._one.camera, "7-scenes")
        (self._folder / "camera-intrinsics.txt").write_text(_rows(camera.opencv_matrix()))


class Tum(Writer):
    """`rgb/`, `depth/`, their lists, `groundtruth.txt` and `camera.txt`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rgb, self._depth = made_folders(folder, "rgb", "depth")
        self._one = OneCamera("tum")
        self._lists: dict[str, list[str]] = {
            "rgb.txt": ["# timestamp filename"],
            "depth.txt": ["# timestamp filename"],
            "groundtruth.txt": ["# timestamp tx ty tz qx qy qz qw"],
        }

    def add(self, number: int, frame: Frame) -> None:
        """Write two pictures, named by their time, and remember the pose."""
        self._one.check(frame.intrinsics)
        stamp, pose = seconds(frame), pose_of(frame)
        save_color(self._rgb / f"{stamp}.png", color_of(frame))
        save_depth(self._depth / f"{stamp}.png", _registered(frame), _TUM_UNIT_M)
        numbers = " ".join(f"{n:.9g}" for n in (*pose.translation, *pose.quaternion()))
        self._lists["rgb.txt"].append(f"{stamp} rgb/{stamp}.png")
        self._lists["depth.txt"].append(f"{stamp} depth/{stamp}.png")
        self._lists["groundtruth.txt"].append(f"{stamp} {numbers}")

    def finish(self) -> None:
        """Write the lists and the camera."""
        for name, lines in self._lists.items():
            (self._folder / name).write_text("\n".join(lines) + "\n")
        numbers = opencv_numbers(_as_kinect(self._one.camera, "tum"))
        text = " ".join(f"{n:.9g}" for n in numbers)
        (self._folder / "camera.txt").write_text(f"# fx fy cx cy at 640x480\n{text}\n")


class ScanNet(Writer):
    """`color/`, `depth/`, `pose/` by number, and `_info.txt`, which states sizes with cameras."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._color, self._depth, self._pose = made_folders(folder, "color", "depth", "pose")
        self._one = OneCamera("scannet")

    def add(self, number: int, frame: Frame) -> None:
        """Write two pictures and a matrix."""
        self._one.check(frame.intrinsics)
        save_color(self._color / f"{number}.jpg", color_of(frame))
        save_depth(self._depth / f"{number}.png", _registered(frame), _MILLIMETRE_M)
        (self._pose / f"{number}.txt").write_text(_rows(pose_of(frame).matrix))

    def finish(self) -> None:
        """Write both cameras, which are one here."""
        camera = self._one.camera
        K, identity = np.eye(4), _line(np.eye(4))
        K[:3, :3] = camera.opencv_matrix()
        lines = ["m_versionNumber = 4", "m_depthShift = 1000"]
        for what in ("color", "depth"):
            lines += [f"m_{what}Width = {camera.width}", f"m_{what}Height = {camera.height}"]
        for what in ("Color", "Depth"):
            lines += [
                f"m_calibration{what}Intrinsic = {_line(K)}",
                f"m_calibration{what}Extrinsic = {identity}",
            ]
        (self._folder / "_info.txt").write_text("\n".join(lines) + "\n")


class Open3D(Writer):
    """`color/`, `depth/`, `camera_intrinsic.json` (column by column) and `scene/trajectory.log`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._color, self._depth, self._scene = made_folders(folder, "color", "depth", "scene")
        self._one = OneCamera("open3d")
        self._log: list[str] = []

    def add(self, number: int, frame: Frame) -> None:
        """Write two pictures and remember the pose."""
        self._one.check(frame.intrinsics)
        save_color(self._color / f"{number:06d}.jpg", color_of(frame))
        save_depth(self._depth / f"{number:06d}.png", _registered(frame), _MILLIMETRE_M)
        self._log.append(f"{number} {number} {number + 1}\n{_rows(pose_of(frame).matrix)}")

    def finish(self) -> None:
        """Write the camera and the poses."""
        camera = self._one.camera
        save_json(
            self._folder / "camera_intrinsic.json",
            {
                "width": camera.width,
                "height": camera.height,
                "intrinsic_matrix": camera.opencv_matrix().T.ravel().tolist(),
            },
        )
        (self._scene / "trajectory.log").write_text("".join(self._log))


def _registered(frame: Frame) -> F32:
    return depth_seen_by(frame, frame.intrinsics)[0]


def _as_kinect(camera: Intrinsics, layout: str) -> Intrinsics:
    width, height = _KINECT_SIZE
    if camera.width * height != camera.height * width:
        raise BadInput(
            f"Pictures of {camera.width}x{camera.height} pixels cannot be written as {layout}, "
            "whose pictures are 4:3.",
            "Choose scannet or open3d, which state the size.",
        )
    return camera.scaled_to(width, height)


def _rows(matrix: np.ndarray) -> str:
    return "".join(" ".join(f"{n:.9g}" for n in row) + "\n" for row in matrix)


def _line(matrix: np.ndarray) -> str:
    return " ".join(f"{n:.9g}" for n in matrix.ravel())
