import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from app import weights as room
from app.cli import weights as cli_weights
from app.cli.weights import weights
from engine.core.faults import BadInput, CannotWrite
from engine.nets.finerecon.model import FineRecon
from engine.weights import fetch as fetching
from engine.weights import shelf as shelves
from engine.weights.shelf import Shelf
from engine.weights.store import load, save
from tests.weights.cards import CARD
from tests.weights.files import SMALL, Calls, small_state
from tests.weights.test_fetch import HTTP, Server, entry, server  # noqa: F401 (a fixture)

ROOT = Path(__file__).resolve().parents[2]


def invoke(*arguments, **options):
    return CliRunner().invoke(weights, [str(a) for a in arguments], **options)


def ran(*arguments) -> dict:
    """Return the JSON that a command printed; it must have ended well."""
    done = invoke(*arguments, "--json")
    assert done.exit_code == 0, (done.stdout, done.exception)
    return json.loads(done.stdout)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Keep weights in a folder of the test; nothing comes with the program."""
    monkeypatch.setenv("FINESCAN_WEIGHTS", str(tmp_path / "weights"))
    rows = json.loads((room.ASSETS / "catalogue.json").read_text())["entries"]
    rows = [row for row in rows if row["kind"] == "published"]
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "catalogue.json").write_text(json.dumps({"entries": rows}))
    monkeypatch.setattr(room, "ASSETS", tmp_path / "assets")
    return tmp_path / "weights"


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "small.ckpt"
    torch.save({"state_dict": small_state(), "epoch": 1}, path)
    return path


def test_the_list_shows_names_licences_and_what_is_installed(folder, checkpoint):
    row = ran("list")
    assert row["folder"] == str(folder)
    assert {w["name"] for w in row["weights"]} == {"finerecon", "simplerecon-hero", "gtr"}
    for found in row["weights"]:
        assert found["licence"]["says"]
        assert found["installed"] is False
    name = ran("import", checkpoint)["name"]
    assert [w["name"] for w in ran("list")["weights"] if w["installed"]] == [name]
    table = invoke("list").stdout
    assert "non-commercial use" in table
    assert table.endswith("\n")
    assert all(len(line) <= 80 for line in table.splitlines() if "Folder" not in line)
    assert name in table
    assert not invoke("list").stderr


def test_every_row_says_what_machines_ask_for(checkpoint, tmp_path):
    ran("import", checkpoint, "--name", "mine")
    (tmp_path / "assets" / "thing.md").write_text(CARD)
    source = tmp_path / "w.safetensors"
    save(source, "finerecon", SMALL.as_dict(), small_state(), {"licence": "Apache-2.0"})
    done = invoke("bundle", source, "--name", "thing", "--what", "Sees things")
    assert done.exit_code == 0, done.exception
    rows = {row["name"]: row for row in ran("list")["weights"]}
    asked = {"name", "path", "bytes", "sha256", "licence", "card", "kind", "network"}
    assert all(asked <= row.keys() for row in rows.values())
    assert {name: row["kind"] for name, row in rows.items()} == {
        "finerecon": "published", "simplerecon-hero": "published", "gtr": "published",
        "thing": "bundled", "mine": "imported",
    }  # fmt: skip
    assert [name for name, row in rows.items() if row["installed"]] == ["thing", "mine"]
    assert Path(rows["thing"]["card"]).read_text() == CARD
    assert [name for name, row in rows.items() if row["card"] is None] == [
        "finerecon", "simplerecon-hero", "gtr", "mine"
    ]  # fmt: skip
    for name in ("thing", "mine"):
        content = Path(rows[name]["path"]).read_bytes()
        assert rows[name]["bytes"] == len(content)
        assert rows[name]["sha256"] == hashlib.sha256(content).hexdigest()
    assert "thing" in invoke("list").stdout
    assert ran("verify")["ok"]
    (tmp_path / "assets" / "thing.md").unlink()
    assert invoke("verify").exit_code == 1
    assert "bundle" not in invoke("--help").stdout.replace("bundled", "")


def test_weights_that_fit_no_network_are_not_bundled(tmp_path):
    source = tmp_path / "w.safetensors"
    for network, says in (("finerecon", "do not fit"), ("other", "not known")):
        save(source, network, SMALL.as_dict(), {"x": torch.ones(1)}, {"licence": "Apache-2.0"})
        done = invoke("bundle", source, "--name", "thing", "--what", "Sees things")
        assert isinstance(done.exception, BadInput)
        assert says in done.exception.says


def test_the_folder_is_the_systems_unless_it_is_chosen(monkeypatch, tmp_path):
    monkeypatch.delenv("FINESCAN_WEIGHTS")
    monkeypatch.setattr(room.platformdirs, "user_data_path", lambda *_, **__: tmp_path / "data")
    assert room.shelf().folder == tmp_path / "data" / "weights"
    monkeypatch.setenv("FINESCAN_WEIGHTS", "relative")
    assert room.shelf().folder == Path.cwd() / "relative"


def test_import_installs_and_the_network_is_the_same(checkpoint, folder):
    row = ran("import", checkpoint)
    assert {k: row[k] for k in ("loaded", "missing", "extra", "refused")} == {
        "loaded": len(small_state()), "missing": [], "extra": [], "refused": None
    }  # fmt: skip
    assert row["network"] == "finerecon"
    path = Path(row["path"])
    assert path == folder / row["name"] / "weights.safetensors"
    network = room.load_network(path, "finerecon")
    assert isinstance(network, FineRecon)
    assert not network.training
    assert network.config == SMALL
    for name, value in network.state_dict().items():
        assert torch.equal(value, small_state()[name])
    record = Shelf(folder).record(row["name"])
    assert record.source == "small.ckpt"
    assert load(path).metadata["source_sha256"] == record.source_sha256


def test_import_under_a_name_and_again(checkpoint, folder):
    assert ran("import", checkpoint, "--name", "mine")["name"] == "mine"
    assert ran("import", checkpoint, "--name", "mine")["refused"] is None
    # What we wrote can be imported as well.
    again = ran("import", folder / "mine" / "weights.safetensors", "--name", "copy")
    assert again["loaded"] == len(small_state())
    assert sorted(p.name for p in folder.iterdir()) == ["copy", "mine"]


@pytest.mark.parametrize("name", ["../up", "Mine", "", "a/b", ".hidden", "x\n"])
def test_names_that_lead_elsewhere_are_refused(checkpoint, name, folder):
    done = invoke("import", checkpoint, "--name", name)
    assert isinstance(done.exception, BadInput)
    assert "cannot be used" in done.exception.says
    assert not folder.exists()


def test_the_published_zip_is_imported_under_the_catalogues_name(tmp_path, folder):
    inner, outer = tmp_path / "last.ckpt", tmp_path / "checkpoint.zip"
    torch.save({"state_dict": FineRecon(room.NETWORKS["finerecon"].released()).state_dict()}, inner)
    with zipfile.ZipFile(outer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(inner, "checkpoint/last.ckpt")
    row = ran("import", outer)
    assert (row["loaded"], row["name"], row["is_released"]) == (810, "finerecon", True)
    assert Shelf(folder).record("finerecon").licence == "Apple sample code licence"
    assert sorted(p.name for p in folder.rglob("*")) == [
        "finerecon", "record.json", "weights.safetensors"
    ]  # fmt: skip


def test_missing_entries_leave_nothing_installed(tmp_path, folder):
    state = dict(small_state())
    gone = [name for name in state if name.endswith("running_mean")][:2]
    for name in gone:
        del state[name]
    state["more"] = torch.ones(1)
    path = tmp_path / "cut.ckpt"
    torch.save({"state_dict": state}, path)
    done = invoke("import", path, "--json")
    assert done.exit_code == 2
    row = json.loads(done.stdout)
    assert row["missing"] == gone
    assert row["extra"] == ["more"]
    assert row["loaded"] == len(small_state()) - 2
    assert "lack entries" in row["refused"]
    assert not folder.exists()
    done = invoke("import", path)
    assert isinstance(done.exception, BadInput)
    assert f"missing  {gone[0]}" in done.stdout


def evil(path, touched):
    config = {"config": Calls(os.system, f"touch {touched}")}
    torch.save({"state_dict": small_state(), "hyper_parameters": config}, path)


def cut(path, _):
    torch.save({"state_dict": small_state()}, path)
    path.write_bytes(path.read_bytes()[:-5000])


def misshapen(path, _):
    name = "cnn3d.stem.0.net.1.bias"
    torch.save({"state_dict": {**small_state(), name: torch.zeros(9)}}, path)


def text(path, _):
    path.write_text("not a checkpoint")


def nothing(path, _):
    pass


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (evil, "carries code"),
        (cut, "lost its end"),
        (misshapen, "has shape 9 where 4 is needed"),
        (text, "is no checkpoint"),
        (nothing, "There is no file"),
    ],
)
def test_refusals_are_one_sentence_and_exit_code_2(tmp_path, folder, make, says):
    path, touched = tmp_path / "file.ckpt", tmp_path / "touched"
    make(path, touched)
    done = invoke("import", path, "--json")
    assert done.exit_code == 2
    row = json.loads(done.stdout)
    assert says in row["refused"]
    assert row.keys() >= {"loaded", "missing", "extra", "refused"}
    for_people = invoke("import", path)
    assert isinstance(for_people.exception, BadInput)
    assert says in for_people.exception.says
    assert not touched.exists()
    assert not folder.exists()


def test_verify_finds_what_changed(checkpoint, folder):
    assert "No weights" in invoke("verify").stdout
    ran("import", checkpoint, "--name", "mine")
    row = ran("verify")
    assert row["ok"] is True
    assert row["weights"]["mine"]["state"] == "ok"
    path = folder / "mine" / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    done = invoke("verify", "mine", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["weights"]["mine"]["state"] == "changed"
    assert "changed" in invoke("verify").stdout
    assert "import or fetch them again" in invoke("verify").stderr
    assert isinstance(invoke("verify", "unknown").exception, BadInput)


@pytest.fixture
def thing(server, monkeypatch, checkpoint):  # noqa: F811 (the fixture)
    """Put an entry in the catalogue that a local server publishes."""
    found = entry(f"{server}/file")
    Server.content = checkpoint.read_bytes()
    entries = room.catalogue().model_copy(update={"entries": (found,)})
    monkeypatch.setattr(room, "catalogue", lambda: entries)
    original = fetching.download
    monkeypatch.setattr(
        fetching, "download", lambda url, target, size: original(url, target, size, HTTP)
    )
    return found


@pytest.mark.usefixtures("thing")
def test_fetch_downloads_imports_and_cleans_up(folder):
    row = ran("fetch", "thing", "--accept-licence")
    assert row["refused"] is None
    assert row["loaded"] == len(small_state())
    assert sorted(p.name for p in (folder / "thing").iterdir()) == [
        "record.json", "weights.safetensors"
    ]  # fmt: skip
    asked = len(Server.seen)
    assert ran("fetch", "thing")["path"] == row["path"]
    assert len(Server.seen) == asked
    assert ran("verify")["ok"]


@pytest.mark.usefixtures("thing")
def test_fetch_asks_before_it_downloads(monkeypatch):
    refused = invoke("fetch", "thing", "--json")
    assert isinstance(refused.exception, BadInput)
    assert "--accept-licence" in refused.exception.remedy
    monkeypatch.setattr(cli_weights, "_is_terminal", lambda: True)
    declined = invoke("fetch", "thing", input="n\n")
    assert "Nothing was downloaded" in str(declined.exception)
    assert "Licence: L (MIT)" in declined.stderr
    assert Server.seen == []
    assert invoke("fetch", "thing", input="y\n").exit_code == 0
    assert len(Server.seen) == 1


def test_what_is_published_behind_a_click_is_explained():
    done = invoke("fetch", "simplerecon-hero", "--accept-licence")
    assert "by hand" in done.exception.says
    assert "weights import hero_model.ckpt" in done.exception.remedy


@pytest.mark.usefixtures("thing")
def test_a_full_disk_is_seen_before_the_download(monkeypatch):
    monkeypatch.setattr(shelves.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    done = invoke("fetch", "thing", "--accept-licence")
    assert isinstance(done.exception, CannotWrite)
    assert Server.seen == []


def test_weights_of_another_network_or_size_are_not_loaded(tmp_path):
    path = tmp_path / "w.safetensors"
    save(path, "finerecon", SMALL.as_dict(), small_state(), {})
    with pytest.raises(BadInput, match="those of finerecon, not of gtr"):
        room.load_network(path, "gtr")
    first = next(iter(small_state()))
    for config, tensors in (
        ({**SMALL.as_dict(), "head_width": 9}, small_state()),
        ({**SMALL.as_dict(), "surprise": 9}, small_state()),
        (SMALL.as_dict(), {k: v for k, v in small_state().items() if k != first}),
        (SMALL.as_dict(), {**small_state(), "extra": torch.ones(1)}),
    ):
        save(path, "finerecon", config, tensors, {})
        with pytest.raises(BadInput, match="do not fit their own configuration"):
            room.load_network(path, "finerecon")


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "run_scanner.py", "weights", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_the_program_itself(checkpoint, tmp_path):
    done = run("import", str(checkpoint), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["loaded"] == len(small_state())
    bad = tmp_path / "evil.ckpt"
    evil(bad, tmp_path / "touched")
    done = run("import", str(bad))
    assert done.returncode == 2
    assert "carries code" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "touched").exists()
