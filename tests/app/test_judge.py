import numpy as np
import pytest

from app.suites import judge as judge_module
from app.suites.judge import judge
from engine.core.faults import BadInput
from engine.core.frames import Frame
from engine.core.settings import VolumeSettings
from engine.core.surface import Mesh
from engine.export.write import export
from engine.meshing.blocks import BlockMesher
from engine.meshing.seams import weld
from engine.sources.base import SourceInfo
from engine.sources.synthetic import SyntheticSource
from engine.volume.volume import Volume
from tests.app.fakes import FakeSource
from tests.export.shapes import ball, finish
from tests.scenes import ball_and_wall

MAX_M = 5.0


def frames_of_orbit():
    """Five views close enough together that all see the same."""
    return [ball_and_wall(i, a) for i, a in enumerate(np.linspace(-0.2, 0.2, 5))]


def write(mesh, path):
    finish(export(mesh, path))
    return path


def fused(frames, voxel_m=0.02):
    volume = Volume(VolumeSettings(voxel_m=voxel_m, memory_mb=256))
    mesher = BlockMesher(volume, 0.15)
    for frame in frames:
        volume.add(frame)
    mesher.update(volume.ledger.take("mesh"))
    return weld(mesher.patches.values())


def moved(mesh, by_m):
    return Mesh(mesh.vertices + np.float32(by_m), mesh.faces, mesh.colors)


def test_a_mesh_file_is_judged_by_its_distance_to_another(tmp_path):
    truth = write(ball(40), tmp_path / "truth.ply")
    same = judge(truth, str(truth), MAX_M, lambda step: None)
    assert (same["f1_1cm"], same["f1_5cm"]) == (1, 1)
    assert same["chamfer_m"] < 1e-4
    off = write(moved(ball(40), [0, 0, 0.03]), tmp_path / "off.ply")
    row = judge(off, str(truth), MAX_M, lambda step: None)
    assert 0.005 < row["chamfer_m"] < 0.03
    assert row["f1_5cm"] == 1
    assert row["f1_1cm"] < 0.9


class Orbit(FakeSource):
    """The ball before the wall; may keep its depth to itself."""

    def __init__(self, has_depth=True):
        super().__init__(count=5)
        self.has_depth = has_depth

    def describe(self):
        return SourceInfo("orbit", "fake", 5, True, self.has_depth, True)

    def frames(self):
        yield from frames_of_orbit()


def test_a_mesh_is_judged_by_the_depth_of_its_own_recording(tmp_path, monkeypatch):
    source = Orbit()
    monkeypatch.setattr(judge_module, "open_source", lambda spec: source)
    mesh = fused(frames_of_orbit())
    steps = []
    row = judge(write(mesh, tmp_path / "a.ply"), "orbit", MAX_M, steps.append)
    assert row["recall_2cm"] > 0.99
    # Precision is lower: the reference leaves out what fewer than three views saw.
    assert row["f1_2cm"] > 0.8
    assert [step.done for step in steps] == list(range(5))
    assert source.closed == 1


def test_a_mesh_is_judged_by_the_world_it_was_scanned_from(tmp_path):
    spec = "synthetic:room?seed=5&frames=6&size=80x60&area=10"
    with SyntheticSource(spec) as source:
        exact = [source.truth_frame(i) for i in range(6)]
        poses = [source.true_pose(i) for i in range(6)]
    frames = [
        Frame(i, i, source.camera, e.color, e.depth_m, source.camera, None, pose)
        for i, (e, pose) in enumerate(zip(exact, poses, strict=True))
    ]
    mesh = fused(frames, 0.04)
    row = judge(write(mesh, tmp_path / "a.ply"), spec, MAX_M, lambda step: None)
    assert row["f1_5cm"] > 0.85
    assert "synthetic world" in row["protocol"]


def test_a_reference_that_says_nothing_is_refused(tmp_path, monkeypatch):
    mesh = write(ball(), tmp_path / "a.ply")
    monkeypatch.setattr(judge_module, "open_source", lambda spec: Orbit(has_depth=False))
    with pytest.raises(BadInput, match="no depth"):
        judge(mesh, "orbit", MAX_M, lambda step: None)
    with pytest.raises(BadInput, match=r"none\.ply"):
        judge(mesh, str(tmp_path / "none.ply"), MAX_M, lambda step: None)
