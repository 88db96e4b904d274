"""The recipe of the correcting network: what is swept, kept, taught and judged."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from app.sweeper import sweep
from engine.core.faults import BadInput
from engine.training import command, store
from engine.training.recipe import Plan
from engine.training.schedule import Schedule
from engine.training.store import Kept
from engine.training.sweepdepth import SweepDepthRecipe, augmented
from engine.training.sweepdepth_sizes import SWEEPDEPTH_SIZES
from engine.training.sweeping import (
    motions,
    packed,
    seen_from,
    sweep_by_torch,
    task,
    true_planes,
    unpacked,
)
from tests.training.planes import Planes

QUICK = Plan(Schedule(3e-3, 30, 5), 1e-4, 10.0, 100, 2)
SIZE = replace(SWEEPDEPTH_SIZES["smoke"], plan=QUICK, image_hw=(64, 96))
CONFIG = SIZE.network
WORLDS = Planes((64, 96), 4, 2)


def recipe(kept: Kept | None = None) -> SweepDepthRecipe:
    return SweepDepthRecipe(SIZE, WORLDS, 2, sweep, kept)


def test_both_sweeps_see_the_same() -> None:
    sample = WORLDS.batch(0)
    reference, count = torch.tensor([0, 2]), torch.tensor([3, 1])
    cameras = motions(sample, reference, count)
    ours, theirs = sweep(cameras, CONFIG), sweep_by_torch(cameras, CONFIG)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape
        # A pixel on the very rim may count as in view for one and not for the other.
        assert ((mine - other).abs() > 0.02).float().mean() < 0.02


def test_a_sweep_of_a_textured_room_is_mostly_right() -> None:
    sample = WORLDS.batch(1)
    made = seen_from(sample, torch.tensor([0, 1]), torch.tensor([3, 3]), sweep, CONFIG)
    off = (made.swept.plane_bhw - made.truth_bhw).abs()
    assert off.median() < 0.6


def test_another_view_is_the_reference_in_the_second_turn() -> None:
    sample = WORLDS.batch(0)
    first, again = (task(sample, index, sweep, CONFIG) for index in (0, 1))
    assert torch.equal(first.swept.picture_b3hw, sample.pictures[:, 0])
    assert not torch.equal(again.swept.picture_b3hw, first.swept.picture_b3hw)
    pictures = again.swept.picture_b3hw
    for picture, views in zip(pictures, sample.pictures, strict=True):
        assert any(torch.equal(picture, view) for view in views[1:])
    assert torch.equal(task(sample, 1, sweep, CONFIG).truth_bhw, again.truth_bhw)


def test_unknown_depth_is_not_taught() -> None:
    depth = torch.tensor([[[0.0, 0.01, 0.25, 1.0, 5.0, 6.0, 99.0]]])
    planes = true_planes(depth, CONFIG)[0, 0]
    assert planes.isnan().tolist() == [True, True, False, False, False, False, True]
    assert planes[2].item() == pytest.approx(0, abs=1e-4)
    assert planes[4].item() == pytest.approx(CONFIG.planes - 1, abs=1e-3)
    assert planes[5].item() == CONFIG.planes


def test_what_is_kept_is_read_as_it_was(tmp_path: Path) -> None:
    sample = WORLDS.batch(0)
    made = task(sample, 0, sweep, CONFIG)
    store.write(packed(made), tmp_path / "one.safetensors")
    again = store.read(tmp_path / "one.safetensors", unpacked)
    for name, tolerance in (
        ("picture_b3hw", 0.003), ("plane_bhw", 0.01), ("least_bhw", 0.01), ("volume_b2dhw", 0.003)
    ):  # fmt: skip
        ours, theirs = getattr(made.swept, name), getattr(again.swept, name)
        assert (ours - theirs).abs().max() < tolerance
    assert (made.truth_bhw - again.truth_bhw).abs().nan_to_num().max() < 0.02


def test_kept_batches_come_again_and_damage_is_named(tmp_path: Path) -> None:
    kept = Kept(tmp_path, 2)
    one = recipe(kept)
    first = one.batch(0)
    assert len(list(tmp_path.glob("swept-*.safetensors"))) == 1
    assert torch.equal(one.batch(2).swept.plane_bhw, first.swept.plane_bhw)
    next(tmp_path.glob("*")).write_bytes(b"not tensors")
    with pytest.raises(BadInput, match="cannot be read"):
        one.batch(0)


def test_it_learns() -> None:
    one = recipe()
    torch.manual_seed(0)
    network = one.build().train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    values = []
    batches = [one.batch(index) for index in range(3)]
    for step in range(30):
        torch.manual_seed(step)
        terms = one.loss(network, batches[step % 3])
        optimiser.zero_grad()
        torch.autograd.backward(terms["loss"])
        optimiser.step()
        values.append(float(terms["loss"].detach()))
    assert sum(values[-5:]) < 0.8 * sum(values[:5])


def test_mirroring_turns_everything() -> None:
    batch = recipe().batch(0)
    for seed in range(8):
        torch.manual_seed(seed)
        seen = augmented(batch)
        if not torch.equal(seen.truth_bhw.nan_to_num(), batch.truth_bhw.nan_to_num()):
            assert torch.equal(seen.truth_bhw.flip(-1).nan_to_num(), batch.truth_bhw.nan_to_num())
            assert torch.equal(seen.swept.volume_b2dhw.flip(-1), batch.swept.volume_b2dhw)
            return
    raise AssertionError("eight throws without a mirror")


def test_the_judge_knows_the_sweep() -> None:
    one = recipe()
    one.prepare()
    with torch.inference_mode():
        judged = one.judge(one.build().eval())
    # New weights answer as the sweep does.
    assert judged.metrics["absrel"] < 0.15
    assert judged.sheet.shape[2] == 3


def test_there_is_no_published_size(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no size called 'published'"):
        next(command.start("sweepdepth", tmp_path / "run", {"size": "published"}))
