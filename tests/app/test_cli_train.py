from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from app import training_samples
from app.cli.train import train
from engine.core.faults import BadInput
from engine.core.news import Job, Progress
from engine.training import command
from engine.training.command import Pictures
from engine.training.loop import News


def invoke(*arguments: str) -> Any:
    app = typer.Typer()
    app.command()(train)
    return CliRunner().invoke(app, list(arguments))


def test_options_reach_the_run_and_its_end_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def start(recipe: str, folder: Path, given: dict[str, Any], *how: Any) -> list[News]:
        asked.extend([recipe, folder, given, how[:3]])
        row = {"loss": 0.5, "samples_per_s": 3.0, "wait_share": 0.1}
        return [News(10, 20, row, {}), News(20, 20, {}, {"absrel": 0.25})]

    monkeypatch.setattr(command, "start", start)
    out = tmp_path / "a"
    done = invoke("depth", "--out", str(out), "--minutes", "2", "--resume", "--batch", "3")
    assert done.exit_code == 0, done.output
    recipe, folder, given, how = asked
    assert (recipe, folder, how) == ("depth", out, (2.0, True, "auto"))
    assert given["batch"] == 3
    assert given["steps"] is None


def test_recordings_become_samples_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out, wanted = tmp_path / "a", Pictures(3, 128, 160)
    asked: list[Any] = []

    def start(_: str, __: Path, given: dict[str, Any], *how: Any) -> list[News]:
        asked.append({key: given[key] for key in ("recordings", "recording_share", "kept")})
        # `prepare`, which `start` calls whenever the run has recordings.
        how[4](wanted)
        return []

    def keep(recordings: list[str], folder: Path, pictures: Pictures) -> Job[int]:
        asked.append((recordings, folder, pictures))
        yield Progress("recording", 0)
        return 1

    monkeypatch.setattr(command, "start", start)
    monkeypatch.setattr(training_samples, "keep_samples", keep)
    done = invoke(
        "depth", "--out", str(out), "--recording", "one", "--recording", "two",
        "--recording-share", "0.5", "--kept", "9",
    )  # fmt: skip
    assert done.exit_code == 0, done.exception
    assert "licence of those recordings" in done.stderr
    assert asked == [
        {"recordings": str(out / "recordings"), "recording_share": 0.5, "kept": 9},
        (["one", "two"], out / "recordings", wanted),
    ]
    asked.clear()
    done = invoke("depth", "--out", str(out), "--resume")
    assert done.exit_code == 0, done.exception
    assert "licence" not in done.stderr
    assert asked == [{"recordings": None, "recording_share": None, "kept": None}]


def test_a_recipe_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    done = invoke("depht", "--out", str(tmp_path / "a"))
    assert isinstance(done.exception, BadInput)
    assert "no recipe called 'depht'" in str(done.exception)
