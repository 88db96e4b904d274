"""Files that torch.save wrote, opened without running anything they say."""

import io
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.weights.names import carries_code
from engine.weights.unpickle import LARGEST_PICKLE_BYTES, Storage, TensorRef, damaged, read_pickle

# A training checkpoint of 5,000 tensors has a directory of half a megabyte.
LARGEST_DIRECTORY_BYTES = 4 * 2**20
PIECE_BYTES = 2**20
CODE_ENDINGS = (".pkl", ".py", ".pyc", ".so")
# What zipfile raises on damaged archives; RuntimeError is its word for encrypted entries.
DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
)


class Checkpoint:
    """A torch archive: `content` is its pickle as data, `tensor` reads what that refers to."""

    def __init__(self, archive: zipfile.ZipFile, file_bytes: int) -> None:
        """Judge the entries of an open archive of `file_bytes` and read its table of contents.

        Raises:
            BadInput: no torch archive, damaged, a bomb, or one that carries code.
        """
        self._zip = archive
        self._last: tuple[str, Tensor] | None = None
        self.bytes = file_bytes
        self._entries = _judged(archive.infolist(), file_bytes)
        self._root = _root(self._entries)
        self._check_byte_order()
        table = self._read("data.pkl", LARGEST_PICKLE_BYTES)
        self.content: Any = read_pickle(table.numpy().tobytes())

    def tensor(self, reference: TensorRef) -> Tensor:
        """Return the numbers of a tensor, contiguous, in the type they were stored in.

        Raises:
            BadInput: the storage is missing, damaged, or shorter than it says.
        """
        flat = self._storage(reference.storage)
        view = torch.as_strided(flat, reference.shape, reference.stride, reference.offset)
        return view.clone(memory_format=torch.contiguous_format)

    def _storage(self, storage: Storage) -> Tensor:
        # Tensors that share a storage mostly follow each other: the last one read is kept.
        if self._last is None or self._last[0] != storage.key:
            self._last = storage.key, self._read(f"data/{storage.key}")
        flat = self._last[1]
        dtype = getattr(torch, storage.dtype)
        if flat.numel() < storage.count * dtype.itemsize:
            raise damaged(f"storage {storage.key} is shorter than it says")
        return flat[: storage.count * dtype.itemsize].view(dtype)

    def _read(self, name: str, largest: int | None = None) -> Tensor:
        """Return the bytes of an entry; zipfile compares their check sum at the end."""
        entry = self._entries.get(self._root + name)
        if entry is None:
            raise damaged(f"its entry {name} is missing")
        if largest is not None and entry.file_size > largest:
            raise BadInput(f"The entry {name} of the checkpoint is larger than any network needs.")
        content = torch.empty(entry.file_size, dtype=torch.uint8)
        view = content.numpy().data
        with reading(), self._zip.open(entry) as file:
            done = 0
            while piece := file.read(PIECE_BYTES):
                view[done : done + len(piece)] = piece
                done += len(piece)
        if done != entry.file_size:
            raise damaged(f"its entry {name} is too short")
        return content

    def _check_byte_order(self) -> None:
        """Refuse numbers written by a machine of the other byte order."""
        if self._root + "byteorder" not in self._entries:
            return
        order = self._read("byteorder", 16).numpy().tobytes()
        if order != sys.byteorder.encode():
            raise BadInput("The checkpoint was written by a machine of another byte order.")


class _Bounded(io.FileIO):
    """A file that is read in moderate pieces; zipfile asks for the whole directory in one."""

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = LARGEST_DIRECTORY_BYTES + 1 if size is None or size < 0 else size
        content = super().read(wanted) if wanted <= LARGEST_DIRECTORY_BYTES + 1 else None
        if content is None or len(content) > LARGEST_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its directory is larger than any network needs")
        return content


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive whose directory is of a moderate size.

    Raises:
        BadInput: it is damaged or missing.
    """
    with ExitStack() as closing:
        with reading():
            file = closing.enter_context(_Bounded(path))
            archive = closing.enter_context(zipfile.ZipFile(file))
        yield archive


def is_torch_archive(names: list[str]) -> bool:
    """Return whether the entries of an archive are those of torch.save."""
    return any(name.count("/") == 1 and name.endswith("/data.pkl") for name in names)


@contextmanager
def reading() -> Iterator[None]:
    """Turn what a damaged archive raises into a fault."""
    try:
        yield
    except DAMAGE as error:
        raise damaged(str(error).rstrip(".") or type(error).__name__) from error


def _judged(entries: list[zipfile.ZipInfo], file_bytes: int) -> dict[str, zipfile.ZipInfo]:
    """Return the entries by name, all of them stored as torch does: not packed, not overlapping."""
    by_name = {entry.filename: entry for entry in entries}
    if len(by_name) != len(entries):
        raise damaged("two entries have the same name")
    if any(entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 for entry in entries):
        raise BadInput(
            "The checkpoint's entries are packed or encrypted, which torch never does.",
            "Download the original file; do not repack it.",
        )
    claimed = sum(entry.file_size for entry in entries)
    differs = any(entry.file_size != entry.compress_size for entry in entries)
    if differs or claimed > file_bytes:
        raise BadInput(
            f"The checkpoint would unpack to {claimed / 2**20:.0f} MB "
            f"but has {file_bytes / 2**20:.0f} MB: it was made to fill memory or was cut off."
        )
    return by_name


def _root(entries: dict[str, zipfile.ZipInfo]) -> str:
    """Return the folder all entries lie in, with its slash."""
    roots = [n.removesuffix("data.pkl") for n in entries if n.count("/") == 1]
    roots = [root for root in roots if root + "data.pkl" in entries]
    if len(roots) != 1:
        raise BadInput("The file is an archive, but none that torch wrote.")
    _check_alone(entries, roots[0])
    return roots[0]


def _check_alone(entries: Iterable[str], root: str) -> None:
    """Refuse what torch does not write beside tensors: programs, second pickles, foreign folders.

    Nothing here would read them, but a program less careful might.
    """
    for name in entries:
        if name.startswith(f"{root}code/"):
            raise carries_code("a compiled TorchScript program")
        if name.endswith(CODE_ENDINGS) and name != f"{root}data.pkl":
            raise carries_code(name)
        if not name.startswith(root):
            raise BadInput(f"The checkpoint holds {name[:120]!r}, which torch never writes.")
