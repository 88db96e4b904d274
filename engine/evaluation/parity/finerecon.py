"""FineRecon against the stored outputs of a fixture folder: networks, volume, training step."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from engine.evaluation.parity.check import Check, norms
from engine.evaluation.parity.finerecon_compare import (
    FLOAT_TOL,
    GRADIENT_FLOOR,
    GRADIENT_RTOL,
    TIES,
    Outputs,
    compare,
)
from engine.evaluation.parity.finerecon_layers import Layers
from engine.evaluation.parity.finerecon_offline import checks as offline_checks
from engine.evaluation.parity.finerecon_scene import Scene, read_network, read_scene
from engine.evaluation.parity.fixture import (
    Entries,
    optional_arrays,
    read_arrays,
    read_json,
)
from engine.evaluation.parity.state_dict import manifest_check, weights_checks
from engine.nets.finerecon.crop import Crop, Views
from engine.nets.finerecon.guidance import depth_weights, fill
from engine.nets.finerecon.losses import Losses, losses
from engine.nets.finerecon.model import CropResult, FineRecon
from engine.nets.finerecon.projection import feature_sums, mean, seen
from engine.recon.fine import points_of


def checks(folder: Path) -> Iterator[Check]:
    """Yield a check for everything the fixture stores about the networks.

    Files the fixture does not have are not checked.

    Raises:
        BadInput: a file is damaged, or lacks what the others need.
    """
    scene = read_scene(folder)
    network = read_network(folder, scene.voxel_m)
    fixture = read_json(folder, "fixture.json")
    layers = Layers(network, fixture.values.get("layer_stats", {}))
    yield manifest_check(folder, network)
    yield from weights_checks(fixture, network)
    with torch.no_grad():
        yield from features(folder, network, scene, layers)
        yield from volume(folder, network, scene, layers)
        yield from step_eval(folder, network, scene)
    yield from layers.checks()
    yield from step_train(folder, network, scene)
    yield from offline_checks(folder, network)


def features(folder: Path, network: FineRecon, scene: Scene, layers: Layers) -> Iterator[Check]:
    """Yield checks of both 2D networks."""
    networks = {"cnn2d": network.coarse_features}
    if network.config.point_backprojection:
        networks["cnn2d_pb"] = network.fine_features
    for prefix, run in networks.items():
        if views := layers.views(prefix + "."):
            with layers.listening(prefix):
                run(scene.images_v3hw[:views])
    if stored := optional_arrays(folder, "features.npz"):
        names = ("feat_coarse", "feat_fine")
        ours = {n: run(scene.images_v3hw) for n, run in zip(names, networks.values(), strict=False)}
        yield from compare(stored, ours)


def volume(folder: Path, network: FineRecon, scene: Scene, layers: Layers) -> Iterator[Check]:
    """Yield checks of the volume at inference, from means over views to occupancy."""
    stored = optional_arrays(folder, "volume.npz")
    box = scene.box()
    points = box.points()
    posed = points, scene.K_color_33, scene.image_hw, scene.T_cam_world_v44
    # A frame only touches voxels inside its colour picture, judged at full size: a little less
    # than the feature map reaches, and other than where its depth map looks.
    touched = seen(*posed)
    coarse = network.coarse_features(scene.images_v3hw)
    measured = scene.depth_vhw, points, scene.K_depth_33, scene.T_cam_world_v44
    near = depth_weights(*measured, network.config.bp_weighting)
    total, count = feature_sums(coarse, *posed, False, weight_vn=near, seen_vn=touched)
    signed, weight = network.guidance_sums(*measured, touched)
    means = mean(total, count).view(-1, *box.dims)
    channel = fill(signed, weight, network.unseen).view(box.dims)
    with layers.listening("fusion"), layers.listening("cnn3d"):
        unet = network.unet(network.volume_input(means, settle(channel, stored)))
    logits = network.occupancy(unet.flatten(1)).view(box.dims)
    note_points(folder, network, scene, layers, logits > 0)
    if stored:
        ours: Outputs = {
            "dims": box.dims,
            "first_voxel": points[0],
            "last_voxel": points[-1],
            "count": count.view(box.dims),
            "mean": means,
            "tsdf_weight": weight.view(box.dims),
            "tsdf_channel": channel,
            "unet_out": unet,
            "occ_logits": logits,
        }
        yield from compare(stored, ours)


def note_points(
    folder: Path, network: FineRecon, scene: Scene, layers: Layers, is_occupied_xyz: Tensor
) -> None:
    """Run the norm of the point branch on every refined point, for its statistics.

    Which voxels were refined is taken from the stored grid where there is one: a single logit
    within rounding of zero would move all points behind it in the list.
    """
    if "point_fusion.bn" not in layers.stored:
        return
    final = optional_arrays(folder, "final.npz")
    if final is not None and "tsdf_grid" in final.values:
        dims = [n * scene.rate for n in is_occupied_xyz.shape]
        known = np.isfinite(final.array("tsdf_grid", *dims))
        corner = slice(None, None, scene.rate)
        is_occupied_xyz = torch.from_numpy(known[corner, corner, corner])
    points = points_of(scene.box(), is_occupied_xyz.nonzero(), scene.rate)
    posed = points, scene.K_color_33, scene.image_hw, scene.T_cam_world_v44
    with layers.listening("point_fusion"):
        measured = scene.depth_vhw, points, scene.K_depth_33, scene.T_cam_world_v44
        near = depth_weights(*measured, network.config.bp_weighting)
        fine = network.fine_features(scene.images_v3hw)
        total, count = feature_sums(fine, *posed, True, weight_vn=near)
        network.point_norm(mean(total, count))


def step_eval(folder: Path, network: FineRecon, scene: Scene) -> Iterator[Check]:
    """Yield checks of the training-type pass in evaluation mode."""
    stored = optional_arrays(folder, "step_eval.npz")
    if stored is None:
        return
    crop = read_crop(stored)
    result, loss = step(network, scene, stored)
    coords = crop.voxels(scene.voxel_m)[0].view(*crop.dims, 3)
    ours: dict[str, Tensor | ArrayLike] = {
        "input_coords": coords,
        "crop_size_m": np.array(crop.dims) * scene.voxel_m,
        "bn_mean": result.bn_mean_bcxyz[0],
        "tsdf_channel": result.guidance_bxyz[0],
        "unet_out": result.unet_bcxyz[0],
        "point_coarse_valid": result.is_trusted_bn[0],
        "point_voxel_feat": result.voxel_feat_bcn[0].T,
        "point_tsdf": result.guidance_bn[0],
        **predicted(result, loss),
    }
    if result.image_feat_bcn is not None:
        ours["point_image_feat"] = result.image_feat_bcn[0].T
    given = {"crop_center", "crop_rotation", "query", "gt_tsdf", "gt_occ"}
    yield from compare(stored, ours, given)


def step_train(folder: Path, network: FineRecon, scene: Scene) -> Iterator[Check]:
    """Yield checks of the same pass in training mode, without block dropping, and its gradients."""
    stored = optional_arrays(folder, "step_train.npz")
    if stored is None:
        return
    trained = FineRecon(replace(network.config, block_drop_step=0.0)).train()
    trained.load_state_dict(network.state_dict())
    result, loss = step(trained, scene, read_arrays(folder, "step_eval.npz"))
    torch.autograd.backward(loss.total)
    gradients = {
        name: torch.zeros_like(p) if p.grad is None else p.grad
        for name, p in trained.named_parameters()
    }
    running = dict(trained.fusion.named_buffers())
    ours = {
        "fusion_running_mean": running["bn.running_mean"],
        "fusion_running_var": running["bn.running_var"],
        "grad_surface0": gradients["surface_predictor.0.weight"].flatten(1),
        "grad_fusion_gamma": gradients["fusion.bn.weight"],
        **predicted(result, loss),
    }
    yield from compare(stored, ours, {"grad_names", "grad_norms"})
    if "grad_names" in stored.values:
        names = stored.words("grad_names")
        sizes = {name: float(g.double().norm()) for name, g in gradients.items()}
        yield Check("step_train.npz/grad_names", float(len(sizes.keys() ^ set(names))), 0.0)
        yield norms(
            "step_train.npz/grad_norms",
            sizes,
            names,
            stored.array("grad_norms", len(names)),
            GRADIENT_RTOL,
            GRADIENT_FLOOR,
        )


def step(network: FineRecon, scene: Scene, stored: Entries) -> tuple[CropResult, Losses]:
    """Return predictions and losses on the crop and query points of a stored step."""
    query = _tensor(stored.array("query", None, 3))
    targets = [_tensor(stored.array(n, len(query))) for n in ("gt_tsdf", "gt_occ")]
    views = Views(
        scene.images_v3hw[None],
        scene.depth_vhw[None],
        scene.K_color_33[None],
        scene.K_depth_33[None],
        scene.T_world_cam_v44[None],
    )

    def settled(cnn3d: torch.nn.Module, given: tuple[Tensor]) -> tuple[Tensor]:
        images, channel = given[0][0, :-1], given[0][0, -1]
        return (torch.cat([images, settle(channel, stored)[None]])[None],)

    has_channel = network.config.guidance != "none"
    hooks = [network.cnn3d.register_forward_pre_hook(settled)] if has_channel else []
    result = network(views, read_crop(stored), query[None])
    for hook in hooks:
        hook.remove()
    return result, losses(result, targets[0][None], targets[1][None])


def read_crop(stored: Entries) -> Crop:
    """Return the crop of a stored step; its lattice is as large as the stored coordinates."""
    x, y, z = stored.array("input_coords", None, None, None, 3).shape[:3]
    center, rotation = stored.array("crop_center", 3), stored.array("crop_rotation", 3, 3)
    return Crop(_tensor(center)[None], _tensor(rotation)[None], (x, y, z))


def predicted(result: CropResult, loss: Losses) -> dict[str, Tensor]:
    """Return what both steps store."""
    return {
        "tsdf_logits": result.tsdf_logits_bn[0],
        "occ_logits": result.occ_logits_bn[0],
        "loss": loss.total,
        "tsdf_loss": loss.tsdf,
        "bce_loss": loss.bce,
    }


def settle(channel: Tensor, stored: Entries | None) -> Tensor:
    """Return the guidance channel with excused elements as stored.

    Where a point falls between two pixels of a depth map, rounding decides which one is read. One
    such voxel is excused by the check of the channel, but would spread through the 3D network.
    """
    if stored is None or "tsdf_channel" not in stored.values:
        return channel
    wanted = _tensor(stored.array("tsdf_channel", *channel.shape))
    differs = (channel - wanted).abs() > FLOAT_TOL
    return torch.where(differs, wanted, channel) if differs.float().mean() <= TIES else channel


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))
