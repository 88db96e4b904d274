from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.core.faults import BadInput
from engine.nets.finerecon.model import FineRecon
from engine.nets.simplerecon.model import SimpleRecon
from engine.training import command
from engine.training.augment import grey, jittered, turned
from engine.training.crops import placed, queries, seen_points, some_views, vertical_slice
from engine.training.data import Sample
from engine.training.depth import METRICS, DepthRecipe, errors, ordered
from engine.training.finerecon import FineReconRecipe
from engine.training.guidance import estimated, improved
from engine.training.recipe import Plan
from engine.training.schedule import Average, Schedule
from engine.training.sizes import DEPTH_SIZES, FINERECON_SIZES, FINERECON_VARIANTS, varied
from engine.training.volume_loss import volume_loss
from tests.training.planes import Planes

HW = (128, 160)
QUICK = Plan(Schedule(3e-3, 30, 5), 1e-4, 10.0, 100, 2)
PLANES_M = torch.exp(torch.linspace(-1.0, 1.6, 14))


def depth_recipe() -> DepthRecipe:
    size = DEPTH_SIZES["smoke"]
    network = replace(size.network, planes=16, matching_stem=4)
    return DepthRecipe(replace(size, network=network, plan=QUICK), Planes(HW, 3, 2), 2)


def finerecon_recipe() -> FineReconRecipe:
    return FineReconRecipe(FINERECON_SIZES["smoke"], Planes((64, 96), 3, 1), 2)


def learned(recipe: DepthRecipe | FineReconRecipe, name: str, steps: int) -> list[float]:
    torch.manual_seed(0)
    network = recipe.build().train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=3e-3)
    values = []
    for step in range(steps):
        torch.manual_seed(step)
        terms = recipe.loss(network, recipe.batch(step % 3))
        optimiser.zero_grad()
        torch.autograd.backward(terms["loss"])
        optimiser.step()
        values.append(float(terms[name].detach()))
    return values


def test_the_volume_learns_which_plane_is_right() -> None:
    values = learned(depth_recipe(), "volume", 30)
    assert sum(values[-5:]) < 0.9 * sum(values[:5])


def test_finerecon_learns_distances() -> None:
    values = learned(finerecon_recipe(), "loss", 30)
    assert sum(values[-5:]) < 0.9 * sum(values[:5])


def test_depth_that_was_found_guides_instead_of_made_up_depth() -> None:
    asked: list[tuple[int, ...]] = []

    def depth_of(sample: Sample) -> Tensor:
        asked.append(tuple(sample.depth.shape))
        return torch.zeros_like(sample.depth)

    recipe = FineReconRecipe(FINERECON_SIZES["smoke"], Planes((64, 96), 3, 1), 1, depth_of)
    network = recipe.build().eval()
    recipe.prepare()
    with torch.inference_mode():
        judged = recipe.judge(network)
    assert asked == [(1, 3, 64, 96)]
    # Who knows nothing says of every place that it lies just behind a surface.
    assert judged.metrics["fusion_sign"] < 0.7
    assert torch.isfinite(recipe.loss(network, recipe.batch(0))["loss"])
    assert len(asked) == 2


def test_some_of_the_views_are_shown_others_each_time() -> None:
    sample = Planes((16, 16), 5, 2).batch(1)
    assert some_views(sample, None, torch.Generator()) is sample
    assert some_views(sample, 5, torch.Generator()) is sample
    dice, seen = torch.Generator().manual_seed(0), set()
    for _ in range(20):
        few = some_views(sample, 3, dice)
        rows = [
            next(
                k for k in range(5) if torch.equal(few.T_world_cam[:, i], sample.T_world_cam[:, k])
            )
            for i in range(3)
        ]
        assert rows == sorted(set(rows))
        assert torch.equal(few.depth, sample.depth[:, rows])
        assert torch.equal(few.pictures, sample.pictures[:, rows])
        seen |= set(rows)
    assert seen == set(range(5))
    points = seen_points(few, 9, dice)
    assert few.distance(points).abs().max() < 1e-4


