"""What a run leaves to look at: rows of numbers in CSV files, and pictures."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.core.faults import CannotWrite
from engine.training.checkpoint import write_text


class Table:
    """A CSV file that grows by rows; the first column is the step."""

    def __init__(self, path: Path) -> None:
        """Use the rows that are there."""
        self._path = path

    def keep_until(self, step: int) -> None:
        """Drop rows after a step: a run that died had gone further than its last checkpoint."""
        if not self._path.exists():
            return
        head, *rows = list(csv.reader(io.StringIO(self._path.read_text(encoding="utf-8"))))
        kept = [row for row in rows if len(row) == len(head) and int(row[0]) <= step]
        try:
            write_text(self._path, _csv([head, *kept]))
        except OSError as error:
            raise _cannot(self._path, error) from error

    def add(self, row: Mapping[str, float]) -> None:
        """Write one row; the first row's names are the head.

        Raises:
            CannotWrite: no room or no permission.
        """
        lines: list[list[str]] = [] if self._path.exists() else [list(row)]
        lines.append([f"{value:.6g}" for value in row.values()])
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(_csv(lines))
        except OSError as error:
            raise _cannot(self._path, error) from error


def write_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write a picture (h, w, 3) whole.

    Raises:
        CannotWrite: no room or no permission.
    """
    _, data = cv2.imencode(".png", rgb[..., ::-1])
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_bytes(data.tobytes())
        draft.replace(path)
    except OSError as error:
        raise _cannot(path, error) from error


def _csv(lines: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _cannot(path: Path, error: OSError) -> CannotWrite:
    return CannotWrite(
        f"The file {path} cannot be written ({error.strerror}).",
        "Make room; then go on with --resume.",
    )
