"""Pictures from disk or from bytes, each refused with a sentence when it is not what it should be.

Truncation is looked for in the bytes: decoders fill what is missing with grey and say nothing.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import OpenEXR

from engine.core.arrays import F32, U8, U16
from engine.core.faults import BadFrame, BadInput

SMALLEST_PX = 8
LARGEST_PX = 16384

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
# Where an intact file ends; phones append kilobytes of their own after it.
_TAIL_BYTES = 65536
_COLOR_FLAGS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


def _called(path: Path) -> str:
    """Return a picture's name with its folder: colour and depth often share the rest."""
    return f"{path.parent.name}/{path.name}"


def read_bytes(path: Path) -> bytes:
    """Return the content of a picture file.

    Raises:
        BadFrame: missing, unreadable or empty.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BadFrame(f"The picture {_called(path)} is missing.") from None
    except (OSError, ValueError) as error:
        # A name from a damaged list may hold characters that no file name has.
        raise BadFrame(f"The picture {_called(path)!r} cannot be read ({error}).") from error
    if not data:
        raise BadFrame(f"The picture {_called(path)} is empty.")
    return data


def read_size(path: Path) -> tuple[int, int]:
    """Return width and height of a PNG or JPEG without decoding it.

    Raises:
        BadFrame: missing, damaged, or of a size no camera has.
    """
    return _check_container(read_bytes(path), _called(path))


def first_size(paths: Sequence[Path]) -> tuple[int, int]:
    """Return width and height of the first picture that can be read.

    Raises:
        BadInput: none can.
    """
    fault: BadFrame | None = None
    for path in paths:
        try:
            return read_size(path)
        except BadFrame as error:
            fault = fault or error
    why = f" {fault.says}" if fault else ""
    raise BadInput(
        f"None of {len(paths)} pictures can be read.{why}",
        "The recording is damaged or incomplete.",
    )


def read_color(path: Path) -> U8:
    """Return a PNG or JPEG as (h, w, 3) uint8 RGB, as stored: rotation tags are not applied.

    Raises:
        BadFrame: missing, damaged, a depth picture, or of a size no camera has.
    """
    return decode_color(read_bytes(path), _called(path))


def decode_color(data: bytes, name: str) -> U8:
    """Return PNG or JPEG bytes as (h, w, 3) uint8 RGB; `name` is for messages.

    Raises:
        BadFrame: damaged, a depth picture, or of a size no camera has.
    """
    _check_container(data, name)
    if data.startswith(_PNG) and data[24] == 16 and data[25] == 0:
        raise BadFrame(f"The picture {name} is 16-bit grey where colour was expected.")
    return np.asarray(_decode(data, name, _COLOR_FLAGS), np.uint8)


def read_depth_png(path: Path, unit_m: float, unknown: tuple[int, ...] = ()) -> F32:
    """Return a 16-bit grey PNG as (h, w) float32 metres; values in `unknown` become 0.

    Raises:
        BadFrame: missing, damaged, or not 16-bit grey.
    """
    return depth_from_units(read_u16(path), unit_m, unknown)


def depth_from_units(units: U16, unit_m: float, unknown: tuple[int, ...] = ()) -> F32:
    """Return sensor units (h, w) as float32 metres; values in `unknown` become 0."""
    depth_m = np.multiply(units, np.float32(unit_m), dtype=np.float32)
    for value in unknown:
        depth_m[units == value] = 0
    return depth_m


def read_u16(path: Path) -> U16:
    """Return a 16-bit grey PNG as (h, w) uint16.

    Raises:
        BadFrame: missing, damaged, or not 16-bit grey.
    """
    return decode_u16(read_bytes(path), _called(path))


def decode_u16(data: bytes, name: str) -> U16:
    """Return 16-bit grey PNG bytes as (h, w) uint16.

    Raises:
        BadFrame: damaged, or not 16-bit grey.
    """
    _check_container(data, name)
    picture = _decode(data, name, cv2.IMREAD_UNCHANGED)
    if picture.ndim != 2:
        raise BadFrame(
            f"The picture {name} is in colour where depth was expected.",
            "Depth must be a 16-bit grey PNG.",
        )
    if picture.dtype != np.uint16:
        raise BadFrame(
            f"The picture {name} has 8 bits where depth needs 16.",
            "It was probably converted for viewing; export it again.",
        )
    return picture


def read_grey(path: Path) -> U8:
    """Return an 8-bit grey picture as (h, w) uint8, for confidence and masks.

    Raises:
        BadFrame: missing, damaged, or not 8-bit grey.
    """
    return decode_grey(read_bytes(path), _called(path))


def decode_grey(data: bytes, name: str) -> U8:
    """Return 8-bit grey picture bytes as (h, w) uint8.

    Raises:
        BadFrame: damaged, or not 8-bit grey.
    """
    _check_container(data, name)
    picture = _decode(data, name, cv2.IMREAD_UNCHANGED)
    if picture.ndim != 2 or picture.dtype != np.uint8:
        raise BadFrame(f"The picture {name} is not 8-bit grey.")
    return np.asarray(picture, np.uint8)


def read_depth_npy(path: Path, unit_m: float = 1.0) -> F32:
    """Return a NumPy file as (h, w) float32 metres; no pickled content is ever loaded.

    Raises:
        BadFrame: missing, damaged, or not a table of numbers.
    """
    try:
        picture = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise BadFrame(f"The picture {_called(path)} is missing.") from None
    except (ValueError, OSError, EOFError) as error:
        raise BadFrame(f"The depth file {_called(path)} is damaged ({error}).") from error
    if not isinstance(picture, np.ndarray) or picture.ndim != 2 or picture.dtype.kind not in "fu":
        raise BadFrame(f"The depth file {_called(path)} does not hold one picture of numbers.")
    check_size(picture, _called(path))
    return np.multiply(picture, np.float32(unit_m), dtype=np.float32)


def read_depth_exr(path: Path) -> F32:
    """Return the one channel of an EXR as (h, w) float32 metres.

    Raises:
        BadFrame: missing, damaged, or more than one channel.
    """
    if not path.is_file():
        raise BadFrame(f"The picture {_called(path)} is missing.")
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            pictures = [channel.pixels for channel in file.channels().values()]
    except (RuntimeError, ValueError) as error:
        raise BadFrame(f"The picture {_called(path)} is damaged.") from error
    # Some writers repeat depth in R, G and B.
    first = pictures[0]
    if any(not np.array_equal(first, other, equal_nan=True) for other in pictures[1:]):
        raise BadFrame(f"The picture {_called(path)} is in colour where depth was expected.")
    check_size(first, _called(path))
    return np.asarray(first, np.float32)


def check_size(picture: np.ndarray, name: str) -> None:
    """Refuse pictures of a size that no camera has.

    Raises:
        BadFrame: a side below 8 or above 16384 pixels.
    """
    _check_sides(picture.shape[1], picture.shape[0], name)


def _check_sides(width: int, height: int, name: str) -> None:
    if min(width, height) < SMALLEST_PX:
        raise BadFrame(f"The picture {name} is only {width}x{height} pixels.")
    if max(width, height) > LARGEST_PX:
        raise BadFrame(f"The picture {name} claims {width}x{height} pixels, more than any camera.")


def _check_container(data: bytes, name: str) -> tuple[int, int]:
    """Return width and height; refuse what is cut off before anything is allocated for it."""
    if data.startswith(_PNG):
        _check_png(data, name)
        width, height = int.from_bytes(data[16:20]), int.from_bytes(data[20:24])
    elif data.startswith(_JPEG):
        if b"\xff\xd9" not in data[-_TAIL_BYTES:]:
            raise BadFrame(f"The picture {name} is cut off.")
        width, height = _jpeg_sides(data, name)
    else:
        raise BadFrame(f"The picture {name} is neither PNG nor JPEG.")
    _check_sides(width, height, name)
    return width, height


def _check_png(data: bytes, name: str) -> None:
    """Refuse a PNG of which a part is missing or changed; the decoder would complain on stderr."""
    view = memoryview(data)
    at = len(_PNG)
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(view[at : at + 4])
        if end + 4 > len(data):
            break
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4]):
            raise BadFrame(f"The picture {name} is damaged.")
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end + 4
    raise BadFrame(f"The picture {name} is cut off.")


def _jpeg_sides(data: bytes, name: str) -> tuple[int, int]:
    """Return width and height from the frame header."""
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        # Start-of-frame markers are C0..CF but for tables (C4, C8, CC).
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = data[at + 5 : at + 7], data[at + 7 : at + 9]
            return int.from_bytes(width), int.from_bytes(height)
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    raise BadFrame(f"The picture {name} is damaged.")


def _decode(data: bytes, name: str, flags: int) -> np.ndarray:
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise BadFrame(f"The picture {name} is damaged.") from error
    if picture is None:
        raise BadFrame(f"The picture {name} is damaged.")
    return np.asarray(picture)
