"""Text files of logs: numbers in rows, and JSON, each refused with a sentence when damaged."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from engine.core.arrays import F64
from engine.core.faults import BadInput

# The longest log seen is some 20 MB; a larger text file is something else.
LARGEST_TEXT_BYTES = 512 * 1024 * 1024


def read_text(path: Path) -> str:
    """Return the content of a text file.

    Raises:
        BadInput: missing, unreadable, too large, or not UTF-8 text.
    """
    try:
        if path.stat().st_size > LARGEST_TEXT_BYTES:
            raise BadInput(f"The file {path.name} is too large to be a log.")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise BadInput(f"The file {path.name} is missing.") from None
    except OSError as error:
        raise BadInput(f"The file {path.name} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise BadInput(f"The file {path.name} is not text.") from error


def read_json(path: Path) -> dict[str, Any]:
    """Return the object a JSON file holds.

    Raises:
        BadInput: missing, unreadable, or not one JSON object.
    """
    return parse_json(read_text(path), path.name)


def parse_json(text: str | bytes, name: str) -> dict[str, Any]:
    """Return the object that JSON text holds; `name` is for messages.

    Raises:
        BadInput: not one JSON object.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"The file {name} is not valid JSON.", "It was probably cut off.") from error
    if not isinstance(found, dict):
        raise BadInput(f"The file {name} does not hold a JSON object.")
    return found


def number_at(content: dict[str, Any], key: str) -> float | None:
    """Return the finite number a JSON object has under a key, None when there is none."""
    value = content.get(key)
    if not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def split_rows(text: str) -> list[list[str]]:
    """Return the cells of every line, split at commas or else at blanks.

    Empty lines and lines that start with # are left out. Cells are stripped and may be empty.
    """
    rows = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            cells = stripped.split(",") if "," in stripped else stripped.split()
            rows.append([cell.strip() for cell in cells])
    return rows


def number_rows(rows: Iterable[list[str]], columns: int, name: str) -> tuple[F64, int]:
    """Return the first `columns` numbers (n, columns) of every row, and how many rows were not.

    Words such as nan are numbers here; whoever uses the row decides.

    Raises:
        BadInput: no row holds that many numbers.
    """
    kept: list[list[float]] = []
    damaged = 0
    for row in rows:
        try:
            numbers = [float(cell) for cell in row[:columns]]
        except ValueError:
            numbers = []
        if len(numbers) == columns:
            kept.append(numbers)
        else:
            damaged += 1
    if not kept:
        raise BadInput(f"The file {name} holds no row of {columns} numbers.")
    return np.array(kept, np.float64), damaged


def seconds_to_ns(seconds: float) -> int:
    """Return whole nanoseconds; 0 for a time that is no number."""
    # Anything beyond a few centuries is damage, and would not fit 64 bits.
    return round(seconds * 1e9) if abs(seconds) < 9e9 else 0


def quaternion_matrix(xyzw: F64, translation: F64) -> F64:
    """Return the (4, 4) matrix of a quaternion of any length and a translation.

    All NaN when a number is missing or the quaternion is zero: the recording counts such poses.
    """
    if not (np.isfinite(xyzw).all() and np.isfinite(translation).all() and np.any(xyzw)):
        return np.full((4, 4), np.nan)
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_quat(xyzw).as_matrix()
    matrix[:3, 3] = translation
    return matrix


def nearest(times_s: F64, wanted_s: float, limit_s: float) -> int | None:
    """Return the index of the nearest of ascending times, None when none is within the limit."""
    if not len(times_s) or not np.isfinite(wanted_s):
        return None
    after = int(np.searchsorted(times_s, wanted_s))
    best = min(
        (i for i in (after - 1, after) if 0 <= i < len(times_s)),
        key=lambda i: abs(times_s[i] - wanted_s),
    )
    return best if abs(times_s[best] - wanted_s) <= limit_s else None
