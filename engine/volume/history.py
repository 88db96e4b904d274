"""Every fused frame as it was fused, so that it can be moved or taken back."""

import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.faults import BadInput, CannotWrite, Severity
from engine.core.frames import Frame
from engine.core.poses import Pose

PICTURES = ("depth_m", "confidence", "color")
# A scan may not fill a disk that others need too.
SHARE_OF_FREE_DISK = 4


class FramesSettled(CannotWrite):
    """Frames could not be kept: they stay in the volume and can no longer be moved."""

    severity = Severity.DEGRADE


@dataclass(slots=True)
class _Away:
    """A frame whose pictures are in the file, one after the other from `offset`."""

    frame: Frame
    pictures: tuple[str, ...]
    offset: int
    size: int


class History:
    """Keeps fused frames bit for bit: the newest in memory, older ones in one temporary file.

    Belongs to the thread that owns the volume. Frames beyond both budgets are settled, oldest
    first: they stay fused and can no longer be moved. Pictures are written as they are: packing
    them would halve the file and cost the map thread eighty times as long.
    """

    def __init__(self, memory_mb: int, disk_mb: int, folder: Path | None = None) -> None:
        """Start empty; the file is made in `folder`, or where temporary files go, once needed.

        The file also stays within a quarter of what the disk has free.
        """
        self._memory_limit = memory_mb * 2**20
        self._disk_limit = disk_mb * 2**20
        self._folder = folder
        self._memory: dict[int, Frame] = {}
        self._memory_used = 0
        self._away: dict[int, _Away] = {}
        self._settled: dict[int, int] = {}
        self._file: FileIO | None = None
        self._file_end = 0
        self._free_places: defaultdict[int, list[int]] = defaultdict(list)
        self._disk_failed = False

    @property
    def settled(self) -> int:
        """How many frames are fused and can no longer be moved."""
        return len(self._settled)

    @property
    def used_mb(self) -> float:
        """Memory that pictures of kept frames take."""
        return self._memory_used / 2**20

    @property
    def on_disk_mb(self) -> float:
        """How long the temporary file is."""
        return self._file_end / 2**20

    def keep(self, frame: Frame) -> FramesSettled | None:
        """Keep a frame that was just fused; return a fault the first time the disk fails to.

        Raises:
            BadInput: a frame of this index is kept or settled already.
        """
        index = frame.index
        if index in self or index in self._settled:
            raise BadInput(f"Frame {index} was fused already and cannot be kept twice.")
        self._memory[index] = frame
        self._memory_used += _size(frame)
        fault = None
        while self._memory_used > self._memory_limit:
            oldest = self._memory.pop(next(iter(self._memory)))
            self._memory_used -= _size(oldest)
            try:
                self._send_away(oldest)
            except OSError as error:
                self._settled[oldest.index] = oldest.t_ns
                fault = fault or self._first_failure(error)
        return fault

    def frame(self, index: int) -> Frame | None:
        """Return a frame as it is fused now; None if it never was, left, or is settled.

        Raises:
            FramesSettled: it cannot be read back from disk, and is settled from now on.
        """
        away = self._away.get(index)
        if away is None:
            return self._memory.get(index)
        try:
            return self._read(away)
        except OSError as error:
            self._settle(index)
            raise FramesSettled(
                f"The fused frame {index} cannot be read back from disk ({_reason(error)}), so it "
                "stays where it is.",
                "The scan goes on; leave its temporary file alone until it is finished.",
            ) from error

    def replace_pose(self, index: int, T_world_cam: Pose) -> None:
        """From now on a kept frame comes back with this pose.

        Raises:
            BadInput: the frame is not kept.
        """
        if index in self._away:
            away = self._away[index]
            away.frame = replace(away.frame, T_world_cam=T_world_cam)
        elif index in self._memory:
            self._memory[index] = replace(self._memory[index], T_world_cam=T_world_cam)
        else:
            raise _not_kept(index)

    def remove(self, index: int) -> None:
        """Forget a kept frame, because it left the volume.

        Raises:
            BadInput: the frame is not kept.
        """
        if index in self._away:
            self._vacate(self._away.pop(index))
        elif index in self._memory:
            self._memory_used -= _size(self._memory.pop(index))
        else:
            raise _not_kept(index)

    def __contains__(self, index: int) -> bool:
        """Return whether a frame can be moved."""
        return index in self._away or index in self._memory

    def indices(self) -> list[int]:
        """Return the index of every frame that can be moved, sorted."""
        return sorted([*self._away, *self._memory])

    def t_ns(self, index: int) -> int:
        """Return when a kept frame was taken.

        Raises:
            BadInput: the frame is not kept.
        """
        if index in self._away:
            return self._away[index].frame.t_ns
        if index in self._memory:
            return self._memory[index].t_ns
        raise _not_kept(index)

    def since(self, t_ns: int) -> list[int]:
        """Return the index of every kept frame that is newer, sorted."""
        return [index for index in self.indices() if self.t_ns(index) > t_ns]

    def settled_since(self, t_ns: int) -> list[int]:
        """Return the index of every settled frame that is newer, sorted."""
        return sorted(index for index, taken_ns in self._settled.items() if taken_ns > t_ns)

    def is_settled(self, index: int) -> bool:
        """Return whether a frame is fused and can no longer be moved."""
        return index in self._settled

    def close(self) -> None:
        """Forget everything and delete the file; calling twice is harmless."""
        if self._file is not None:
            self._file.close()
            self._file = None
        for kept in (self._memory, self._away, self._settled, self._free_places):
            kept.clear()
        self._memory_used = self._file_end = 0

    def _send_away(self, frame: Frame) -> None:
        """Move a frame's pictures to disk, or settle it when the disk may not hold even one.

        Raises:
            OSError: it could not be written and is nowhere now.
        """
        size = _size(frame)
        offset = self._place(size)
        if offset is None:
            self._settled[frame.index] = frame.t_ns
            return
        pictures = tuple(name for name in PICTURES if getattr(frame, name) is not None)
        try:
            file = self._open()
            file.seek(offset)
            for name in pictures:
                left = _bytes(np.ascontiguousarray(getattr(frame, name)))
                while left:  # an unbuffered file may take only some at a time
                    left = left[file.write(left) :]
        except OSError:
            self._free_places[size].append(offset)
            raise
        bare = replace(frame, depth_m=None, confidence=None, color=None)
        self._away[frame.index] = _Away(bare, pictures, offset, size)

    def _read(self, away: _Away) -> Frame:
        file = self._open()
        file.seek(away.offset)
        camera, depth_camera = away.frame.intrinsics, away.frame.depth_intrinsics
        arrays: dict[str, Any] = {}
        for name in away.pictures:
            if name == "color":
                arrays[name] = np.empty((camera.height, camera.width, 3), np.uint8)
            else:
                assert depth_camera is not None  # a frame with depth has its camera
                arrays[name] = np.empty((depth_camera.height, depth_camera.width), np.float32)
            if file.readinto(_bytes(arrays[name])) != arrays[name].nbytes:
                raise OSError("the file was cut short")
        return replace(away.frame, **arrays)

    def _place(self, size: int) -> int | None:
        """Return where so many bytes may go, settling the oldest frames on disk for it."""
        limit = min(
            self._disk_limit,
            (shutil.disk_usage(self._where()).free + self._file_end) // SHARE_OF_FREE_DISK,
        )
        while True:
            if self._free_places[size]:
                return self._free_places[size].pop()
            if self._file_end + size <= limit:
                self._file_end += size
                return self._file_end - size
            if self._away:
                self._settle(next(iter(self._away)))
            elif self._file_end:
                # What is left are places of another size.
                self._open().truncate(0)
                self._free_places.clear()
                self._file_end = 0
            else:
                return None

    def _settle(self, index: int) -> None:
        away = self._away.pop(index)
        self._vacate(away)
        self._settled[index] = away.frame.t_ns

    def _vacate(self, away: _Away) -> None:
        self._free_places[away.size].append(away.offset)

    def _open(self) -> FileIO:
        if self._file is None:
            # Nameless where the system can, so that even a killed process leaves nothing behind.
            self._file = tempfile.TemporaryFile(  # noqa: SIM115  (closed by `close`)
                buffering=0, prefix="finescan-history-", dir=self._where()
            )
        return self._file

    def _where(self) -> Path:
        return self._folder or Path(tempfile.gettempdir())

    def _first_failure(self, error: OSError) -> FramesSettled | None:
        if self._disk_failed:
            return None
        self._disk_failed = True
        return FramesSettled(
            f"Fused frames cannot be kept on disk ({_reason(error)}), so older ones can no longer "
            "be moved or undone.",
            "The scan goes on. Free space in the folder for temporary files, or give fused frames "
            "more memory.",
        )


def _size(frame: Frame) -> int:
    pictures = (frame.depth_m, frame.confidence, frame.color)
    return sum(picture.nbytes for picture in pictures if picture is not None)


def _bytes(picture: np.ndarray) -> memoryview:
    return picture.reshape(-1).view(np.uint8).data


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _not_kept(index: int) -> BadInput:
    return BadInput(f"Frame {index} is not among the frames that can be moved.")
