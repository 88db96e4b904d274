import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "run_scanner.py", *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
        env=os.environ | {"COLUMNS": "200"}, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scanned(tmp_path_factory):
    """Return the folder and the printed report of a small synthetic scan."""
    out = tmp_path_factory.mktemp("scan")
    done = run(
        "scan", "synthetic:room?seed=5&frames=30&size=160x120&area=10",
        "--out", str(out), "--preset", "preview", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out, json.loads(done.stdout)


def test_scan_writes_mesh_preview_and_report(scanned):
    out, report = scanned
    assert json.loads((out / "report.json").read_text()) == report
    for key in (
        "source", "frames_read", "frames_used", "keyframes", "surface_m2", "faces", "seconds",
        "frames_per_second", "peak_rss_mb", "metrics", "settings", "version",
    ):  # fmt: skip
        assert key in report
    for key in ("f1_2cm", "f1_5cm", "chamfer_m", "psnr_heldout_db"):
        assert np.isfinite(report["metrics"][key])
    assert report["frames_read"] == 30
    assert (out / "mesh.glb").read_bytes()[:4] == b"glTF"
    assert (out / "preview.png").read_bytes()[:4] == b"\x89PNG"
    # Upright: the room is wider than it is high, and its floor lies at zero.
    assert 1.0 < report["size_m"][2] < 3.5


def test_evaluate_agrees_with_the_scan(scanned):
    out, report = scanned
    done = run(
        "evaluate", str(out / "mesh.glb"), "--json",
        "--reference", "synthetic:room?seed=5&frames=30&size=160x120&area=10",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert {"f1_1cm", "f1_2cm", "f1_5cm", "accuracy_m", "completeness_m", "protocol"} <= set(row)
    assert row["f1_5cm"] == pytest.approx(report["metrics"]["f1_5cm"], abs=0.01)


def test_evaluate_a_mesh_against_itself_is_perfect(scanned):
    out, _ = scanned
    done = run("evaluate", str(out / "mesh.glb"), "--reference", str(out / "mesh.glb"), "--json")
    row = json.loads(done.stdout)
    assert row["f1_1cm"] == 1.0
    assert row["chamfer_m"] < 1e-4


def test_export_for_another_program(scanned, tmp_path):
    out, report = scanned
    done = run(
        "export", str(out / "mesh.glb"), "--to", str(tmp_path / "room.obj"),
        "--target", "blender", "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["size_m"] == pytest.approx(report["size_m"], abs=0.01)
    assert (tmp_path / "room.obj").exists()


def test_info_names_format_and_convention():
    done = run("info", "synthetic:room?seed=1&frames=3&size=64x48", "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["format"] == "synthetic"
    assert row["frames"] == 3
    assert "Camera to world" in row["convention"]


def test_synth_writes_a_recording_that_scan_reads(tmp_path):
    spec = "synthetic:room?seed=5&frames=12&size=160x120&area=10"
    done = run("synth", spec, "--out", str(tmp_path / "tum"), "--format", "tum", "--json")
    assert done.returncode == 0, done.stderr
    done = run("info", str(tmp_path / "tum"), "--json")
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["format"], row["frames"]) == ("tum", 12)


def empty_folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scan", "{tmp}/nowhere", "--out", "{tmp}/out"], "nowhere"),
        (["scan", "{tmp}/empty", "--out", "{tmp}/out"], "empty"),
        (["scan", "synthetic:castle", "--out", "{tmp}/out"], "castle"),
        (["scan", "synthetic:room", "--out", "{tmp}/out", "--voxel-m", "0.03"], "0.03"),
        (["scan", "synthetic:room", "--out", "{tmp}/out", "--memory-mb", "1"], "memory_mb"),
        (["export", "{tmp}/none.glb", "--to", "{tmp}/a.obj"], "none.glb"),
        (["evaluate", "{tmp}/none.glb", "--reference", "synthetic:room"], "none.glb"),
        (["bench", "--suite", "speed"], "speed"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(arguments, says, tmp_path):
    empty_folder(tmp_path / "empty")
    done = run(*(a.replace("{tmp}", str(tmp_path)) for a in arguments))
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_unwritable_goal_is_a_fault_of_ours_without_traceback(tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = run("scan", "synthetic:room?frames=5", "--out", str(tmp_path / "file" / "out"))
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_option_is_usage():
    assert run("scan", "synthetic:room", "--colour").returncode == 2
    assert run("--help").returncode == 0
