"""What a source of frames is, for everyone who reads one."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from engine.core.camera import Intrinsics
from engine.core.frames import Frame
from engine.core.poses import Pose


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What is known of a source before its frames are read.

    Attributes:
        name: short name for people: folder, file or device.
        layout: name of the format, such as `7-scenes` or `stray-scanner`.
        frame_count: frames to expect, None when unknown.
        has_color: whether frames carry colour.
        has_depth: whether frames carry metric depth.
        has_poses: whether frames carry poses.
        is_live: whether time runs by itself.
        color_camera: intrinsics of the first colour picture, None without colour.
        depth_camera: intrinsics of the first depth picture, None without depth.
        convention: which pose convention was used, and how well it scored, in one sentence.
        T_world_source: turns the file's own world into ours (+Z up).
        is_metric: whether the poses are known to be in metres.
        notes: one sentence for each thing that was repaired, skipped or assumed.
        warnings: one sentence for each thing the user should look at.
        details: numbers for machines (scores of every convention, counts).
    """

    name: str
    layout: str
    frame_count: int | None
    has_color: bool
    has_depth: bool
    has_poses: bool
    is_live: bool = False
    color_camera: Intrinsics | None = None
    depth_camera: Intrinsics | None = None
    convention: str = ""
    T_world_source: Pose = field(default_factory=Pose.identity)
    is_metric: bool = True
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict)


class FrameSource(Protocol):
    """A recording, a camera or a synthetic world; all three look the same.

    Use it as a context manager. `frames` may be called again and starts from the beginning,
    except for live sources. Frames that cannot be used are skipped and counted in `skipped`
    (reason -> count); only damage to the whole recording raises.
    """

    skipped: dict[str, int]

    def describe(self) -> SourceInfo:
        """Return what is known before reading; cheap after the first call."""
        ...

    def frames(self) -> Iterator[Frame]:
        """Yield the frames in order of time."""
        ...

    def close(self) -> None:
        """Let go of files and devices; calling twice is harmless."""
        ...

    def __enter__(self) -> "FrameSource":
        """Return self."""
        ...

    def __exit__(self, *exception: object) -> None:
        """Close."""
        ...
