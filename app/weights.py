"""The user's weights: which there are, where they lie, how they come."""

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs
from torch import nn

from app.blueprints import NETWORKS, blueprints
from engine.core.faults import BadInput
from engine.core.news import Job, Progress
from engine.nets.layout import channels_last
from engine.weights.catalogue import NAME, Catalogue, Entry, load_catalogue
from engine.weights.convert import Converted, convert
from engine.weights.fetch import fetch
from engine.weights.shelf import Record, Shelf, need_space, sha256_of
from engine.weights.store import load, save

ASSETS = Path(__file__).resolve().parents[1] / "assets" / "weights"
FOLDER_VARIABLE = "FINESCAN_WEIGHTS"


def catalogue() -> Catalogue:
    """Return the weights that this program knows of."""
    return load_catalogue(ASSETS / "catalogue.json")


def shelf() -> Shelf:
    """Return the user's folder of weights: FINESCAN_WEIGHTS, or where the system keeps data."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Shelf(Path(chosen).expanduser().absolute())
    return Shelf(platformdirs.user_data_path("finescan", appauthor=False) / "weights")


def weights_path(entry: Entry, store: Shelf) -> Path | None:
    """Return the file with the weights of an entry, None when they are not installed."""
    path = ASSETS / entry.file_name if entry.kind == "bundled" else store.weights(entry.name)
    return path if path.is_file() else None


def rows(store: Shelf, entries: Catalogue) -> list[dict[str, Any]]:
    """Return what is known of all weights: those of the catalogue, then others imported.

    Every row has `name`, `network`, `kind`, `licence`, `installed`, and `path`, `bytes`, `sha256`
    and `card`, each None where there is none. Size and hash are those of the installed file.
    """
    found: list[dict[str, Any]] = []
    for entry in entries.entries:
        path = weights_path(entry, store)
        row = {**entry.model_dump(mode="json"), "installed": path is not None}
        row["path"] = None if path is None else str(path)
        row["card"] = None if entry.card is None else str(ASSETS / entry.card)
        found.append(row | _measured(store.record(entry.name)))
    known = {entry.name for entry in entries.entries}
    for name in store.names():
        record = store.record(name)
        if name not in known and record is not None:
            about = {"name": name, "network": record.network, "kind": "imported", "card": None}
            where = {"installed": True, "path": str(store.weights(name))}
            licence = {"name": record.licence, "is_non_commercial": False}
            found.append({**about, **where, "licence": licence, **_measured(record)})
    return found


def _measured(record: Record | None) -> dict[str, Any]:
    """Return size and hash of an installed file; nothing where there is none."""
    return {} if record is None else {"bytes": record.bytes, "sha256": record.sha256}


class Imported(NamedTuple):
    """The report of an import, and where the weights now lie; None when they were refused."""

    row: dict[str, Any]
    path: Path | None


def import_weights(
    path: Path, store: Shelf, entries: Catalogue, name: str | None = None
) -> Job[Imported]:
    """Turn a checkpoint into safetensors in the user's folder; nothing in it is run.

    It goes under the catalogue's name when it has the released sizes, else under the network's
    name and eight digits of its hash, unless `name` is given. Nothing is written when an entry is
    missing or does not fit; the report says so.

    Raises:
        BadInput: no such file, no checkpoint, damaged, or one that carries code.
        CannotWrite: no room.
    """
    if not path.is_file():
        raise BadInput(f"There is no file {path}.")
    if name is not None and not re.fullmatch(NAME, name):
        raise BadInput(
            f"The name {name!r} cannot be used.", "Use small letters, digits, '-', '_' and '.'."
        )
    converted = yield from convert(path, blueprints(), store.folder)
    row = _row(converted)
    if converted.refused is not None:
        return Imported(row, None)
    sha256 = yield from sha256_of(path, "hash")
    published = _published(converted, entries)
    chosen = name or (published.name if published else f"{converted.network}-{sha256[:8]}")
    licence = published.licence.name if published else ""
    source = {"source": path.name, "source_sha256": sha256, "licence": licence}
    target = yield from _install(converted, chosen, store, source)
    return Imported({**row, "name": chosen, "path": str(target)}, target)


def refused_row(says: str) -> dict[str, Any]:
    """Return the report of a file that was refused before anything could be compared."""
    return {"loaded": 0, "missing": [], "extra": [], "refused": says}


def _row(converted: Converted) -> dict[str, Any]:
    found = converted.match
    return {
        "network": converted.network,
        "config": converted.config,
        "is_released": converted.is_released,
        "loaded": len(found.names) + len(found.constants),
        "missing": list(found.missing),
        "extra": list(found.extra),
        "recomputed": list(found.constants),
        "refused": converted.refused,
    }


def _published(converted: Converted, entries: Catalogue) -> Entry | None:
    """Return the published entry that has these sizes."""
    if not converted.is_released:
        return None
    for entry in entries.entries:
        if entry.network == converted.network and entry.kind == "published":
            return entry
    return None


def _install(converted: Converted, name: str, store: Shelf, source: dict[str, str]) -> Job[Path]:
    target = store.weights(name)
    size = sum(value.numel() * value.itemsize for value in converted.tensors.values())
    need_space(store.folder, size + 2**20)
    yield Progress("write", 0, 1)
    save(target, converted.network, converted.config, converted.tensors, source)
    sha256 = yield from sha256_of(target, "check")
    size = target.stat().st_size
    store.write_record(name, Record(network=converted.network, sha256=sha256, bytes=size, **source))
    return target


def fetch_weights(entry: Entry, store: Shelf, entries: Catalogue) -> Job[Imported]:
    """Download weights from where their authors publish them, then import them.

    The download is removed once it is imported; a broken one is continued by the next fetch.

    Raises:
        BadInput: there is nothing to download, or what came is not what was promised.
        Fault: the server cannot be reached.
        CannotWrite: no room.
    """
    original = yield from fetch(entry, store)
    imported = yield from import_weights(original, store, entries, entry.name)
    if imported.path is not None:
        original.unlink()
    return imported


def load_network(path: Path, network: str) -> nn.Module:
    """Return a network with the weights of a file, in evaluation mode on the CPU.

    Raises:
        BadInput: the file is damaged, of another network, or does not fit.
    """
    stored = load(path)
    if stored.network != network:
        raise BadInput(f"The weights {path} are those of {stored.network}, not of {network}.")
    if network not in NETWORKS:
        raise BadInput(f"The weights {path} belong to a network that is not known: {network}.")
    kind = NETWORKS[network]
    try:
        model = kind.build(kind.from_dict(stored.config))
        result = model.load_state_dict(stored.tensors, strict=False)
    except (ValueError, TypeError, LookupError, RuntimeError) as error:
        raise BadInput(f"The weights {path} do not fit their own configuration.") from error
    missing = [n for n in result.missing_keys if n.rpartition(".")[2] not in kind.constants]
    for name in (*missing, *result.unexpected_keys):
        raise BadInput(f"The weights {path} do not fit their own configuration: {name}.")
    return channels_last(model.eval())