def test_other_estimators_are_nearer_to_the_truth() -> None:
    dice = torch.Generator().manual_seed(1)
    true = 2 + torch.rand(60, 1, 16, 24, generator=dice)
    found = true * 1.05
    found[..., :12] = 0
    made = improved(found, true, dice)
    worst = (found - true).abs()[..., 12:].amax((1, 2, 3))
    off = (made - true).abs()[..., 12:].amax((1, 2, 3)) / worst
    assert (off <= 1 + 1e-5).all()
    assert 0.3 < float((off > 0.99).float().mean()) < 0.7
    assert float(off.min()) < 0.3
    is_closed = (made[..., :12] > 0).float().mean((1, 2, 3))
    # A quarter of all; even then some holes are left.
    assert 0.1 < float((is_closed > 0).float().mean()) < 0.45
    assert 0.5 < float(is_closed[is_closed > 0].mean()) < 1
    # A closed hole is no better than an estimate.
    filled = (made[..., :12] > 0) & (is_closed > 0)[:, None, None, None]
    assert float(((made - true).abs() / true)[..., :12][filled].mean()) > 0.005


@pytest.mark.parametrize("variant", FINERECON_VARIANTS)
def test_every_part_that_is_left_out_leaves_something_that_learns(variant: str) -> None:
    size = varied(FINERECON_SIZES["smoke"], variant)
    recipe = FineReconRecipe(size, Planes((64, 96), 3, 1), 1)
    network = recipe.build().train()
    recipe.loss(network, recipe.batch(0))["loss"].backward()
    assert isinstance(network, FineRecon)
    assert (network.config.guidance == "none") == (variant == "no-guidance")
    assert network.config.point_backprojection == (variant != "no-points")
    assert all(p.grad is not None for p in network.parameters())


def test_distances_between_voxels_are_blunt_at_edges() -> None:
    exact, blunt = (
        FineReconRecipe(varied(FINERECON_SIZES["smoke"], v), Planes((64, 96), 3, 1), 1)
        for v in ("full", "interpolated")
    )
    offs = []
    for index in range(8):
        sample = exact.batch(index)
        one, other, *judged = (
            r._task(sample, torch.Generator().manual_seed(4), is_learning)
            for r, is_learning in ((exact, True), (blunt, True), (blunt, False), (exact, False))
        )
        assert torch.equal(one.points_bn3, other.points_bn3)
        assert torch.equal(one.occupied_bn, other.occupied_bn)
        assert torch.equal(judged[0].tsdf_bn, judged[1].tsdf_bn)
        place = one.crop.inside(one.points_bn3, 0.04) / 0.04
        is_inside = ((place > 1) & (place < torch.tensor(one.crop.dims) - 2)).all(-1)
        offs.append((one.tsdf_bn - other.tsdf_bn).abs()[is_inside])
    off = torch.cat(offs)
    # Walls are flat: reading between voxels errs only where two of them meet.
    assert float(off.median()) < 1e-3
    assert float(off.max()) > 0.05


def test_a_step_is_the_same_whenever_it_is_taken() -> None:
    for recipe in (depth_recipe(), finerecon_recipe()):
        torch.manual_seed(3)
        network = recipe.build().train()
        state = {name: value.clone() for name, value in network.state_dict().items()}
        found = []
        for seed in (7, 7, 8):
            network.load_state_dict(state)
            torch.manual_seed(seed)
            terms = recipe.loss(network, recipe.batch(5))
            found.append(terms["loss"].item())
        assert found[0] == found[1] != found[2]


def test_depth_is_judged_at_full_size_and_shown() -> None:
    recipe = depth_recipe()
    network = recipe.build().eval()
    assert isinstance(network, SimpleRecon)
    recipe.prepare()
    with torch.inference_mode():
        judged = recipe.judge(network)
    assert tuple(judged.metrics) == METRICS
    assert judged.sheet.shape == (2 * 192, 4 * 240, 3)
    assert judged.sheet.std() > 10


