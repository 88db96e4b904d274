"""Frames drawn or decoded once and kept in a file, so that making them is no part of any timing."""

import math
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from engine.core.arrays import F32
from engine.core.frames import Frame
from engine.core.poses import Pose
from engine.sources.base import SourceInfo

Size = tuple[int, int]
MISSED = "came while an earlier one was still being taken"


@dataclass(frozen=True, slots=True)
class _Kept:
    """A frame without its pictures, where in the file they begin, and which there are."""

    bare: Frame
    start: int
    has_color: bool
    has_depth: bool
    has_confidence: bool


@dataclass(frozen=True, slots=True)
class Tape:
    """Frames in a file of their raw pictures, one after the other.

    Attributes:
        info: what the recording said of itself.
    """

    path: Path
    info: SourceInfo
    kept: tuple[_Kept, ...]

    def frame(self, number: int) -> Frame:
        """Return one frame, its pictures read from the file."""
        kept = self.kept[number]
        frame, camera = kept.bare, kept.bare.depth_intrinsics
        with self.path.open("rb") as file:
            file.seek(kept.start)
            if kept.has_color:
                shape = (frame.intrinsics.height, frame.intrinsics.width, 3)
                frame = replace(frame, color=_read(file, np.uint8, shape))
            if kept.has_depth and camera is not None:
                size = camera.height, camera.width
                frame = replace(frame, depth_m=_read(file, np.float32, size))
                if kept.has_confidence:
                    frame = replace(frame, confidence=_read(file, np.float32, size))
        return frame


def record(path: Path, info: SourceInfo, frames: Iterable[Frame]) -> Tape:
    """Write the frames that have a pose to a file, in the size of their raw pictures."""
    kept: list[_Kept] = []
    with path.open("wb") as file:
        for frame in frames:
            if frame.T_world_cam is None:
                continue
            pictures = (frame.color, frame.depth_m, frame.confidence)
            bare = replace(frame, color=None, depth_m=None, confidence=None)
            kept.append(_Kept(bare, file.tell(), *(each is not None for each in pictures)))
            for picture in pictures:
                if picture is not None:
                    file.write(np.ascontiguousarray(picture).tobytes())
    return Tape(path, info, tuple(kept))


@dataclass(frozen=True, slots=True)
class Play:
    """How a tape is played.

    Attributes:
        rate_hz: frames a second by the clock, as a camera gives them; None for as fast as they
            are taken.
        size: width and height every picture is enlarged to, None for their own.
        with_depth: without, only colour is given.
        start: first frame of the tape to play.
        stop: where to end, None for the end of the tape.
        rounds: how often it is played.
        apart_m: how far each round is moved beside the one before,
        places: until so many lie beside each other; the next one is the first again.
        rest_s: how long it stays open after the last frame, unless it is told to leave: a camera
            that stands still.
    """

    rate_hz: float | None = None
    size: Size | None = None
    with_depth: bool = True
    start: int = 0
    stop: int | None = None
    rounds: int = 1
    apart_m: float = 0.0
    places: int = 2**31
    rest_s: float = 0.0


class TapeSource:
    """Plays a tape as a recording or, when it has a rate, as a camera that waits for nobody.

    A camera's frames come by the clock. Of those for which the reader is late only the newest is
    kept, which is less than drivers do (four for video on Linux, sixteen for a RealSense); those
    before are lost, and `skipped` counts them. `left_s` says when each frame left the camera, by
    `perf_counter`, however late it was read. Frames are numbered through all rounds.
    """

    def __init__(self, tape: Tape, play: Play) -> None:
        """Prepare to play; nothing is read yet."""
        self.skipped: dict[str, int] = {}
        self.left_s: dict[int, float] = {}
        self._tape, self._play = tape, play
        stop = len(tape.kept) if play.stop is None else play.stop
        self._numbers = range(play.start, min(stop, len(tape.kept)))
        self._closed, self._rested = threading.Event(), threading.Event()

    def __len__(self) -> int:
        """Return how many frames all rounds have."""
        return self._play.rounds * len(self._numbers)

    def describe(self) -> SourceInfo:
        """Return the recording's description; live when the clock rules."""
        info, play = self._tape.info, self._play
        camera = info.color_camera
        if camera is not None and play.size is not None:
            camera = camera.scaled_to(*play.size)
        is_live = play.rate_hz is not None
        return replace(
            info,
            frame_count=None if is_live else len(self),
            has_depth=info.has_depth and play.with_depth,
            is_live=is_live,
            color_camera=camera,
        )

    def frames(self) -> Iterator[Frame]:
        """Yield the frames, each at its time where there is a clock."""
        rate_hz, begun_s = self._play.rate_hz, time.perf_counter()
        for index in range(len(self)):
            if rate_hz is not None:
                due_s = begun_s + index / rate_hz
                if time.perf_counter() > due_s + 1 / rate_hz:
                    self.skipped[MISSED] = self.skipped.get(MISSED, 0) + 1
                    continue
            frame = self._frame(index)
            if rate_hz is not None and self._closed.wait(max(0.0, due_s - time.perf_counter())):
                return
            self.left_s[index] = time.perf_counter() if rate_hz is None else due_s
            yield frame
        self._rested.wait(self._play.rest_s)

    def leave(self) -> None:
        """End the rest after the last frame."""
        self._rested.set()

    def close(self) -> None:
        """End a wait for the clock, and the rest."""
        self._closed.set()
        self._rested.set()

    def __enter__(self) -> "TapeSource":
        """Return self."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()

    def _frame(self, index: int) -> Frame:
        play = self._play
        turn, place = divmod(index, len(self._numbers))
        found = self._tape.frame(self._numbers[place])
        assert found.T_world_cam is not None
        aside = Pose.from_parts(np.eye(3), [turn % play.places * play.apart_m, 0.0, 0.0])
        step_ns = round(1e9 / (play.rate_hz or 30.0))
        frame = replace(
            found, index=index, t_ns=index * step_ns, T_world_cam=aside @ found.T_world_cam
        )
        if not play.with_depth:
            frame = replace(frame, depth_m=None, confidence=None, depth_intrinsics=None)
        return frame if play.size is None else _enlarged(frame, play.size)


def _enlarged(frame: Frame, size: Size) -> Frame:
    """Return the frame with pictures of another size; depth is not mixed between pixels."""

    def resized(picture: F32 | None) -> F32 | None:
        if picture is None:
            return None
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST))

    depth_camera = frame.depth_intrinsics
    color = frame.color
    if color is not None:
        color = cv2.resize(color, size, interpolation=cv2.INTER_LINEAR)
    return replace(
        frame,
        color=color,
        intrinsics=frame.intrinsics.scaled_to(*size),
        depth_m=resized(frame.depth_m),
        confidence=resized(frame.confidence),
        depth_intrinsics=None if depth_camera is None else depth_camera.scaled_to(*size),
    )


def _read(file: BinaryIO, kind: type[np.generic], shape: tuple[int, ...]) -> np.ndarray:
    return np.fromfile(file, kind, math.prod(shape)).reshape(shape)
