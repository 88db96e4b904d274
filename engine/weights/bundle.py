"""Weights of our own become part of the program: the file, its card, its catalogue entry."""

import hashlib
import shutil
from pathlib import Path

from engine.core.faults import BadInput, CannotWrite
from engine.weights.card import lacking
from engine.weights.catalogue import Catalogue, Entry, Licence, load_catalogue
from engine.weights.store import load

CATALOGUE = "catalogue.json"
# What a hosted repository still takes, and what a checkout should not grow beyond.
LARGEST_BYTES = 16_000_000
OURS = Licence(
    name="Apache License 2.0",
    spdx="Apache-2.0",
    url="https://www.apache.org/licenses/LICENSE-2.0",
    is_non_commercial=False,
    says=("Use, change and redistribution are allowed; licence and notices have to be kept.",),
)


def bundle(
    source: Path, assets: Path, name: str, what: str, needed_by: tuple[str, ...] = ()
) -> Entry:
    """Copy trained weights into the assets and write their entry, replacing one of that name.

    Raises:
        BadInput: no weights of ours, too large, of another licence, a published name, or a card
            that is missing or incomplete.
        CannotWrite: no room or no permission; the catalogue is as it was.
    """
    stored = load(source)
    content = source.read_bytes()
    if len(content) > LARGEST_BYTES:
        raise BadInput(
            f"The weights {source} have {len(content) / 1e6:.1f} MB; "
            f"{LARGEST_BYTES / 1e6:.0f} MB can be bundled.",
            "Train a smaller size.",
        )
    licence = stored.metadata.get("licence", "")
    if licence != OURS.spdx:
        raise BadInput(
            f"The weights {source} fall under the licence '{licence}', not under {OURS.spdx}.",
            "Only weights that learned from worlds of ours may be passed on with the program.",
        )
    card = assets / f"{name}.md"
    gaps = lacking(card, name)
    if gaps:
        raise BadInput(f"The model card {card} lacks {'; '.join(gaps)}.", "Complete it first.")
    entry = Entry(
        name=name,
        network=stored.network,
        kind="bundled",
        what=what,
        needed_by=needed_by,
        authors="the authors of Finescan",
        page=None,
        url=None,
        file_name=f"{name}.safetensors",
        card=card.name,
        weights_bytes=sum(value.nbytes for value in stored.tensors.values()),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        licence=OURS,
    )
    before = load_catalogue(assets / CATALOGUE)
    if any(e.name == name and e.kind == "published" for e in before.entries):
        raise BadInput(f"{name} is the name of published weights.", "Choose another one.")
    others = tuple(e for e in before.entries if e.name != name)
    _write(source, assets, entry, Catalogue(entries=(*others, entry)))
    return entry


def _write(source: Path, assets: Path, entry: Entry, catalogue: Catalogue) -> None:
    """Replace the weights, then the catalogue, each whole or not at all."""
    target, listing = assets / entry.file_name, assets / CATALOGUE
    drafts = [path.with_name(f".{path.name}.draft") for path in (target, listing)]
    try:
        shutil.copyfile(source, drafts[0])
        drafts[1].write_text(catalogue.model_dump_json(indent=2) + "\n", encoding="utf-8")
        drafts[0].replace(target)
        drafts[1].replace(listing)
    except OSError as error:
        raise CannotWrite(f"Nothing can be written to {assets} ({error.strerror}).") from error
    finally:
        for draft in drafts:
            draft.unlink(missing_ok=True)
