"""Record3D: the EXR + RGB export folder, and the app's own `.r3d` archive.

Both carry one JSON of metadata. Poses are camera-to-world with OpenGL axes of the picture as stored
(portrait when held so), in ARKit's y-up world, numbered like the pictures. K is column-major and
for w x h pixels. Depth is registered, in metres, NaN where unknown.
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from engine.core.arrays import F32, F64, U8
from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame, BadInput
from engine.sources.arkit import UP, confidence_of
from engine.sources.images import decode_color, read_color, read_depth_exr
from engine.sources.lzfse_stream import decompress
from engine.sources.raw import Convention, RawFrame, RawRecording
from engine.sources.safe_zip import SafeZip, member_names
from engine.sources.text import number_at, parse_json, quaternion_matrix, read_json, seconds_to_ns

_LARGEST_METADATA_BYTES = 256 * 1024 * 1024
_LARGEST_PICTURE_BYTES = 64 * 1024 * 1024
# What a stream may be larger than its content, when nothing could be saved.
_STREAM_OVERHEAD_BYTES = 4096
_LARGEST_SIDE_PX = 16384
_USUAL_FPS = 60.0


def sniff(path: Path) -> bool:
    """Return whether a path is a Record3D export folder, an `.r3d`, or a folder with just one."""
    if path.is_dir():
        return _export_base(path) is not None or _only_archive(path) is not None
    names = member_names(path)
    if path.suffix.lower() == ".r3d":
        # Whole or not: reading it says what is wrong, which a list of formats would not.
        return True
    return "metadata" in names and any(name.startswith("rgbd/") for name in names)


def read(path: Path) -> RawRecording:
    """Return the recording as the app wrote it; an archive stays open until closed.

    Raises:
        BadInput: a part is missing or damaged.
    """
    if not path.is_dir():
        return _read_archive(path)
    archive = _only_archive(path)
    return _read_export(path) if archive is None else _read_archive(archive)


def _only_archive(folder: Path) -> Path | None:
    found = list(folder.glob("*.r3d"))
    return found[0] if len(found) == 1 else None


def _export_base(path: Path) -> Path | None:
    for base in (path, path / "EXR_RGBD"):
        if (base / "rgb").is_dir() and _metadata_path(base) is not None:
            return base
    return None


def _metadata_path(base: Path) -> Path | None:
    beside = (base / "metadata.json", base.parent / "metadata.json")
    return next((path for path in beside if path.is_file()), None)


def _read_export(path: Path) -> RawRecording:
    base = _export_base(path)
    metadata = None if base is None else _metadata_path(base)
    if base is None or metadata is None:
        raise BadInput(f"The folder {path.name} is no Record3D export.")
    log = _Log(read_json(metadata))
    numbers = _numbers(file.stem for file in (base / "rgb").glob("*.jpg"))
    frames = []
    for number in numbers:
        depth = base / "depth" / f"{number}.exr"
        frames.append(
            log.frame(
                number,
                color=partial(read_color, base / "rgb" / f"{number}.jpg"),
                depth=partial(_exr, depth) if depth.is_file() else None,
            )
        )
    return log.recording(path.name, "record3d", frames)


def _read_archive(path: Path) -> RawRecording:
    archive = SafeZip(path)
    try:
        log = _Log(parse_json(archive.read("metadata", _LARGEST_METADATA_BYTES), "metadata"))
        numbers = _numbers(
            name.removeprefix("rgbd/").removesuffix(".jpg")
            for name in archive.names
            if name.startswith("rgbd/") and name.endswith(".jpg")
        )
        frames = [_archived_frame(archive, log, number) for number in numbers]
        return log.recording(path.stem, "record3d-r3d", frames, archive.close)
    except BadInput:
        archive.close()
        raise


def _archived_frame(archive: SafeZip, log: "_Log", number: int) -> RawFrame:
    depth, confidence = f"rgbd/{number}.depth", f"rgbd/{number}.conf"
    load_depth = load_confidence = None
    if depth in archive.names:
        load_depth = partial(_lzfse_depth, archive, depth, log.depth_shape())
        if confidence in archive.names:
            load_confidence = partial(_lzfse_confidence, archive, confidence, log.depth_shape())
    color = partial(_jpeg, archive, f"rgbd/{number}.jpg")
    return log.frame(number, color, load_depth, load_confidence)


def _entry(archive: SafeZip, name: str, largest_bytes: int) -> bytes:
    try:
        return archive.read(name, largest_bytes)
    except BadInput as fault:
        # One damaged picture does not spoil the others.
        raise BadFrame(fault.says, fault.remedy) from fault


def _jpeg(archive: SafeZip, name: str) -> U8:
    return decode_color(_entry(archive, name, _LARGEST_PICTURE_BYTES), name)


def _lzfse_depth(archive: SafeZip, name: str, shape: tuple[int, int]) -> F32:
    size = 4 * shape[0] * shape[1]
    data = decompress(_entry(archive, name, size + _STREAM_OVERHEAD_BYTES), size, name)
    return known_only(np.frombuffer(data, "<f4").reshape(shape))


def _lzfse_confidence(archive: SafeZip, name: str, shape: tuple[int, int]) -> F32:
    size = shape[0] * shape[1]
    data = decompress(_entry(archive, name, size + _STREAM_OVERHEAD_BYTES), size, name)
    return confidence_of(np.frombuffer(data, np.uint8).reshape(shape))


def _exr(path: Path) -> F32:
    return known_only(read_depth_exr(path))


def known_only(depth_m: F32) -> F32:
    """Return depth with 0 where it was NaN, infinite or negative."""
    return np.where(np.isfinite(depth_m) & (depth_m > 0), depth_m, 0).astype(np.float32)


def _numbers(stems: Iterable[str]) -> list[int]:
    return sorted(int(stem) for stem in stems if stem.isascii() and stem.isdigit())


class _Log:
    """The metadata: what it says of the whole recording and of frame N."""

    def __init__(self, metadata: dict[str, Any]) -> None:
        self._metadata = metadata
        K = self._table("K", 9)
        if len(K) != 1:
            raise BadInput("The metadata has no K of nine numbers.")
        self._size = self._integer("w"), self._integer("h")
        # Column-major: fx 0 0, 0 fy 0, cx cy 1.
        self._camera = Intrinsics.from_opencv(*self._size, *K[0, [0, 4, 6, 7]].tolist())
        self._cameras = self._table("perFrameIntrinsicCoeffs", 4)
        self._poses = self._table("poses", 7)
        self._times = self._table("frameTimestamps", 1)[:, 0]
        fps = number_at(metadata, "fps")
        self._fps = fps if fps is not None and fps > 0 else _USUAL_FPS

    def depth_shape(self) -> tuple[int, int]:
        """Return rows and columns of the depth pictures."""
        return self._integer("dh"), self._integer("dw")

    def frame(
        self,
        number: int,
        color: Callable[[], U8],
        depth: Callable[[], F32] | None,
        confidence: Callable[[], F32] | None = None,
    ) -> RawFrame:
        seconds = self._times[number] if number < len(self._times) else number / self._fps
        camera, pose = self._camera, None
        if number < len(self._cameras) and np.isfinite(self._cameras[number]).all():
            camera = Intrinsics.from_opencv(*self._size, *self._cameras[number].tolist())
        if number < len(self._poses):
            pose = quaternion_matrix(self._poses[number, :4], self._poses[number, 4:])
        return RawFrame(
            t_ns=seconds_to_ns(float(seconds)),
            name=f"frame {number}",
            pose=pose,
            color=color,
            depth=depth,
            confidence=confidence,
            color_camera=camera,
        )

    def recording(
        self,
        name: str,
        layout: str,
        frames: list[RawFrame],
        close: Callable[[], None] = lambda: None,
    ) -> RawRecording:
        """Return all frames as a recording.

        Raises:
            BadInput: there is none.
        """
        if not frames:
            raise BadInput(f"The recording {name} holds no pictures.")
        notes = []
        poseless = sum(frame.pose is None for frame in frames)
        if poseless:
            notes.append(f"{poseless} pictures have no pose in the metadata.")
        if len(self._cameras) == 0:
            notes.append("The metadata has one camera for all frames.")
        return RawRecording(
            name=name,
            layout=layout,
            frames=tuple(frames),
            declared=Convention("c2w", "gl"),
            up_source=UP,
            notes=tuple(notes),
            close=close,
        )

    def _table(self, key: str, columns: int) -> F64:
        """Return a table of numbers; without rows when the key is missing."""
        value = self._metadata.get(key)
        try:
            table = np.array([] if value is None else value, np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise BadInput(f"The metadata's {key} are not rows of {columns} numbers.") from error
        if table.size % columns:
            raise BadInput(f"The metadata's {key} are not rows of {columns} numbers.")
        return table.reshape(-1, columns)

    def _integer(self, key: str) -> int:
        value = number_at(self._metadata, key)
        if value is None or not 1 <= value <= _LARGEST_SIDE_PX:
            raise BadInput(f"The metadata does not say {key}, the size of a picture.")
        return int(value)
