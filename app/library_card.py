"""How a scan's folder looks from outside: whole, cut short, or damaged."""

import struct
from contextlib import suppress
from pathlib import Path

from app.library_note import MESH, NOTE, THUMBNAIL, read_note
from engine.archive.layout import JOURNAL, looks_like_scan, read_manifest
from engine.archive.recover import recover
from engine.core.arrays import U8
from engine.core.faults import BadFrame, BadInput
from engine.sources.images import read_color, read_size
from ui.ports import ScanCard

GLB_MAGIC = b"glTF"
LARGEST_THUMBNAIL_PX = 2048


def card_of(folder: Path) -> ScanCard:
    """Return what is known of a scan without reading its pictures or its mesh."""
    note = read_note(folder)
    state, remark = _state(folder)
    return ScanCard(
        path=folder,
        title=_recorded_name(folder) if note is None else note.title,
        changed_s=_changed_s(folder),
        state=state,
        megabytes=_bytes_in(folder) / 1e6,
        remark=remark,
        thumbnail=_thumbnail(folder / THUMBNAIL),
    )


def _state(folder: Path) -> tuple[str, str]:
    fault = mesh_fault(folder)
    if not fault:
        return "finished", ""
    if not looks_like_scan(folder):
        note = read_note(folder)
        again = "" if note is None else f" Open {note.source} again to make a new one."
        return "damaged", f"{fault}{again}"
    try:
        count = len(recover(folder).entries)
    except BadInput as fault:
        return "damaged", str(fault)
    if count == 0:
        return "damaged", "No frame of it was kept."
    return "recoverable", f"{count:,} frames are safe." if count > 1 else "One frame is safe."


def mesh_fault(folder: Path) -> str:
    """Return what is wrong with a scan's mesh as far as its first bytes tell, or nothing."""
    path = folder / MESH
    try:
        with path.open("rb") as file:
            start = file.read(12)
        size = path.stat().st_size
    except FileNotFoundError:
        return "Its mesh is missing."
    except OSError as error:
        return f"Its mesh cannot be read ({error.strerror})."
    if len(start) < 12 or start[:4] != GLB_MAGIC or struct.unpack("<I", start[8:])[0] != size:
        return "Its mesh is damaged."
    return ""


def _recorded_name(folder: Path) -> str:
    try:
        return read_manifest(folder).name
    except BadInput:
        return folder.name


def _changed_s(folder: Path) -> float:
    times = [0.0]
    for name in (MESH, NOTE, JOURNAL):
        with suppress(OSError):
            times.append((folder / name).stat().st_mtime)
    return max(times)


def _bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        # A file may go while it is looked at; a link's goal is not part of the scan.
        with suppress(OSError):
            total += path.lstat().st_size
    return total


def _thumbnail(path: Path) -> U8 | None:
    try:
        # Asked first: a small file can hold a picture that fills the memory.
        is_small = max(read_size(path)) <= LARGEST_THUMBNAIL_PX
        return read_color(path) if is_small else None
    except BadFrame:
        return None
