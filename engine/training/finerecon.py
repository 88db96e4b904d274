"""The FineRecon recipe: exact distances at single points, depth guidance, both losses."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from engine.nets.finerecon.crop import Crop, Views
from engine.nets.finerecon.losses import OCCUPIED, losses
from engine.nets.finerecon.model import CropResult, FineRecon
from engine.nets.finerecon.volumes import read_trilinear
from engine.training import sheets
from engine.training.augment import jittered
from engine.training.crops import placed, queries, some_views, vertical_slice
from engine.training.data import Sample, Worlds
from engine.training.guidance import estimated, improved
from engine.training.recipe import Judged
from engine.training.sizes import FineReconSize

JITTER = 0.25
# Distances are learned to 4 cm from the surface; a place counts as occupied half as far again,
# as the published targets do, which are dilated by a voxel of 2 cm.
TRUNCATION_M = 0.04
OCCUPIED_M = 0.06
SHEET_ROWS = 6
SLICE_STEPS = 64
METRICS = ("loss", "tsdf_cm", "sign", "fusion_tsdf_cm", "fusion_sign", "occupancy")


class Task(NamedTuple):
    """What the network is shown, and the answers at the places asked for."""

    views: Views
    crop: Crop
    points_bn3: Tensor
    tsdf_bn: Tensor
    occupied_bn: Tensor


class FineReconRecipe:
    """Trains a FineRecon."""

    network_name = "finerecon"

    def __init__(
        self,
        size: FineReconSize,
        worlds: Worlds,
        held_out: int,
        depth_of: Callable[[Sample], Tensor] | None = None,
    ) -> None:
        """Learn from walks through worlds; as many held-out ones judge.

        The network is guided by the depth that was kept with a sample, else by what `depth_of`
        makes of it, else by true depth made wrong.
        """
        self.plan = size.plan
        self.config: dict[str, Any] = size.network.as_dict()
        self._size = size
        self._worlds = worlds
        self._held_out_count = held_out
        self._held_out: list[tuple[Task, Tensor]] = []
        self._depth_of = depth_of
        self._margin_m = size.network.guidance_margin_m

    def build(self) -> nn.Module:
        """Return the network with new weights."""
        return FineRecon(self._size.network)

    def batch(self, index: int) -> Sample:
        """Return the samples of an index."""
        return self._worlds.walk(index)

    def loss(self, network: nn.Module, batch: Sample) -> Mapping[str, Tensor]:
        """Return both losses over a crop of each world."""
        assert isinstance(network, FineRecon)
        dice = torch.Generator(batch.pictures.device)
        dice.manual_seed(int(torch.randint(2**31, ())))
        task = self._task(batch, dice, is_learning=True)
        # Through `__call__`: data parallelism and autocast hook in there.
        result: CropResult = network(task.views, task.crop, task.points_bn3)
        found = losses(result, task.tsdf_bn, task.occupied_bn)
        return {"loss": found.total, "tsdf": found.tsdf, "occupancy": found.bce}

    def prepare(self) -> None:
        """Draw the held-out crops."""
        self._held_out = [self._judged(number) for number in range(self._held_out_count)]

    def judge(self, network: nn.Module) -> Judged:
        """Return errors near surfaces, of the network and of plain fusion of the same depth."""
        scores = []
        rows: list[sheets.Picture] = []
        for task, slice_1n4 in self._held_out:
            result: CropResult = network(task.views, task.crop, task.points_bn3)
            scores.append(_score(task, result, self._margin_m))
            if len(rows) < SHEET_ROWS:
                rows.append(self._row(network, task, slice_1n4))
        means = torch.stack(scores).nanmean(0).tolist()
        return Judged(dict(zip(METRICS, means, strict=True)), sheets.stacked(rows))

    def _judged(self, number: int) -> tuple[Task, Tensor]:
        sample = self._worlds.held_out_walk(number, self._size.views)
        dice = torch.Generator(sample.pictures.device).manual_seed(number)
        task = self._task(sample, dice, is_learning=False)
        slice_1n3 = vertical_slice(task.crop, self._size.network.voxel_m, SLICE_STEPS)
        # The truth of the slice stays with it, because worlds are not kept.
        truth_1n1 = sample.distance(slice_1n3)[..., None]
        return task, torch.cat([slice_1n3, truth_1n1], -1)

    def _task(self, sample: Sample, dice: torch.Generator, is_learning: bool) -> Task:
        if is_learning:
            sample = some_views(sample, self._learned_views(dice), dice)
        pictures = sample.pictures
        if is_learning:
            # One draw for all views of a sample.
            pictures = jittered(pictures, JITTER, (len(pictures),))
        depth = self._depth(sample, dice, is_learning)
        shrink = sample.depth.shape[-1] / depth.shape[-1]
        views = Views(
            pictures,
            depth,
            _from_centres(sample.K[:, 0]),
            _from_centres(_smaller(sample.K[:, 0], shrink)),
            sample.T_world_cam,
        )
        voxel_m = self._size.network.voxel_m
        crop = placed(sample, self._size.crop, voxel_m, dice)
        points = queries(sample, crop, voxel_m, self._size.points, dice)
        distance = sample.distance(points)
        occupied = (distance.abs() < OCCUPIED_M).float()
        if is_learning and self._size.is_interpolated:
            distance = _between_voxels(sample, crop, points, voxel_m)
        return Task(views, crop, points, (distance / TRUNCATION_M).clamp(-1, 1), occupied)

    def _learned_views(self, dice: torch.Generator) -> int | None:
        """Return how many views to show: a place is seen once in a scan, or thirty times."""
        if self._size.learned_views is None:
            return None
        fewest, most = self._size.learned_views
        return int(torch.randint(fewest, most + 1, (), generator=dice, device=dice.device))

    def _depth(self, sample: Sample, dice: torch.Generator, is_learning: bool) -> Tensor:
        found: Tensor | None = getattr(sample, "estimated", None)
        if found is None and self._depth_of is not None:
            found = self._depth_of(sample)
        if found is None:
            return estimated(sample.depth, dice, is_learning)
        return improved(found, sample.depth, dice) if is_learning else found

    def _row(self, network: nn.Module, task: Task, slice_1n4: Tensor) -> sheets.Picture:
        result: CropResult = network(task.views, task.crop, slice_1n4[..., :3].contiguous())
        truth = (slice_1n4[..., 3] / TRUNCATION_M).clamp(-1, 1)
        ours = torch.where(result.occ_logits_bn > 0, result.tsdf_logits_bn.tanh(), torch.nan)
        shown = [truth, ours, _fused(result, self._margin_m)]
        grids = [each[0].reshape(SLICE_STEPS, SLICE_STEPS).T.flip(0) for each in shown]
        return sheets.slice_row(grids)


def _between_voxels(sample: Sample, crop: Crop, points_bn3: Tensor, voxel_m: float) -> Tensor:
    """Return distances (b, n) read between those of the voxels: the supervision of others."""
    grid = sample.distance(crop.voxels(voxel_m)).view(-1, 1, *crop.dims)
    origin = points_bn3.new_zeros(3)
    places = crop.inside(points_bn3, voxel_m)
    pairs = zip(grid, places, strict=True)
    return torch.stack([read_trilinear(g, p, origin, voxel_m)[0] for g, p in pairs])


def _fused(result: CropResult, margin_m: float) -> Tensor:
    """Return what plain fusion of the same depth says, as a TSDF.

    Guidance is reversed, wider, and where nothing is known it is as just behind a surface.
    """
    return (-result.guidance_bn * (margin_m / TRUNCATION_M)).clamp(-1, 1)


def _from_centres(K_b33: Tensor) -> Tensor:
    """Return cameras that count from the first pixel's centre, as this network does."""
    K = K_b33.clone()
    K[..., :2, 2] -= 0.5
    return K


def _smaller(K_b33: Tensor, divisor: float) -> Tensor:
    """Return cameras of a smaller picture, counted from the corner."""
    return torch.cat([K_b33[..., :2, :] / divisor, K_b33[..., 2:, :]], -2)


def _score(task: Task, result: CropResult, margin_m: float) -> Tensor:
    """Return the numbers of `METRICS`; sign is the share of places near a surface on its side."""
    near = (task.occupied_bn > OCCUPIED) & result.is_trusted_bn & result.is_seen_bn
    truth = task.tsdf_bn[near]
    ours = result.tsdf_logits_bn.tanh()[near]
    fused = _fused(result, margin_m)[near]
    is_right = (result.occ_logits_bn > 0) == (task.occupied_bn > OCCUPIED)
    total = losses(result, task.tsdf_bn, task.occupied_bn).total
    return torch.stack(
        [
            total,
            (ours - truth).abs().mean() * TRUNCATION_M * 100,
            ((ours > 0) == (truth > 0)).float().mean(),
            (fused - truth).abs().mean() * TRUNCATION_M * 100,
            ((fused > 0) == (truth > 0)).float().mean(),
            is_right[result.is_trusted_bn].float().mean(),
        ]
    )
