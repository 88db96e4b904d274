"""The GTR recipe: first through the volume, then through the mesh, with exact distances besides.

GTR, arXiv 2406.05649. Stage 1 compares rays through the volume with pictures; stage 2 pictures of
the mesh. What speeds both up and is ours: our objects' distances are known everywhere, so density
and, where there is a lift, its occupancy are told at single points, and colours at the surface.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.gtr.field import TriplaneField
from engine.nets.gtr.lift_start import begin_with_hull
from engine.nets.gtr.losses import stage1_loss
from engine.nets.gtr.model import Gtr
from engine.nets.gtr.volume_render import render_rays
from engine.synth.bank import build_bank
from engine.training import gtr_judge
from engine.training.gtr_mesh import mesh_terms
from engine.training.gtr_points import (
    LEVEL,
    SLOPE,
    Places,
    channels,
    chosen_rays,
    places,
    told_density,
)
from engine.training.gtr_sizes import GtrSize
from engine.training.objects import ObjectSample, TrainingObjects
from engine.training.recipe import Judged

GROUP = 4
# Now and then up to so many views more than four are shown.
MORE_SHARE, MORE_VIEWS = 0.25, 2
# How soft occupancy is about the surface; a texel of the small network is 0.031.
SOFT = 0.03
WEIGHTS = {
    "density": 1.0, "occupancy": 1.0, "color": 2.0, "rays": 2.0, "mask": 0.5, "depth": 0.2,
}  # fmt: skip


class Shown(NamedTuple):
    """What the network is shown of a batch, and all there is to compare with."""

    inputs_bvchw: Tensor
    truth: ObjectSample


class GtrRecipe:
    """Trains a GTR."""

    network_name = "gtr"

    def __init__(self, size: GtrSize, objects: TrainingObjects, held_out: int) -> None:
        """Learn from objects; as many held-out ones judge."""
        self.plan = size.plan
        self.config: dict[str, Any] = size.network.as_dict()
        self._size, self._objects = size, objects
        self._held_out_count = held_out
        self._held_out: list[ObjectSample] = []

    def build(self) -> nn.Module:
        """Return a network with new weights; one with a lift begins with the hull."""
        network = Gtr(self._size.network)
        if self._size.network.generator.lift is not None:
            begin_with_hull(network, LEVEL, SLOPE)
        return network

    def batch(self, index: int) -> ObjectSample:
        """Return the samples of an index."""
        return self._objects.batch(index)

    def loss(self, network: nn.Module, batch: ObjectSample) -> Mapping[str, Tensor]:
        """Return all terms of the stage that the batch's index belongs to."""
        assert isinstance(network, Gtr)
        shown = self._shown(batch)
        # Through the generator, whose occupancy is wanted too.
        triplane, occupancy = network.generator.with_occupancy(shown.inputs_bvchw)
        at = places(shown.truth, self._size.points)
        terms = _point_terms(network.field, triplane, at)
        if occupancy is not None:
            terms["occupancy"] = _occupancy_term(occupancy, at)
        if batch.index >= self._size.second_stage * self.plan.schedule.steps:
            terms |= mesh_terms(network.field, triplane, shown.truth, self._size)
        else:
            terms |= self._ray_terms(network.field, triplane, shown.truth)
        loss = torch.stack(list(terms.values())).sum()
        # The same names in both stages: the log has one head.
        rest = {name: torch.zeros_like(loss) for name in STAGE_TERMS if name not in terms}
        return {"loss": loss, **terms, **rest}

    def prepare(self) -> None:
        """Draw the held-out objects."""
        bank = build_bank(self._objects.device, held_out=True)
        self._held_out = [
            self._objects.held_out(number, bank) for number in range(self._held_out_count)
        ]

    def judge(self, network: nn.Module) -> Judged:
        """Return errors on held-out objects, from four views, judged on four others."""
        assert isinstance(network, Gtr)
        return gtr_judge.judge(network, self._held_out)

    def _shown(self, batch: ObjectSample) -> Shown:
        """Return a batch turned about the vertical, in other colours, and some of its views."""
        batch = recoloured(turned(batch, torch.rand(()).item() * 2 * torch.pi))
        views = batch.pictures.shape[1]
        group = int(torch.randint(views // GROUP, ()))
        first = torch.arange(group * GROUP, (group + 1) * GROUP)
        others = torch.randperm(views)
        others = others[(others < first[0]) | (others > first[-1])]
        more = int(torch.randint(MORE_VIEWS, ())) + 1 if torch.rand(()) < MORE_SHARE else 0
        pick = torch.cat([first, others[:more]]).to(batch.pictures.device)
        return Shown(channels(batch, pick), batch)

    def _ray_terms(
        self, field: TriplaneField, triplane: Tensor, truth: ObjectSample
    ) -> dict[str, Tensor]:
        found: list[dict[str, Tensor]] = []
        for number, planes in enumerate(triplane):
            rays = chosen_rays(truth, number, self._size.rays)
            samples = field.config.num_samples_per_ray
            noise = torch.rand(len(rays.origins), samples + 1, device=planes.device)
            seen = render_rays(field, planes, rays.origins, rays.directions, noise)
            is_solid = (rays.distance > 0).float()
            off = (seen.distance - rays.distance * seen.accumulation) * is_solid
            found.append(
                {
                    "rays": stage1_loss(seen.rgb, rays.rgb),
                    "mask": F.mse_loss(seen.accumulation, is_solid),
                    "depth": off.abs().mean(),
                }
            )
        return {
            name: WEIGHTS[name] * torch.stack([each[name] for each in found]).mean()
            for name in found[0]
        }


STAGE_TERMS = ("rays", "mask", "depth", "normal", "normal_l2", "ray_opacity")


def _point_terms(field: TriplaneField, triplane: Tensor, at: Places) -> dict[str, Tensor]:
    density = field.density(field.features(triplane, at.points_bn3))
    told = told_density(at.distance_bn)
    # Deep in matter more than enough is enough.
    enough = torch.minimum(density, told.amax().clamp_min(LEVEL))
    color = field.color(field.features(triplane, at.surface_bn3))
    return {
        "density": WEIGHTS["density"] * F.smooth_l1_loss(enough / LEVEL, told / LEVEL, beta=0.2),
        "color": WEIGHTS["color"] * F.smooth_l1_loss(color, at.color_bn3, beta=0.05),
    }


def _occupancy_term(logits_bxyz: Tensor, at: Places) -> Tensor:
    place = at.points_bn3[:, :, None, None].flip(-1)
    logits = F.grid_sample(logits_bxyz[:, None], place, align_corners=False)[:, 0, :, 0, 0]
    wanted = torch.sigmoid(-at.distance_bn / SOFT)
    return WEIGHTS["occupancy"] * F.binary_cross_entropy_with_logits(logits, wanted)


def turned(batch: ObjectSample, angle: float) -> ObjectSample:
    """Return objects and cameras turned about +Y together: pictures stay as they are."""
    turn = torch.eye(4, device=batch.K.device)
    c, s = torch.tensor(angle).cos(), torch.tensor(angle).sin()
    turn[0, 0], turn[0, 2], turn[2, 0], turn[2, 2] = c, s, -s, c
    R = turn[:3, :3]
    return replace(
        batch,
        T_world_cam=turn @ batch.T_world_cam,
        normal=torch.einsum("ij,bvjhw->bvihw", R, batch.normal),
        things=tuple(thing.turned(R) for thing in batch.things),
    )


def recoloured(batch: ObjectSample) -> ObjectSample:
    """Return objects whose colours have changed places; white stays white."""
    order = torch.randperm(3).to(batch.pictures.device)
    return replace(batch, pictures=batch.pictures[:, :, order])
