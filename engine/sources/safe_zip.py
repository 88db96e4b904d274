"""Archives from strangers, opened so that they can neither fill the disk nor write elsewhere."""

import lzma
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from engine.core.faults import BadInput, CannotWrite

MEBIBYTE = 1024 * 1024
LARGEST_ARCHIVE_BYTES = 64 * 1024 * MEBIBYTE
LARGEST_MEMBER_BYTES = 16 * 1024 * MEBIBYTE
MOST_MEMBERS = 500_000
# Depth and confidence shrink well, a few hundred times when empty, but are small. A large archive
# that shrinks so much was made to fill a disk.
LARGEST_RATIO = 100
RATIO_FREE_BYTES = 64 * MEBIBYTE
# What the decompressors raise on damaged data.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)


class SafeZip:
    """An archive whose table of contents was judged before anything is unpacked."""

    def __init__(self, path: Path) -> None:
        """Open the archive and check every entry.

        Raises:
            BadInput: missing, damaged, encrypted, too large, a bomb, or with entries that point
                outside the archive.
        """
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise BadInput(f"The archive {path.name} is missing.") from None
        except _DAMAGE as error:
            raise BadInput(
                f"The archive {path.name} cannot be opened; it is damaged or was cut off.",
                "Copy it again.",
            ) from error
        try:
            _judge(self._zip.infolist(), path)
        except BadInput:
            self._zip.close()
            raise
        # A damaged directory may hold an entry without a name, which `is_dir` stumbles over.
        entries = (i for i in self._zip.infolist() if i.filename)
        self.names = frozenset(i.filename for i in entries if not i.is_dir())

    def read(self, name: str, largest_bytes: int) -> bytes:
        """Return the content of one entry.

        Raises:
            BadInput: no such entry, larger than expected, or damaged.
        """
        if name not in self.names:
            raise BadInput(f"The archive {self._path.name} has no {name}.")
        if self._zip.getinfo(name).file_size > largest_bytes:
            raise BadInput(
                f"The entry {name} of {self._path.name} is larger than it can rightly be."
            )
        try:
            return self._zip.read(name)
        except _DAMAGE as error:
            raise self._damaged(name) from error

    def extract_to(self, folder: Path) -> None:
        """Write every entry below `folder`.

        Raises:
            BadInput: an entry is damaged.
            CannotWrite: no room or no permission.
        """
        for name in sorted(self.names):
            target = folder / name
            with _writing(self._path):
                target.parent.mkdir(parents=True, exist_ok=True)
                out = target.open("wb")
            with out:
                self._copy(name, out)

    def close(self) -> None:
        """Let go of the file."""
        self._zip.close()

    def _copy(self, name: str, out: BinaryIO) -> None:
        try:
            entry = self._zip.open(name)
        except _DAMAGE as error:
            raise self._damaged(name) from error
        with entry:
            while True:
                try:
                    piece = entry.read(MEBIBYTE)
                except _DAMAGE as error:
                    raise self._damaged(name) from error
                if not piece:
                    return
                with _writing(self._path):
                    out.write(piece)

    def _damaged(self, name: str) -> BadInput:
        return BadInput(f"The entry {name} of {self._path.name} is damaged.", "Copy it again.")


def member_names(path: Path) -> frozenset[str]:
    """Return the names of all files in an archive, nothing when the path is none.

    Raises:
        BadInput: an archive that is damaged or not safe to unpack.
    """
    if not path.is_file() or not _looks_like_zip(path):
        return frozenset()
    archive = SafeZip(path)
    archive.close()
    return archive.names


def _looks_like_zip(path: Path) -> bool:
    # By its beginning, because one that was cut off has lost its end.
    try:
        with path.open("rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError as error:
        raise BadInput(f"The file {path.name} cannot be read ({error.strerror}).") from error


def open_folder(path: Path, closing: ExitStack) -> Path:
    """Return `path` itself, or the folder that an archive unpacks to.

    An archive is unpacked into a temporary folder, which goes when `closing` is closed; when all
    its files lie in one folder, that one is returned.

    Raises:
        BadInput: not a folder and not a safe archive.
        CannotWrite: no room to unpack.
    """
    if path.is_dir():
        return path
    archive = SafeZip(path)
    closing.callback(archive.close)
    with _writing(path):
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="finescan-")))
    archive.extract_to(folder)
    return folder / common_folder(archive.names)


def common_folder(names: frozenset[str]) -> str:
    """Return the deepest folder that holds every entry, "" when there is none.

    What macOS adds to archives does not count.
    """
    folders = [PurePosixPath(n).parent.parts for n in names if not n.startswith("__MACOSX/")]
    shared: list[str] = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) != 1:
            break
        shared.append(parts[0])
    return "/".join(shared)


def _judge(entries: list[zipfile.ZipInfo], path: Path) -> None:
    if len(entries) > MOST_MEMBERS:
        raise BadInput(f"The archive {path.name} holds {len(entries)} files, too many.")
    for entry in entries:
        name = entry.filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        # A colon is a drive letter or a hidden stream on Windows.
        if name.startswith(("/", "\\")) or ".." in parts or ":" in name or "\0" in name:
            raise BadInput(
                f"The archive {path.name} has an entry that points outside of it.",
                "It was made to do harm; do not use it.",
            )
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise BadInput(f"The archive {path.name} holds a link ({name}), which is not followed.")
        if entry.flag_bits & 1:
            raise BadInput(f"The archive {path.name} is encrypted.", "Unpack it yourself first.")
    total = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    largest = max((entry.file_size for entry in entries), default=0)
    is_bomb = total > RATIO_FREE_BYTES and total > LARGEST_RATIO * max(packed, 1)
    if is_bomb or total > LARGEST_ARCHIVE_BYTES or largest > LARGEST_MEMBER_BYTES:
        raise BadInput(
            f"The archive {path.name} would unpack to {total / MEBIBYTE:.0f} MB, "
            "more than any recording of its size.",
        )


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CannotWrite(
            f"The archive {path.name} cannot be unpacked ({error.strerror}).",
            "Make room, or unpack it yourself and open the folder.",
        ) from error
