"""Crash reports: what a developer needs to know of a failure, without anything that was scanned."""

import hashlib
import json
import logging
import os
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any

import platformdirs

from app.diagnostics import ROOT, machine, memory, version
from app.preferences import HOME_VARIABLE

# A failure at every tick must fill neither the disk nor the screen.
AT_MOST_NOW = 5
AT_MOST_KEPT = 10
TRACEBACK = "Traceback (most recent call last)"
LIBRARIES = ("numpy", "torch", "numba", "PySide6-Essentials", "pyqtgraph", "open3d-cpu", "open3d")
ABOUT = """A report about a failure of Finescan.

traceback.txt   where it failed
log.txt         the last lines of the log
machine.json    version, system, processor, memory, libraries
settings.json   the settings in use

There are no pictures and no surfaces in it, and your home folder is written as ~.
"""

log = logging.getLogger(__name__)


class CrashKeeper(logging.Handler):
    """Writes a report for every error in the log that comes with a traceback, once for each kind.

    Works on whichever thread the error was logged. `told` is called there with the report's path,
    or None when it could not be written.
    """

    def __init__(
        self,
        folder: Path,
        tail: Callable[[], list[str]],
        told: Callable[[Path | None], object],
        settings: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        """Write into this folder; `tail` returns the newest lines of the log."""
        super().__init__(logging.ERROR)
        self._folder = folder
        self._tail = tail
        self._told = told
        self._settings = settings
        self._seen: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a report, unless this kind of failure has one or there were too many."""
        # Records of the engine's own process come with the traceback in their text.
        text = self.format(record)
        at = text.find(TRACEBACK)
        if at < 0 or len(self._seen) >= AT_MOST_NOW:
            return
        kind = hashlib.sha256(text[at:].encode(errors="replace")).hexdigest()
        if kind in self._seen:
            return
        self._seen.add(kind)
        try:
            path = write_report(self._folder, text, self._tail(), self._settings())
        except OSError as error:
            sys.stderr.write(f"No crash report could be written: {error}\n")
            self._told(None)
        else:
            self._told(path)


def write_report(
    folder: Path, failure: str, log_lines: list[str], settings: dict[str, Any]
) -> Path:
    """Write a report as a zip and return its path; the oldest ones beyond ten are deleted.

    Raises:
        OSError: the disk is full, or the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    moment = datetime.now().astimezone().strftime("%Y-%m-%d-%H%M%S-%f")
    path = folder / f"finescan-crash-{moment}.zip"
    about = {"version": version(), **machine(), **memory(), "libraries": libraries()}
    contents = {
        "README.txt": ABOUT,
        "traceback.txt": failure,
        "log.txt": "\n".join(log_lines) + "\n",
        "machine.json": json.dumps(about, indent=1),
        "settings.json": json.dumps(settings, indent=1, default=str),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in contents.items():
            bundle.writestr(name, discreet(content))
    for old in sorted(folder.glob("finescan-crash-*.zip"))[:-AT_MOST_KEPT]:
        old.unlink(missing_ok=True)
    return path


def discreet(text: str) -> str:
    """Return the text with the home folder as ~ and the program's folder as <finescan>."""
    for place, name in ((ROOT, "<finescan>"), (Path.home(), "~"), (Path.home().resolve(), "~")):
        # As it is, as JSON and Python write it, and with the slashes of other systems.
        plain = str(place)
        if plain == place.anchor:
            continue
        for written in {plain.replace("\\", "\\\\"), plain, place.as_posix()}:
            text = text.replace(written, name)
    return text


def crash_folder() -> Path:
    """Return where reports go: beside the scans of FINESCAN_HOME, or where the system has logs."""
    chosen = os.environ.get(HOME_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute() / "crashes"
    return platformdirs.user_log_path("finescan", appauthor=False) / "crashes"


def libraries() -> dict[str, str]:
    """Return the versions of the libraries that matter, as far as they are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@contextmanager
def nothing_silent(
    tell: Callable[[BaseException], object], interrupted: Callable[[], object]
) -> Iterator[None]:
    """Put every error nobody caught, on any thread, into the log, and tell of it.

    `tell` is called on the thread of the error. Ctrl-C calls `interrupted` instead.
    """
    before = sys.excepthook, threading.excepthook, sys.unraisablehook

    def uncaught(
        kind: type[BaseException], error: BaseException | None, where: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            interrupted()
        elif error is not None:
            log.error("Nobody caught this.", exc_info=(kind, error, where))
            tell(error)

    def on_thread(given: threading.ExceptHookArgs) -> None:
        uncaught(given.exc_type, given.exc_value, given.exc_traceback)

    def unraisable(given: "sys.UnraisableHookArgs") -> None:
        uncaught(given.exc_type, given.exc_value, given.exc_traceback)

    sys.excepthook, threading.excepthook, sys.unraisablehook = uncaught, on_thread, unraisable
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook, sys.unraisablehook = before
