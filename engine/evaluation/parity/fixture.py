"""Reading a fixture folder; what cannot be read is bad input, not a traceback."""

import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from engine.core.faults import BadInput

# Truth values, signed and unsigned integers, floats.
NUMBERS = "biuf"
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# A volume of 96 x 96 x 56 voxels with all its features takes a tenth.
LARGEST_BYTES = 2**30
# What damaged, encrypted or foreign archives raise.
UNREADABLE = (
    OSError,
    ValueError,
    TypeError,
    OverflowError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
REMEDY = "Give the folder of a complete fixture, as it was made."


@dataclass(frozen=True, slots=True)
class Entries:
    """What one file of a fixture holds, by name."""

    file: str
    values: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        """Return one entry.

        Raises:
            BadInput: there is none.
        """
        if name not in self.values:
            raise BadInput(f"{self.file} has no entry {name!r}.", REMEDY)
        return self.values[name]

    def array(self, name: str, *shape: int | None) -> NDArray[Any]:
        """Return an array of numbers whose axes are as given; None is any length.

        Raises:
            BadInput: there is none, or it has other axes or holds something else.
        """
        found = np.asarray(self[name])
        if found.dtype.kind not in NUMBERS:
            raise BadInput(f"{name} in {self.file} holds no numbers.", REMEDY)
        fits = found.ndim == len(shape) and all(
            wanted in (None, there) for wanted, there in zip(shape, found.shape, strict=True)
        )
        if not fits:
            wanted = "x".join("any" if n is None else str(n) for n in shape) or "one number"
            raise BadInput(f"{name} in {self.file} has shape {found.shape}, not {wanted}.", REMEDY)
        return found

    def words(self, name: str) -> list[str]:
        """Return an array of words.

        Raises:
            BadInput: there is none, or it holds something else.
        """
        found = np.asarray(self[name])
        if found.ndim != 1 or found.dtype.kind != "U":
            raise BadInput(f"{name} in {self.file} holds no words.", REMEDY)
        return [str(word) for word in found]


def read_json(folder: Path, name: str) -> Entries:
    """Return the entries of a JSON file.

    Raises:
        BadInput: missing, unreadable or no object.
    """
    try:
        values = json.loads((folder / name).read_text())
    except (OSError, ValueError) as fault:
        raise BadInput(f"{name} of the fixture cannot be read ({fault}).", REMEDY) from None
    if not isinstance(values, dict):
        raise BadInput(f"{name} of the fixture holds no table.", REMEDY)
    return Entries(name, values)


def read_arrays(folder: Path, name: str) -> Entries:
    """Return the arrays of an archive; nothing pickled is read.

    Raises:
        BadInput: missing, damaged, larger than any fixture, or with foreign contents.
    """
    try:
        with zipfile.ZipFile(folder / name) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > LARGEST_BYTES:
                raise BadInput(f"{name} unpacks to {size / 2**20:.0f} MB, too many.", REMEDY)
            members = archive.namelist()
            return Entries(name, {m.removesuffix(".npy"): _array(archive.read(m)) for m in members})
    except UNREADABLE as fault:
        raise BadInput(f"{name} of the fixture cannot be read ({fault}).", REMEDY) from None


def _array(content: bytes) -> NDArray[Any]:
    """Return the array of an npy file, laid over its own bytes.

    NumPy's own reader makes room for as much as the header claims before it looks for the bytes.

    Raises:
        ValueError: it is damaged or holds Python objects.
        TypeError: the header claims more than there is.
    """
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"an npy file of version {version}")
    shape, is_fortran, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects")
    if any(length < 0 for length in shape):
        raise ValueError("an axis of negative length")
    order: Literal["C", "F"] = "F" if is_fortran else "C"
    return np.ndarray(shape, dtype, bytearray(content), file.tell(), order=order)


def optional_arrays(folder: Path, name: str) -> Entries | None:
    """Return the arrays of an archive, None where the fixture has no such file."""
    return read_arrays(folder, name) if (folder / name).exists() else None


def record(where: str, values: object, *names: str) -> dict[str, Any]:
    """Return a table of a JSON file, known to hold these names.

    Raises:
        BadInput: it is no table, or lacks one of them.
    """
    if not isinstance(values, dict):
        raise BadInput(f"{where} of the fixture is no table.", REMEDY)
    if missing := [name for name in names if name not in values]:
        raise BadInput(f"{where} of the fixture lacks {', '.join(missing)}.", REMEDY)
    return values


def numbers(where: str, *values: object) -> list[float]:
    """Return values of a JSON file that are numbers.

    Raises:
        BadInput: one of them is something else.
    """
    good = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(good) < len(values):
        raise BadInput(f"{where} of the fixture holds more than numbers.", REMEDY)
    return good


def whole(where: str, values: object) -> list[int]:
    """Return a list of a JSON file that holds whole numbers, none below zero.

    Raises:
        BadInput: it is no list, or holds something else.
    """
    if not isinstance(values, list) or not all(type(v) is int and v >= 0 for v in values):
        raise BadInput(f"{where} of the fixture is no list of whole numbers.", REMEDY)
    return values
