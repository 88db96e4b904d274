"""A checkpoint of any kind we read, as named tensors."""

import json
import tempfile
import zipfile
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from engine.core.faults import BadInput, CannotWrite
from engine.weights.checkpoint import Checkpoint, is_torch_archive, open_zip, reading
from engine.weights.match import Spec
from engine.weights.store import check_content, is_safetensors
from engine.weights.unpickle import LARGEST_PICKLE_BYTES, TensorRef, damaged, read_pickle

ENDINGS = (".ckpt", ".pth", ".pt")
LARGEST_CHECKPOINT_BYTES = 32 * 2**30
# Weights hardly shrink when packed.
LARGEST_RATIO = 20
MOST_VALUES = 200_000
LONGEST_NAME = 300
DEEPEST = 4
# Where the weights lie in a checkpoint; what is listed first is preferred, None is the whole.
SUB_TREES = ("state_dict", "pipeline", "model", None)
SAFETENSORS_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint while it is open.

    Attributes:
        trees: sets of named tensors that it can be read as, the likeliest first.
        tensor: reads a tensor, by number of the tree and name.
        in_order: sorts names of a tree so that no part of the file is read twice.
        bytes: size of the file that holds the numbers.
        config: configuration of the network, where the file is one of ours and says it.
    """

    trees: tuple[Mapping[str, Spec], ...]
    tensor: Callable[[int, str], Tensor]
    in_order: Callable[[int, list[str]], list[str]]
    bytes: int
    config: dict[str, Any] | None = None


@contextmanager
def open_checkpoint(path: Path, scratch: Path) -> Iterator[Opened]:
    """Open a torch archive, a zip that holds one, or safetensors.

    Args:
        path: the file.
        scratch: folder, made if needed, in which a zip is unpacked for the time being.

    Raises:
        BadInput: none of these, damaged, a bomb, or one that carries code.
        CannotWrite: no room to unpack.
    """
    if is_safetensors(path):
        with _open_safetensors(path) as content:
            yield content
        return
    _refuse_bare_pickle(path)
    with open_zip(path) as archive:
        if is_torch_archive(archive.namelist()):
            yield _opened(Checkpoint(archive, path.stat().st_size))
            return
        with _unpacked(archive, path, scratch) as inner:
            _refuse_bare_pickle(inner)
            with open_zip(inner) as inner_archive:
                yield _opened(Checkpoint(inner_archive, inner.stat().st_size))


def _opened(checkpoint: Checkpoint) -> Opened:
    trees = _trees(checkpoint.content)

    def tensor(tree: int, name: str) -> Tensor:
        return checkpoint.tensor(trees[tree][name])

    def in_order(tree: int, names: list[str]) -> list[str]:
        return sorted(names, key=lambda name: trees[tree][name].storage.key)

    specs = tuple(
        {name: Spec(ref.shape, ref.storage.dtype) for name, ref in tree.items()} for tree in trees
    )
    return Opened(specs, tensor, in_order, checkpoint.bytes)


def _trees(content: Any) -> tuple[dict[str, TensorRef], ...]:
    if not isinstance(content, dict):
        raise BadInput("The checkpoint holds no table of named tensors.")
    parts = [content if key is None else content.get(key) for key in SUB_TREES]
    trees = tuple(tree for tree in map(_flat, parts) if tree)
    if not trees:
        raise BadInput("The checkpoint holds no tensors.")
    return trees


def _flat(content: Any) -> dict[str, TensorRef]:
    """Return the tensors of nested tables under names joined by dots."""
    found: dict[str, TensorRef] = {}
    waiting = deque([("", content, DEEPEST)])
    seen = 0
    while waiting:
        name, value, deepest = waiting.popleft()
        seen += 1
        if isinstance(value, TensorRef):
            found[name] = value
        elif isinstance(value, dict) and deepest:
            # Tables that hold each other many times would else be walked for ever.
            if seen + len(waiting) + len(value) > MOST_VALUES:
                raise BadInput(f"The checkpoint holds more than {MOST_VALUES:,} named values.")
            waiting.extend(
                (f"{name}.{key}" if name else key, inner, deepest - 1)
                for key, inner in value.items()
                if isinstance(key, str) and len(key) <= LONGEST_NAME
            )
    return found


@contextmanager
def _unpacked(archive: zipfile.ZipFile, path: Path, scratch: Path) -> Iterator[Path]:
    """Unpack the one checkpoint of an archive into a temporary file."""
    inside = [
        entry
        for entry in archive.infolist()
        if entry.filename.endswith(ENDINGS) and not entry.filename.startswith("__MACOSX/")
    ]
    if len(inside) != 1:
        raise BadInput(
            f"The archive {path.name} holds {len(inside)} checkpoints; one is needed.",
            "Unpack it and import the right file.",
        )
    size, packed = inside[0].file_size, inside[0].compress_size
    if size > LARGEST_CHECKPOINT_BYTES or size > LARGEST_RATIO * max(packed, 1):
        raise BadInput(
            f"The archive {path.name} would unpack from {packed / 2**20:.0f} to "
            f"{size / 2**20:.0f} MB, more than any checkpoint does."
        )
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".unpack-", dir=scratch) as folder:
            target = Path(folder) / "checkpoint"
            with target.open("wb") as out:
                for piece in _pieces(archive, inside[0]):
                    out.write(piece)
            yield target
    except OSError as error:
        raise CannotWrite(
            f"The archive {path.name} cannot be unpacked in {scratch} ({error.strerror}).",
            "Make room, or unpack it yourself and import the checkpoint.",
        ) from error


def _pieces(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """Give the content of an entry, which zipfile ends at the size that the entry claims."""
    with reading():
        file = archive.open(entry)
    with file:
        while True:
            with reading():
                piece = file.read(2**20)
            if not piece:
                return
            yield piece


def _refuse_bare_pickle(path: Path) -> None:
    """Say what a file is that is neither archive nor safetensors.

    Raises:
        BadInput: it is no archive.
    """
    with reading(), path.open("rb") as file:
        head = file.read(2)
        if head == b"PK":
            if not zipfile.is_zipfile(path):
                raise damaged("the archive has lost its end")
            return
        head += file.read(LARGEST_PICKLE_BYTES - 2)
    if head[:1] in (b"\x80", b"c", b"(", b"}", b"]"):
        read_pickle(head, is_alone=False)  # says so if it carries code
        raise BadInput(
            f"The file {path.name} is a pickle without the archive that torch writes since 1.6.",
            "Load it where you trust it, and save it again with a newer torch.",
        )
    raise BadInput(
        f"The file {path.name} is no checkpoint.",
        "A checkpoint ends in .ckpt, .pth, .pt or .safetensors, or is a zip that holds one.",
    )


@contextmanager
def _open_safetensors(path: Path) -> Iterator[Opened]:
    check_content(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            specs = {}
            for name in file.keys():  # noqa: SIM118 (no mapping)
                part = file.get_slice(name)
                dtype = SAFETENSORS_TYPES.get(part.get_dtype(), part.get_dtype())
                specs[name] = Spec(tuple(part.get_shape()), dtype)
            yield Opened(
                (specs,),
                lambda _, name: file.get_tensor(name),
                lambda _, names: names,
                path.stat().st_size,
                _config(file.metadata() or {}),
            )
    except SafetensorError as error:
        raise damaged(str(error)) from error


def _config(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    try:
        config = json.loads(metadata["config"])
    except (KeyError, ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None
