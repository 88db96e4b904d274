import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from app.suites.judge_objects import CAPTIONS, judge_objects
from engine.core.faults import BadInput
from engine.evaluation import objects
from engine.evaluation.objects import (
    SIZE_PX,
    chamfer,
    is_closed,
    judge_object,
    lying,
    mean_score,
    true_mesh,
    views_of,
)
from engine.nets.gtr.lift_start import begin_with_hull
from engine.nets.gtr.model import Gtr
from engine.objects.reconstruct import ReconstructSettings, upright
from engine.objects.refine_look import RefineSettings
from engine.runtime.progress import run_job
from engine.synth.bank import build_bank
from engine.synth.thing_views import HELD_OUT_THINGS, held_out_views
from engine.training.gtr_points import LEVEL, SLOPE
from engine.training.gtr_sizes import GTR_SIZES
from engine.weights.store import save

QUICK = ReconstructSettings(49, LEVEL, SIZE_PX, RefineSettings(iterations=12, triplane_rate=0.05))


@pytest.fixture(scope="module")
def hull() -> Gtr:
    torch.manual_seed(0)
    network = Gtr(GTR_SIZES["smoke"].network).eval()
    begin_with_hull(network, LEVEL, SLOPE)
    return network


def test_the_truth_is_close_to_itself_and_closed() -> None:
    thing, _ = held_out_views(0, 32, build_bank(held_out=True, edge_px=32))
    mesh = true_mesh(thing, 64)
    assert is_closed(mesh.faces)
    assert not is_closed(mesh.faces[1:])
    assert chamfer(mesh, thing) < 5e-3
    moved = dataclasses.replace(mesh, vertices=mesh.vertices + np.float32([0, 0, 0.1]))
    assert 0.02 < chamfer(moved, thing) < 0.1


def test_lying_down_undoes_standing_up() -> None:
    points = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    np.testing.assert_array_equal(lying(upright(points)), points)


def test_pictures_of_the_true_mesh_lie_where_the_true_pictures_do(hull: Gtr) -> None:
    thing, seen = held_out_views(1, SIZE_PX, build_bank(held_out=True, edge_px=32))
    views = views_of(seen, slice(4, 6))
    made = objects.Reconstruction(true_mesh(thing, 80), torch.zeros(3, 12, 4, 4), None)
    shown = objects.pictures(made, views, lambda points: torch.zeros_like(points))
    for picture, mask in zip(shown, views.mask, strict=True):
        ours, true = picture[..., 0] == 0, mask[..., 0] > 0
        assert (ours & true).sum() / (ours | true).sum() > 0.97


def test_refinement_brings_the_hull_closer_to_pictures_nobody_showed(hull: Gtr) -> None:
    bank = build_bank(held_out=True, edge_px=32)
    judged = run_job(judge_object(hull, 0, bank, QUICK), lambda _: None, lambda: False)
    score = judged.score
    assert score.refined_psnr_db > score.psnr_db > 10
    assert score.refined_ssim > score.ssim
    assert score.watertight
    assert score.chamfer < 0.1
    assert len(judged.inputs) == len(judged.triples) == 4
    worse = dataclasses.replace(score, psnr_db=score.psnr_db - 2, watertight=False)
    mean = mean_score([score, worse])
    assert mean.psnr_db == pytest.approx(score.psnr_db - 1)
    assert not mean.watertight


@pytest.mark.slow
def test_the_program_judges_a_file_of_weights(hull: Gtr, tmp_path: Path) -> None:
    weights, sheet = tmp_path / "gtr.safetensors", tmp_path / "sheet.png"
    save(weights, "gtr", hull.config.as_dict(), hull.state_dict(), {})
    row = judge_objects(lambda _: None, 1, str(weights), sheet)
    assert row["psnr_db"] == row["rows"][0]["psnr_db"] > 10
    assert {"refined_ssim", "chamfer_m", "watertight", "seconds", "protocol"} < set(row)
    picture = cv2.imread(str(sheet))
    assert picture is not None
    assert picture.shape[1] == len(CAPTIONS) * SIZE_PX
    with pytest.raises(BadInput, match="objects to judge by"):
        judge_objects(lambda _: None, HELD_OUT_THINGS + 1)
