"""What a format's reader hands over: the file's own facts, nothing judged yet.

A reader only parses. `engine.sources.recording.Recording` turns its answer into frames of the one
internal convention: it verifies the pose convention, turns the world upright, rescales intrinsics
to the pictures found, undistorts, registers, splits at pose jumps and counts what it skipped.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from engine.core.arrays import F32, F64, U8
from engine.core.camera import Intrinsics
from engine.core.poses import Pose


class Convention(NamedTuple):
    """How a file writes a pose: which way it maps, and which way its camera looks.

    `cv` is x right, y down, z forward; `gl` is x right, y up, z backward.
    """

    maps: Literal["c2w", "w2c"]
    axes: Literal["cv", "gl"]


@dataclass(frozen=True, slots=True)
class RawFrame:
    """One moment as the file has it. Pictures are loaded when called, not before.

    Attributes:
        t_ns: time stamp in nanoseconds; the frame number where the file has no clock.
        name: what to call the frame in a message, usually its file name.
        pose: (4, 4) as written, in the declared convention and the file's world, None if missing.
        color: returns (h, w, 3) uint8 RGB as stored, distorted if the lens is.
        depth: returns (h, w) float32 metres, 0 unknown; sizes may differ from colour.
        confidence: returns (h, w) float32 in 0..1 for the depth picture.
        color_camera: for the size the file states; rescaled later to the picture found.
        depth_camera: likewise; None when depth is registered to colour (same field of view).
        T_cam_depth: depth camera in the colour camera when the file gives a calibration.
        depth_pose: (4, 4) pose of the depth camera where the file has one of its own, in the same
            convention and world; `pose` is then the colour camera's and T_cam_depth is ignored.
    """

    t_ns: int
    name: str
    pose: F64 | None
    color: Callable[[], U8] | None = None
    depth: Callable[[], F32] | None = None
    confidence: Callable[[], F32] | None = None
    color_camera: Intrinsics | None = None
    depth_camera: Intrinsics | None = None
    T_cam_depth: Pose = field(default_factory=Pose.identity)
    depth_pose: F64 | None = None


@dataclass(frozen=True, slots=True)
class RawRecording:
    """A whole recording as its reader found it.

    Attributes:
        name: short name for people.
        layout: name of the format.
        frames: in the order of the file.
        declared: the convention the format's documentation states.
        up_source: (x, y, z) direction pointing up in the file's world, None if not stated.
        is_metric: whether the format promises metres.
        notes: one sentence for each thing repaired, skipped or assumed while parsing.
        close: lets go of open files.
    """

    name: str
    layout: str
    frames: tuple[RawFrame, ...]
    declared: Convention
    up_source: tuple[float, float, float] | None = None
    is_metric: bool = True
    notes: tuple[str, ...] = ()
    close: Callable[[], None] = lambda: None
