"""The offline reconstruction held against a fixture: final grids, point samples, ground truth."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from engine.core.faults import BadInput
from engine.core.news import Progress
from engine.evaluation.parity.check import Check
from engine.evaluation.parity.finerecon_compare import compare
from engine.evaluation.parity.fixture import REMEDY, Entries, optional_arrays, read_arrays
from engine.nets.finerecon.model import FineRecon
from engine.recon.compute import ON_CPU
from engine.recon.fine import Guidance, Keyframes, surface_logits
from engine.recon.ground_truth import fuse_truth
from engine.recon.lattice import Lattice, lattice_between
from engine.recon.offline import OfflineSettings, Reconstruction, reconstruct
from engine.recon.surface import LEVEL
from engine.recon.views import DepthView, View, to_cam
from engine.runtime.progress import run_job

# The stored grids repeat the published inference, fault included.
GUIDANCE: Guidance = "compatible"


def checks(folder: Path, network: FineRecon) -> Iterator[Check]:
    """Yield one check for every array of final.npz, chunked.npz and gt_tsdf.npz that is there.

    The network is on the CPU, in evaluation mode, with the fixture's weights.

    Raises:
        BadInput: an array is missing or does not fit the others.
    """
    inputs = read_arrays(folder, "inputs.npz")
    depths = _depth_views(inputs)
    if (final := optional_arrays(folder, "final.npz")) is not None:
        views = _views(inputs, depths)
        yield from _grid_checks(network, views, inputs, final)
    if (chunked := optional_arrays(folder, "chunked.npz")) is not None:
        views = _views(inputs, depths)
        order = chunked.array("order", None).tolist()
        if not all(isinstance(k, int) and 0 <= k < len(views) for k in order):
            raise BadInput(f"{chunked.file} orders views that inputs.npz has not.", REMEDY)
        yield from _grid_checks(network, [views[k] for k in order], inputs, chunked)
    if (truth := optional_arrays(folder, "gt_tsdf.npz")) is not None:
        yield from _truth_checks(depths, truth)


def _grid_checks(
    network: FineRecon, views: list[View], inputs: Entries, stored: Entries
) -> Iterator[Check]:
    low, high = inputs.array("gt_origin", 3), inputs.array("gt_maxbound", 3)
    lattice = lattice_between(low.tolist(), high.tolist(), _number(inputs, "voxel_size"))
    settings = OfflineSettings(int(_number(inputs, "output_sample_rate")), GUIDANCE)
    samples = torch.from_numpy(stored.array("sample_coords", None, 3).astype(np.float32))
    made = run_job(reconstruct(network, views, lattice, settings), _ignore, _never)
    fine = lattice.refined(settings.rate)
    yield from compare(
        stored,
        {
            "tsdf_grid": made.surface.dense(),
            "occ_logits": made.logits_xyz,
            **_at_samples(network, views, lattice, made, samples),
            "origin": fine.origin_m,
            "voxel_size": fine.voxel_m,
            "level": LEVEL,
            "count": made.views_xyz,
            "tsdf_weight": made.depths_xyz,
        },
        given={"order", "sample_coords"},
    )


@torch.no_grad()
def _at_samples(
    network: FineRecon, views: list[View], lattice: Lattice, made: Reconstruction, points: Tensor
) -> dict[str, Tensor | ArrayLike]:
    """Return what the surface predictor gets and says at the stored points."""
    keyframes = Keyframes(network, ON_CPU, GUIDANCE)
    for view in views:
        keyframes.add(view)
    told = keyframes.read(points, made.features_cxyz, lattice)
    found: dict[str, Tensor | ArrayLike] = {
        "sample_voxel_feat": told.voxel_cn.T,
        "sample_tsdf": told.guidance_n,
        "sample_logit": surface_logits(network, told, ON_CPU),
    }
    if network.config.point_backprojection:
        normed = network.point_norm(told.image_mean_cn)
        found["sample_bn_image_mean"] = normed.T
        found["sample_image_feat"] = network.point_features(normed).T
    return found


def _truth_checks(views: list[DepthView], stored: Entries) -> Iterator[Check]:
    x, y, z = stored.array("origin", 3).tolist()
    nx, ny, nz = stored.array("dims", 3).tolist()
    lattice = Lattice((x, y, z), (nx, ny, nz), _number(stored, "voxel_size"))
    margin_vox = int(_number(stored, "margin"))
    made = run_job(fuse_truth(views, lattice, margin_vox), _ignore, _never)
    ours = {"tsdf": made.tsdf, "weight": made.weight, "occ": made.occupied}
    yield from compare(stored, ours, given={"origin", "voxel_size", "margin", "dims"})


def _depth_views(inputs: Entries) -> list[DepthView]:
    K = torch.from_numpy(inputs.array("K_depth", 3, 3).astype(np.float32))
    poses = inputs.array("poses", None, 4, 4)
    depths = torch.from_numpy(inputs.array("depth", len(poses), None, None).astype(np.float32))
    return [DepthView(depth, K, to_cam(pose)) for depth, pose in zip(depths, poses, strict=True)]


def _views(inputs: Entries, depths: list[DepthView]) -> list[View]:
    K = torch.from_numpy(inputs.array("K_color", 3, 3).astype(np.float32))
    images = torch.from_numpy(inputs.array("rgb", len(depths), 3, None, None))
    return [View(rgb, K, d.T_cam_world, d) for rgb, d in zip(images, depths, strict=True)]


def _number(entries: Entries, name: str) -> float:
    return float(entries.array(name))


def _ignore(_: Progress) -> None:
    pass


def _never() -> bool:
    return False
