"""A run on disk: numbers in small safetensors files, and one JSON that says which of them are good.

A checkpoint is a folder that appears whole. Only then does `state.json` point to it, and only then
are older ones removed: whenever the program dies, `state.json` names a complete checkpoint.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.core.faults import BadInput, CannotWrite

STATE = "state.json"
PREFIX = "checkpoint-"
# Files travel between machines one by one, and none may be larger than 16 MB with its header.
LARGEST_BYTES = 15_000_000
# Between a tensor's name and the number of its piece; no name of a module has it.
PIECE = "@"


@dataclass(frozen=True, slots=True)
class Saved:
    """What a checkpoint holds: plain values, and tensors by name."""

    state: dict[str, Any]
    tensors: dict[str, Tensor]


def save(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Make this the folder's checkpoint; what was there before is removed once it is complete.

    Raises:
        CannotWrite: no room or no permission; the checkpoint before is still good.
    """
    name = f"{PREFIX}{step:08d}"
    draft = folder / f".{name}"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for number, shard in enumerate(_shards(tensors)):
            path = draft / f"part-{number:02d}.safetensors"
            save_file(shard, path)
            _flush(path)
        good = folder / name
        if good.exists():
            # The same step again holds the same numbers.
            shutil.rmtree(draft)
        else:
            draft.replace(good)
        write_text(folder / STATE, json.dumps({**state, "checkpoint": name}, indent=1) + "\n")
    except (OSError, SafetensorError) as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise CannotWrite(
            f"The checkpoint of step {step} cannot be written to {folder} ({error}).",
            "Make room or choose another folder; the checkpoint before it is still good.",
        ) from error
    for old in folder.glob(f"{PREFIX}*"):
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)


def load(folder: Path) -> Saved:
    """Return the folder's checkpoint, tensors on the CPU.

    Raises:
        BadInput: there is none, or it is damaged.
    """
    state = read_state(folder)
    path = folder / str(state.get("checkpoint"))
    tensors: dict[str, Tensor] = {}
    try:
        for part in sorted(path.glob("part-*.safetensors")):
            tensors |= load_file(part)
    except (OSError, SafetensorError) as error:
        raise BadInput(
            f"The checkpoint {path} is damaged ({error}).", "Begin again in another folder."
        ) from error
    if not tensors:
        raise BadInput(f"The checkpoint {path} is missing.", "Begin again in another folder.")
    return Saved(state, _whole(tensors))


def read_state(folder: Path) -> dict[str, Any]:
    """Return what `state.json` says.

    Raises:
        BadInput: there is none, or it is no JSON object.
    """
    path = folder / STATE
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(
            f"There is no training run in {folder}.", "Leave --resume out to begin one."
        ) from None
    except (OSError, ValueError) as error:
        raise BadInput(f"The file {path} cannot be read ({error}).") from error
    if not isinstance(state, dict):
        raise BadInput(f"The file {path} does not describe a training run.")
    return state


def write_text(path: Path, text: str) -> None:
    """Write a file whole, or leave what was there.

    Raises:
        OSError: no room or no permission.
    """
    draft = path.with_name(f".{path.name}.part")
    draft.write_text(text, encoding="utf-8")
    _flush(draft)
    draft.replace(path)


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _shards(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Yield the tensors in files' worth; a tensor that fills more than one is cut into pieces."""
    shard: dict[str, Tensor] = {}
    filled = 0
    for name, piece in _pieces(tensors):
        # A name and a shape take some hundred bytes of the header.
        size = piece.nbytes + len(name) + 120
        if shard and filled + size > LARGEST_BYTES:
            yield shard
            shard, filled = {}, 0
        shard[name] = piece
        filled += size
    yield shard


def _pieces(tensors: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, value in tensors.items():
        own = value.detach().cpu().contiguous()
        count = -(-own.nbytes // (LARGEST_BYTES // 2))
        if count <= 1:
            yield name, own.clone()
            continue
        for number, piece in enumerate(torch.tensor_split(own, count)):
            yield f"{name}{PIECE}{number:04d}", piece.clone()


def _whole(pieces: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors put together from their pieces."""
    parts: dict[str, list[Tensor]] = {}
    for name in sorted(pieces):
        parts.setdefault(name.split(PIECE)[0], []).append(pieces[name])
    return {name: torch.cat(own) if len(own) > 1 else own[0] for name, own in parts.items()}
