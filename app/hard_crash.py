"""Crashes that Python cannot catch: a driver or library that takes the whole process down.

Python writes where every thread was into a file that is empty otherwise. Who starts the program
next finds it.
"""

import faulthandler
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from app.crash import write_report

RUNNING = "running-"


@contextmanager
def traced(folder: Path) -> Iterator[None]:
    """Have a crash of this process written down; nothing is left of one that ends in order.

    Without a place to write to, it does nothing.
    """
    own = folder / f"{RUNNING}{psutil.Process().pid}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = own.open("w", encoding="utf-8")
    except OSError:
        yield
        return
    faulthandler.enable(file)
    try:
        yield
    finally:
        faulthandler.disable()
        file.close()
        with suppress(OSError):
            own.unlink()


def reports_of_crashes(folder: Path) -> list[Path]:
    """Return a new report for every crash that was written down and not reported yet.

    What ended without a word, as by a power cut, is forgotten.
    """
    reports = []
    for left in sorted(folder.glob(f"{RUNNING}*.txt")):
        # Another window of the program that runs now has such a file too.
        number = left.stem.removeprefix(RUNNING)
        if number.isdigit() and psutil.pid_exists(int(number)):
            continue
        with suppress(OSError):
            told = left.read_text(encoding="utf-8", errors="replace")
            left.unlink()
            if told.strip():
                reports.append(write_report(folder, told, [], {}))
    return reports
