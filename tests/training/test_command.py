import csv
import json
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from engine.core.faults import BadInput
from engine.training import command
from engine.training.__main__ import _parser
from engine.training.command import Options, chosen

ROOT = Path(__file__).resolve().parents[2]
# What a machine may lack on which networks are trained.
ABSENT = ("pydantic", "typer", "rich", "open3d", "trimesh", "numba", "PIL", "PySide6", "av")


def run(*arguments: str, **how: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "engine.training", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_faults_are_sentences_with_an_exit_code(tmp_path: Path) -> None:
    done = run("depth", "--out", str(tmp_path), "--resume")
    assert done.returncode == 2
    assert done.stderr.startswith("There is no training run in")
    assert "Traceback" not in done.stderr


def test_training_needs_little() -> None:
    program = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({ABSENT!r}))\n"  # importing any of them now fails
        "import engine.training.__main__"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_option_can_be_given() -> None:
    known = {action.dest for action in _parser()._actions}
    assert {field.name for field in fields(Options)} <= known


@pytest.mark.parametrize(
    "given",
    [
        {"kept": 0},
        {"recording_share": 0.0},
        {"recording_share": 1.5},
        {"size": "huge"},
        {"variant": "no-everything"},
    ],
)
def test_options_that_make_no_sense_are_refused(given: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        chosen(given, tmp_path, is_resumed=False)


def test_a_resumed_run_keeps_its_recordings(tmp_path: Path) -> None:
    begun = chosen({"recordings": "there", "kept": 7, "recording_share": 0.5}, tmp_path, False)
    (tmp_path / "state.json").write_text(json.dumps({"options": asdict(begun)}))
    assert chosen({"steps": 9}, tmp_path, True) == replace(begun, steps=9)


@pytest.mark.slow
def test_two_minutes_on_a_cpu_teach_something(tmp_path: Path) -> None:
    """What `make train-smoke` does; then the run is taken up once more."""
    out = str(tmp_path / "a")
    done = run("depth", "--size", "smoke", "--minutes", "2", "--fall", "1.15", "--out", out)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "a" / "validation.csv").read_text().splitlines()))
    assert float(rows[-1]["absrel"]) < 0.8 * float(rows[0]["absrel"])
    assert float(rows[-1]["d105"]) > 1.5 * float(rows[0]["d105"])
    assert max(path.stat().st_size for path in tmp_path.rglob("*.*")) < 16e6
    again = run("depth", "--size", "smoke", "--minutes", "0.4", "--resume", "--out", out)
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_two_processes_share_a_step(tmp_path: Path) -> None:
    """Data parallelism: both learn, one writes, and the run can be taken up."""
    launcher = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "engine.training", "depth", "--size", "smoke", "--steps", "12", "--batch", "1",
        "--device", "cpu", "--out", str(tmp_path / "a"),
    ]  # fmt: skip
    done = subprocess.run(launcher, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "a" / "log.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["10", "12"]


def test_weights_say_what_they_learned_from() -> None:
    assert command._words(Options())["licence"] == "Apache-2.0"
    assert command._words(Options(recordings="mine"))["licence"] == "that of the recordings"
