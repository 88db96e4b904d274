"""`transforms.json` folders: NeRFCapture, and nerfstudio or instant-ngp in general.

Poses are camera-to-world with OpenGL axes; some writers leave a homogeneous scale in the last
element. Intrinsics stand once or per frame. NeRFCapture writes ARKit's own world (y up, metres) and
ARKit's intrinsics; elsewhere neither up nor unit is promised, and pixel centres are at halves.
"""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.arrays import F64
from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame, BadInput
from engine.sources.arkit import UP
from engine.sources.images import read_color, read_depth_png
from engine.sources.raw import Convention, RawFrame, RawRecording
from engine.sources.safe_zip import member_names, open_folder
from engine.sources.text import number_at, read_json, seconds_to_ns

_FILE = "transforms.json"
_LONGEST_NAME = 240
_SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".PNG", ".JPG", ".JPEG")
# nerfstudio's documented unit of depth pictures.
_MILLIMETRE_M = 0.001
# 16 bits of it reach a kilometre.
_LARGEST_UNIT_M = 0.015
# In the order of `Intrinsics.distortion`.
_LENS_KEYS = ("k1", "k2", "p1", "p2", "k3")


def sniff(path: Path) -> bool:
    """Return whether a path is a folder with `transforms.json`, that file, or a zip of one."""
    if path.is_dir():
        return (path / _FILE).is_file()
    if path.name == _FILE:
        return path.is_file()
    return any(name.rsplit("/", 1)[-1] == _FILE for name in member_names(path))


def read(path: Path) -> RawRecording:
    """Return the recording as its writer left it.

    Raises:
        BadInput: damaged, no frame, or a lens that is not a pinhole with OpenCV's distortion.
    """
    with ExitStack() as closing:
        folder = path.parent if path.name == _FILE else open_folder(path, closing)
        top = read_json(folder / _FILE)
        capture = _Capture(folder, top)
        entries = top.get("frames")
        if not isinstance(entries, list) or not entries:
            raise BadInput(f"The file {_FILE} names no frames.")
        frames = []
        for number, entry in enumerate(entries):
            if isinstance(entry, dict):
                frames.append(capture.frame(number, entry))
        if not frames:
            raise BadInput(f"The file {_FILE} names no frames.")
        closer = closing.pop_all()
    return RawRecording(
        name=folder.name if path.name == _FILE else path.stem,
        layout="nerfcapture" if capture.is_arkit else "nerfstudio",
        frames=tuple(frames),
        declared=Convention("c2w", "gl"),
        up_source=UP if capture.is_arkit else None,
        is_metric=capture.is_arkit or capture.depth_unit_m is not None,
        notes=tuple(capture.notes),
        close=closer.close,
    )


