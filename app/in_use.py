"""Which scans this process works on, told to other processes by locks that vanish with it."""

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

PLACE = ".in-use"
_HELD: dict[Path, FileLock] = {}


def hold(folder: Path) -> None:
    """Mark a scan's folder as this process's until it ends; harmless where it is marked already.

    A mark of another process stays that of the other.
    """
    if folder in _HELD:
        return
    # Some file systems know no locks, or nothing may be written; scans are made there all the same.
    with suppress(Timeout, OSError):
        _file(folder).parent.mkdir(exist_ok=True)
        lock = FileLock(_file(folder))
        lock.acquire(blocking=False)
        _HELD[folder] = lock


def is_held_elsewhere(folder: Path) -> bool:
    """Return whether another process works on a scan's folder; False where nobody can know."""
    if folder in _HELD or not _file(folder).exists():
        return False
    try:
        with FileLock(_file(folder)).acquire(blocking=False):
            return False
    except Timeout:
        return True
    except OSError:
        return False


def _file(folder: Path) -> Path:
    return folder.parent / PLACE / f"{folder.name}.lock"
