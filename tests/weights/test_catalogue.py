import json
from pathlib import Path

import pytest

from app.blueprints import NETWORKS, blueprints
from engine.core.faults import BadInput, CannotWrite, Fault
from engine.runtime.progress import run_job
from engine.weights.catalogue import load_catalogue
from engine.weights.shelf import Record, Shelf, need_space
from engine.weights.verify import verify

ASSETS = Path(__file__).resolve().parents[2] / "assets" / "weights"


def ours():
    return load_catalogue(ASSETS / "catalogue.json")


def test_the_catalogue_names_each_network():
    assert {entry.network for entry in ours().entries} == set(NETWORKS)


def test_sizes_are_those_of_the_networks():
    import math

    sizes = {"float32": 4, "int64": 8}
    for blueprint in blueprints():
        kept = {
            name: spec
            for name, spec in blueprint.released().specs.items()
            if name.rpartition(".")[2] not in blueprint.constants
        }
        size = sum(math.prod(spec.shape) * sizes[spec.dtype] for spec in kept.values())
        for entry in ours().entries:
            if entry.network == blueprint.network and entry.kind == "published":
                assert entry.weights_bytes == size


def test_bundled_files_are_there_and_have_their_hash():
    bundled = [entry.name for entry in ours().entries if entry.kind == "bundled"]
    job = verify(Shelf(ASSETS / "nowhere"), ASSETS, ours(), [])
    verdicts = run_job(job, lambda _: None, lambda: False)
    assert [v.name for v in verdicts] == bundled
    assert all(v.state == "ok" for v in verdicts)


def test_unknown_names_are_answered_with_the_known():
    with pytest.raises(BadInput, match="no weights called 'x'") as fault:
        ours().entry("x")
    assert "finerecon" in fault.value.remedy


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://plain.example/x"},
        {"url": "file:///etc/passwd"},
        {"file_name": "../up.ckpt"},
        {"name": "Upper"},
        {"sha256": "12"},
        {"kind": "bundled"},
        {"kind": "bundled", "bytes": 1, "sha256": 64 * "0"},
        {"page": None},
        {"card": "../up.md"},
        {"surprise": 1},
    ],
)
def test_bad_entries_are_refused(tmp_path, change):
    row = json.loads((ASSETS / "catalogue.json").read_text())
    row["entries"][0].update(change)
    path = tmp_path / "c.json"
    path.write_text(json.dumps(row))
    with pytest.raises(Fault, match="cannot be read"):
        load_catalogue(path)


def test_two_entries_of_a_name_are_refused(tmp_path):
    row = json.loads((ASSETS / "catalogue.json").read_text())
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"entries": row["entries"] * 2}))
    with pytest.raises(Fault):
        load_catalogue(path)


def installed(folder) -> Shelf:
    store = Shelf(folder)
    for name in ("one", "two"):
        store.weights(name).parent.mkdir(parents=True)
        store.weights(name).write_bytes(b"abc")
        record = Record(
            network="finerecon", bytes=3, source="s", source_sha256="",
            sha256="ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        )  # fmt: skip
        store.write_record(name, record)
    return store


def states(store, *names) -> dict:
    job = verify(store, ASSETS, ours(), names)
    return {v.name: v.state for v in run_job(job, lambda _: None, lambda: False)}


def test_changed_and_missing_files_are_found(tmp_path):
    store = installed(tmp_path)
    everything = states(store)
    assert {name: everything.pop(name) for name in ("one", "two")} == {"one": "ok", "two": "ok"}
    # What comes with the program is looked at as well.
    assert set(everything) == {e.name for e in ours().entries if e.kind == "bundled"}
    assert set(everything.values()) == {"ok"}
    store.weights("one").write_bytes(b"abd")
    store.weights("two").unlink()
    assert states(store, "one", "two") == {"one": "changed", "two": "missing"}
    assert states(store, "gtr") == {"gtr": "missing"}
    with pytest.raises(BadInput, match="no weights called"):
        states(store, "nothing")


def test_a_broken_record_is_a_sentence(tmp_path):
    store = installed(tmp_path)
    (tmp_path / "one" / "record.json").write_text("{")
    with pytest.raises(BadInput, match="damaged"):
        store.record("one")


def test_space_is_asked_of_the_nearest_folder_that_exists(tmp_path):
    need_space(tmp_path / "not" / "yet", 1000)
    with pytest.raises(CannotWrite, match="MB free"):
        need_space(tmp_path / "not" / "yet", 2**62)
