"""Writes a scan as its frames arrive, so that a crash loses at most the last one.

Pictures are written before the line that names them, and the line is handed to the operating
system at once: whatever the journal mentions is there, even when the process is killed.
"""

import contextlib
import datetime
from pathlib import Path
from typing import IO, Literal

import cv2
import numpy as np
from pydantic import ValidationError

from engine.archive.layout import (
    COLOR_DIR,
    CONFIDENCE_DIR,
    DEPTH_DIR,
    JOURNAL,
    VERSION,
    Camera,
    Entry,
    Manifest,
    Moved,
    write_manifest,
)
from engine.core.arrays import F32, U8
from engine.core.faults import BadInput, CannotWrite
from engine.core.frames import Frame, PoseUpdate
from engine.core.poses import Pose

# Steps of 0.2 mm reach 13 m, and hold millimetres and TUM's fifths of one without rounding.
DEPTH_UNIT_M = 0.0002
# Higher PNG levels take several times longer for a tenth of the size.
_OPTIONS = {
    ".jpg": [cv2.IMWRITE_JPEG_QUALITY, 95],
    ".png": [cv2.IMWRITE_PNG_COMPRESSION, 1],
}


class ArchiveWriter:
    """An open scan on disk; belongs to one thread. Use it as a context manager.

    What was added can be read at any time, also while the writer is open.
    """

    def __init__(
        self,
        folder: Path,
        name: str = "",
        *,
        color: Literal["jpeg", "png"] = "jpeg",
        depth_unit_m: float = DEPTH_UNIT_M,
        is_metric: bool = True,
    ) -> None:
        """Make the folder and its manifest.

        Raises:
            BadInput: the folder holds something already, or a depth unit outside 0.1 to 1 mm.
            CannotWrite: no permission or no space.
        """
        if not 0.0001 <= depth_unit_m <= 0.001:
            raise BadInput(f"A depth unit of {depth_unit_m:g} m is outside 0.1 to 1 mm.")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise BadInput(f"{folder} holds something already.", "Choose a new folder.")
        self.folder = folder
        self.frame_count = 0
        self._manifest = Manifest(
            name=name or folder.name,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            depth_unit_m=depth_unit_m,
            color_suffix=".jpg" if color == "jpeg" else ".png",
            is_metric=is_metric,
        )
        try:
            for part in (COLOR_DIR, DEPTH_DIR, CONFIDENCE_DIR):
                (folder / part).mkdir(parents=True, exist_ok=True)
            write_manifest(folder, self._manifest)
            self._journal: IO[bytes] | None = (folder / JOURNAL).open("ab", buffering=0)
        except OSError as error:
            raise _cannot(error, folder, 0) from error
        self._good_bytes = 0

    def add(self, frame: Frame) -> None:
        """Append a frame; when this returns, killing the process cannot lose it.

        Depth beyond the reach of 16 bits becomes unknown.

        Raises:
            CannotWrite: disk full or gone; frames added before stay readable, and adding may be
                tried again.
        """
        self._open_journal()
        stem = f"{self.frame_count:06d}"
        pictures = self._pictures(frame, stem)
        entry = Entry(
            index=frame.index,
            t_ns=frame.t_ns,
            segment=frame.segment,
            color=_named(pictures, COLOR_DIR),
            color_camera=None if frame.color is None else Camera.of(frame.intrinsics),
            depth=_named(pictures, DEPTH_DIR),
            depth_camera=(
                None if frame.depth_intrinsics is None else Camera.of(frame.depth_intrinsics)
            ),
            confidence=_named(pictures, CONFIDENCE_DIR),
            T_world_cam=_numbers(frame.T_world_cam),
            T_cam_depth=(
                None if frame.T_cam_depth == Pose.identity() else _numbers(frame.T_cam_depth)
            ),
        )
        self._append(entry.model_dump_json(exclude_none=True), pictures)
        self.frame_count += 1

    def move(self, update: PoseUpdate) -> None:
        """Append corrected poses; when this returns, whoever reads the scan gets those.

        Frames the journal does not hold are passed over by readers.

        Raises:
            BadInput: a pose holds NaN or infinity; nothing was written.
            CannotWrite: disk full or gone; all that was added before stays readable.
        """
        self._open_journal()
        poses = {index: _numbers(pose) for index, pose in update.T_world_cam.items()}
        try:
            moved = Moved(moved=poses, reason=update.reason)
        except ValidationError as error:
            raise BadInput(
                "A corrected pose holds NaN or infinity, so none was written."
            ) from error
        if self._manifest.version < VERSION:
            newer = self._manifest.model_copy(update={"version": VERSION})
            try:
                # First: a program that cannot read the line must not take the scan for whole.
                write_manifest(self.folder, newer)
            except OSError as error:
                raise _cannot(error, self.folder, self.frame_count) from error
            self._manifest = newer
        self._append(moved.model_dump_json(), {})

    def close(self) -> None:
        """Mark the scan as complete; calling twice is harmless.

        Raises:
            CannotWrite: the mark could not be written; the frames are safe all the same.
        """
        if self._journal is None:
            return
        self._journal.close()
        self._journal = None
        try:
            complete = self._manifest.model_copy(update={"frame_count": self.frame_count})
            write_manifest(self.folder, complete)
        except OSError as error:
            raise _cannot(error, self.folder, self.frame_count) from error

    def __enter__(self) -> "ArchiveWriter":
        """Return self."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()

    def _open_journal(self) -> IO[bytes]:
        if self._journal is None:
            raise CannotWrite(f"The scan in {self.folder} is closed already.")
        return self._journal

    def _append(self, json: str, pictures: dict[str, bytes]) -> None:
        """Write pictures, then the line that names them, or nothing of it."""
        line = json.encode() + b"\n"
        try:
            for file, data in pictures.items():
                (self.folder / file).write_bytes(data)
            _write_all(self._open_journal(), line)
        except OSError as error:
            self._take_back(pictures)
            raise _cannot(error, self.folder, self.frame_count) from error
        self._good_bytes += len(line)

    def _pictures(self, frame: Frame, stem: str) -> dict[str, bytes]:
        """Return the encoded pictures by their file name within the folder."""
        pictures = {}
        if frame.color is not None:
            suffix = self._manifest.color_suffix
            pictures[f"{COLOR_DIR}/{stem}{suffix}"] = _encode_color(frame.color, suffix)
        if frame.depth_m is not None:
            units = _depth_units(frame.depth_m, self._manifest.depth_unit_m)
            pictures[f"{DEPTH_DIR}/{stem}.png"] = _encode(".png", units)
        if frame.confidence is not None:
            levels = np.rint(np.clip(frame.confidence, 0, 1) * 255).astype(np.uint8)
            pictures[f"{CONFIDENCE_DIR}/{stem}.png"] = _encode(".png", levels)
        return pictures

    def _take_back(self, pictures: dict[str, bytes]) -> None:
        """Undo a frame that was written in part; on a dying disk even that may fail."""
        for file in pictures:
            with contextlib.suppress(OSError):
                (self.folder / file).unlink(missing_ok=True)
        if self._journal is not None:
            with contextlib.suppress(OSError):
                self._journal.truncate(self._good_bytes)


def _write_all(file: IO[bytes], data: bytes) -> None:
    """Write every byte: an unbuffered file may take only some at a time."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _cannot(error: OSError, folder: Path, safe: int) -> CannotWrite:
    return CannotWrite(
        f"The scan cannot be written to {folder}: {error.strerror or error}.",
        f"Free some space or choose another disk; {safe} frames are safe there.",
    )


def _named(pictures: dict[str, bytes], part: str) -> str | None:
    return next((file for file in pictures if file.startswith(part)), None)


def _numbers(pose: Pose | None) -> tuple[float, ...] | None:
    return None if pose is None else tuple(pose.matrix.ravel().tolist())


def _depth_units(depth_m: F32, unit_m: float) -> np.ndarray:
    units = np.rint(depth_m * np.float32(1 / unit_m))
    # Out of reach is unknown, not near; NaN compares false and goes the same way.
    return np.where(units <= 65535, units, np.float32(0)).astype(np.uint16)


def _encode_color(color: U8, suffix: str) -> bytes:
    return _encode(suffix, cv2.cvtColor(color, cv2.COLOR_RGB2BGR))


def _encode(suffix: str, picture: np.ndarray) -> bytes:
    _, data = cv2.imencode(suffix, picture, _OPTIONS[suffix])
    return bytes(data)
