"""ARKitScenes videos: streams of pictures named by time, and a trajectory at a slower rate.

Poses are world-to-camera, angle-axis and translation, OpenCV axes, world z up. Streams share no
stamps: depth, confidence and intrinsics are matched to the picture by nearest time, the pose is
interpolated between its neighbours in the trajectory.
"""

from functools import partial
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from engine.core.arrays import F32, F64
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.poses import Pose, interpolate
from engine.sources.arkit import DEPTH_UNIT_M, confidence_of
from engine.sources.images import read_color, read_depth_png, read_grey
from engine.sources.raw import Convention, RawFrame, RawRecording
from engine.sources.text import nearest, number_rows, read_text, seconds_to_ns, split_rows

LAYOUT = "arkitscenes"
_TRAJECTORY = "lowres_wide.traj"
# Sharpest first: colour may come at a higher resolution and lower rate than depth.
_COLOR_STREAMS = ("wide", "vga_wide", "lowres_wide")
# Streams run at 60 Hz at best: half a period apart is another moment.
_SAME_MOMENT_S = 0.009
# The trajectory runs at 10 Hz. Errors grow with the square of the gap: across two steps of a
# brisk walk they reach 27 mm already.
_LONGEST_GAP_S = 0.15
_NO_INTERPOLATION_S = 0.002


def sniff(path: Path) -> bool:
    """Return whether a path is the folder of one ARKitScenes video."""
    return path.is_dir() and _base(path) is not None


def read(path: Path) -> RawRecording:
    """Return the recording as the data set has it.

    Raises:
        BadInput: a part is missing or damaged.
    """
    base = _base(path)
    if base is None:
        raise BadInput(f"The folder {path.name} has no {_TRAJECTORY}.")
    color = next((found for name in _COLOR_STREAMS if (found := _Stream(base / name)).files), None)
    if color is None:
        raise BadInput(f"The folder {path.name} holds no pictures.")
    cameras = _Stream(base / f"{color.name}_intrinsics", "pincam")
    depth, confidence = _Stream(base / "lowres_depth"), _Stream(base / "confidence")
    track = _Track(base / _TRAJECTORY)
    frames = []
    for time_s, file in zip(color.times_s, color.files, strict=True):
        depth_file, confidence_file = depth.at(time_s), confidence.at(time_s)
        frames.append(
            RawFrame(
                t_ns=seconds_to_ns(float(time_s)),
                name=file.name,
                pose=track.at(float(time_s)),
                color=partial(read_color, file),
                depth=None
                if depth_file is None
                else partial(read_depth_png, depth_file, DEPTH_UNIT_M),
                confidence=None
                if confidence_file is None
                else partial(_confidence, confidence_file),
                color_camera=_pincam(cameras.at(time_s), file),
            )
        )
    return RawRecording(
        name=base.name.removesuffix("_frames"),
        layout=LAYOUT,
        frames=tuple(frames),
        declared=Convention("w2c", "cv"),
        up_source=(0.0, 0.0, 1.0),
        notes=tuple(track.notes()),
    )


def _base(path: Path) -> Path | None:
    """Return the folder with the trajectory: the given one, or `<video>_frames` inside it."""
    inside = (path, path / f"{path.name}_frames", *sorted(path.glob("*_frames")))
    return next((folder for folder in inside if (folder / _TRAJECTORY).is_file()), None)


class _Stream:
    """The files of one folder, by the time in their names (`<video>_<seconds>.png`)."""

    def __init__(self, folder: Path, suffix: str = "png") -> None:
        timed = []
        for file in folder.glob(f"*.{suffix}"):
            try:
                timed.append((float(file.stem.rsplit("_", 1)[-1]), file))
            except ValueError:
                continue
        timed.sort()
        self.name = folder.name
        self.times_s = np.array([time_s for time_s, _ in timed], np.float64)
        self.files = [file for _, file in timed]

    def at(self, time_s: float) -> Path | None:
        """Return the file of that moment, None when there is none."""
        found = nearest(self.times_s, time_s, _SAME_MOMENT_S)
        return None if found is None else self.files[found]


class _Track:
    """The trajectory, asked for world-to-camera matrices at any time."""

    def __init__(self, path: Path) -> None:
        table, self._damaged = number_rows(split_rows(read_text(path)), 7, path.name)
        usable = np.isfinite(table).all(axis=1)
        self._damaged += int((~usable).sum())
        if not usable.any():
            raise BadInput(f"The trajectory {path.name} holds no usable line.")
        table = table[usable]
        self._table: F64 = table[np.argsort(table[:, 0], kind="stable")]
        self._interpolated = self._missing = 0

    def at(self, time_s: float) -> F64 | None:
        """Return the (4, 4) pose, None where the trajectory has a gap."""
        times = self._table[:, 0]
        same = nearest(times, time_s, _NO_INTERPOLATION_S)
        if same is not None:
            return self._matrix(same)
        after = int(np.searchsorted(times, time_s))
        if not 0 < after < len(times) or times[after] - times[after - 1] > _LONGEST_GAP_S:
            self._missing += 1
            return None
        self._interpolated += 1
        fraction = (time_s - times[after - 1]) / (times[after] - times[after - 1])
        # The camera's own position moves smoothly; that of the world as it sees it does not.
        before, behind = (Pose.from_matrix(self._matrix(i)).inverse for i in (after - 1, after))
        return interpolate(before, behind, float(fraction)).inverse.matrix

    def notes(self) -> list[str]:
        """Return what happened so far."""
        counted = {
            "damaged lines of the trajectory were left out": self._damaged,
            "poses are interpolated between two of the trajectory": self._interpolated,
            "pictures have no pose near enough in time": self._missing,
        }
        return [f"{count} {what}." for what, count in counted.items() if count]

    def _matrix(self, row: int) -> F64:
        matrix = np.eye(4)
        matrix[:3, :3] = Rotation.from_rotvec(self._table[row, 1:4]).as_matrix()
        matrix[:3, 3] = self._table[row, 4:7]
        return matrix


def _pincam(path: Path | None, picture: Path) -> Intrinsics | None:
    """Return the camera of a picture, None when it has none: the recording counts such frames."""
    if path is None:
        return None
    rows, _ = number_rows(split_rows(read_text(path)), 6, path.name)
    width, height, *camera = rows[0].tolist()
    if not np.isfinite(rows[0]).all():
        raise BadInput(f"The camera of {picture.name} is not made of numbers.")
    return Intrinsics.from_opencv(int(width), int(height), *camera)


def _confidence(path: Path) -> F32:
    return confidence_of(read_grey(path))
