"""Where a surface is saved: its scan's folder, in which the first surface is kept."""

import json
import shutil
from pathlib import Path
from typing import Protocol

from app.files import write_whole
from app.library_note import MESH
from engine.core.faults import BadInput, CannotWrite
from engine.core.news import Job, Progress
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh

ORIGINAL = "original.glb"
# How the saved surface stands in the world that it was scanned in, once it was moved.
PLACED = "placed.json"

Surface = Mesh | TexturedMesh


class Place(Protocol):
    """Where one scan goes on disk; `app.scan_place.ScanPlace` is one."""

    @property
    def folder(self) -> Path | None:
        """The scan's folder, None while there is none."""
        ...

    def keep(self, surface: Surface) -> Job[None]:
        """Put the surface there in place of an older one.

        Raises:
            CannotWrite: no room or no permission; what was there stays.
        """
        ...


def save(place: Place, surface: Surface, T_now_scan: Pose) -> Job[str]:
    """Put a surface in place of the one there; the first that was there is kept for good.

    Raises:
        CannotWrite: no room or no permission; what was there stays.
    """
    yield Progress("save", 0)
    if place.folder is not None:
        _keep_original(place.folder)
    yield from place.keep(surface)
    folder = place.folder
    assert folder is not None
    if T_now_scan != Pose.identity() or (folder / PLACED).exists():
        rows = T_now_scan.matrix.tolist()
        write_whole(folder / PLACED, json.dumps({"T_now_scan": rows}).encode())
    return f"Saved to {folder}."


def placed(folder: Path) -> Pose:
    """Return T_now_scan of the surface saved in a folder.

    Raises:
        BadInput: it was written down, but cannot be read.
    """
    path = folder / PLACED
    if not path.exists():
        return Pose.identity()
    try:
        return Pose.from_matrix(json.loads(path.read_text(encoding="utf-8"))["T_now_scan"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BadInput(
            f"{PLACED} of the scan {folder.name} is damaged.", "Delete it to go on without."
        ) from error


def _keep_original(folder: Path) -> None:
    first, kept = folder / MESH, folder / ORIGINAL
    if kept.exists() or not first.exists():
        return
    draft = folder / f"{ORIGINAL}.part"
    try:
        shutil.copyfile(first, draft)
        draft.replace(kept)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise CannotWrite(
            f"The first surface could not be kept beside the new one ({error.strerror}).",
            "Make room; nothing was changed.",
        ) from error
