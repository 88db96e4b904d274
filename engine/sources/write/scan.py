"""Writer of our own scans."""

from pathlib import Path

from engine.archive.journal import ArchiveWriter
from engine.core.frames import Frame
from engine.sources.base import SourceInfo
from engine.sources.write.writer import Writer


class Scan(Writer):
    """A scan folder: nothing is changed but colour, which becomes JPEG."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._archive: ArchiveWriter | None = None

    def begin(self, info: SourceInfo) -> None:
        """Start the journal."""
        self._archive = ArchiveWriter(self._folder, is_metric=info.is_metric)

    def add(self, number: int, frame: Frame) -> None:
        """Append to the journal."""
        assert self._archive is not None  # begun before
        self._archive.add(frame)

    def close(self) -> None:
        """Mark the scan as complete."""
        if self._archive is not None:
            self._archive.close()
