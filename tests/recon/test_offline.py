import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.core.faults import BadInput, Cancelled
from engine.evaluation.parity import finerecon_offline
from engine.evaluation.parity.finerecon_offline import checks
from engine.nets.finerecon.config import FineReconConfig
from engine.recon import lattice, memory, offline
from engine.recon.compute import ON_CPU, Compute
from engine.recon.lattice import Lattice
from engine.recon.memory import Budget
from engine.recon.offline import OfflineSettings, reconstruct
from engine.runtime.progress import run_job
from tests.recon.small import CONFIG, LATTICE, network, views
from tests.scenes import BALL_CENTER, BALL_RADIUS, WALL_Y

FIXTURE = Path(__file__).resolve().parents[2].parent / "shared" / "parity" / "finerecon"
needs_fixture = pytest.mark.skipif(not FIXTURE.is_dir(), reason="the parity fixture is not here")


def run(job):
    return run_job(job, lambda _: None, lambda: False)


@pytest.fixture(scope="module")
def released():
    return network(FineReconConfig(), seed=31)


@pytest.fixture
def final_only(tmp_path):
    """Return a fixture folder with the final grid alone, which is the quickest to check."""
    for name in ("inputs.npz", "final.npz"):
        shutil.copyfile(FIXTURE / name, tmp_path / name)
    return tmp_path


def failing(folder, net):
    return {check.name for check in checks(folder, net) if not check.ok}


@needs_fixture
def test_every_stored_array_is_reproduced(released):
    found = {check.name: check for check in checks(FIXTURE, released)}
    assert [name for name, check in found.items() if not check.ok] == []
    for file, inputs in (
        ("final.npz", {"sample_coords"}),
        ("chunked.npz", {"order", "sample_coords"}),
        ("gt_tsdf.npz", {"origin", "voxel_size", "margin", "dims"}),
    ):
        with np.load(FIXTURE / file) as stored:
            assert {f"{file}/{name}" for name in set(stored.files) - inputs} <= found.keys()


@needs_fixture
@pytest.mark.parametrize(
    ("flip", "caught"),
    [
        # The published inference divides the fine guidance twice.
        ((finerecon_offline, "GUIDANCE", "consistent"), {"final.npz/tsdf_grid"}),
        # What is not occupied stays NaN.
        ((offline, "OCCUPIED_LOGIT", -0.05), {"final.npz/tsdf_grid"}),
        # Fine samples fill the cells of the coarse voxels and do not start at their centres.
        (
            (lattice.Lattice, "refined", lambda self, rate: replace(
                self, dims=tuple(n * rate for n in self.dims), voxel_m=self.voxel_m / rate)),
            {"final.npz/tsdf_grid", "final.npz/origin"},
        ),
        ((finerecon_offline, "LEVEL", 0.0), {"final.npz/level"}),
    ],
)  # fmt: skip
def test_each_mistake_is_caught(final_only, released, monkeypatch, flip, caught):
    monkeypatch.setattr(*flip)
    assert caught <= failing(final_only, released)


@needs_fixture
@pytest.mark.parametrize("spoil", ["order", "sample_coords"])
def test_a_malformed_fixture_is_refused(tmp_path, released, spoil):
    shutil.copyfile(FIXTURE / "inputs.npz", tmp_path / "inputs.npz")
    with np.load(FIXTURE / "chunked.npz") as stored:
        arrays = dict(stored)
    arrays[spoil] = np.array([99]) if spoil == "order" else np.zeros(3)
    np.savez(tmp_path / "chunked.npz", **arrays)
    with pytest.raises(BadInput):
        list(checks(tmp_path, released))


class Measured(torch.nn.Module):
    """A stand-in for a trained network: the surface is where depth says it is."""

    def __init__(self):
        super().__init__()
        self.real = network()
        self.config, self.unseen = self.real.config, self.real.unseen
        for name in ("coarse_features", "fine_features", "guidance_sums", "volume_input"):
            setattr(self, name, getattr(self.real, name))

    def unet(self, volume_cxyz):
        return volume_cxyz

    def occupancy(self, features_cn):
        # The last channel is the guidance; near the surface it is neither -1 nor 1.
        return 0.9 - features_cn[-1].abs()

    def surface(self, image_mean_cn, voxel_cn, guidance_n):
        return -2 * guidance_n


