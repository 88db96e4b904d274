"""The suites' JSON, on worlds and recordings so small that only the machinery is judged."""

import json
import shutil
import sys

import cv2
import numpy as np
import pytest
import torch

from app.cli import console
from app.cli import main as cli
from app.suites import judge_depth
from app.suites import real as suite_real
from app.suites import run as suites
from app.suites import synthetic as suite_synthetic
from app.suites.depth import JudgedDepth, Timed
from app.suites.judge_depth import judge_estimator
from app.suites.row import Row
from app.suites.run import contestants, for_people, run_suite
from engine.core.camera import Intrinsics
from engine.core.faults import MissingPart
from engine.depth.base import DepthMap
from engine.depth.plane_sweep import PlaneSweep
from engine.evaluation.suite_depth import judge_picture
from engine.evaluation.suite_surface import surface_group
from engine.nets.finerecon.model import FineRecon
from engine.sources.detect import open_source
from engine.sources.write.recording import write_recording
from engine.training.sizes import SMOKE_FINERECON
from tests.sources.boxroom import finish

ROOM = "synthetic:room?seed=3&frames=18&size=160x120&noise=0&rate=8"
DEPTH = {"absrel", "sqrel", "rmse", "d105", "d125", "cpu_s"}
SURFACE = {"f1_5cm", "chamfer_m"}
RANGES = {"0.3-1", "1-2", "2-3", "3-4.5"}
GROUPS = {"depth": DEPTH, "plane_sweep": DEPTH, "fusion_baseline": SURFACE, "surface": SURFACE}


