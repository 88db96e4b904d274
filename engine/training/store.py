"""Tensors on disk that can be made anew: written whole or not at all, read as data only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.core.faults import BadInput, CannotWrite

T = TypeVar("T")
Tensors = dict[str, Tensor]
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Kept:
    """The first `count` batches of a kind are made once, and then read from a folder."""

    folder: Path
    count: int
    device: torch.device = CPU

    def batch(
        self,
        kind: str,
        index: int,
        make: Callable[[int], Mapping[str, Tensor]],
        unpack: Callable[[Tensors], T],
    ) -> T:
        """Return what `unpack` makes of a batch's tensors; from `count` on they come again.

        Raises:
            BadInput: what lies there is damaged.
            CannotWrite: no room or no permission.
        """
        index %= self.count
        path = self.folder / f"{kind}-{index:06d}.safetensors"
        if not path.is_file():
            write(make(index), path)
        return read(path, unpack, self.device)


def write(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors to a file, whole or not at all.

    Raises:
        CannotWrite: no room or no permission.
    """
    aside = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, aside)
        aside.replace(path)
    except (OSError, SafetensorError) as error:
        raise CannotWrite(
            f"Samples cannot be kept in {path.parent}: {error}.",
            "Make room, choose another folder, or keep none.",
        ) from error


def read(path: Path, unpack: Callable[[Tensors], T], device: torch.device = CPU) -> T:
    """Return what `unpack` makes of the tensors that `write` wrote.

    Raises:
        BadInput: it is damaged, or something is missing.
    """
    try:
        return unpack(load_file(path, str(device)))
    except (OSError, SafetensorError, KeyError, TypeError) as error:
        raise BadInput(
            f"The kept samples {path} cannot be read ({error}).",
            "Delete the file: it is made anew.",
        ) from error
