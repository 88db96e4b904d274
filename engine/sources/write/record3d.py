"""Writers of Record3D: the EXR + RGB export folder and the `.r3d` archive."""

import json
import zipfile
from pathlib import Path
from typing import Any

import lzfse
import numpy as np
import OpenEXR
from scipy.spatial.transform import Rotation

from engine.core.arrays import F32
from engine.core.frames import Frame
from engine.sources.write.pictures import (
    confidence_levels,
    depth_seen_by,
    encoded_color,
    lidar_camera,
    save_color,
    save_json,
)
from engine.sources.write.writer import (
    OneCamera,
    Writer,
    arkit_matrix,
    color_of,
    made_folders,
    opencv_numbers,
)

ARCHIVE_NAME = "recording.r3d"


class _Metadata:
    """The JSON both containers share, gathered frame by frame."""

    def __init__(self, layout: str) -> None:
        self._one = OneCamera(layout)
        self._poses: list[list[float]] = []
        self._stamps: list[float] = []
        self._cameras: list[list[float]] = []
        self._first_ns = 0

    def add(self, frame: Frame) -> None:
        """Remember pose, time and camera of the next frame."""
        self._one.check(frame.intrinsics)
        if not self._poses:
            self._first_ns = frame.t_ns
        matrix = arkit_matrix(frame)
        turn = Rotation.from_matrix(matrix[:3, :3]).as_quat()
        self._poses.append([*turn.tolist(), *matrix[:3, 3].tolist()])
        self._stamps.append((frame.t_ns - self._first_ns) * 1e-9)
        self._cameras.append(list(opencv_numbers(frame.intrinsics)))

    def content(self) -> dict[str, Any]:
        """Return the JSON of all frames so far."""
        camera = self._one.camera
        depth = lidar_camera(camera)
        fx, fy, cx, cy = opencv_numbers(camera)
        return {
            "w": camera.width,
            "h": camera.height,
            "K": [fx, 0, 0, 0, fy, 0, cx, cy, 1],
            "dw": depth.width,
            "dh": depth.height,
            "fps": self._frames_per_second(),
            "poses": self._poses,
            "frameTimestamps": self._stamps,
            "perFrameIntrinsicCoeffs": self._cameras,
            "initPose": [0, 0, 0, 1, 0, 0, 0],
            "cameraType": 1,
        }

    def _frames_per_second(self) -> int:
        span = self._stamps[-1] - self._stamps[0]
        return max(1, round((len(self._stamps) - 1) / span)) if span > 0 else 60


class Record3DExport(Writer):
    """`EXR_RGBD/{rgb,depth}` by number and `metadata.json`; confidence is left out."""

    def __init__(self, folder: Path) -> None:
        self._base = folder / "EXR_RGBD"
        self._rgb, self._depth = made_folders(self._base, "rgb", "depth")
        self._metadata = _Metadata("record3d")

    def add(self, number: int, frame: Frame) -> None:
        """Write two pictures and remember the rest."""
        self._metadata.add(frame)
        save_color(self._rgb / f"{number}.jpg", color_of(frame))
        depth_m, _ = depth_seen_by(frame, lidar_camera(frame.intrinsics))
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        pixels = _nan_where_unknown(depth_m).astype(np.float16)
        with OpenEXR.File(header, {"R": pixels}) as picture:
            picture.write(str(self._depth / f"{number}.exr"))

    def finish(self) -> None:
        """Write the metadata."""
        save_json(self._base / "metadata.json", self._metadata.content())


class Record3DArchive(Writer):
    """One `.r3d` file."""

    def __init__(self, folder: Path) -> None:
        # Pictures and streams are compressed already.
        self._zip = zipfile.ZipFile(folder / ARCHIVE_NAME, "w", zipfile.ZIP_STORED)
        self._metadata = _Metadata("record3d-r3d")

    def add(self, number: int, frame: Frame) -> None:
        """Append a picture and two streams, and remember the rest."""
        self._metadata.add(frame)
        depth_m, confidence = depth_seen_by(frame, lidar_camera(frame.intrinsics))
        stem = f"rgbd/{number}"
        self._zip.writestr(f"{stem}.jpg", encoded_color(color_of(frame), ".jpg"))
        depth = _nan_where_unknown(depth_m).astype("<f4").tobytes()
        self._zip.writestr(f"{stem}.depth", lzfse.compress(depth))
        self._zip.writestr(f"{stem}.conf", lzfse.compress(confidence_levels(confidence).tobytes()))

    def finish(self) -> None:
        """Write the metadata and the table of contents."""
        self._zip.writestr("metadata", json.dumps(self._metadata.content()))
        self._zip.close()

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()


def _nan_where_unknown(depth_m: F32) -> F32:
    """Return depth as the app writes it."""
    return np.where(depth_m > 0, depth_m, np.float32(np.nan))
