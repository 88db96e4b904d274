"""Where one scan goes on disk: a folder of the library, made when there is something for it."""

import threading
from contextlib import suppress
from pathlib import Path

from app.in_use import hold
from app.library import Library
from app.library_note import ScanNote
from engine.archive.journal import ArchiveWriter
from engine.core.faults import Fault
from engine.core.frames import Frame, PoseUpdate
from engine.core.news import Job
from engine.core.surface import Mesh, TexturedMesh


class ScanPlace:
    """A scan's folder, and what is put into it; any thread may ask for it."""

    def __init__(self, library: Library, note: ScanNote, folder: Path | None = None) -> None:
        """Use a folder that is there already, or a new one once it is needed."""
        self._library = library
        self._note = note
        self._folder = folder
        if folder is not None:
            hold(folder)
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path | None:
        """The folder, None while there is none."""
        return self._folder

    def made(self) -> Path:
        """Return the folder, made by now.

        Raises:
            CannotWrite: no room or no permission.
        """
        with self._lock:
            if self._folder is None:
                self._folder = self._library.new_folder(self._note.title)
                hold(self._folder)
            return self._folder

    def keep(self, surface: Mesh | TexturedMesh) -> Job[None]:
        """Put the surface into the folder in place of an older one.

        Raises:
            BadInput: the surface is empty.
            CannotWrite: no room or no permission; what was there stays.
        """
        folder = self.made()
        try:
            yield from self._library.keep(folder, surface, self._note)
        except Fault:
            # A folder with nothing in it would only puzzle; one with something stays.
            with suppress(OSError):
                folder.rmdir()
            raise

    def recorder(self, name: str, is_metric: bool) -> "PlacedRecorder":
        """Return what keeps the frames of a camera in the folder."""
        return PlacedRecorder(self, name, is_metric)

    def begin(self, name: str, is_metric: bool) -> ArchiveWriter:
        """Return an open archive in the new folder, which says from now on what it belongs to.

        Raises:
            CannotWrite: no room or no permission.
        """
        writer = ArchiveWriter(self.made(), name, is_metric=is_metric)
        self._library.begin(writer.folder, self._note)
        return writer


class PlacedRecorder:
    """An archive that is begun with its first frame, so that looking at a camera leaves nothing."""

    def __init__(self, place: ScanPlace, name: str, is_metric: bool) -> None:
        """Make nothing yet."""
        self._place = place
        self._about = name, is_metric
        self._writer: ArchiveWriter | None = None

    def add(self, frame: Frame) -> None:
        """Keep a frame.

        Raises:
            CannotWrite: no room or no right to; frames kept before stay kept.
        """
        if self._writer is None:
            self._writer = self._place.begin(*self._about)
        self._writer.add(frame)

    def move(self, update: PoseUpdate) -> None:
        """Keep that frames stand elsewhere or left.

        Raises:
            CannotWrite: as `add`.
        """
        if self._writer is not None:
            self._writer.move(update)

    def close(self) -> None:
        """Mark the record as complete; calling twice is harmless.

        Raises:
            CannotWrite: the mark could not be written.
        """
        if self._writer is not None:
            self._writer.close()
