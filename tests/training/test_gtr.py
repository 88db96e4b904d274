import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from engine.core.faults import BadInput
from engine.evaluation.objects import views_of
from engine.nets.gtr.lift_start import begin_with_hull
from engine.nets.gtr.model import Gtr
from engine.synth.bank import build_bank
from engine.synth.thing_views import ThingViews
from engine.training import gtr_judge
from engine.training.command import start
from engine.training.gtr import STAGE_TERMS, GtrRecipe, recoloured, turned
from engine.training.gtr_mesh import opengl_views, projections
from engine.training.gtr_points import (
    LEVEL,
    MOST,
    SLOPE,
    channels,
    chosen_rays,
    places,
    told_density,
)
from engine.training.gtr_sizes import GTR_SIZES
from engine.training.objects import ObjectSample, TrainingObjects, read

CPU = torch.device("cpu")
SMOKE = GTR_SIZES["smoke"]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> TrainingObjects:
    folder = tmp_path_factory.mktemp("kept")
    return TrainingObjects(CPU, 0, 1, SMOKE.drawn, SMOKE.size_px, None, 3, folder)


@pytest.fixture(scope="module")
def sample(objects: TrainingObjects) -> ObjectSample:
    return objects.batch(1)


def surface(sample: ObjectSample) -> torch.Tensor:
    torch.manual_seed(0)
    return places(sample, 400).surface_bn3


def test_surface_points_lie_on_the_surface_and_rays_meet_it(sample: ObjectSample) -> None:
    assert sample.distance(surface(sample)).abs().max() < 3e-3
    rays = chosen_rays(sample, 0, 100)
    solid = rays.distance > 0
    met = rays.origins + rays.directions * rays.distance[:, None]
    assert solid[:70].all()
    assert sample.distance(met[None])[0][solid].abs().max() < 3e-3
    assert (rays.rgb[~solid] == 1).all()


def test_turning_and_recolouring_keep_what_belongs_together(sample: ObjectSample) -> None:
    torch.manual_seed(1)
    other = recoloured(turned(sample, 0.7))
    assert other.distance(surface(other)).abs().max() < 3e-3
    assert not torch.allclose(other.T_world_cam, sample.T_world_cam)
    torch.testing.assert_close(other.pictures.sum(2), sample.pictures.sum(2))
    # Normals have turned with the object: still those of the distance.
    points = surface(other)[0]
    there = other.things[0].normals(points)
    pixels = other.normal[0].permute(0, 2, 3, 1)[other.depth[0] > 0]
    nearest = (there @ pixels.T).amax(1)
    assert nearest.min() > 0.9


def test_the_network_is_shown_what_reconstruction_shows_it(sample: ObjectSample) -> None:
    ours = channels(sample, torch.arange(2))[0]
    names = ("pictures", "depth", "normal", "K", "T_world_cam")
    views = ThingViews(*(getattr(sample, name)[0] for name in names))
    theirs = views_of(views, slice(0, 2)).network_input()
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_kept_objects_come_back_as_they_were(objects: TrainingObjects, tmp_path: Path) -> None:
    drawn = TrainingObjects(CPU, 0, 1, SMOKE.drawn, SMOKE.size_px).batch(1)
    for found in (objects.batch(1), objects.batch(4)):
        assert (found.pictures - drawn.pictures).abs().max() <= 0.5 / 255 + 1e-6
        assert (found.depth - drawn.depth).abs().max() <= 0.5 / 2048 + 1e-6
        assert torch.equal(found.things[0].center, drawn.things[0].center)
    damaged = tmp_path / "object-000000.safetensors"
    damaged.write_bytes(b"no")
    with pytest.raises(BadInput, match="made anew"):
        read(damaged)


def test_density_is_told_to_cross_its_level_on_the_surface() -> None:
    told = told_density(torch.tensor([-1.0, 0.0, 1.0, 0.5 * LEVEL / SLOPE]))
    assert told.tolist() == pytest.approx([MOST, LEVEL, 0.0, LEVEL / 2])


