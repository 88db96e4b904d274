"""Writers of `transforms.json`: NeRFCapture's dialect and nerfstudio's."""

from pathlib import Path
from typing import Any

from engine.core.frames import Frame
from engine.sources.write.pictures import depth_seen_by, save_color, save_depth, save_json
from engine.sources.write.writer import (
    Writer,
    arkit_matrix,
    color_of,
    gl_matrix,
    made_folders,
    opencv_numbers,
)

_MILLIMETRE_M = 0.001
# 16 metres over all 16 bits: farther than any room, finer than any sensor.
_NERFCAPTURE_UNIT_M = 16 / 65535


class NerfCapture(Writer):
    """ARKit's world and intrinsics; depth in colour's size; file names without suffix."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (self._images,) = made_folders(folder, "images")
        self._frames: list[dict[str, Any]] = []

    def add(self, number: int, frame: Frame) -> None:
        """Write two pictures and remember the rest."""
        save_color(self._images / f"{number}.png", color_of(frame))
        depth_m, _ = depth_seen_by(frame, frame.intrinsics)
        save_depth(self._images / f"{number}.depth.png", depth_m, _NERFCAPTURE_UNIT_M)
        entry = {
            "transform_matrix": arkit_matrix(frame).tolist(),
            "file_path": f"images/{number}",
            "depth_path": f"images/{number}.depth.png",
            "timestamp": frame.t_ns * 1e-9,
        }
        self._frames.append(entry | _camera(frame, opencv_numbers(frame.intrinsics)))

    def finish(self) -> None:
        """Write the file that holds it together."""
        first = self._frames[0]
        common = {key: first[key] for key in ("fl_x", "fl_y", "cx", "cy", "w", "h")}
        content = common | {"integer_depth_scale": _NERFCAPTURE_UNIT_M, "frames": self._frames}
        save_json(self._folder / "transforms.json", content)


class Nerfstudio(Writer):
    """World z up, pixel centres at halves, depth in millimetres."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._images, self._depths = made_folders(folder, "images", "depths")
        self._frames: list[dict[str, Any]] = []

    def add(self, number: int, frame: Frame) -> None:
        """Write the pictures and remember the rest."""
        name = f"frame_{number:05d}.png"
        save_color(self._images / name, color_of(frame))
        camera = frame.intrinsics
        entry = {
            "file_path": f"images/{name}",
            "transform_matrix": gl_matrix(frame).tolist(),
            "timestamp": frame.t_ns * 1e-9,
        }
        if frame.depth_m is not None:
            depth_m, _ = depth_seen_by(frame, camera)
            save_depth(self._depths / name, depth_m, _MILLIMETRE_M)
            entry["depth_file_path"] = f"depths/{name}"
        self._frames.append(entry | _camera(frame, (camera.fx, camera.fy, camera.cx, camera.cy)))

    def finish(self) -> None:
        """Write the file that holds it together."""
        save_json(
            self._folder / "transforms.json", {"camera_model": "OPENCV", "frames": self._frames}
        )


def _camera(frame: Frame, numbers: tuple[float, float, float, float]) -> dict[str, float]:
    names = ("fl_x", "fl_y", "cx", "cy", "w", "h")
    size = frame.intrinsics.width, frame.intrinsics.height
    return dict(zip(names, (*numbers, *size), strict=True))