def test_finerecon_is_judged_beside_plain_fusion() -> None:
    recipe = finerecon_recipe()
    network = recipe.build().eval()
    assert isinstance(network, FineRecon)
    recipe.prepare()
    with torch.inference_mode():
        judged = recipe.judge(network)
    # Random weights know nothing; fused depth with errors of some centimetres knows much.
    assert judged.metrics["fusion_sign"] > 0.75
    assert judged.metrics["fusion_tsdf_cm"] < judged.metrics["tsdf_cm"]
    assert judged.sheet.shape == (2 * 240, 3 * 240, 3)


def test_errors_are_those_of_the_formulas() -> None:
    truth = torch.tensor([[2.0, 4.0], [0.0, 1.0]])
    depth = torch.tensor([[2.2, 4.0], [9.0, 0.5]])
    sure = torch.tensor([[0.5, 0.9], [1.0, 0.1]])
    found = dict(zip(METRICS, errors(depth, truth, sure).tolist(), strict=True))
    assert found["absrel"] == pytest.approx((0.1 + 0 + 0.5) / 3)
    assert found["sqrel"] == pytest.approx((0.04 / 2 + 0.25) / 3)
    assert found["rmse"] == pytest.approx(((0.04 + 0.25) / 3) ** 0.5)
    assert found["d105"] == pytest.approx(1 / 3)
    assert found["d125"] == pytest.approx(2 / 3)
    assert found["kept_absrel"] == pytest.approx(0.05)


def test_sources_come_by_distance_and_the_reference_stands_at_the_origin() -> None:
    sample = Planes((32, 32), 5, 2).batch(3)
    views = ordered(sample)
    assert torch.allclose(views.T_ref_cam_bv44[:, 0], torch.eye(4).expand(2, 4, 4), atol=1e-6)
    R, t = views.T_ref_cam_bv44[..., :3, :3], views.T_ref_cam_bv44[..., :3, 3]
    trace = R.diagonal(dim1=-2, dim2=-1).sum(-1)
    distance = (t.square().sum(-1) + 2 * (1 - trace.clamp(max=3) / 3)).sqrt()
    assert (distance.diff(dim=1) >= -1e-5).all()
    assert torch.equal(views.pictures_bv3hw[:, 0], sample.pictures[:, 0])
    # Every depth is still that of its picture: its points lie on walls.
    for b in range(2):
        points = seen_points(sample, 50, torch.Generator().manual_seed(b))[b]
        assert sample.distance(points.expand(2, 50, 3))[b].abs().max() < 1e-4


def test_the_volume_loss_is_least_for_the_true_plane() -> None:
    truth = torch.full((1, 1, 8, 8), float(PLANES_M[5]))
    truth[..., :2] = torch.nan

    def loss(plane: int, height: float = 8.0) -> float:
        cost = torch.zeros(1, len(PLANES_M), 4, 4)
        cost[:, plane] = height
        return float(volume_loss(cost, truth, PLANES_M))

    assert loss(5) < 0.01 < loss(4)
    assert loss(5, 0.0) == pytest.approx(float(torch.tensor(float(len(PLANES_M))).log()))
    # Halfway between two planes both count alike.
    truth[...] = float((PLANES_M[5] * PLANES_M[6]).sqrt())
    assert loss(5) == pytest.approx(loss(6), rel=1e-3)
    truth[...] = torch.nan
    assert loss(5) == 0


