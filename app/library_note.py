"""What a scan's folder says about itself: scan.json."""

import datetime
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from app.method import Method
from engine.archive.layout import looks_like_scan
from engine.core.settings import Settings
from engine.core.surface import Mesh, TexturedMesh

NOTE = "scan.json"
MESH = "mesh.glb"
THUMBNAIL = "thumbnail.png"
FORMAT: Literal["finescan-result"] = "finescan-result"


class Counts(BaseModel):
    """What the saved surface amounts to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    faces: int
    area_m2: float
    size_m: tuple[float, float, float]
    has_texture: bool


class ScanNote(BaseModel):
    """A scan as it is described on disk; a newer program may say more, which is passed over.

    Attributes:
        source: what was opened: a recording's path, a made-up room, a camera.
        started: when, in the form of ISO 8601.
        saved: when its surface was saved; None before.
        settings: those it was made with.
        method: likewise.
        program: version of the program that saved it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: Literal["finescan-result"] = FORMAT
    title: str
    source: str
    started: str
    settings: Settings
    method: Method
    saved: str | None = None
    counts: Counts | None = None
    program: str = ""

    @staticmethod
    def of(title: str, source: str, settings: Settings, method: Method) -> "ScanNote":
        """Return the description of a scan that begins now."""
        return ScanNote(
            title=title, source=source, started=_now(), settings=settings, method=method
        )

    def finished(self, surface: Mesh | TexturedMesh, program: str) -> "ScanNote":
        """Return the description with what came of the scan."""
        mesh = surface if isinstance(surface, Mesh) else surface.mesh
        width, depth, height = (round(float(edge), 4) for edge in np.ptp(mesh.vertices, axis=0))
        counts = Counts(
            faces=len(mesh.faces),
            area_m2=round(mesh.area_m2(), 4),
            size_m=(width, depth, height),
            has_texture=isinstance(surface, TexturedMesh),
        )
        return self.model_copy(update={"saved": _now(), "counts": counts, "program": program})


def read_note(folder: Path) -> ScanNote | None:
    """Return what a folder says about itself; None when it says nothing that can be read."""
    try:
        return ScanNote.model_validate_json((folder / NOTE).read_bytes())
    except (OSError, ValidationError):
        return None


def is_scan(folder: Path) -> bool:
    """Return whether this is a folder, no link, that holds a scan of ours, whole or damaged."""
    if folder.is_symlink() or not folder.is_dir() or folder.name.startswith("."):
        return False
    return _is_ours(folder / NOTE) or looks_like_scan(folder)


def _is_ours(note: Path) -> bool:
    try:
        with note.open("rb") as file:
            return f'"{FORMAT}"'.encode() in file.read(200)
    except OSError:
        return False


def _now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")