def test_matrices_see_points_where_the_pictures_do(sample: ObjectSample) -> None:
    K, T = sample.K[0, :2], sample.T_world_cam[0, :2]
    size = sample.depth.shape[-1]
    points = F.pad(surface(sample)[0], (0, 1), value=1.0)
    clip = points @ (projections(K, size, size) @ opengl_views(T)).mT
    inside = points @ torch.linalg.inv(T).mT
    pixel = inside[..., :3] @ K.mT
    wanted = pixel[..., :2] / pixel[..., 2:] / size * 2 - 1
    torch.testing.assert_close(clip[..., :2] / clip[..., 3:], wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(clip[..., 3], inside[..., 2], atol=1e-5, rtol=0)


@pytest.mark.parametrize("second_stage", [0.0, 1.0])
def test_both_stages_reach_every_weight(
    objects: TrainingObjects, sample: ObjectSample, second_stage: float
) -> None:
    recipe = GtrRecipe(replace(SMOKE, second_stage=second_stage), objects, 1)
    torch.manual_seed(0)
    network = recipe.build()
    terms = recipe.loss(network, sample)
    assert set(STAGE_TERMS) < set(terms)
    assert (terms["normal_l2"] > 0) == (second_stage == 0)
    parts = sum(value for name, value in terms.items() if name != "loss")
    torch.testing.assert_close(terms["loss"], parts)
    terms["loss"].backward()
    still = {n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    # What the transformer adds begins at zero, so only its last layer learns at first.
    blocked = ("generator.planes", "generator.conv_proj", "generator.norm", "generator.attn")
    told = "generator.lift.volume.tell"  # read by channels that this size has none of at first
    unmoved = (told, "generator.lift_proj", "generator.lift.mixed.0", *blocked)
    assert not [name for name in still if not name.startswith(unmoved)]


def test_an_untrained_network_shows_the_hull(objects: TrainingObjects) -> None:
    torch.manual_seed(0)
    network = GtrRecipe(SMOKE, objects, 1).build().eval()
    held_out = [objects.held_out(0, build_bank(held_out=True, edge_px=32))]
    with torch.inference_mode():
        judged = gtr_judge.judge(network, held_out)  # type: ignore[arg-type]
    assert judged.metrics["iou"] > 0.4
    assert judged.metrics["mask_iou"] > 0.6
    assert judged.sheet.shape[1] == 8 * gtr_judge.SHEET_PX
    plain = replace(SMOKE.network, generator=replace(SMOKE.network.generator, lift=None))
    with pytest.raises(ValueError, match="hull"):
        begin_with_hull(Gtr(plain), LEVEL, SLOPE)


def go(folder: Path, minutes: float | None = None, is_resumed: bool = False, until: int = 99):
    given = {"size": "smoke", "steps": 24, "kept": 3, "kept_folder": str(folder.parent / "kept")}
    seen = []

    def is_wanted() -> bool:
        seen.append(1)
        return len(seen) <= until

    news = start("gtr", folder, given, minutes, is_resumed, "cpu", is_wanted)
    for _ in news:
        pass
    return list(csv.DictReader((folder / "log.csv").read_text().splitlines()))


@pytest.mark.slow
def test_a_smoke_run_learns_and_a_stopped_one_goes_on_to_the_bit(tmp_path: Path) -> None:
    whole = go(tmp_path / "whole")
    go(tmp_path / "cut", until=10)
    cut = go(tmp_path / "cut", is_resumed=True)
    assert [row["step"] for row in whole] == [row["step"] for row in cut]
    for one, other in zip(whole, cut, strict=True):
        assert one["loss"] == other["loss"]
    assert float(whole[1]["density"]) < float(whole[0]["density"])
    one, other = ((tmp_path / n / "validation.csv").read_text() for n in ("whole", "cut"))
    assert one.splitlines()[-1].split(",")[2:] == other.splitlines()[-1].split(",")[2:]
