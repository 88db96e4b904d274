import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from app.cli import console
from app.cli import main as cli
from app.method import Method
from app.offline import OfflineScan
from engine.core.camera import Intrinsics
from engine.core.faults import BadFrame, BadInput, Cancelled
from engine.core.settings import preset
from engine.depth.base import DepthMap
from engine.recon.compute import ON_CPU
from engine.runtime.progress import run_job
from engine.sources.detect import open_source
from engine.sources.write.recording import write_recording
from engine.weights.store import save
from tests.recon.small import CONFIG, measured_network
from tests.scenes import BALL_CENTER, BALL_RADIUS, WALL_Y, orbit

ROOM = "synthetic:room?seed=5&frames=10&size=96x64&area=10&noise=0"
# Coarse voxels keep a whole room quick.
COARSE = replace(CONFIG, voxel_m=0.08)
OFFLINE = ("--method", "finerecon-offline", "--network-width", "96", "--network-height", "64")
QUICK = ("--preset", "preview", "--no-texture", "--json")


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """Return a function that runs a command line in this process: code, printed row, stderr."""
    monkeypatch.setattr(console, "prepare_process", lambda _: None)
    monkeypatch.setenv("FINESCAN_WEIGHTS", str(tmp_path / "none-installed"))

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["run_scanner.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capsys.readouterr()
        return end.value.code, json.loads(out), err

    return command


def saved(path, config):
    save(path, "finerecon", config.as_dict(), measured_network(config).state_dict(), {})
    return path


@pytest.fixture
def weights(tmp_path):
    return saved(tmp_path / "small.safetensors", COARSE)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """Return a room as a recording with depth, and as one without."""
    folder = tmp_path_factory.mktemp("recordings")
    room = "synthetic:room?seed=5&frames=20&size=192x144&area=10"
    for layout in ("tum", "ios-logger"):
        with open_source(room) as source:
            job = write_recording(source, folder / layout, layout)
            run_job(job, lambda _: None, lambda: False)
    return folder


def test_a_scan_with_weights_from_a_file(run, weights, tmp_path):
    code, report, err = run(
        "scan", ROOM, "--out", tmp_path / "out", *OFFLINE, *QUICK, "--weights", weights,
        "--hold-out", "5",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads((tmp_path / "out" / "report.json").read_text()) == report
    assert report["method"] == "finerecon-offline"
    assert report["depth"] == "sensor"
    # Two of ten frames only judge, the others moved far enough to be keyframes.
    assert report["frames_used"] == 8
    made = report["reconstruction"]
    assert made["keyframes"] == 8
    assert all(n % 4 == 0 for n in made["dims"])
    assert made["voxels"] == np.prod(made["dims"])
    # The stand-in weights keep every voxel; 8 cm voxels give the preset's 4 cm by two samples.
    assert made["occupied_share"] == 1
    assert made["points"] == 8 * made["voxels"]
    for stage in ("coarse", "volume", "fine", "points", "mesh"):
        assert report["seconds"][stage] > 0
    # Believing exact depth, the surface must be found where the room is.
    assert report["metrics"]["recall_5cm"] > 0.8


def test_made_up_weights_run_through_every_stage(run, recordings, tmp_path, monkeypatch):
    monkeypatch.setattr("app.chosen_weights.FineReconConfig", lambda: COARSE)
    code, report, err = run(
        "scan", recordings / "tum", "--out", tmp_path / "out", *OFFLINE, *QUICK,
        "--random-weights", "2", "--precision", "bf16",
    )  # fmt: skip
    assert code == 0 or "No surface came" in err, err
    if code == 0:
        assert report["reconstruction"]["points"] % 8 == 0
        assert report["method_settings"]["random_weights"] == 2


def test_a_recording_without_depth_is_scanned_from_its_photographs(run, recordings, tmp_path):
    phone = recordings / "ios-logger"
    code, report, err = run("scan", phone, "--out", tmp_path / "out", *QUICK)
    assert code == 0, err
    assert report["method"] == "finerecon"
    assert report["depth"] == "learned"
    assert report["surface_m2"] > 1
    code, refusal, _ = run("scan", phone, "--out", tmp_path / "other", *QUICK, "--depth", "sensor")
    assert code == 2
    assert "no metric depth" in refusal["error"]
    assert not (tmp_path / "other").exists()


def test_the_network_that_comes_along_needs_no_option(run, tmp_path):
    code, report, err = run("scan", ROOM, "--out", tmp_path / "out", *QUICK, *OFFLINE)
    assert code == 0, err
    assert report["method"] == "finerecon-offline"
    assert report["surface_m2"] > 1


def test_help_names_the_choices_and_keeps_made_up_weights_to_itself(monkeypatch, capsys):
    monkeypatch.setattr(console, "prepare_process", lambda _: None)
    monkeypatch.setattr(sys, "argv", ["run_scanner.py", "scan", "--help"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert not end.value.code
    told = capsys.readouterr().out
    for option in ("--method", "--depth", "--weights", "--resolution-m", "--precision"):
        assert option in told
    assert "random" not in told


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((*OFFLINE, "--weights", "nobody"), "no weights 'nobody'"),
        (("--depth", "simplerecon"), "needs weights, and none are installed"),
        (("--method", "fusion", "--weights", "some"), "--weights says nothing"),
        (("--resolution-m", "0.01"), "--resolution-m says nothing"),
        ((*OFFLINE, "--resolution-m", "0.03"), "resolution_m cannot be 0.03"),
        ((*OFFLINE, "--weights", "{weights}", "--resolution-m", "0.005"), "does not divide"),
        ((*OFFLINE, "--random-weights", "-1"), "random_weights cannot be -1"),
        ((*OFFLINE, "--network-width", "100"), "width_px cannot be 100"),
        ((*OFFLINE, "--keyframe-distance", "0"), "keyframe_distance cannot be 0"),
        (("--method", "magic"), "magic"),
        (("--depth", "guess"), "guess"),
        ((*OFFLINE, "--precision", "int8"), "int8"),
    ],
)
def test_bad_options_are_one_sentence(run, weights, tmp_path, options, says):
    options = [option.format(weights=weights) for option in options]
    code, row, err = run("scan", ROOM, "--out", tmp_path / "out", *QUICK, *options)
    assert code == 2
    assert says in row["error"]
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()


def test_weights_of_another_network_are_refused(run, tmp_path):
    path = tmp_path / "other.safetensors"
    save(path, "gtr", {}, {"a": torch.zeros(1)}, {})
    code, row, _ = run("scan", ROOM, "--out", tmp_path / "out", *OFFLINE, *QUICK, "--weights", path)
    assert code == 2
    assert "those of gtr, not of finerecon" in row["error"]


def test_too_little_memory_is_said_before_the_work(run, tmp_path):
    weights = saved(tmp_path / "fine.safetensors", CONFIG)
    code, row, _ = run(
        "scan", ROOM, "--out", tmp_path / "out", *OFFLINE, *QUICK, "--weights", weights,
        "--memory-mb", "64",
    )  # fmt: skip
    assert code == 2
    assert "needs about" in row["error"]
    assert "--memory-mb" in row["remedy"]
    assert not list((tmp_path / "out").iterdir())


METHOD = Method(name="finerecon-offline", width_px=96, height_px=64, resolution_m=0.04)


class Oracle:
    """Gives the depth the frames had, at half the size; remembers its sources."""

    source_count = 3

    def __init__(self, frames):
        self.frames = {frame.index: frame for frame in frames}
        self.asked = {}

    def estimate(self, reference, sources):
        self.asked[reference.index] = [photo.index for photo in sources]
        frame = self.frames[reference.index]
        depth = np.ascontiguousarray(frame.depth_m[::2, ::2])
        camera = frame.depth_intrinsics
        # Every other pixel: centres stay where they were, which half a pixel puts right.
        half = Intrinsics(
            camera.width // 2, camera.height // 2, camera.fx / 2, camera.fy / 2,
            camera.cx / 2 + 0.25, camera.cy / 2 + 0.25,
        )  # fmt: skip
        return DepthMap(depth, (depth > 0).astype(np.float32), half)


def scan_of(frames, estimator=None, **options):
    scan = OfflineScan(
        preset("raw"), METHOD, measured_network(COARSE), ON_CPU, estimator, False, **options
    )
    for frame in frames:
        scan.add(frame)
    return scan


def finish(scan):
    return run_job(scan.finish(), lambda _: None, lambda: False)


def test_estimated_depth_guides_as_the_sensors_does():
    frames = orbit(9)
    oracle = Oracle(frames)
    scan = scan_of([replace(frame, depth_m=None) for frame in frames], oracle)
    mesh = finish(scan)
    # Sources lie on both sides in time.
    assert any(max(sources) > reference for reference, sources in oracle.asked.items())
    assert any(min(sources) < reference for reference, sources in oracle.asked.items())
    estimated, measured = (near_truth(m) for m in (mesh, finish(scan_of(frames))))
    assert estimated == pytest.approx(measured, rel=0.15)
    assert measured > 5000


def near_truth(mesh):
    """Return how many vertices lie where the ball and the wall are."""
    ball = np.abs(np.linalg.norm(mesh.vertices - BALL_CENTER, axis=1) - BALL_RADIUS)
    return (np.minimum(ball, np.abs(mesh.vertices[:, 1] - WALL_Y)) < 0.02).sum()


def test_only_frames_that_moved_are_keyframes():
    frames = [frame for frame in orbit(4) for _ in range(3)]
    scan = scan_of(frames)
    assert scan.frames_used == 4


def test_frames_held_out_only_judge():
    scan = scan_of(orbit(6), hold_out=3)
    assert [photo.index for photo in scan.withheld] == [2, 5]
    assert scan.frames_used == 4


@pytest.mark.parametrize("missing", [{"color": None}, {"T_world_cam": None}])
def test_frames_without_colour_or_pose_are_passed_over(missing):
    with pytest.raises(BadFrame, match="no colour or no pose"):
        scan_of([replace(orbit(1)[0], **missing)])


def test_nothing_usable_is_said():
    with pytest.raises(BadInput, match="No picture"):
        finish(scan_of([]))


def test_a_scan_nobody_has_depth_for_is_refused():
    with pytest.raises(BadInput, match="No picture has depth"):
        finish(scan_of([replace(frame, depth_m=None) for frame in orbit(3)]))


def test_finishing_can_be_stopped():
    told = []
    with pytest.raises(Cancelled):
        run_job(
            scan_of(orbit(3)).finish(),
            lambda step: told.append(step.stage),
            lambda: "points" in told,
        )
    assert told[-1] == "points"