@pytest.fixture
def run(capsys, monkeypatch):
    """Return a function that runs `evaluate` in this process: code, stdout, stderr."""
    monkeypatch.setattr(console, "prepare_process", lambda _: None)

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["run_scanner.py", "evaluate", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        return end.value.code, *capsys.readouterr()

    return command


@pytest.fixture
def small_worlds(monkeypatch):
    for name, value in (("WIDTH", 96), ("HEIGHT", 64), ("WALK_FRAMES", 5)):
        monkeypatch.setattr(suite_synthetic, name, value)


@pytest.fixture
def nothing_bundled(monkeypatch):
    for module in (suite_synthetic, suites):
        monkeypatch.setattr(module, "bundled", lambda _: None)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with one recording, as the shared recordings lie."""
    folder = tmp_path_factory.mktemp("data")
    with open_source(ROOM) as source:
        finish(write_recording(source, folder / "rooms" / "one", "7-scenes"))
    return folder


@pytest.fixture(scope="module")
def real(data):
    """Return what the suite of real rooms says about that recording, and its contact sheet."""
    sheet = data / "sheet.png"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suite_real, "RECORDINGS", {"one": ("rooms/one", "")})
        return run_suite("real", lambda _: None, "plane-sweep", data=data, sheet=sheet), sheet


def synthetic_row():
    """A world's row with one flat picture in it."""
    flat = np.full((30, 40), 2, np.float32)
    camera = Intrinsics(40, 30, 35.0, 35.0, 20.0, 15.0)
    picture = judge_picture(DepthMap(flat, flat / 2, camera), flat, camera)
    cells = (("picture", np.zeros((180, 240, 3), np.uint8)),)
    return Row(
        "world 0", JudgedDepth([picture], [picture]), None, surface_group(None, None), (cells,)
    )


def check_contract(row, suite, count):
    assert row["suite"] == suite
    assert len(row["rows"]) == count
    for part in (row, *row["rows"]):
        for group, keys in GROUPS.items():
            assert part[group] is None or keys <= set(part[group]), group
        for which in ("depth", "plane_sweep"):
            assert set(part["absrel_by_range_m"][which]) == RANGES
        assert [entry["share"] for entry in part["confidence"]][:2] == [1.0, 0.9]
        assert part["confidence"][-1]["share"] == 0.3
    assert all(inner["name"] for inner in row["rows"])
    for key in ("absrel", "d105"):
        found = [inner["depth"][key] for inner in row["rows"]]
        assert row["depth"][key] == pytest.approx(sum(found) / count)


def test_the_synthetic_suite_prints_what_machines_rely_on(run, small_worlds, monkeypatch, tmp_path):
    torch.manual_seed(0)
    # Untrained: whether there is a surface, and what it is worth, says nothing.
    network = FineRecon(SMOKE_FINERECON).eval()
    monkeypatch.setattr(suite_synthetic, "bundled", lambda name: f"our-{name}")
    monkeypatch.setattr(suite_synthetic, "finerecon", lambda name: network)
    monkeypatch.setattr(suites, "bundled", lambda _: None)
    fused = []
    surface_of = suite_synthetic.surface_of

    def watched(fuser, frames, *rest):
        fused.append([id(frame) for frame in frames])
        return surface_of(fuser, frames, *rest)

    monkeypatch.setattr(suite_synthetic, "surface_of", watched)
    sheet = tmp_path / "new" / "sheet.png"
    suite = ("--suite", "synthetic", "--worlds", 2, "--depth", "plane-sweep", "--sheet", sheet)
    code, out, err = run(*suite, "--json")
    assert code == 0, err
    row = json.loads(out)
    check_contract(row, "synthetic", 2)
    assert row["depth"] == row["plane_sweep"]
    assert 0 < row["depth"]["absrel"] < 1
    assert row["depth"]["cpu_s"] > 0
    assert row["fusion_baseline"]["f1_5cm"] > 0
    assert "our-finerecon at 2 cm" in row["protocol"]
    assert set(row["surface"]) >= SURFACE
    # Both methods were given the same depth.
    assert fused[0] == fused[1]
    assert len(fused[0]) > 1
    assert "objects" not in row
    assert cv2.imread(str(sheet)).std() > 20


def test_without_a_finerecon_its_place_is_empty_and_the_protocol_says_why(nothing_bundled):
    protocol, _ = suite_synthetic.rows(1, contestants("plane-sweep"), lambda _: None)
    assert "surface: none, since no FineRecon weights came" in protocol


def test_objects_are_judged_where_a_gtr_came_with_the_program(monkeypatch, tmp_path):
    asked = []

    def judged(on_progress, count, weights, sheet):
        asked.append((count, weights, sheet))
        return {"psnr_db": 20.0, "chamfer_m": 0.1, "rows": [], "protocol": "four in, four judged"}

    row = synthetic_row()
    monkeypatch.setattr(suites, "judge_objects", judged)
    monkeypatch.setattr(suites, "bundled", lambda name: f"our-{name}")
    monkeypatch.setattr(suite_synthetic, "rows", lambda *_: ("said", iter([row])))
    sheet = tmp_path / "a.png"
    report = run_suite("synthetic", lambda _: None, "plane-sweep", sheet=sheet)
    assert asked == [(1, "our-gtr", tmp_path / "a-objects.png")]
    assert report["objects"]["psnr_db"] == 20.0
    assert report["surface"] is None
    assert for_people(report)["objects"] == "psnr_db 20.000  chamfer_m 0.100"


def test_the_real_suite_says_what_evaluate_depth_says(real, data):
    row, sheet = real
    check_contract(row, "real", 1)
    with open_source(str(data / "rooms/one")) as source:
        known = judge_estimator(source, PlaneSweep(), lambda _: None)
    mine = row["rows"][0]["plane_sweep"]
    for key, name in (("absrel", "abs_rel"), ("rmse", "rmse_m"), ("d105", "within_1_05")):
        assert mine[key] == pytest.approx(known[f"every_{name}"])
    assert row["rows"][0]["pictures"] == known["pictures"]
    assert row["fusion_baseline"]["f1_5cm"] > 0.3
    # What is sure is better than the rest.
    table = row["confidence"]
    assert table[-1]["absrel"] < table[0]["absrel"]
    assert cv2.imread(str(sheet)).std() > 20


def test_people_get_lines(real):
    row, _ = real
    shown = for_people(row)
    assert shown["depth"].startswith("absrel 0.")
    assert shown["one"][0].startswith("depth ")
    assert all(isinstance(v, str) or all(isinstance(x, str) for x in v) for v in shown.values())
    assert for_people({**row, "surface": None})["surface"] == "-"


def test_the_best_network_is_taken_where_its_weights_are(monkeypatch):
    class Learned(PlaneSweep):
        pass

    known = {**judge_depth.ESTIMATORS, "learned": Learned}
    monkeypatch.setattr(judge_depth, "ESTIMATORS", known)
    found = contestants(None)
    assert found.name == "learned"
    assert found.ours is not found.sweep

    def missing():
        raise MissingPart("No weights.")

    monkeypatch.setitem(known, "learned", missing)
    fallen = contestants(None)
    assert fallen.name == "plane-sweep"
    assert fallen.ours is fallen.sweep
    with pytest.raises(MissingPart, match="No weights"):
        contestants("learned")


def test_the_first_call_is_made_twice_and_counted_once(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr("time.process_time", lambda: next(clock))

    class Counts:
        source_count = 3
        calls = 0

        def estimate(self, reference, sources):
            self.calls += 1
            return torch.get_num_threads()

    counts = Counts()
    timed = Timed(counts)
    assert [timed.estimate(None, ()) for _ in range(2)] == [1, 1]
    assert counts.calls == 3
    assert timed.take_cpu_s() == 1
    assert timed.take_cpu_s() == 0
    assert timed.source_count == 3


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--suite", "imaginary"], "imaginary"),
        (["--suite", "synthetic", "--depth", "oracle"], "oracle"),
        (["--suite", "synthetic", "--worlds", "0"], "--worlds cannot be 0"),
        (["--suite", "synthetic", "--worlds", "21"], "--worlds cannot be 21"),
        (["--suite", "synthetic", "--data", "."], "--data is for"),
        (["--suite", "real", "--worlds", "2"], "--worlds is for"),
        (["--suite", "real", "--data", "{tmp}"], "7scenes-kitchen is not in"),
        (["--suite", "real", "--reference", "a.ply"], "takes no mesh"),
        (["a.ply", "--suite", "real"], "takes no mesh"),
        (["a.ply"], "--reference are needed"),
        (["--suite", "real", "--sheet", "{tmp}"], "is a folder"),
        (["a.ply", "--reference", "b.ply", "--worlds", "2"], "belong to a suite"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run, arguments, says, tmp_path):
    code, out, err = run(*(a.replace("{tmp}", str(tmp_path)) for a in arguments), "--json")
    row = json.loads(out)
    assert (code, row["exit_code"]) == (2, 2), err
    assert says in row["error"]


def test_a_sheet_that_could_not_be_written_is_refused_before_the_work(run, tmp_path):
    (tmp_path / "file").write_text("in the way")
    code, out, _ = run("--suite", "real", "--sheet", tmp_path / "file" / "a.png", "--json")
    assert code == 1
    assert "cannot be written" in json.loads(out)["error"]


def test_poses_too_poor_to_judge_by_are_refused(monkeypatch, data, tmp_path, run):
    shutil.copytree(data / "rooms/one", tmp_path / "kitchen")
    recordings = {"kitchen": ("kitchen", "color-poses-sfm.txt")}
    monkeypatch.setattr(suite_real, "RECORDINGS", recordings)
    code, out, _ = run("--suite", "real", "--data", tmp_path, "--json")
    assert code == 2
    assert "color-poses-sfm.txt" in json.loads(out)["error"]


@pytest.mark.slow
def test_the_shared_rooms_judge_the_sweep_as_they_did():
    if not suite_real.SHARED_DATA.is_dir():
        pytest.skip("the recordings are not beside this checkout")
    row = run_suite("real", lambda _: None, "plane-sweep")
    check_contract(row, "real", 2)
    kitchen, hololens = row["rows"]
    assert (kitchen["pictures"], hololens["pictures"]) == (50, 18)
    assert kitchen["depth"]["absrel"] == pytest.approx(0.0625, abs=0.004)
    assert hololens["depth"]["absrel"] == pytest.approx(0.0708, abs=0.004)
    assert kitchen["surface"]["f1_5cm"] == pytest.approx(0.728, abs=0.03)
    assert hololens["surface"]["f1_5cm"] == pytest.approx(0.663, abs=0.03)
