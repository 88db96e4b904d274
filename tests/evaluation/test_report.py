from pathlib import Path

import numpy as np
import pytest

from engine.core.faults import BadInput
from engine.core.surface import Mesh
from engine.evaluation.fused import fuse
from engine.evaluation.report import evaluate
from engine.evaluation.views import views_of_source
from engine.export.write import export
from engine.sources.detect import open_source
from tests.evaluation.shapes import sphere

SAMPLE = Path(__file__).resolve().parents[2].parent / "shared/data/realsense/f200-handheld-box"
CONTRACT = ("f1_1cm", "f1_2cm", "f1_5cm", "accuracy_m", "completeness_m", "chamfer_m")


def test_against_a_mesh_file_in_any_frame(tmp_path):
    for path, target in ((tmp_path / "ball.stl", "print"), (tmp_path / "ball.glb", "finescan")):
        for _ in export(sphere(1.0, steps=60), path, target):
            pass
        row = evaluate(sphere(1.0, steps=60), str(path))
        assert [row[f"f1_{t}cm"] for t in (1, 2, 5)] == [1.0, 1.0, 1.0]
        assert all(isinstance(row[key], float) for key in CONTRACT)
        assert "reference mesh" in str(row["protocol"])


def test_against_a_world(tmp_path):
    row = evaluate(sphere(0.3, (0, 0, 0.5)), "synthetic:object?seed=2&frames=6&size=64x48")
    assert 0 <= row["f1_5cm"] < 0.5
    assert "psnr_heldout_db" in row


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the shared recordings are not here")
def test_against_a_recording():
    with open_source(str(SAMPLE)) as source:
        mesh = fuse(views_of_source(source, max_m=1.5), 0.005)
    assert evaluate(mesh, str(SAMPLE), max_m=1.5)["f1_1cm"] > 0.9
    moved = Mesh(mesh.vertices + np.float32([0, 0, 0.08]), mesh.faces)
    assert evaluate(moved, str(SAMPLE), max_m=1.5)["f1_1cm"] < 0.5


def test_a_reference_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(BadInput):
        evaluate(sphere(1.0, steps=20), str(tmp_path / "gone.glb"))
    with pytest.raises(BadInput):
        evaluate(sphere(1.0, steps=20), str(tmp_path / "nowhere"))
