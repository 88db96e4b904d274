import hashlib
import json
from pathlib import Path

import pytest
import torch

from engine.core.faults import BadInput
from engine.runtime.progress import run_job
from engine.weights import bundle as room
from engine.weights import verify as verifying
from engine.weights.bundle import bundle
from engine.weights.catalogue import Entry, load_catalogue
from engine.weights.shelf import Shelf
from engine.weights.store import save
from engine.weights.verify import verify
from tests.weights.cards import CARD
from tests.weights.files import SMALL, small_state

PUBLISHED = Path(__file__).resolve().parents[2] / "assets" / "weights" / "catalogue.json"


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    folder = tmp_path / "assets"
    folder.mkdir()
    (folder / "thing.md").write_text(CARD)
    rows = json.loads(PUBLISHED.read_text())["entries"]
    rows = [row for row in rows if row["kind"] == "published"]
    (folder / "catalogue.json").write_text(json.dumps({"entries": rows}))
    return folder


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    return written(tmp_path / "weights.safetensors")


def written(path: Path, licence: str = "Apache-2.0") -> Path:
    tensors = {name: value.clone() for name, value in small_state().items()}
    save(path, "finerecon", SMALL.as_dict(), tensors, {"licence": licence})
    return path


def entries(assets: Path) -> dict[str, Entry]:
    return {entry.name: entry for entry in load_catalogue(assets / "catalogue.json").entries}


def state(assets: Path) -> str:
    job = verify(Shelf(assets / "none"), assets, load_catalogue(assets / "catalogue.json"), [])
    (verdict,) = run_job(job, lambda _: None, lambda: False)
    return verdict.state


def test_the_file_and_its_entry_are_there(assets: Path, trained: Path) -> None:
    before = entries(assets)
    entry = bundle(trained, assets, "thing", "Sees things", ("scan",))
    content = trained.read_bytes()
    assert (assets / "thing.safetensors").read_bytes() == content
    assert entry == entries(assets)["thing"]
    assert entry.network == "finerecon"
    assert (entry.bytes, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (entry.kind, entry.card, entry.licence.spdx) == ("bundled", "thing.md", "Apache-2.0")
    assert entry.weights_bytes == sum(value.nbytes for value in small_state().values())
    assert {name: e for name, e in entries(assets).items() if name != "thing"} == before
    assert sorted(path.name for path in assets.iterdir()) == [
        "catalogue.json", "thing.md", "thing.safetensors"
    ]  # fmt: skip
    assert state(assets) == "ok"


def test_the_next_training_replaces_the_last(assets: Path, trained: Path) -> None:
    first = bundle(trained, assets, "thing", "Sees things")
    state_dict = {name: value + 1 for name, value in small_state().items()}
    save(trained, "finerecon", SMALL.as_dict(), state_dict, {"licence": "Apache-2.0"})
    second = bundle(trained, assets, "thing", "Sees more")
    assert first.sha256 != second.sha256
    assert entries(assets)["thing"] == second
    assert state(assets) == "ok"


def refused(assets: Path, source: Path, says: str, name: str = "thing") -> None:
    before = (assets / "catalogue.json").read_bytes()
    with pytest.raises(BadInput, match=says):
        bundle(source, assets, name, "Sees things")
    assert not (assets / f"{name}.safetensors").exists()
    assert (assets / "catalogue.json").read_bytes() == before


def test_without_a_whole_card_nothing_is_bundled(assets: Path, trained: Path) -> None:
    (assets / "thing.md").write_text(CARD.replace("## Data", "## Dates"))
    refused(assets, trained, "lacks the section 'Data'")
    (assets / "thing.md").unlink()
    refused(assets, trained, "no model card")


def test_what_recordings_taught_is_not_passed_on(assets: Path, tmp_path: Path) -> None:
    source = written(tmp_path / "w.safetensors", "that of the recordings")
    refused(assets, source, "'that of the recordings', not under Apache-2.0")


def test_large_files_are_refused(
    assets: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LARGEST_BYTES", 1000)
    refused(assets, trained, "can be bundled")


def test_published_names_and_foreign_files_are_refused(assets: Path, trained: Path) -> None:
    (assets / "gtr.md").write_text(CARD.replace("# thing", "# gtr"))
    refused(assets, trained, "name of published weights", "gtr")
    torch.save(small_state(), trained)
    refused(assets, trained, "no safetensors file")


def test_verify_sees_whatever_is_wrong_with_a_bundled_file(
    assets: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle(trained, assets, "thing", "Sees things")
    (assets / "thing.md").rename(assets / "away.md")
    assert state(assets) == "no card"
    (assets / "away.md").rename(assets / "thing.md")
    monkeypatch.setattr(verifying, "LARGEST_BYTES", 1000)
    assert state(assets) == "too large"
    content = bytearray((assets / "thing.safetensors").read_bytes())
    content[-1] ^= 1
    (assets / "thing.safetensors").write_bytes(content)
    assert state(assets) == "changed"
    (assets / "thing.safetensors").unlink()
    assert state(assets) == "missing"
