import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.core.faults import BadInput, CannotWrite, Fault
from engine.training import checkpoint, run
from engine.weights.store import load
from tests.training.runs import Line, go

ROOT = Path(__file__).resolve().parents[2]


def numbers(folder: Path) -> dict[str, torch.Tensor]:
    return checkpoint.load(folder).tensors


def losses(folder: Path) -> list[str]:
    return [row["loss"] for row in table(folder / "log.csv")]


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_learning_is_seen_in_the_log_and_on_held_out_points(tmp_path: Path) -> None:
    news = go(Line(200), tmp_path / "a")
    assert news[0].step == 0
    assert news[-1].step == 200
    assert news[-1].metrics["error"] < 0.5 * news[0].metrics["error"]
    assert {"samples_per_s", "wait_share", "gradient", "rate"} <= news[-1].row.keys()
    assert len((tmp_path / "a" / "validation.csv").read_text().splitlines()) == 12


@pytest.mark.parametrize("stop", [7, 20, 33])
def test_a_resumed_run_is_the_same_to_the_bit(tmp_path: Path, stop: int) -> None:
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    go(Line(), whole)
    go(Line(), halves, until=stop)
    assert checkpoint.read_state(halves)["step"] == stop
    go(Line(), halves, is_resumed=True)
    one, other = numbers(whole), numbers(halves)
    assert one.keys() == other.keys()
    assert any(name.startswith("optimiser/") and name.endswith("exp_avg_sq") for name in one)
    for name, value in one.items():
        assert torch.equal(value, other[name]), name
    if stop % 10 == 0:  # elsewhere the log's means are over other steps
        assert losses(halves) == losses(whole)


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    go(Line(), tmp_path / "a", seed=1)
    go(Line(), tmp_path / "b", seed=2)
    one, other = numbers(tmp_path / "a"), numbers(tmp_path / "b")
    assert not torch.equal(one["network/0.weight"], other["network/0.weight"])


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    go(Line(), tmp_path / "a")
    before = {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir() if p.is_file()}
    assert go(Line(), tmp_path / "a", is_resumed=True) == []
    assert {p.name: p.read_bytes() for p in (tmp_path / "a").iterdir() if p.is_file()} == before


def test_time_up_is_saved_and_taken_up(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    started = time.monotonic()
    go(Line(10**6), folder, minutes=0.1)
    assert time.monotonic() - started < 6
    stopped = checkpoint.read_state(folder)["step"]
    assert 0 < stopped < 10**6
    go(Line(10**6), folder, minutes=0.1, is_resumed=True)
    assert checkpoint.read_state(folder)["step"] > stopped


def test_the_rows_of_a_run_that_died_are_not_written_twice(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    go(Line(), folder, until=20)
    with (folder / "log.csv").open("a") as log:
        log.write((folder / "log.csv").read_text().splitlines()[-1].replace("20,", "30,", 1))
        log.write("\n40,0.1")  # torn by the end of the process
    go(Line(), folder, is_resumed=True)
    steps = [int(row["step"]) for row in table(folder / "log.csv")]
    assert steps == [10, 20, 30, 40]


def test_the_last_steps_are_logged_too(tmp_path: Path) -> None:
    news = go(Line(), tmp_path / "a", until=7)
    assert [row["step"] for row in table(tmp_path / "a" / "log.csv")] == ["7"]
    assert news[-1].row["loss"] > 0


def test_killed_at_any_moment_a_run_can_be_resumed(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    program = (
        "import sys; from pathlib import Path; from engine.training import loop\n"
        "loop.SAVE_EVERY_S = 0.0\n"  # saving is what is interrupted
        "from tests.training.runs import Line, go\n"
        "go(Line(10**6), Path(sys.argv[1]), is_resumed=sys.argv[2] == 'again')"
    )
    reached = 0
    for turn in range(3):
        how = "again" if turn else "new"
        child = subprocess.Popen([sys.executable, "-c", program, str(folder), how], cwd=ROOT)
        enough = time.monotonic() + 60
        while time.monotonic() < enough:
            time.sleep(0.05)
            path = folder / "state.json"
            if path.exists() and json.loads(path.read_text())["step"] > reached + 40:
                break
        child.send_signal(signal.SIGKILL)
        child.wait()
        reached = checkpoint.load(folder).state["step"]
        assert reached > 40 * turn
    recipe = Line(10**6)
    go(recipe, folder, until=15, is_resumed=True)
    assert checkpoint.read_state(folder)["step"] == reached + 15


def test_a_loss_that_is_no_number_is_skipped_then_ends_the_run(tmp_path: Path) -> None:
    class Once(Line):
        def loss(self, network, batch):
            found = dict(super().loss(network, batch))
            return {"loss": found["loss"] * (math.nan if self.asked[-1] == 5 else 1)}

    news = go(Once(40), tmp_path / "once")
    assert news[1].row["skipped"] == 1
    assert all(torch.isfinite(value).all() for value in numbers(tmp_path / "once").values())
    with pytest.raises(Fault, match=f"{run.MOST_SKIPPED} steps in a row"):
        go(Line(200, poison=15), tmp_path / "for good")
    assert all(torch.isfinite(value).all() for value in numbers(tmp_path / "for good").values())


def test_shipped_weights_are_averages_in_half_precision(tmp_path: Path) -> None:
    go(Line(), tmp_path / "a")
    shipped = load(tmp_path / "a" / "weights.safetensors")
    assert shipped.network == "line"
    assert shipped.config == {"width": 8}
    assert int(shipped.metadata["steps"]) > 0
    assert shipped.tensors["0.weight"].dtype == torch.float16
    average = numbers(tmp_path / "a")["average/0.weight"]
    assert torch.equal(shipped.tensors["0.weight"], average.half())
    assert not torch.equal(average, numbers(tmp_path / "a")["network/0.weight"])


def test_no_file_is_large_and_large_tensors_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "LARGEST_BYTES", 4000)
    tensors = {
        "a": torch.randn(100, 30), "b": torch.arange(7), "c": torch.randn(400), "d": torch.ones(())
    }  # fmt: skip
    checkpoint.save(tmp_path, 3, tensors, {"step": 3})
    files = list(tmp_path.glob("checkpoint-*/*"))
    assert len(files) > 3
    assert max(path.stat().st_size for path in files) < 4000
    found = checkpoint.load(tmp_path).tensors
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], value) for name, value in tensors.items())