def test_colours_change_and_brightness_survives_a_turn() -> None:
    rgb = 0.3 + 0.3 * torch.rand(2, 3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    quarter = torch.full((1, 1, 1), 1 / 3)
    assert torch.allclose(turned(rgb, quarter), rgb[:, :, [2, 0, 1]], atol=1e-5)
    assert torch.allclose(turned(rgb, 0 * quarter), rgb, atol=1e-6)
    torch.manual_seed(1)
    changed = jittered(rgb, 0.2, (2, 3)) / rgb
    own = changed.mean((2, 3, 4))
    assert own.unique().numel() == 6
    torch.manual_seed(1)
    assert torch.equal(jittered(rgb, 0.0, (2,)), rgb) or torch.allclose(
        jittered(rgb, 0.0, (2,)), rgb, atol=1e-6
    )
    assert grey(torch.ones(3, 2, 2)).allclose(torch.ones(1, 2, 2))


def test_boxes_hold_a_surface_and_places_lie_in_them() -> None:
    sample = Planes((32, 32), 4, 3).batch(0)
    dice = torch.Generator().manual_seed(0)
    crop = placed(sample, (24, 24, 16), 0.04, dice)
    points = queries(sample, crop, 0.04, 1000, dice)
    assert points.shape == (3, 1000, 3)
    near, anywhere = sample.distance(points[:, :500]).abs(), points[:, 500:]
    assert 0.01 < near.median() < 0.06
    local = (anywhere - crop.center_b3[:, None]) @ crop.rotation_b33
    assert (local.abs() <= torch.tensor([0.48, 0.48, 0.32]) + 1e-5).all()
    assert local.abs().amax((0, 1)).min() > 0.3
    surface = sample.distance(crop.voxels(0.04))
    assert ((surface.amin(1) < 0.1) & (surface.amax(1) > -0.1)).all()
    tilt = torch.acos(crop.rotation_b33[:, 2, 2]).rad2deg()
    assert (tilt <= 3.01).all()
    upright = vertical_slice(crop, 0.04, 8)
    assert upright.shape == (1, 64, 3)


def test_estimated_depth_is_wrong_as_estimates_are() -> None:
    depth = torch.full((2, 6, 64, 64), 2.0)
    dice = torch.Generator().manual_seed(0)
    exact = estimated(depth, dice, is_scaled=False)
    assert exact.shape == (2, 6, 32, 32)
    assert 0.03 < (exact == 0).float().mean() < 0.25
    off = (exact[exact > 0] / 2 - 1).abs()
    assert 0.01 < off.mean() < 0.04
    scaled = estimated(depth, dice, is_scaled=True)
    means = torch.stack([view[view > 0].median() for view in scaled.flatten(0, 1)]) / 2 - 1
    assert means.abs().max() > 0.04


def test_the_rate_rises_and_falls() -> None:
    cosine = Schedule(1.0, 100, 10)
    rates = [cosine.at(step) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * k for k in range(1, 11)])
    assert max(rates) == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] < 0.02
    drops = Schedule(1.0, 100, 1, (50, 80))
    assert [drops.at(step) for step in (49, 50, 80)] == pytest.approx([1, 0.1, 0.01])


def test_averages_forget_the_beginning() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.BatchNorm1d(1))
    average = Average(network)
    with torch.no_grad():
        for value in network.parameters():
            value.fill_(1.0)
    network[1].num_batches_tracked.fill_(9)
    for step in range(300):
        average.follow(network, step)
    assert torch.allclose(average.tensors["0.weight"], torch.ones(1, 2), atol=1e-3)
    assert average.tensors["1.num_batches_tracked"] == 9
    assert average.tensors["0.weight"].data_ptr() != network[0].weight.data_ptr()


@pytest.mark.parametrize(
    ("recipe", "given", "says"),
    [
        ("depht", {}, "no recipe called 'depht'"),
        ("depth", {"size": "big"}, "no size called 'big'"),
        ("depth", {"steps": 0}, "steps cannot be 0"),
        ("depth", {"batch": -1}, "batch cannot be -1"),
        ("depth", {"width": 100}, "multiple of 32"),
        ("depth", {"textures": "/nowhere"}, "nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, recipe: str, given: dict[str, object], says: str
) -> None:
    with pytest.raises(BadInput, match=says):
        list(command.start(recipe, tmp_path / "a", dict(given), device="cpu"))


def test_no_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no time"):
        list(command.start("depth", tmp_path / "a", {}, minutes=0.0, device="cpu"))


def test_options_are_kept_for_whoever_resumes(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"options": {"size": "smoke", "steps": 7}}')
    options = command.chosen({"batch": 3, "seed": None}, tmp_path, is_resumed=True)
    assert (options.size, options.steps, options.batch) == ("smoke", 7, 3)
    (tmp_path / "state.json").write_text('{"options": {"colour": 1}}')
    with pytest.raises(BadInput, match="does not say how"):
        command.chosen({}, tmp_path, is_resumed=True)
