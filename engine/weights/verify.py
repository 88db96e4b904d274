"""Whether installed weights are still what they were."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from engine.core.news import Job
from engine.weights.bundle import LARGEST_BYTES
from engine.weights.catalogue import Catalogue, Entry
from engine.weights.shelf import Shelf, sha256_of

State = Literal["ok", "changed", "missing", "too large", "no card"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One file, the hash it has and the hash it should have; None when there is none."""

    name: str
    path: Path
    state: State
    sha256: str | None
    expected: str | None


def verify(
    shelf: Shelf, assets: Path, catalogue: Catalogue, names: Sequence[str]
) -> Job[list[Verdict]]:
    """Hash installed and bundled weights again; all of them when no names are given.

    A bundled file must be small and have its model card beside it.

    Raises:
        BadInput: a name is neither installed nor in the catalogue.
    """
    bundled = {entry.name: entry for entry in catalogue.entries if entry.kind == "bundled"}
    verdicts = []
    for name in names or [*bundled, *shelf.names()]:
        if name in bundled:
            verdicts.append((yield from _bundled(bundled[name], assets)))
            continue
        record = shelf.record(name)
        if record is None:
            catalogue.entry(name)
        expected = record.sha256 if record else None
        verdicts.append((yield from _verdict(name, shelf.weights(name), expected)))
    return verdicts


def _bundled(entry: Entry, assets: Path) -> Job[Verdict]:
    verdict = yield from _verdict(entry.name, assets / entry.file_name, entry.sha256)
    if verdict.state != "ok":
        return verdict
    if verdict.path.stat().st_size > LARGEST_BYTES:
        return replace(verdict, state="too large")
    if entry.card is None or not (assets / entry.card).is_file():
        return replace(verdict, state="no card")
    return verdict


def _verdict(name: str, path: Path, expected: str | None) -> Job[Verdict]:
    if not path.is_file():
        return Verdict(name, path, "missing", None, expected)
    sha256 = yield from sha256_of(path, name)
    return Verdict(name, path, "ok" if sha256 == expected else "changed", sha256, expected)
