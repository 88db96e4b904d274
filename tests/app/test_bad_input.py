"""Hostile newcomers and damaged recordings: one sentence, the right exit code, nothing lost."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from app import headless
from app.cli import console
from app.cli import main as cli
from app.cli import scan as cli_scan
from app.rows import as_json
from engine.core.faults import CannotWrite, Severity
from engine.core.settings import preset
from engine.sources.detect import open_source
from engine.sources.write.recording import write_recording
from engine.volume.volume import Volume
from tests.sources.boxroom import finish

ROOT = Path(__file__).resolve().parents[2]
ROOM = "synthetic:room?seed=5&frames=6&size=64x48&area=10"
QUICK = ("--preset", "preview", "--no-texture", "--json")


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs a command line in this process: code, stdout, stderr."""
    monkeypatch.setattr(console, "prepare_process", lambda _: None)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["run_scanner.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, *capsys.readouterr()

    return command


@pytest.fixture
def refused(run):
    """Return a function that insists on exit code 2, one JSON object and one sentence."""

    def command(*arguments):
        code, out, err = run(*arguments, "--json")
        row = json.loads(out)
        assert (code, row["exit_code"]) == (2, 2), err
        assert row["error"] in err
        assert row["error"].endswith(".")
        return row["error"]

    return command


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Torch's threads wait in a spin, which a busy machine feels."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Return a folder with the room in several formats."""
    folder = tmp_path_factory.mktemp("recordings")
    spec = ROOM
    for layout in ("archive", "7-scenes", "tum", "ios-logger"):
        with open_source(spec) as source:
            finish(write_recording(source, folder / layout, layout))
        spec = str(folder / "archive")
    return folder


@pytest.fixture(scope="module")
def result(recordings):
    """Return the folder of a finished scan."""
    out = recordings / "result"
    with open_source(str(recordings / "tum")) as source:
        headless.scan(source, out, preset("preview"), lambda _: None, with_texture=False)
    return out


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# Usage.


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scan", ROOM, "--out", "o", "--colour"], "--colour"),
        (["scan", ROOM], "--out"),
        (["frobnicate"], "frobnicate"),
        (["scan", ROOM, "--out", "o", "--memory-mb", "lots"], "--memory-mb"),
        (["scan", ROOM, "--out", "o", "--memory-mb", "99999999999"], "99999999999 MB"),
        (["scan", ROOM, "--out", "o", "--hold-out", "1"], "none to scan"),
        (["scan", ROOM, "--out", "o", "--max-depth-m", "nan"], "depth.max_m"),
        (["scan", ROOM, "--out", "o", "--voxel-m", "-1"], "-1"),
        (["scan", ROOM, "--out", "o", "--track", "2"], "one track"),
        (["bench", "--truncation-vox", "0"], "truncation_vox"),
        (["bench", "--voxel-m", "nan"], "nan"),
        (["bench", "--frames", "-3"], "--frames"),
        (["evaluate", "x.glb", "--reference", ROOM, "--max-depth-m", "nan"], "--max-depth-m"),
    ],
)
def test_wrong_usage_is_one_sentence_in_json_too(refused, arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert says in refused(*arguments)
    assert not (tmp_path / "o" / "mesh.glb").exists()


@pytest.mark.parametrize(
    "path", ["x" * 5000, "~nosuchuser/scan", "", "nul\0inside", "[/bold]:smile:[red]"]
)
def test_odd_paths_are_named_as_they_are(refused, run, path):
    refused("info", path)
    code, _, err = run("info", path)
    assert code == 2
    if path.startswith("["):
        assert path in err


def test_rows_are_json_even_with_numbers_json_has_not():
    row = {"a": np.nan, "b": [np.inf, 1.5], "c": {"d": -np.inf, "e": "NaN"}}
    assert json.loads(as_json(row)) == {"a": None, "b": [None, 1.5], "c": {"d": None, "e": "NaN"}}


# Results are whole or not there.


def test_a_failed_scan_keeps_the_older_result(refused, recordings, result, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(result, out)
    refused("scan", recordings / "tum", "--out", out, *QUICK[:-1], "--max-depth-m", "0.001")
    assert contents(out) == contents(result)


@pytest.mark.parametrize("name", ["preview.png", "report.json"])
def test_a_full_disk_keeps_the_older_result(run, recordings, result, tmp_path, monkeypatch, name):
    out = tmp_path / "out"
    shutil.copytree(result, out)

    def full(self, *_, **__):
        if self.name == name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(self, *_, **__)

    method = "write_bytes" if name == "preview.png" else "write_text"
    whole = getattr(Path, method)
    monkeypatch.setattr(Path, method, full)
    code, printed, err = run("scan", recordings / "tum", "--out", out, *QUICK)
    monkeypatch.undo()
    assert (code, json.loads(printed)["exit_code"]) == (1, 1)
    assert "No space left" in err
    assert contents(out) == contents(result)


def test_too_little_room_is_said_before_the_scan(run, tmp_path, monkeypatch):
    monkeypatch.setattr(headless, "DISK_NEEDED_MB", 1e12)
    code, _, err = run("scan", ROOM, "--out", tmp_path, *QUICK)
    assert code == 1
    assert "MB are free" in err


def test_an_output_that_is_a_file_is_refused(refused, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "not a folder" in refused("scan", ROOM, "--out", tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_source_that_cannot_be_fused_makes_no_folder(refused, recordings, tmp_path):
    phone = recordings / "ios-logger"
    sensor = ("--depth", "sensor")
    assert "no metric depth" in refused("scan", phone, "--out", tmp_path / "out", *sensor)
    assert not (tmp_path / "out").exists()


def test_pictures_of_a_recording_are_written_whole(run, recordings, tmp_path, monkeypatch):
    sheet, poses = tmp_path / "new" / "sheet.png", tmp_path / "other" / "poses.txt"
    assert run("info", recordings / "tum", "--sheet", sheet, "--poses", poses, "--json")[0] == 0
    before = sheet.read_bytes()
    assert len(poses.read_text().splitlines()) == 7

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    code, _, err = run("info", recordings / "tum", "--sheet", sheet)
    monkeypatch.undo()
    assert code == 1
    assert "No space left" in err
    assert contents(sheet.parent) == {"sheet.png": before}


# Unusual recordings.


def test_depth_without_colour_becomes_a_mesh_without_colour(run, recordings, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(recordings / "7-scenes", bare)
    for picture in bare.glob("*.color.*"):
        picture.unlink()
    code, out, err = run("scan", bare, "--out", tmp_path / "out", "--preset", "preview", "--json")
    assert code == 0, err
    assert json.loads(out)["faces"] > 100
    assert (tmp_path / "out" / "preview.png").stat().st_size > 10_000


def test_only_the_longest_track_is_fused(run, recordings, tmp_path):
    jumping = tmp_path / "jumping"
    shutil.copytree(recordings / "7-scenes", jumping)
    for path in sorted(jumping.glob("*.pose.txt"))[4:]:
        pose = np.loadtxt(path)
        pose[0, 3] += 50.0
        np.savetxt(path, pose)
    out = tmp_path / "out"
    row = json.loads(run("scan", jumping, "--out", out, *QUICK)[1])
    assert (row["frames_used"], row["source"]["skipped"]) == (4, {"on another track": 2})
    assert any("2 of 6 frames" in note for note in row["source"]["notes"])
    assert max(row["size_m"]) < 20
    row = json.loads(run("scan", jumping, "--out", out, *QUICK, "--track", "all")[1])
    assert row["frames_used"] == 6
    assert max(row["size_m"]) > 45


def test_what_was_left_out_is_said(run, recordings, tmp_path):
    torn = tmp_path / "torn"
    shutil.copytree(recordings / "tum", torn)
    next((torn / "rgb").iterdir()).write_bytes(b"")
    code, out, err = run("scan", torn, "--out", tmp_path / "out", *QUICK[:-1])
    assert code == 0, err
    assert "Left out, picture not usable: 1" in out


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_scans_succeed(run, recordings, tmp_path, frames):
    short = tmp_path / "short"
    shutil.copytree(recordings / "7-scenes", short)
    for path in sorted(short.glob("frame-*"))[3 * frames :]:
        path.unlink()
    code, out, err = run("scan", short, "--out", tmp_path / "out", *QUICK)
    assert code == 0, err
    assert json.loads(out)["frames_used"] == frames


def test_frames_the_volume_had_no_room_for_are_counted(run, recordings, tmp_path, monkeypatch):
    whole = Volume.add

    def refuse_some(self, frame):
        if frame.index in (2, 3):
            fault = CannotWrite("No room for more bricks.")
            fault.severity = Severity.DEGRADE
            raise fault
        return whole(self, frame)

    monkeypatch.setattr(Volume, "add", refuse_some)
    code, out, err = run("scan", recordings / "tum", "--out", tmp_path, *QUICK)
    assert code == 0, err
    found = json.loads(out)["source"]
    assert found["skipped"] == {"could not be fused": 2}
    assert found["warnings"][-1] == "2 frames could not be fused. No room for more bricks."


# The process: signals, pipes, libraries that print.


def start(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "run_scanner.py", *map(str, arguments)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **options,
        # A shell without job control would have Ctrl-C ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


def test_ctrl_c_before_anything_is_loaded_is_silent():
    process = start("info", ROOM)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in err


def test_stopping_early_keeps_what_was_read(recordings, tmp_path):
    progress = []
    with open_source(str(recordings / "tum")) as source:
        endless = Again(source)
        outcome = headless.scan(
            endless, tmp_path, preset("preview"), progress.append, with_texture=False,
            is_stopped=lambda: len(progress) > 2,
        )  # fmt: skip
    assert outcome.report["frames_read"] >= 1
    assert "Stopped as asked" in outcome.report["source"]["broke_off"]
    assert (tmp_path / "mesh.glb").exists()


class Again:
    """A recording that begins again whenever it ends."""

    def __init__(self, source):
        self._source = source
        self.skipped = {}

    def frames(self):
        while True:
            yield from self._source.frames()

    def describe(self):
        return self._source.describe()

    def close(self):
        self._source.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def test_stopping_before_a_surface_is_no_bad_input(run, recordings, tmp_path, monkeypatch):
    monkeypatch.setattr(headless, "_finished", stop_at_once)
    monkeypatch.setattr(cli_scan, "stop_on_interrupt", always_stopped)
    near = ("--max-depth-m", "0.001")
    code, out, _ = run("scan", recordings / "tum", "--out", tmp_path, *QUICK, *near)
    assert (code, json.loads(out)["exit_code"]) == (130, 130)
    assert not list(tmp_path.iterdir())


def stop_at_once(controller):
    controller.finish()
    return True


def always_stopped():
    return nullcontext(lambda: True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_giving_up_leaves_nothing_behind(tmp_path, number):
    process = start(
        "synth", ROOM.replace("frames=6", "frames=5000"), "--out", tmp_path / "out", "--json",
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / ".out.part").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, json.loads(out)["exit_code"]) == (130, 130)
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_a_reader_that_leaves_stops_nothing(tmp_path):
    process = start("info", ROOM)
    process.stdout.close()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "BrokenPipe" not in err


CHATTY = """
import sys
from app.cli import console
console.prepare_process(is_json=True)
print("a library greets")
console.err.print("a file called \\udcff")
if sys.argv[1] == "crash":
    raise KeyError("nobody foresaw")
console.print_json({"size_m": float("nan")})
"""


@pytest.mark.parametrize("how", ["end", "crash"])
def test_output_is_one_json_object_whatever_libraries_print(tmp_path, how):
    done = subprocess.run(
        [sys.executable, "-c", CHATTY, how], cwd=ROOT, capture_output=True, text=True,
        timeout=60, check=False, env=os.environ | {"TMPDIR": str(tmp_path)},
    )  # fmt: skip
    row = json.loads(done.stdout)
    assert "a library greets" in done.stderr
    if how == "end":
        assert (done.returncode, row) == (0, {"size_m": None})
    else:
        assert (done.returncode, row["exit_code"]) == (1, 1)
        assert "Traceback" not in done.stderr
        log = next(tmp_path.glob("finescan-*.log"))
        assert str(log) in row["remedy"]
        assert "nobody foresaw" in log.read_text()


def test_a_worker_that_cannot_write_is_not_a_crash(run, recordings, tmp_path, monkeypatch):
    def full(*_):
        raise CannotWrite("The disk is full.", "Make room.")

    monkeypatch.setattr(Volume, "add", full)
    code, out, _ = run("scan", recordings / "tum", "--out", tmp_path, *QUICK)
    assert (code, json.loads(out)["error"]) == (1, "The disk is full.")
