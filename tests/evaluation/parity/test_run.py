import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from app.cli.parity import parity
from engine.core.faults import BadInput, Fault
from engine.evaluation.parity import run as room
from engine.evaluation.parity.check import Check
from engine.evaluation.parity.run import network_of, run
from engine.runtime.progress import run_job

FIXTURES = Path(__file__).resolve().parents[3].parent / "shared" / "parity"

app = typer.Typer()
app.command()(parity)


def manifest(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    tensors = [{"name": name, "shape": [], "dtype": "float32"} for name in names]
    (folder / "manifest.json").write_text(json.dumps({"tensors": tensors}))
    return folder


def checked(monkeypatch, *checks: Check) -> None:
    monkeypatch.setattr(room, "_driver", lambda network, folder: iter(checks))


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no stored fixtures here")
@pytest.mark.parametrize("network", ["finerecon", "simplerecon", "gtr"])
def test_stored_fixtures_are_told_apart(network):
    assert network_of(FIXTURES / network) == network


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("cnn2d.conv0.0.0.weight", "finerecon"),
        ("matching_model.net.0.weight", "simplerecon"),
        ("generator.planes", "gtr"),
    ],
)
def test_any_fixture_is_known_by_its_names(tmp_path, name, network):
    assert network_of(manifest(tmp_path, name)) == network
    # As keys of a table, under any file name.
    (tmp_path / "manifest.json").rename(tmp_path / "other.json")
    (tmp_path / "other.json").write_text(json.dumps({"small": {"entries": {name: {}}}}))
    assert network_of(tmp_path) == network


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100_000, '{"name": "x.y"}'])
def test_other_folders_are_no_fixture(tmp_path, content):
    with pytest.raises(BadInput, match="no parity fixture"):
        network_of(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(BadInput):
        network_of(tmp_path)
    with pytest.raises(BadInput, match="no folder"):
        network_of(tmp_path / "missing")


def test_every_check_is_progress_and_ends_in_the_report(tmp_path, monkeypatch):
    folder = manifest(tmp_path, "generator.planes")
    checks = Check("a", 0.1, 0.2), Check("b", 0.0, 0.0)
    checked(monkeypatch, *checks)
    steps = []
    report = run_job(run(folder), steps.append, lambda: False)
    assert report.checks == checks
    assert report.ok
    assert [step.done for step in steps] == [0, 1, 2]


def test_checks_have_names_of_their_own(tmp_path, monkeypatch):
    checked(monkeypatch, *(Check(name, 0, 0) for name in "aba"))
    with pytest.raises(Fault, match="named twice"):
        run_job(run(manifest(tmp_path, "generator.planes")), lambda _: None, lambda: False)


@pytest.mark.parametrize("names", [(), ("manifest",), ("manifest", "weights/generator.planes")])
def test_weights_without_outputs_are_nothing_to_compare(tmp_path, monkeypatch, names):
    checked(monkeypatch, *(Check(name, 0, 0) for name in names))
    with pytest.raises(BadInput, match="no outputs"):
        run_job(run(manifest(tmp_path, "generator.planes")), lambda _: None, lambda: False)


@pytest.mark.parametrize(("error", "code"), [(0.05, 0), (0.2, 1)])
def test_json_and_exit_code(tmp_path, monkeypatch, error, code):
    folder = manifest(tmp_path, "generator.planes")
    checked(monkeypatch, Check("x.npz/a", error, 0.1), Check("b", 0.0, 0.0))
    done = CliRunner().invoke(app, [str(folder), "--json"])
    assert done.exit_code == code
    assert json.loads(done.stdout) == {
        "fixture": str(folder),
        "outputs": {
            "x.npz/a": {"rel_err": error, "tol": 0.1, "ok": code == 0},
            "b": {"rel_err": 0.0, "tol": 0.0, "ok": True},
        },
        "ok": code == 0,
    }


@pytest.mark.parametrize("error", [float("inf"), float("nan")])
def test_what_cannot_be_compared_is_still_a_number(tmp_path, monkeypatch, error):
    checked(monkeypatch, Check("a", error, 0.1))
    done = CliRunner().invoke(app, [str(manifest(tmp_path, "field.aabb")), "--json"])
    row = json.loads(done.stdout)
    assert row["outputs"]["a"] == {"rel_err": 1e300, "tol": 0.1, "ok": False}
    assert row["ok"] is False
    assert done.exit_code == 1


def test_people_get_a_table(tmp_path, monkeypatch):
    checked(monkeypatch, Check("first", 0.5, 0.1), Check("second", 0.0, 0.1))
    done = CliRunner().invoke(app, [str(manifest(tmp_path, "field.aabb"))])
    assert done.exit_code == 1
    assert "TOO FAR" in done.stdout
    assert "gtr: 1 of 2 outputs within tolerance" in done.stdout


def test_no_fixture_is_a_fault_with_exit_code_2(tmp_path):
    done = CliRunner().invoke(app, [str(tmp_path), "--json"])
    assert isinstance(done.exception, BadInput)
    assert done.exception.exit_code == 2
