"""Reads a scan's journal as far as it goes, whether it was closed, killed or damaged."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from engine.archive.layout import JOURNAL, Entry, Manifest, read_manifest
from engine.core.faults import BadInput


@dataclass(frozen=True, slots=True)
class Recovered:
    """A scan as it can be read: its manifest, its intact entries, and what was wrong."""

    manifest: Manifest
    entries: tuple[Entry, ...]
    notes: tuple[str, ...]


def recover(folder: Path) -> Recovered:
    """Return every intact entry of a scan; a torn last line is what a crash leaves and is dropped.

    Raises:
        BadInput: no manifest, a damaged one, or no journal.
    """
    manifest = read_manifest(folder)
    try:
        content = (folder / JOURNAL).read_bytes()
    except OSError as error:
        raise BadInput(f"The journal of the scan {folder.name} cannot be read.") from error
    entries, damaged, torn = [], 0, False
    lines = content.split(b"\n")
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            entries.append(_entry(line))
        except ValidationError:
            torn_here = number == len(lines) - 1
            torn |= torn_here
            damaged += not torn_here
    return Recovered(manifest, tuple(entries), _notes(manifest, len(entries), damaged, torn))


def _entry(line: bytes) -> Entry:
    entry = Entry.model_validate_json(line)
    for file in (entry.color, entry.depth, entry.confidence):
        # A scan from someone else must not be able to name files outside its folder.
        if file is not None and (Path(file).is_absolute() or ".." in Path(file).parts):
            raise BadInput(f"The journal names the file {file}, which lies outside the scan.")
    return entry


def _notes(manifest: Manifest, count: int, damaged: int, torn: bool) -> tuple[str, ...]:
    notes = []
    if manifest.frame_count is None:
        notes.append(f"The scan was not closed; {count} frames were recovered.")
    elif manifest.frame_count != count:
        notes.append(f"Of {manifest.frame_count} frames, {count} are still in the journal.")
    if torn:
        notes.append("The last line of the journal was cut off and left out.")
    if damaged:
        were = "line of the journal is damaged and was"
        if damaged > 1:
            were = "lines of the journal are damaged and were"
        notes.append(f"{damaged} {were} left out.")
    return tuple(notes)
