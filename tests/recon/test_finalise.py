from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.core.faults import BadInput, Cancelled
from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.unet3d import reach_voxels
from engine.recon import finalise as finalise_module
from engine.recon.finalise import Shot, finalise, scene, tiles
from engine.recon.lattice import Lattice
from engine.recon.memory import Budget, network_mb
from engine.recon.offline import OfflineSettings, reconstruct
from engine.runtime.progress import run_job
from tests.recon.small import CONFIG, LATTICE, network, views

VIEWS = views(4)
# Twice the reach and more, so that no tile sees all.
LONG = replace(LATTICE, dims=(96, 20, 16))
QUICK = replace(CONFIG, counts_views=True, is_residual=True)


def run(job):
    return run_job(job, lambda _: None, lambda: False)


def in_order(surface):
    order = np.lexsort(surface.voxels.T.numpy()[::-1])
    return surface.voxels[order], surface.values[order]


@pytest.fixture(scope="module")
def small():
    return network(QUICK)


def tiled(monkeypatch, core):
    monkeypatch.setattr(finalise_module, "CORES_VOX", (core,))
    monkeypatch.setattr("engine.recon.memory.FIXED_MB", 0)
    # Less than all at once, enough for one piece.
    whole = network_mb(QUICK, LONG)
    return Budget(0.95 * whole / finalise_module.TILE_SHARE)


def test_all_at_once_is_the_offline_reconstruction(small):
    made = run(reconstruct(small, VIEWS, LATTICE))
    last = run(finalise(small, [Shot.of(view) for view in VIEWS], LATTICE))
    assert last.tiles == 1
    assert torch.equal(last.surface.voxels, made.surface.voxels)
    assert torch.allclose(last.surface.values, made.surface.values, atol=1e-5)
    assert last.seen == int((made.views_xyz > 0).sum())
    assert last.guided == int((made.depths_xyz > 0).sum())


@pytest.mark.parametrize("rate", [1, 2])
def test_tiles_with_full_reach_give_the_same_voxels_distances_and_mesh(small, monkeypatch, rate):
    budget = tiled(monkeypatch, 16)
    made = run(reconstruct(small, VIEWS, LONG, OfflineSettings(rate)))
    last = run(finalise(small, [Shot.of(view) for view in VIEWS], LONG, rate, budget=budget))
    assert last.tiles == 6 * 2 * 1
    (voxels, values), (wanted_voxels, wanted) = in_order(last.surface), in_order(made.surface)
    assert 0 < len(voxels) < LONG.size
    assert torch.equal(voxels, wanted_voxels)
    assert (2 * values - 2 * wanted).abs().max() < 1e-4
    mesh, whole = run(last.surface.mesh()), run(made.surface.mesh())
    assert np.array_equal(mesh.faces, whole.faces)
    assert np.abs(mesh.vertices - whole.vertices).max() < 1e-4
    assert last.seen == int((made.views_xyz > 0).sum())


def test_without_the_full_reach_tiles_would_differ(small, monkeypatch):
    budget = tiled(monkeypatch, 16)
    monkeypatch.setattr(finalise_module, "reach_voxels", lambda config: 4)
    made = run(reconstruct(small, VIEWS, LONG, OfflineSettings(1)))
    last = run(finalise(small, [Shot.of(view) for view in VIEWS], LONG, 1, budget=budget))
    (voxels, values), (wanted_voxels, wanted) = in_order(last.surface), in_order(made.surface)
    same = torch.equal(voxels, wanted_voxels) and torch.allclose(values, wanted, atol=1e-4)
    assert not same


def test_shots_are_read_only_where_they_look_and_features_are_kept(small, monkeypatch):
    budget = tiled(monkeypatch, 16)
    read = []

    def shot(number):
        def load():
            read.append(number)
            return VIEWS[number]

        return Shot(Shot.of(VIEWS[number]).frusta, load)

    # All pictures are of the ball, at the near end of the box: most of it is in none.
    far = replace(LONG, origin_m=(LONG.origin_m[0] + 3.0, *LONG.origin_m[1:]))
    run(finalise(small, [shot(n) for n in range(4)], far, 1, budget=budget))
    assert len(read) < 4 * 12
    computed = []
    monkeypatch.setattr(
        small,
        "fine_features",
        lambda image, real=small.fine_features: computed.append(1) or real(image),
    )
    run(finalise(small, [shot(n) for n in range(4)], LONG, 1, budget=budget))
    assert len(computed) <= 4


@pytest.mark.parametrize("config", [FineReconConfig(), None])
def test_a_tile_takes_the_same_memory_whatever_the_size_of_the_scene(config):
    """A flat of 200 m2 is about 20 by 10 by 2.8 m; here also one five times as long."""
    net = network(FineReconConfig() if config else shipped())
    ceiling = 8192 if config else 2048
    sizes = []
    for length in (512, 2560):
        flat = Lattice((0.0, 0.0, 0.0), (length, 256, 72), 0.04)
        assert network_mb(net.config, flat) > ceiling
        pieces = tiles(net, flat, Budget(ceiling))
        covered = sum(int(np.prod(piece.core[1] - piece.core[0])) for piece in pieces)
        assert covered == flat.size
        takes = [network_mb(net.config, replace(flat, dims=piece.dims)) for piece in pieces]
        assert max(takes) < ceiling
        sizes.append(max(takes))
        reach = reach_voxels(net.config)
        for piece in pieces:
            end = piece.low + piece.dims
            assert ((piece.core[0] >= reach) | (piece.low == 0)).all()
            assert ((piece.dims - piece.core[1] >= reach) | (end == flat.dims)).all()
    assert sizes[0] == sizes[1]


def shipped():
    """Return the sizes of the network that comes with the program."""
    return replace(
        FineReconConfig(),
        image_feature_dim=11,
        unet_widths=(16, 24, 32),
        unet_up_widths=(16, 16, 16),
        unet_blocks=1,
        is_residual=True,
        counts_views=True,
    )


def test_what_does_not_fit_at_all_is_refused(small):
    flat = Lattice((0.0, 0.0, 0.0), (512, 256, 72), 0.04)
    with pytest.raises(BadInput, match="sees 32 voxels far") as refusal:
        next(finalise(small, [Shot.of(VIEWS[0])], flat, budget=Budget(70)))
    assert "--memory-mb" in refusal.value.remedy
    with pytest.raises(BadInput, match="no picture"):
        next(finalise(small, [], flat))


def test_a_surface_that_outgrows_the_budget_is_refused_in_time(small, monkeypatch):
    budget = tiled(monkeypatch, 16)
    with pytest.raises(BadInput, match="512 samples each"):
        run(finalise(small, [Shot.of(view) for view in VIEWS], LONG, 8, budget=budget))


def test_every_stage_reports_and_can_be_stopped(small):
    shots = [Shot.of(view) for view in VIEWS[:2]]
    for stage in ("tiles", "views", "volume", "points"):
        told = []
        with pytest.raises(Cancelled):
            run_job(
                finalise(small, shots, LATTICE, 1),
                lambda step, told=told: told.append(step.stage),
                lambda told=told, stage=stage: stage in told,
            )
        assert told[-1] == stage


def test_the_scene_lies_on_the_worlds_lattice():
    lattice = scene([Shot.of(view) for view in VIEWS], 0.04, 0.02)
    steps = (np.array(lattice.origin_m) - 0.01) / 0.16
    assert steps == pytest.approx(np.rint(steps), abs=1e-9)