@pytest.mark.parametrize("rate", [1, 4])
def test_the_surface_appears_where_the_cameras_measured_it(rate):
    made = run(reconstruct(Measured().eval(), views(7), LATTICE, OfflineSettings(rate)))
    mesh = run(made.surface.mesh())
    ball = np.linalg.norm(mesh.vertices - BALL_CENTER, axis=1) - BALL_RADIUS
    off = np.minimum(np.abs(ball), np.abs(mesh.vertices[:, 1] - WALL_Y))
    # Depth pictures say where a surface is along the ray; at grazing rays that is farther off.
    assert np.median(off) < 0.01
    assert np.quantile(off, 0.9) < 0.03
    assert len(mesh.faces) > 300 * rate


@pytest.fixture(scope="module")
def small():
    return network()


def test_portions_of_points_and_order_of_views_change_nothing(small):
    one = run(reconstruct(small, views(4), LATTICE))
    other = run(reconstruct(small, views(4)[::-1], LATTICE, OfflineSettings(points_at_once=1000)))
    assert 0 < len(one.surface.voxels) < LATTICE.size
    assert torch.equal(one.surface.voxels, other.surface.voxels)
    assert torch.allclose(one.surface.values, other.surface.values, atol=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_networks_in_half_precision_give_nearly_the_same(small, precision):
    exact = run(reconstruct(small, views(3), LATTICE))
    rough = run(reconstruct(small, views(3), LATTICE, compute=Compute(ON_CPU.device, precision)))
    assert not torch.equal(exact.logits_xyz, rough.logits_xyz)
    # Geometry is single precision whatever the networks compute in: counts agree to the last one.
    assert torch.equal(exact.views_xyz, rough.views_xyz)
    assert torch.equal(exact.depths_xyz, rough.depths_xyz)
    assert (exact.logits_xyz - rough.logits_xyz).abs().max() < 0.1 * exact.logits_xyz.abs().max()
    assert rough.surface.values.dtype is torch.float32


@pytest.mark.parametrize(
    "changes",
    [
        {"point_backprojection": False},
        {"point_guidance": False},
        {"guidance": "none", "point_guidance": False},
        {"guidance": "density"},
        {"bp_weighting": "soft-12cm"},
        {"is_residual": True, "counts_views": True},
    ],
)
def test_every_variant_of_the_network_runs(changes):
    made = run(reconstruct(network(replace(CONFIG, **changes)), views(2), LATTICE))
    assert torch.isfinite(made.surface.values).all()
    assert torch.isfinite(made.logits_xyz).all()


def test_views_beside_the_volume_are_harmless(small):
    far = Lattice((50.0, 0.0, 0.0), (4, 4, 4), 0.04)
    made = run(reconstruct(small, views(2), far))
    assert made.views_xyz.max() == 0
    assert made.depths_xyz.max() == 0


@pytest.mark.parametrize(
    ("pictures", "box", "says"),
    [
        (0, LATTICE, "no picture"),
        (1, replace(LATTICE, dims=(24, 30, 20)), "does not fit the network"),
    ],
)
def test_what_cannot_be_reconstructed_is_refused(small, pictures, box, says):
    with pytest.raises(BadInput, match=says):
        run(reconstruct(small, views(pictures), box))


def test_a_volume_beyond_the_budget_is_refused_before_anything_is_computed(small):
    huge = replace(LATTICE, dims=(2000, 2000, 1000))
    job = reconstruct(small, views(1), huge, budget=Budget(1000))
    with pytest.raises(BadInput, match=r"80\.0 x 80\.0 x 40\.0 m .* needs about") as refusal:
        next(job)
    assert "--max-depth-m" in refusal.value.remedy


def test_a_surface_beyond_the_budget_is_refused_once_it_is_known(small, monkeypatch):
    monkeypatch.setattr(memory, "FIXED_MB", 0)
    budget = Budget(20)
    run(reconstruct(small, views(1), LATTICE, OfflineSettings(1), budget=budget))
    with pytest.raises(BadInput, match="512 samples each") as refusal:
        run(reconstruct(small, views(1), LATTICE, OfflineSettings(8), budget=budget))
    assert "--resolution-m" in refusal.value.remedy


def test_every_stage_reports_and_can_be_stopped(small):
    stages = []
    run_job(
        reconstruct(small, views(2), LATTICE), lambda step: stages.append(step.stage), lambda: False
    )
    assert list(dict.fromkeys(stages)) == ["views", "volume", "keyframes", "points"]
    for stage in ("views", "volume", "keyframes", "points"):
        told = []
        with pytest.raises(Cancelled):
            run_job(
                reconstruct(small, views(2), LATTICE),
                lambda step, told=told: told.append(step.stage),
                lambda told=told, stage=stage: stage in told,
            )
        assert told[-1] == stage
