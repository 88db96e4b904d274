"""Tables, matrices and cameras written as text, and folders of numbered pictures."""

from pathlib import Path

import numpy as np

from engine.core.arrays import F64
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.sources.text import read_text, split_rows


def read_table(path: Path) -> F64:
    """Return a text file's numbers as (rows, columns); NaN and infinity may be among them.

    Raises:
        BadInput: missing, a word that is no number, rows of different lengths, or nothing.
    """
    rows = split_rows(read_text(path))
    if not rows:
        raise BadInput(f"The file {path.name} is empty.")
    return numbers(rows, path.name)


def numbers(rows: list[list[str]], name: str) -> F64:
    """Return rows of words as (rows, columns) numbers; `name` is for messages.

    Raises:
        BadInput: a word that is no number, or rows of different lengths.
    """
    if len({len(row) for row in rows}) > 1:
        raise BadInput(f"The rows of {name} have different lengths.")
    try:
        return np.array(rows, np.float64)
    except ValueError as error:
        raise BadInput(f"The file {name} holds something that is no number ({error}).") from error


def read_matrix(path: Path) -> F64:
    """Return a 4x4 matrix written in four lines; (3, 4) is completed.

    Raises:
        BadInput: missing or not such a matrix.
    """
    matrix = read_table(path)
    if matrix.shape == (3, 4):
        matrix = np.vstack([matrix, (0, 0, 0, 1)])
    if matrix.shape != (4, 4):
        raise BadInput(f"The file {path.name} does not hold a 4x4 matrix.")
    return matrix


def read_camera(path: Path, *sizes: tuple[int, int]) -> Intrinsics:
    """Return the camera of a 3x3 (or 4x4) matrix in a file's first three rows, OpenCV pixels.

    A matrix states no size. Pictures are often shrunk without their matrix, so it is taken for the
    one of the possible (width, height) whose middle is nearest its principal point.

    Raises:
        BadInput: missing, not a matrix, or not a camera.
    """
    rows = split_rows(read_text(path))[:3]
    if len(rows) < 3 or min(len(row) for row in rows) < 3:
        raise BadInput(f"The file {path.name} does not begin with a 3x3 camera matrix.")
    matrix = numbers([row[:3] for row in rows], path.name)
    fx, fy, cx, cy = (float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    width, height = min(sizes, key=lambda size: abs(cx / size[0] - 0.5) + abs(cy / size[1] - 0.5))
    return Intrinsics.from_opencv(width, height, fx, fy, cx, cy)


def number_in(stem: str) -> int | None:
    """Return the last whole number in a file name's stem, None without one."""
    digits = ""
    for letter in reversed(stem):
        if letter.isdigit():
            digits = letter + digits
        elif digits:
            break
    return int(digits) if digits else None


def pictures_in(folder: Path, *suffixes: str) -> list[Path]:
    """Return a folder's files with these suffixes, by number where all have one, else by name."""
    wanted = {suffix.lower() for suffix in suffixes}
    if not folder.is_dir():
        return []
    found = [p for p in folder.iterdir() if p.suffix.lower() in wanted and p.is_file()]
    keys = {path: number_in(path.stem) for path in found}
    if len(set(keys.values())) == len(found) and None not in keys.values():
        return sorted(found, key=lambda path: keys[path] or 0)
    return sorted(found, key=lambda path: path.name)
