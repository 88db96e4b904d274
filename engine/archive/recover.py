"""Reads a scan's journal as far as it goes, whether it was closed, killed or damaged."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from engine.archive.layout import JOURNAL, Entry, Manifest, Matrix, Moved, read_manifest
from engine.core.faults import BadInput

_LINE: TypeAdapter[Entry | Moved] = TypeAdapter(Entry | Moved)


@dataclass(frozen=True, slots=True)
class Recovered:
    """A scan as it can be read: its manifest, its intact entries, and what was wrong.

    Entries have the newest pose the journal gives; frames that were taken back are missing.
    """

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
    entries: list[Entry] = []
    # A line corrects what was said before it, and of two frames with one index the newer.
    place_of: dict[int, int] = {}
    corrected: dict[int, Matrix | None] = {}
    damaged, torn = 0, False
    lines = content.split(b"\n")
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            found = _LINE.validate_json(line)
        except ValidationError:
            torn_here = number == len(lines) - 1
            torn |= torn_here
            damaged += not torn_here
            continue
        if isinstance(found, Moved):
            known = place_of.keys() & found.moved.keys()
            corrected |= {place_of[index]: found.moved[index] for index in known}
        else:
            place_of[found.index] = len(entries)
            entries.append(_inside(found))
    kept = tuple(_corrected(entries, corrected))
    notes = _notes(manifest, len(entries), damaged, torn)
    if len(kept) < len(entries):
        notes.append(f"Frames taken back while scanning and left out: {len(entries) - len(kept)}.")
    return Recovered(manifest, kept, tuple(notes))


def _inside(entry: Entry) -> Entry:
    for file in (entry.color, entry.depth, entry.confidence):
        # A scan from someone else must not be able to name files outside its folder.
        if file is not None and (Path(file).is_absolute() or ".." in Path(file).parts):
            raise BadInput(f"The journal names the file {file}, which lies outside the scan.")
    return entry


def _corrected(entries: list[Entry], poses: dict[int, Matrix | None]) -> Iterator[Entry]:
    for place, entry in enumerate(entries):
        if place not in poses:
            yield entry
        elif poses[place] is not None:
            yield entry.model_copy(update={"T_world_cam": poses[place]})


def _notes(manifest: Manifest, count: int, damaged: int, torn: bool) -> list[str]:
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
    return notes
