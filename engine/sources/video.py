"""Frames of a video file by number, decoded as they are asked for."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame

from engine.core.arrays import U8
from engine.core.faults import BadFrame, BadInput
from engine.sources.images import LARGEST_PX, SMALLEST_PX

# What ARKit records.
_FULL_SIZE = (1920, 1440)
# How far from the middle of the picture, as a fraction of a side: no optical axis is so far off,
# every phone's is so near.
_OFF_CENTER, _NEAR_CENTER = 0.15, 0.05


class Video:
    """A video whose frames are numbered from 0 in the order they are shown.

    Decoding runs forward; asking for an earlier frame starts again from the beginning, so read
    in order. Pictures are as the sensor saw them: a rotation tag is told, not applied.
    Belongs to one thread.

    Attributes:
        width: of the stored picture in pixels.
        height: likewise.
        frame_count: as the file claims, None when it does not say.
        rotation_deg: by how much a player turns the picture for people.
    """

    def __init__(self, path: Path) -> None:
        """Open the file and decode its first frame.

        Raises:
            BadInput: missing, not a video, cut off before the first frame, or of a size that no
                camera has.
        """
        self._path = path
        self._container: InputContainer | None = None
        self._decoded: Iterator[VideoFrame] = iter(())
        self._next = 0
        # The picture handed out last, and its number.
        self._latest: tuple[int, U8] | None = None
        self._end: int | None = None
        if not path.is_file():
            raise BadInput(f"The video {path.name} is missing.")
        try:
            first = self._restart()
        except FFmpegError as error:
            raise self._unreadable() from error
        if first is None:
            raise self._unreadable()
        self.width, self.height = first.width, first.height
        self.rotation_deg = int(first.rotation)
        if not (
            SMALLEST_PX <= self.width <= LARGEST_PX and SMALLEST_PX <= self.height <= LARGEST_PX
        ):
            self.close()
            raise BadInput(f"The video {path.name} is {self.width}x{self.height} pixels.")

    def frame(self, number: int) -> U8:
        """Return frame `number` as (h, w, 3) uint8 RGB.

        Raises:
            BadFrame: there is no such frame, or the video is damaged before it.
        """
        if number < 0 or (self._end is not None and number >= self._end):
            raise self._past_end(number)
        try:
            if self._container is None or (number < self._next and not self._is_latest(number)):
                self._restart()
            if self._latest is not None and self._is_latest(number):
                return self._latest[1]
            for decoded in self._decoded:
                self._next += 1
                if self._next == number + 1:
                    return self._keep(decoded)
        except FFmpegError:
            # The frames before the damage stay usable; from here on there are none.
            pass
        self._end = self._next
        raise self._past_end(number)

    def stated_size(self, centers_px: list[tuple[float, float]]) -> tuple[int, int]:
        """Return the picture size (w, h) that principal points were written for.

        That is the video's own, unless they lie in the middle of a phone's full picture and
        nowhere near the middle of this one: then somebody has shrunk the video.
        """
        own = (self.width, self.height)
        if not centers_px:
            return own
        center = np.median(np.array(centers_px), axis=0)
        off_own, off_full = (np.abs(center / size - 0.5).max() for size in (own, _FULL_SIZE))
        return _FULL_SIZE if off_own > _OFF_CENTER and off_full < _NEAR_CENTER else own

    def close(self) -> None:
        """Let go of the file; a later `frame` opens it again."""
        if self._container is not None:
            self._container.close()
        self._container, self._latest = None, None
        self._decoded, self._next = iter(()), 0

    def _restart(self) -> VideoFrame | None:
        self.close()
        container = av.open(str(self._path))
        self._container = container
        if not container.streams.video:
            return None
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        self.frame_count = stream.frames or None
        self._decoded = container.decode(stream)
        first = next(self._decoded, None)
        if first is not None:
            self._next = 1
            self._keep(first)
        return first

    def _keep(self, decoded: VideoFrame) -> U8:
        picture = np.asarray(decoded.to_ndarray(format="rgb24"), np.uint8)
        # Handed out again when the same frame is asked for twice, so nobody may change it.
        picture.flags.writeable = False
        self._latest = (self._next - 1, picture)
        return picture

    def _is_latest(self, number: int) -> bool:
        return self._latest is not None and self._latest[0] == number

    def _unreadable(self) -> BadInput:
        self.close()
        return BadInput(
            f"The video {self._path.name} cannot be read; it is damaged or was cut off.",
            "Copy it from the phone again.",
        )

    def _past_end(self, number: int) -> BadFrame:
        return BadFrame(
            f"The video {self._path.name} has no readable frame {number}.",
            "It holds fewer frames than its log, or was cut off.",
        )
