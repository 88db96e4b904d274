"""Training samples: exact, repeatable, and made with nothing but tensors."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from engine.core.faults import BadInput
from engine.training import views
from engine.training.worlds import HELD_OUT_WORLDS, Plan, TrainingWorlds, WorldSample

ROOT = Path(__file__).resolve().parents[2]
PLAN = Plan(batch=2, views=3, height=48, width=64, worlds_last=2, portrait_share=0.3)
# Libraries of the program that a machine which only trains need not have.
ABSENT = ("pydantic", "open3d", "trimesh", "typer", "scipy", "PySide6", "numba", "rich")


@pytest.fixture(scope="module")
def worlds() -> TrainingWorlds:
    return TrainingWorlds("cpu", 5, plan=PLAN)


@pytest.fixture(scope="module")
def sample(worlds: TrainingWorlds) -> WorldSample:
    return worlds.batch(0)


def same(a: WorldSample, b: WorldSample) -> bool:
    names = ("pictures", "depth", "K", "T_world_cam", "T_true", "measured")
    return all(torch.equal(getattr(a, n), getattr(b, n)) for n in names)


def test_a_batch_depends_on_its_index_alone(worlds: TrainingWorlds, sample: WorldSample) -> None:
    later = worlds.batch(7)
    assert not same(later, sample)
    fresh = TrainingWorlds("cpu", 5, plan=PLAN)
    assert same(fresh.batch(7), later)
    assert same(fresh.batch(0), sample)
    assert not same(TrainingWorlds("cpu", 6, plan=PLAN).batch(0), sample)


def test_points_behind_pixels_lie_on_the_surface(sample: WorldSample) -> None:
    b, v, h, w = sample.depth.shape
    assert sample.pictures.shape == (b, v, 3, h, w)
    assert (sample.depth > 0).all()
    y, x = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], -1)
    rays = torch.einsum("bvij,hwj->bvhwi", torch.linalg.inv(sample.K), pixels)
    cam = rays * sample.depth[..., None]
    R, t = sample.T_true[..., :3, :3], sample.T_true[..., :3, 3]
    world = torch.einsum("bvij,bvhwj->bvhwi", R, cam) + t[:, :, None, None]
    gap = sample.distance(world.reshape(b, -1, 3)).abs()
    assert float(gap.max()) < 1e-3
    assert (sample.occupancy(world.reshape(b, -1, 3), 0.01) == 1).all()
    assert (sample.tsdf(t, 0.05) == 1).all()


def test_pictures_and_poses_are_in_range(worlds: TrainingWorlds) -> None:
    for index in (1, 4, 9):
        some = worlds.batch(index)
        assert float(some.pictures.min()) >= 0
        assert float(some.pictures.max()) <= 1
        assert float(some.pictures.std()) > 0.02
        R = some.T_world_cam[..., :3, :3]
        torch.testing.assert_close(R @ R.mT, torch.eye(3).expand_as(R), atol=1e-5, rtol=0)
        _, metres = views.pose_distance(some.T_world_cam, some.T_true)
        assert float(metres.max()) < 0.012
        focal = some.K[..., 0, 0] / max(some.pictures.shape[-2:])
        assert float(focal.min()) > 0.59
        assert float(focal.max()) < 1.41
        known = some.measured > 0
        off = (some.measured - some.depth).abs() / some.depth
        assert float(off[known].median()) < 0.01
        assert 0 < float(known.float().mean()) < 1


def test_sources_suit_their_reference(worlds: TrainingWorlds) -> None:
    distances, shares = [], []
    for index in range(0, 12, 2):
        some = worlds.batch(index)
        T, hw = some.T_true, (some.depth.shape[2], some.depth.shape[3])
        distances.append(views.pose_distance(T[:, :1], T[:, 1:])[0])
        seen = views.probe(some.worlds, some.K[:, 0], hw, T[:, :1])[:, 0]
        shares.append(views.seen_share(some.K[:, 0], hw, T[:, :1], T[:, 1:], seen))
        assert float(some.distance(T[..., :3, 3]).min()) > 0.15
    distance, share = torch.cat(distances).flatten(), torch.cat(shares).flatten()
    assert 0.1 < float(distance.median()) < 0.3
    assert float((distance < 0.5).float().mean()) > 0.95
    assert float((share >= 0.5).float().mean()) > 0.95


def test_portrait_batches_are_turned_and_held_out_ones_are_not(worlds: TrainingWorlds) -> None:
    shapes = {tuple(worlds.batch(i).depth.shape[2:]) for i in range(0, 12, 2)}
    assert shapes == {(48, 64), (64, 48)}
    assert worlds.held_out(0).depth.shape == (1, 3, 48, 64)


def test_held_out_worlds_are_the_same_for_every_seed_and_shown_to_none(
    worlds: TrainingWorlds,
) -> None:
    other = TrainingWorlds("cpu", 99, plan=PLAN)
    assert same(worlds.held_out(4), other.held_out(4))
    assert not torch.equal(worlds.held_out(4).depth, worlds.held_out(5).depth)
    learned = {key[0] for index in range(200) for key in worlds._keys(index)}
    assert learned == {1}
    with pytest.raises(BadInput, match="held-out"):
        worlds.held_out(HELD_OUT_WORLDS)


def test_processes_that_share_indices_share_no_world() -> None:
    plan = Plan(batch=2, height=48, width=64, worlds_last=3, stride=4)
    shared = TrainingWorlds("cpu", 5, plan=plan)
    seen = [{key for i in range(rank, 80, 4) for key in shared._keys(i)} for rank in range(4)]
    assert all(not seen[a] & seen[b] for a in range(4) for b in range(a))
    # A world serves as many batches of its process as it should.
    assert len(seen[0]) == pytest.approx(20 * 2 / 3, abs=2)


def test_sizes_without_tiles_are_refused() -> None:
    with pytest.raises(BadInput, match="multiples of 8"):
        Plan(height=50)
    with pytest.raises(BadInput, match="views"):
        Plan(views=40)


def test_training_data_needs_only_torch_numpy_and_opencv() -> None:
    code = f"""
import sys
for name in {ABSENT!r}:
    sys.modules[name] = None
import torch
torch.set_num_threads(1)
from engine.training.worlds import Plan, TrainingWorlds
sample = TrainingWorlds("cpu", 1, plan=Plan(batch=1, views=2, height=16, width=24)).batch(0)
assert sample.pictures.shape[0] == 1 and float(sample.depth.min()) > 0
assert sample.distance(sample.T_true[:, :, :3, 3]).shape == (1, 2)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_poses_are_chosen_without_asking_the_device(sample: WorldSample) -> None:
    """Meta tensors have no numbers: whoever asks for one raises."""
    packed = type(sample.worlds)(
        *(getattr(sample.worlds, n).to("meta") for n in ("table", "lamps", "low", "high"))
    )
    draws = views.Draws.make(torch.Generator(), 2, torch.device("meta"))
    K = torch.zeros(2, 3, 3, device="meta")
    T, speed = views.tuples(packed, K, (48, 64), 5, draws)
    assert T.shape == (2, 5, 4, 4)
    assert speed.shape == (2, 5, 6)