def test_a_failed_checkpoint_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(tmp_path, 1, {"a": torch.ones(3)}, {"step": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(CannotWrite, match=r"No space left.*still good"):
        checkpoint.save(tmp_path, 2, {"a": torch.zeros(3)}, {"step": 2})
    assert checkpoint.load(tmp_path).state["step"] == 1
    assert [path.name for path in tmp_path.glob("*checkpoint*")] == ["checkpoint-00000001"]


def test_only_the_newest_checkpoint_is_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint.save(tmp_path, step, {"a": torch.full((3,), step)}, {"step": step})
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-00000003"]
    (part,) = tmp_path.glob("checkpoint-*/*")
    assert torch.equal(load_file(part)["a"], torch.full((3,), 3))


def test_what_cannot_be_used_is_said_in_sentences(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    go(Line(), folder, until=10)
    with pytest.raises(BadInput, match=r"not empty.*--resume"):
        go(Line(), folder)
    with pytest.raises(BadInput, match="another config"):
        go(Line(width=9), folder, is_resumed=True)
    with pytest.raises(BadInput, match="another plan"):
        go(Line(50), folder, is_resumed=True)
    with pytest.raises(BadInput, match="another seed"):
        go(Line(), folder, is_resumed=True, seed=3)
    with pytest.raises(BadInput, match="no training run"):
        go(Line(), tmp_path / "nowhere", is_resumed=True)
    (part, *_) = folder.glob("checkpoint-*/part-*")
    part.write_bytes(part.read_bytes()[:100])
    with pytest.raises(BadInput, match="damaged"):
        go(Line(), folder, is_resumed=True)
    part.unlink()
    with pytest.raises(BadInput, match="missing"):
        go(Line(), folder, is_resumed=True)
    (folder / "state.json").write_text("[]")
    with pytest.raises(BadInput, match="does not describe"):
        go(Line(), folder, is_resumed=True)
    (folder / "state.json").write_text("{")
    with pytest.raises(BadInput, match="cannot be read"):
        go(Line(), folder, is_resumed=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CannotWrite, match="cannot be used"):
        go(Line(), tmp_path / "a")


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(CannotWrite, match="cannot be used"):
        go(Line(), tmp_path / "a")
