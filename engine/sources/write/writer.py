"""What every layout's writer has in common."""

from pathlib import Path
from typing import Protocol

import numpy as np

from engine.core.arrays import F64, U8
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.sources.base import SourceInfo
from engine.sources.conventions import as_written
from engine.sources.raw import Convention

# ARKit's world is y up: our z becomes its y, and our y its -z.
_T_yup_world = Pose.from_parts([[1, 0, 0], [0, 0, 1], [0, -1, 0]], np.zeros(3))
_GL = Convention("c2w", "gl")
# A lens that focuses changes its focal length by less; beyond it the picture was cropped.
_SAME_CAMERA = 0.005


class Writer(Protocol):
    """Writes one recording: `begin`, `add` every frame in order of time, `finish`, `close`.

    All of it raises OSError when there is no room; the job around it says so to the user.
    """

    def begin(self, info: SourceInfo) -> None:
        """Learn what is known of the source."""

    def add(self, number: int, frame: Frame) -> None:
        """Write frame `number`, counted from 0 without holes; it has what the layout needs."""
        ...

    def finish(self) -> None:
        """Write what can only be known at the end; at least one frame was added."""

    def close(self) -> None:
        """Let go of open files, finished or not; calling twice is harmless."""


def color_of(frame: Frame) -> U8:
    """Return the colour picture, which a frame handed to a writer has."""
    assert frame.color is not None
    return frame.color


def pose_of(frame: Frame) -> Pose:
    """Return the pose, which a frame handed to a writer has."""
    assert frame.T_world_cam is not None
    return frame.T_world_cam


def arkit_matrix(frame: Frame) -> F64:
    """Return the (4, 4) camera-to-world pose as ARKit has it: OpenGL camera axes, y up."""
    return as_written((_T_yup_world @ pose_of(frame)).matrix, _GL)


def gl_matrix(frame: Frame) -> F64:
    """Return the (4, 4) camera-to-world pose with OpenGL camera axes and z up."""
    return as_written(pose_of(frame).matrix, _GL)


def y_up_pose(frame: Frame) -> Pose:
    """Return the camera-to-world pose with OpenCV camera axes in a y-up world."""
    return _T_yup_world @ pose_of(frame)


def seconds(frame: Frame, decimals: int = 9) -> str:
    """Return the time stamp in seconds, as text without rounding errors."""
    scale = 10 ** (9 - decimals)
    whole, rest = divmod(round(frame.t_ns / scale) if scale > 1 else frame.t_ns, 10**decimals)
    return f"{whole}.{rest:0{decimals}d}"


def opencv_numbers(camera: Intrinsics) -> tuple[float, float, float, float]:
    """Return fx, fy, cx, cy with pixel centres at integers."""
    K = camera.opencv_matrix()
    return float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2])


def made_folders(folder: Path, *names: str) -> list[Path]:
    """Return newly made folders inside another.

    Raises:
        OSError: no room or no permission.
    """
    made = [folder / name for name in names]
    for path in made:
        path.mkdir(parents=True)
    return made


class OneCamera:
    """The camera of layouts that state it once for all frames."""

    def __init__(self, layout: str) -> None:
        self._layout = layout
        self._first: Intrinsics | None = None

    def check(self, camera: Intrinsics) -> None:
        """Remember the first camera, and refuse others.

        Raises:
            BadInput: another size, or a focal length more than focusing explains.
        """
        if self._first is None:
            self._first = camera
        first = self._first
        same_size = (camera.width, camera.height) == (first.width, first.height)
        if not same_size or abs(camera.fx / first.fx - 1) > _SAME_CAMERA:
            raise BadInput(
                f"The camera changes during the recording, which {self._layout} cannot say.",
                "Write it as stray-scanner or nerfstudio, which keep a camera for every frame.",
            )

    @property
    def camera(self) -> Intrinsics:
        """The camera of all frames; at least one was checked."""
        assert self._first is not None
        return self._first