class _Capture:
    """What holds for all frames of one file, and how a frame is read with it."""

    def __init__(self, folder: Path, top: dict[str, Any]) -> None:
        self._folder = folder
        self._top = top
        self._picture_size: tuple[int, int] | None = None
        self.notes: list[str] = []
        self.is_arkit = _is_nerfcapture(top)
        self.depth_unit_m = self._depth_unit_m()
        model = str(top.get("camera_model", ""))
        if "FISHEYE" in model or "EQUIRECT" in model or top.get("is_fisheye"):
            raise BadInput(
                f"The lens of this recording ({model or 'fisheye'}) is not a pinhole.",
                "Undistort the pictures first.",
            )
        if top.get("k4"):
            self.notes.append("The lens term k4 is left out.")

    def frame(self, number: int, entry: dict[str, Any]) -> RawFrame:
        """Return one entry of the list of frames."""
        name = str(entry.get("file_path", ""))
        picture = self._picture(name)
        depth_name = entry.get("depth_path", entry.get("depth_file_path"))
        depth = None
        if isinstance(depth_name, str) and self.depth_unit_m is not None:
            depth_path = self._beside(depth_name)
            if depth_path.is_file():
                depth = partial(read_depth_png, depth_path, self.depth_unit_m)
        time_s = number_at(entry, "timestamp")
        return RawFrame(
            t_ns=number if time_s is None else seconds_to_ns(time_s),
            name=name or f"frame {number}",
            pose=_matrix(entry.get("transform_matrix")),
            color=partial(read_color, picture),
            depth=depth,
            color_camera=self._camera(entry, picture),
        )

    def _depth_unit_m(self) -> float | None:
        """Return metres per unit of the depth pictures, None when they hold none."""
        entries = self._top.get("frames")
        entry = entries[0] if isinstance(entries, list) and entries else {}
        if not isinstance(entry, dict):
            return None
        if "integer_depth_scale" in self._top:
            scale = number_at(self._top, "integer_depth_scale")
            return scale if scale is not None and 0 < scale <= _LARGEST_UNIT_M else None
        if "depth_path" in entry and "depth_integer_scale" in self._top:
            self.notes.append(
                "The depth pictures are previews without a unit, as the app saves them, "
                "and are left out."
            )
        elif "depth_file_path" in entry:
            self.notes.append("The depth pictures are taken to be in millimetres.")
            return _MILLIMETRE_M
        elif "depth_path" in entry:
            self.notes.append("The depth pictures have no stated unit and are left out.")
        return None

    def _camera(self, entry: dict[str, Any], picture: Path) -> Intrinsics | None:
        """Return the camera of an entry, its own numbers before the common ones, or None."""
        numbers = {**self._top, **entry}
        width, height = number_at(numbers, "w"), number_at(numbers, "h")
        if not width or not height:
            size = self._size(picture)
            if size is None:
                return None
            width, height = size
        fx, fy = number_at(numbers, "fl_x"), number_at(numbers, "fl_y")
        angle = number_at(numbers, "camera_angle_x")
        if fx is None and angle is not None and 0 < angle < np.pi:
            fx = 0.5 * width / float(np.tan(0.5 * angle))
        fx = fx if fx is not None else fy
        if fx is None:
            return None
        lens = tuple(number_at(numbers, key) or 0.0 for key in _LENS_KEYS)
        center = [number_at(numbers, key) for key in ("cx", "cy")]
        half = 0.5 if self.is_arkit else 0.0
        cx = width / 2 if center[0] is None else center[0] + half
        cy = height / 2 if center[1] is None else center[1] + half
        return Intrinsics(int(width), int(height), fx, fy or fx, cx, cy, lens if any(lens) else ())

    def _size(self, picture: Path) -> tuple[int, int] | None:
        """Return the picture size where the file does not state it: that of the first readable."""
        if self._picture_size is None:
            try:
                color = read_color(picture)
            except BadFrame:
                return None
            self._picture_size = color.shape[1], color.shape[0]
            self.notes.append("The picture size is not stated and taken from the pictures.")
        return self._picture_size

    def _picture(self, name: str) -> Path:
        path = self._beside(name)
        tried = (path.parent / f"{path.name}{suffix}" for suffix in _SUFFIXES)
        return next((file for file in tried if file.is_file()), path)

    def _beside(self, name: str) -> Path:
        """Return the path of a file the list names; one that cannot exist becomes a missing one."""
        is_possible = name.isprintable() and len(name) < _LONGEST_NAME
        return self._folder / (name.replace("\\", "/") if is_possible else "unnamed")


def _is_nerfcapture(top: dict[str, Any]) -> bool:
    """Return whether NeRFCapture wrote this: times and cameras per frame, names without suffix."""
    entries = top.get("frames")
    entry = entries[0] if isinstance(entries, list) and entries else None
    if not isinstance(entry, dict):
        return False
    has_keys = {"timestamp", "fl_x", "file_path"} <= entry.keys()
    return has_keys and not str(entry["file_path"]).lower().endswith(_SUFFIXES[1:])


def _matrix(value: Any) -> F64 | None:
    """Return a (4, 4) matrix with its homogeneous scale divided out, None when it is none."""
    try:
        matrix = np.array(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    if matrix.shape == (3, 4):
        matrix = np.vstack([matrix, [0, 0, 0, 1]])
    if matrix.shape != (4, 4):
        return None
    scale = matrix[3, 3]
    return matrix / scale if np.isfinite(scale) and scale != 0 else matrix
