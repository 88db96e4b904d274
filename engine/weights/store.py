"""Our own weight files: safetensors, which hold numbers and words and nothing that can run."""

import json
import os
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.core.faults import BadInput, CannotWrite

# Our largest header, GTR's, has 45 KB.
LARGEST_HEADER_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Stored:
    """A network's weights: which network, how it is configured, its tensors on the CPU.

    Attributes:
        network: name of the network class, such as "finerecon".
        config: plain JSON form of its configuration.
        tensors: state-dict entries by name.
        metadata: source, its sha256, licence: text by key.
    """

    network: str
    config: dict[str, Any]
    tensors: dict[str, Tensor]
    metadata: dict[str, str]


def save(
    path: Path,
    network: str,
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    metadata: Mapping[str, str],
) -> None:
    """Write the file whole, or leave what was there.

    Raises:
        CannotWrite: no room or no permission.
    """
    words = {**metadata, "network": network, "config": json.dumps(config, sort_keys=True)}
    own = _apart(tensors)
    draft: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".draft-", suffix=".safetensors", dir=path.parent)
        os.close(handle)
        draft = Path(name)
        save_file(own, draft, words)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    except (OSError, SafetensorError) as error:
        raise CannotWrite(
            f"The weights cannot be written to {path} ({error}).",
            "Make room, or choose another folder.",
        ) from error
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


def _apart(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors of which no two share memory, as the library asks for."""
    apart: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, value in tensors.items():
        own = value.detach().cpu().contiguous()
        storage = own.untyped_storage()
        if storage.nbytes() != own.nbytes or storage.data_ptr() in taken:
            own = own.clone()
        taken.add(own.untyped_storage().data_ptr())
        apart[name] = own
    return apart


def load(path: Path) -> Stored:
    """Return what `save` wrote.

    Raises:
        BadInput: missing, damaged, no safetensors, or not written by `save`.
    """
    check_content(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise BadInput(f"The weights {path.name} are damaged ({error}).") from error
    try:
        network = metadata.pop("network")
        config = json.loads(metadata.pop("config"))
    except (KeyError, ValueError, RecursionError):
        raise BadInput(
            f"The weights {path.name} do not say which network they belong to.",
            "Import them with 'weights import'.",
        ) from None
    if not isinstance(config, dict):
        raise BadInput(f"The weights {path.name} have a configuration that is no table.")
    return Stored(network, config, tensors, metadata)


def is_safetensors(path: Path) -> bool:
    """Return whether a file begins as safetensors do: a length, then a JSON object."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
        size = path.stat().st_size
    except OSError as error:
        raise BadInput(f"The file {path} cannot be read ({error.strerror}).") from error
    if len(head) < 9 or head[8:] != b"{":
        return False
    (header,) = struct.unpack("<Q", head[:8])
    return bool(header <= size - 8)


def check_content(path: Path) -> None:
    """Accept safetensors alone, by content and not by name.

    Raises:
        BadInput: anything else, such as a pickle; or a header larger than any network needs.
    """
    if not is_safetensors(path):
        raise BadInput(
            f"The file {path.name} is no safetensors file.",
            "If it is a checkpoint, import it with 'weights import'.",
        )
    with path.open("rb") as file:
        (header,) = struct.unpack("<Q", file.read(8))
    if header > LARGEST_HEADER_BYTES:
        raise BadInput(f"The file {path.name} has a header larger than any network needs.")
