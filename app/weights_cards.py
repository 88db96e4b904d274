"""Weights of networks as the window shows them."""

from app.weights import catalogue, fetch_weights, shelf, weights_path
from engine.core.faults import BadInput
from engine.core.news import Job, Progress
from engine.weights.catalogue import Entry
from engine.weights.shelf import Shelf
from ui.ports import WeightsCard


def weights_cards() -> Job[tuple[WeightsCard, ...]]:
    """Return the weights of the catalogue, then those the user imported under other names.

    Raises:
        Fault: the catalogue of this installation is broken.
    """
    yield Progress("Looking which weights are there", 0)
    store, entries = shelf(), catalogue().entries
    known = {entry.name for entry in entries}
    others = [name for name in store.names() if name not in known]
    return (
        *(_card(entry, store) for entry in entries),
        *(_imported(name, store) for name in others),
    )


def download_weights(name: str) -> Job[str]:
    """Download weights, check and import them, and return a sentence about it.

    Raises:
        BadInput: no such weights, nothing to download, or not what was promised.
        Fault: the server cannot be reached.
        CannotWrite: no room.
    """
    entries, store = catalogue(), shelf()
    entry = entries.entry(name)
    imported = yield from fetch_weights(entry, store, entries)
    if imported.path is None:
        raise BadInput(
            f"What was downloaded for {name} cannot be used: {imported.row['refused']}",
            f"See {entry.page}.",
        )
    megabytes = imported.path.stat().st_size / 1e6
    return f"{_title(entry)} is installed, {megabytes:.0f} MB, and was checked."


def _card(entry: Entry, store: Shelf) -> WeightsCard:
    path = weights_path(entry, store)
    state = "missing" if path is None else "bundled" if entry.kind == "bundled" else "installed"
    size = entry.bytes or entry.weights_bytes if path is None else path.stat().st_size
    licence = entry.licence
    return WeightsCard(
        name=entry.name,
        title=_title(entry),
        purpose=_sentence(entry.what.partition(": ")[2]),
        licence=licence.name,
        licence_url=licence.url,
        is_restricted=licence.is_non_commercial,
        megabytes=size / 1e6,
        state=state,
        can_download=path is None and entry.kind == "published" and entry.url is not None,
        remark=" ".join([*_way(entry, state), *licence.says]),
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _title(entry: Entry) -> str:
    return entry.what.partition(": ")[0] or entry.name


def _way(entry: Entry, state: str) -> list[str]:
    """Return how weights come that are missing and that nothing here downloads."""
    if state != "missing":
        return []
    if entry.kind == "bundled":
        return ["It should have come with the program: install the program again."]
    if entry.url is None:
        return [
            f"Its authors ask for a click: download {entry.file_name} from {entry.page}, then "
            f"run 'run_scanner.py weights import {entry.file_name}'."
        ]
    return []


def _imported(name: str, store: Shelf) -> WeightsCard:
    remark = ""
    try:
        record = store.record(name)
    except BadInput as fault:
        record, remark = None, str(fault)
    return WeightsCard(
        name=name,
        title=name,
        purpose="Imported by you." if record is None else f"Imported by you for {record.network}.",
        licence=(record.licence if record else "") or "not known",
        licence_url="",
        is_restricted=False,
        megabytes=(record.bytes if record else 0) / 1e6,
        state="installed",
        can_download=False,
        remark=remark,
    )
