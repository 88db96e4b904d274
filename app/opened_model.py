"""A scan of earlier on disk, opened to be worked on again."""

from collections.abc import Callable, Sequence
from pathlib import Path

from app.library import Library
from app.library_note import MESH, read_note
from app.model import Model
from app.model_place import ORIGINAL, placed
from app.photos import PhotoAlbum
from app.scan_place import ScanPlace
from engine.archive.layout import looks_like_scan
from engine.archive.recover import recover
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.core.news import Job, Progress
from engine.core.settings import Settings
from engine.export.load import load_mesh
from engine.sources.base import FrameSource

STEPS = 2


def opened(
    path: Path, library: Library, settings: Settings, open_source: Callable[[str], FrameSource]
) -> Job[Model]:
    """Return the job that opens a scan's folder, or a mesh file on its own, as a model.

    It has photographs when its frames were recorded into the folder. Their poses are those of the
    scan, which the surface may have been moved out of; the folder says how.

    Raises:
        BadInput: there is no mesh, or it is damaged.
    """
    yield Progress("Opening the scan", 0, STEPS)
    if path.is_file():
        return Model(path.stem, load_mesh(path))
    if not (path / MESH).is_file():
        raise BadInput(
            f"The scan {path.name} has no finished surface.", "Open its frames to make one."
        )
    T_now_scan = placed(path)
    surface = load_mesh(path / MESH)
    yield Progress("Opening the scan", 1, STEPS)
    grades = {}
    if (path / ORIGINAL).is_file():
        grades["final"] = load_mesh(path / ORIGINAL)
    note = read_note(path)
    if note is not None:
        settings = note.settings

    def photos() -> Job[Sequence[Photo]]:
        return (yield from _recorded(path, settings, open_source))

    return Model(
        path.name if note is None else note.title,
        surface,
        grades=grades,
        photos=photos if _has_photos(path) else None,
        settings=settings.texture,
        place=None if note is None else ScanPlace(library, note, path),
        T_now_scan=T_now_scan,
    )


def _has_photos(folder: Path) -> bool:
    """Return whether any colour picture of the scan was recorded with a pose."""
    if not looks_like_scan(folder):
        return False
    try:
        entries = recover(folder).entries
    except BadInput:
        # The surface is whole all the same.
        return False
    return any(entry.color is not None and entry.T_world_cam is not None for entry in entries)


def _recorded(
    folder: Path, settings: Settings, open_source: Callable[[str], FrameSource]
) -> Job[Sequence[Photo]]:
    """Return the job that picks the photographs of a recorded scan."""
    album = PhotoAlbum(settings.keyframes, settings.texture.max_views)
    with open_source(str(folder)) as source:
        total = source.describe().frame_count or 0
        for number, frame in enumerate(source.frames()):
            yield Progress("photographs", number, total)
            album.offer(frame)
    return album.photos()
