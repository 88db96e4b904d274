"""Writers of phone layouts: Stray Scanner, ios_logger, Polycam and ARKitScenes.

Depth gets the size of a LiDAR picture. The world is ARKit's (y up) but for ARKitScenes.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from engine.core.arrays import F32
from engine.core.frames import Frame
from engine.sources.write.movie import Movie
from engine.sources.write.pictures import (
    confidence_levels,
    depth_seen_by,
    lidar_camera,
    save_color,
    save_depth,
    save_grey,
    save_json,
)
from engine.sources.write.writer import (
    Writer,
    arkit_matrix,
    color_of,
    made_folders,
    opencv_numbers,
    pose_of,
    seconds,
    y_up_pose,
)

_MILLIMETRE_M = 0.001
_FRAMES_PER_SECOND = 60
_STRAY_HEADING = (
    "timestamp, frame, x, y, z, qx, qy, qz, qw, "
    "fx, fy, cx, cy, distortion_center_x, distortion_center_y"
)
# ARKitScenes calls its streams by size.
_WIDE_FROM_PX, _VGA_FROM_PX = 1280, 480
_SCENE = "90000000"


class Stray(Writer):
    """`rgb.mp4`, `odometry.csv`, `camera_matrix.csv`, `depth/` and `confidence/`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._depth, self._confidence = made_folders(folder, "depth", "confidence")
        self._movie = Movie(folder / "rgb.mp4", _FRAMES_PER_SECOND)
        self._log = [_STRAY_HEADING]
        self._matrix = ""

    def add(self, number: int, frame: Frame) -> None:
        """Append to the video, write depth and confidence, remember the line of the log."""
        self._movie.add(color_of(frame))
        depth_m, confidence = _lidar(frame)
        save_depth(self._depth / f"{number:06d}.png", depth_m, _MILLIMETRE_M)
        save_grey(self._confidence / f"{number:06d}.png", confidence_levels(confidence))
        pose = y_up_pose(frame)
        fx, fy, cx, cy = opencv_numbers(frame.intrinsics)
        cells = [f"{n:.9g}" for n in (*pose.translation, *pose.quaternion(), fx, fy, cx, cy)]
        self._log.append(", ".join([seconds(frame), f"{number:06d}", *cells, "", ""]))
        self._matrix = f"{fx:.9g}, 0, {cx:.9g}\n0, {fy:.9g}, {cy:.9g}\n0, 0, 1\n"

    def finish(self) -> None:
        """Write the log and the camera of the last frame."""
        self._movie.finish()
        (self._folder / "odometry.csv").write_text("\n".join(self._log) + "\n")
        (self._folder / "camera_matrix.csv").write_text(self._matrix)

    def close(self) -> None:
        """Let go of the video."""
        self._movie.close()


class IosLogger(Writer):
    """`Frames.m4v`, `Frames.txt` and `ARposes.txt`; depth is left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._movie = Movie(folder / "Frames.m4v", _FRAMES_PER_SECOND)
        self._frames: list[str] = []
        self._poses: list[str] = []

    def add(self, number: int, frame: Frame) -> None:
        """Append to the video and remember both lines."""
        self._movie.add(color_of(frame))
        camera = ",".join(f"{n:.9g}" for n in opencv_numbers(frame.intrinsics))
        self._frames.append(f"{seconds(frame)},{number},{camera}")
        matrix = arkit_matrix(frame)
        qx, qy, qz, qw = Rotation.from_matrix(matrix[:3, :3]).as_quat()
        pose = ",".join(f"{n:.9f}" for n in (*matrix[:3, 3], qw, qx, qy, qz))
        self._poses.append(f"{seconds(frame)},{pose}")

    def finish(self) -> None:
        """Write both text files."""
        self._movie.finish()
        for name, lines in (("Frames.txt", self._frames), ("ARposes.txt", self._poses)):
            # The app ends its lines as Windows does.
            text = "".join(f"{line}\r\n" for line in lines)
            (self._folder / name).write_text(text, newline="")

    def close(self) -> None:
        """Let go of the video."""
        self._movie.close()


class Polycam(Writer):
    """`keyframes/{images,cameras,depth,confidence}` by microsecond, and `mesh_info.json`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images, self._cameras, self._depth, self._confidence = made_folders(
            folder / "keyframes", "images", "cameras", "depth", "confidence"
        )

    def add(self, number: int, frame: Frame) -> None:
        """Write three pictures and a camera."""
        stem = str(frame.t_ns // 1000)
        save_color(self._images / f"{stem}.jpg", color_of(frame))
        depth_m, confidence = _lidar(frame)
        save_depth(self._depth / f"{stem}.png", depth_m, _MILLIMETRE_M)
        levels = np.array([0, 127, 255], np.uint8)[confidence_levels(confidence)]
        save_grey(self._confidence / f"{stem}.png", levels)
        fx, fy, cx, cy = opencv_numbers(frame.intrinsics)
        matrix = arkit_matrix(frame)
        content = {f"t_{r}{c}": float(matrix[r, c]) for r in range(3) for c in range(4)}
        content |= {"fx": fx, "fy": fy, "cx": cx, "cy": cy}
        size = {"width": frame.intrinsics.width, "height": frame.intrinsics.height}
        save_json(
            self._cameras / f"{stem}.json", {**content, **size, "timestamp": frame.t_ns // 1000}
        )

    def finish(self) -> None:
        """Say that the poses were not moved to fit a mesh."""
        save_json(
            self._folder / "mesh_info.json", {"alignmentTransform": np.eye(4).ravel().tolist()}
        )


class ArkitScenes(Writer):
    """Streams of pictures named by millisecond, a camera for each, and the trajectory."""

    def __init__(self, folder: Path) -> None:
        self._base = folder / f"{_SCENE}_frames"
        self._depth, self._confidence = made_folders(self._base, "lowres_depth", "confidence")
        self._track: list[str] = []

    def add(self, number: int, frame: Frame) -> None:
        """Write three pictures and a camera, and remember the pose."""
        color, camera, stamp = color_of(frame), frame.intrinsics, seconds(frame, decimals=3)
        stream, cameras = self._streams(max(camera.width, camera.height))
        name = f"{_SCENE}_{stamp}"
        save_color(stream / f"{name}.png", color)
        numbers = " ".join(f"{n:.9g}" for n in opencv_numbers(camera))
        (cameras / f"{name}.pincam").write_text(f"{camera.width} {camera.height} {numbers}\n")
        depth_m, confidence = _lidar(frame)
        save_depth(self._depth / f"{name}.png", depth_m, _MILLIMETRE_M)
        save_grey(self._confidence / f"{name}.png", confidence_levels(confidence))
        T_cam_world = pose_of(frame).inverse
        turn = Rotation.from_matrix(T_cam_world.rotation).as_rotvec()
        text = " ".join(f"{n:.9g}" for n in (*turn, *T_cam_world.translation))
        self._track.append(f"{stamp} {text}")

    def finish(self) -> None:
        """Write the trajectory."""
        (self._base / "lowres_wide.traj").write_text("\n".join(self._track) + "\n")

    def _streams(self, side_px: int) -> tuple[Path, Path]:
        name = (
            "wide"
            if side_px >= _WIDE_FROM_PX
            else "vga_wide"
            if side_px >= _VGA_FROM_PX
            else "lowres_wide"
        )
        made = self._base / name, self._base / f"{name}_intrinsics"
        for path in made:
            path.mkdir(exist_ok=True)
        return made


def _lidar(frame: Frame) -> tuple[F32, F32]:
    return depth_seen_by(frame, lidar_camera(frame.intrinsics))
