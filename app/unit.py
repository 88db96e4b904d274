"""Recordings whose poses have no unit, brought to about the size of a room."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from engine.core.frames import Frame, Photo
from engine.core.poses import Pose
from engine.depth.scene_scale import median_depth
from engine.depth.views import TYPICAL_DEPTH_M
from engine.sources.base import FrameSource, SourceInfo

# Neighbours overlap most, so stretches of some pictures in a row are looked at.
STRETCHES = 4
STRETCH = 4


def with_unit(source: FrameSource) -> FrameSource:
    """Return the source as it is when its poses are metric; else scaled, with a warning.

    Colour-only recordings from structure from motion have any unit. Scaled so that what they show
    lies at a usual distance, everything that counts in metres fits them.
    """
    info = source.describe()
    if info.is_metric or info.has_depth or not (info.has_color and info.has_poses):
        return source
    depth = _typical_depth(source, info.frame_count or 0)
    return source if depth is None else Scaled(source, TYPICAL_DEPTH_M / depth)


class Scaled:
    """A `FrameSource` whose camera positions are multiplied by a factor."""

    def __init__(self, source: FrameSource, factor: float) -> None:
        """Take over the source."""
        self._source = source
        self._factor = factor
        self.skipped: dict[str, int] = dict(source.skipped)
        info = source.describe()
        warning = (
            "This recording has no metric scale, so its size is a guess: what it shows is taken to "
            f"lie {TYPICAL_DEPTH_M:g} m from the camera, which makes one unit of its poses "
            f"{factor:.3g} m."
        )
        details = {**info.details, "metres_a_unit": factor}
        self._info = replace(info, warnings=(*info.warnings, warning), details=details)

    def describe(self) -> SourceInfo:
        """Return what is known of the source, with the guess among the warnings."""
        return self._info

    def frames(self) -> Iterator[Frame]:
        """Yield the frames, camera positions scaled."""
        for frame in self._source.frames():
            self.skipped = dict(self._source.skipped)
            pose = frame.T_world_cam
            if pose is not None:
                pose = Pose.from_parts(pose.rotation, self._factor * pose.translation)
            yield replace(frame, T_world_cam=pose)

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def __enter__(self) -> "Scaled":
        """Return self."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close the source."""
        self.close()


def _typical_depth(source: FrameSource, count: int) -> float | None:
    starts = np.unique(np.linspace(0, max(0, count - STRETCH), STRETCHES).astype(int))
    wanted = {int(start) + i for start in starts for i in range(STRETCH)}
    looked: dict[int, Photo] = {}
    for number, frame in enumerate(source.frames()):
        if number in wanted and frame.color is not None and frame.T_world_cam is not None:
            looked[number] = Photo(frame.color, frame.intrinsics, frame.T_world_cam, frame.index)
        if number >= max(wanted):
            break
    return median_depth([looked[number] for number in sorted(looked)])
