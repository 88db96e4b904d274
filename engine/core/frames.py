"""What a camera delivers, in the one convention of the program.

World is right-handed, in metres, +Z up. Cameras look along +Z with +X right and +Y down.
Pictures are undistorted. Depth is metres along the camera axis, zero where unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from engine.core.arrays import F32, U8
from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame
from engine.core.poses import Pose


@dataclass(frozen=True, slots=True)
class Frame:
    """One moment of a recording: colour, depth, or both, and where the camera was.

    Attributes:
        index: position in the recording, starting at 0; holes are allowed.
        t_ns: time stamp in nanoseconds, never decreasing within a recording.
        color: (h, w, 3) uint8 RGB, or None.
        intrinsics: the colour camera, sized as `color`; the depth camera where there is no colour.
        depth_m: (hd, wd) float32 metres, 0 unknown, or None.
        depth_intrinsics: the depth camera, sized as `depth_m`.
        confidence: (hd, wd) float32 in 0..1 for every depth pixel, or None for "all 1".
        T_world_cam: pose of the colour camera, or None when unknown.
        T_cam_depth: where the depth camera sits in the colour camera; identity when registered.
        segment: counts up at every jump of the pose; frames of one segment fit each other.
    """

    index: int
    t_ns: int
    intrinsics: Intrinsics
    color: U8 | None = None
    depth_m: F32 | None = None
    depth_intrinsics: Intrinsics | None = None
    confidence: F32 | None = None
    T_world_cam: Pose | None = None
    T_cam_depth: Pose = field(default_factory=Pose.identity)
    segment: int = 0

    def __post_init__(self) -> None:
        """Freeze the arrays and refuse sizes and types that contradict each other.

        Raises:
            BadFrame: a picture of the wrong size, shape or type.
        """
        _check("colour", self.color, self.intrinsics, np.uint8, channels=3)
        if self.depth_m is not None and self.depth_intrinsics is None:
            raise BadFrame(f"Frame {self.index} has depth but no depth camera.")
        if self.depth_intrinsics is not None:
            _check("depth", self.depth_m, self.depth_intrinsics, np.float32)
            _check("confidence", self.confidence, self.depth_intrinsics, np.float32)

    @property
    def T_world_depth(self) -> Pose | None:
        """Pose of the depth camera, or None when the frame has no pose."""
        return None if self.T_world_cam is None else self.T_world_cam @ self.T_cam_depth


@dataclass(frozen=True, slots=True)
class PoseUpdate:
    """Frames turned out to stand elsewhere: a closed loop, a relocalisation, a correction, an undo.

    Attributes:
        T_world_cam: the right pose by frame index; None takes the frame out of the scan.
        reason: one phrase for people.
    """

    T_world_cam: Mapping[int, Pose | None]
    reason: str


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph with its camera, for painting a mesh or judging a render.

    Attributes:
        color: (h, w, 3) uint8 RGB, undistorted.
        intrinsics: the camera, sized as `color`.
        T_world_cam: where it stood.
        index: position in the recording.
    """

    color: U8
    intrinsics: Intrinsics
    T_world_cam: Pose
    index: int = 0

    def __post_init__(self) -> None:
        """Freeze the picture and refuse one that does not fit its camera.

        Raises:
            BadFrame: another size, shape or type.
        """
        _check("colour", self.color, self.intrinsics, np.uint8, channels=3)


def _check(
    what: str, picture: np.ndarray | None, camera: Intrinsics, dtype: type, channels: int = 0
) -> None:
    if picture is None:
        return
    expected = (
        (camera.height, camera.width, channels) if channels else (camera.height, camera.width)
    )
    if picture.shape != expected or picture.dtype != dtype:
        raise BadFrame(
            f"A {what} picture of shape {picture.shape} and type {picture.dtype} does not fit its "
            f"camera of {camera.width}x{camera.height} pixels.",
            "The recording mixes sizes or is damaged.",
        )
    picture.flags.writeable = False
