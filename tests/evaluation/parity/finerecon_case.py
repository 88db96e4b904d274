"""A FineRecon fixture of our own: another size, scene and seed than the stored one.

Written from the parts of the network, frame by frame as a scan runs, not from the driver.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.evaluation.parity.recipe import SplitmixRecipe, fill
from engine.nets.finerecon.config import FineReconConfig
from engine.nets.finerecon.crop import Views
from engine.nets.finerecon.losses import losses
from engine.nets.finerecon.model import FineRecon
from engine.nets.finerecon.projection import feature_sums, seen, world_to_camera
from tests.nets.finerecon.worlds import DEPTH_HW, HW, SMALL, crops, queries, scenes

VOXEL_M, RATE, SEED = 0.05, 3, 7
ORIGIN = np.array([-0.31, -0.24, -0.13], np.float32)
MAXBOUND = np.array([0.26, 0.3, 0.2], np.float32)
DIMS = (12, 12, 8)
RECIPE = {
    "kind": "splitmix64-uniform",
    "var_lo": 0.7,
    "var_w": 0.5,
    "mean": 0.2,
    "bias": 0.15,
    "gamma": 1.1,
    "gamma_w": 0.2,
    "gain": 1.2,
}
CONFIG = replace(SMALL, voxel_m=VOXEL_M)
SINGLE = ("cnn2d.conv0.0", "cnn2d.conv2.0", "cnn2d.out3")
ALL = ("cnn2d_pb.conv1", "cnn2d_pb.out1")
VOLUME = ("fusion.bn", "cnn3d.stem", "cnn3d.up3")
POINTS = ("point_fusion.bn",)


def make(folder: Path, config: FineReconConfig = CONFIG, views: int = 5) -> Path:
    """Write a complete fixture and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    net = FineRecon(config).eval()
    numbers = {name: value for name, value in RECIPE.items() if name != "kind"}
    fill(net.state_dict(), SplitmixRecipe(seed=SEED, **numbers))
    scene = scene_of(views)
    stats = Statistics(net)
    with torch.no_grad():
        features(folder, net, scene, stats)
        volume(folder, net, scene, stats)
    steps(folder, config, net, scene)
    np.savez(
        folder / "inputs.npz",
        rgb=(scene.images_bv3hw[0] * 255).round().to(torch.uint8).numpy(),
        depth=scene.depth_bvhw[0].numpy(),
        poses=scene.T_world_cam_bv44[0].numpy(),
        K_color=scene.K_color_b33[0].numpy(),
        K_depth=scene.K_depth_b33[0].numpy(),
        gt_origin=ORIGIN,
        gt_maxbound=MAXBOUND,
        voxel_size=np.float32(VOXEL_M),
        output_sample_rate=np.int32(RATE),
    )
    sums = {
        name: {
            "shape": list(value.shape),
            "sum": value.double().sum().item(),
            "abs_sum": value.double().abs().sum().item(),
            "first3": value.flatten()[:3].tolist(),
            "last": value.flatten()[-1].item(),
        }
        for name, value in net.state_dict().items()
        if name.endswith(("stem.0.net.0.weight", "bn.running_var", "fc1.bias"))
    }
    fixture = {"seed": SEED, "recipe": RECIPE, "checksums": sums, "layer_stats": stats.found}
    (folder / "fixture.json").write_text(json.dumps(fixture))
    (folder / "manifest.json").write_text(json.dumps(manifest(net)))
    return folder


def scene_of(views: int) -> Views:
    """Return the scene, its pictures in whole bytes."""
    scene = scenes(views=views, seed=5)
    assert scene.images_bv3hw.shape[-2:] == HW
    assert scene.depth_bvhw.shape[-2:] == DEPTH_HW
    return scene._replace(images_bv3hw=(scene.images_bv3hw * 255).round() / 255)


def features(folder: Path, net: FineRecon, scene: Views, stats: "Statistics") -> None:
    images = scene.images_bv3hw[0]
    with stats.of(*SINGLE):
        net.coarse_features(images[:1])
    both = {"feat_coarse": net.coarse_features(images).numpy()}
    if net.config.point_backprojection:
        with stats.of(*ALL):
            both["feat_fine"] = net.fine_features(images).numpy()
    np.savez(folder / "features.npz", **both)


def volume(folder: Path, net: FineRecon, scene: Views, stats: "Statistics") -> None:
    """Fuse frame after frame, as running means over the voxels each one touches."""
    index = np.stack(np.meshgrid(*map(np.arange, DIMS), indexing="ij"), -1).reshape(-1, 3)
    points = torch.from_numpy((ORIGIN.astype(np.float64) + index * VOXEL_M).astype(np.float32))
    K, K_depth = scene.K_color_b33[0], scene.K_depth_b33[0]
    T_all = world_to_camera(scene.T_world_cam_bv44[0])
    means = torch.zeros(net.config.image_feature_dim, len(points))
    guidance, count, weight = (torch.zeros(len(points)) for _ in range(3))
    for image, depth, T in zip(scene.images_bv3hw[0], scene.depth_bvhw[0], T_all, strict=True):
        touched = seen(points, K, HW, T[None])[0]
        own = points[touched]
        found, is_seen = feature_sums(
            net.coarse_features(image[None]), own, K, HW, T[None], border_weighted=False
        )
        count[touched] += is_seen
        share = is_seen / count[touched].clamp(min=1)
        means[:, touched] += (found - means[:, touched]) * share
        signed, counts = net.guidance_sums(depth[None], own, K_depth, T[None])
        weight[touched] += counts
        guidance[touched] += (signed - guidance[touched]) * counts / weight[touched].clamp(min=1)
    channel = torch.where(weight > 0, guidance, net.unseen).view(DIMS)
    with stats.of(*VOLUME):
        unet = net.unet(net.volume_input(means.view(-1, *DIMS), channel))
    logits = net.occupancy(unet.flatten(1))
    if net.config.point_backprojection:
        with stats.of(*POINTS):
            net.point_norm(point_means(net, scene, points[logits > 0]))
    np.savez(
        folder / "volume.npz",
        dims=np.array(DIMS),
        first_voxel=points[0].numpy(),
        last_voxel=points[-1].numpy(),
        count=count.view(DIMS).numpy().astype(np.uint8),
        mean=means.view(-1, *DIMS).numpy(),
        tsdf_weight=weight.view(DIMS).numpy().astype(np.uint8),
        tsdf_channel=channel.numpy(),
        unet_out=unet.numpy(),
        occ_logits=logits.view(DIMS).numpy(),
    )


def point_means(net: FineRecon, scene: Views, voxels_n3: Tensor) -> Tensor:
    """Return border-weighted means at the points into which occupied voxels are divided."""
    steps = (torch.arange(RATE, dtype=torch.float64) + 0.5) / RATE - 0.5
    inner = torch.cartesian_prod(steps, steps, steps) * VOXEL_M
    points = (voxels_n3.double()[:, None] + inner).float().view(-1, 3)
    T, K = world_to_camera(scene.T_world_cam_bv44[0]), scene.K_color_b33[0]
    fine = net.fine_features(scene.images_bv3hw[0])
    total, count = feature_sums(fine, points, K, HW, T, border_weighted=True)
    return total / count.clamp(min=1)


def steps(folder: Path, config: FineReconConfig, net: FineRecon, scene: Views) -> None:
    """Write one pass over a crop in evaluation mode, and one in training mode."""
    crop, query = crops(dims=(8, 12, 4)), queries(points=300, seed=11)
    gt_tsdf, gt_occ = targets(query[0])
    with torch.no_grad():
        shown = net(scene, crop, query)
        shown_loss = losses(shown, gt_tsdf[None], gt_occ[None])
    image = {} if shown.image_feat_bcn is None else {"point_image_feat": shown.image_feat_bcn[0].T}
    arrays = {
        "input_coords": crop.voxels(VOXEL_M)[0].view(*crop.dims, 3),
        "crop_center": crop.center_b3[0],
        "crop_rotation": crop.rotation_b33[0],
        "crop_size_m": torch.tensor(crop.dims) * VOXEL_M,
        "query": query[0],
        "gt_tsdf": gt_tsdf,
        "gt_occ": gt_occ,
        "bn_mean": shown.bn_mean_bcxyz[0],
        "tsdf_channel": shown.guidance_bxyz[0],
        "unet_out": shown.unet_bcxyz[0],
        "point_coarse_valid": shown.is_trusted_bn[0],
        "point_voxel_feat": shown.voxel_feat_bcn[0].T,
        "point_tsdf": shown.guidance_bn[0],
        **image,
        **outputs(shown, shown_loss),
    }
    save(folder / "step_eval.npz", arrays)
    trained = FineRecon(replace(config, block_drop_step=0.0)).train()
    trained.load_state_dict(net.state_dict())
    result = trained(scene, crop, query)
    loss = losses(result, gt_tsdf[None], gt_occ[None])
    torch.autograd.backward(loss.total)
    gradients = {name: p.grad for name, p in trained.named_parameters() if p.grad is not None}
    names = sorted(gradients)
    bn = trained.fusion.bn
    arrays = {
        **outputs(result, loss),
        "fusion_running_mean": bn.get_buffer("running_mean"),
        "fusion_running_var": bn.get_buffer("running_var"),
        "grad_surface0": gradients["surface_predictor.0.weight"][..., 0],
        "grad_fusion_gamma": gradients["fusion.bn.weight"],
        "grad_norms": torch.stack([gradients[n].double().norm() for n in names]),
    }
    save(folder / "step_train.npz", arrays, grad_names=np.array(names))


def targets(query_n3: Tensor) -> tuple[Tensor, Tensor]:
    """Return distances to a tilted plane and occupancy, unknown here and there."""
    tsdf = ((query_n3 @ torch.tensor([0.2, 0.1, 1.0])) / 0.12).clamp(-1, 1)
    occ = (tsdf.abs() < 0.999).float()
    tsdf[::7] = torch.nan
    occ[::11] = torch.nan
    return tsdf, occ


def outputs(result: Any, loss: Any) -> dict[str, Tensor]:
    return {
        "tsdf_logits": result.tsdf_logits_bn[0],
        "occ_logits": result.occ_logits_bn[0],
        "loss": loss.total,
        "tsdf_loss": loss.tsdf,
        "bce_loss": loss.bce,
    }


def save(path: Path, arrays: dict[str, Tensor], **others: np.ndarray) -> None:
    np.savez(path, **{name: a.detach().numpy() for name, a in arrays.items()}, **others)


def manifest(net: FineRecon) -> dict[str, Any]:
    parameters = dict(net.named_parameters())
    config = net.config
    return {
        "model": "FineRecon",
        "configuration": {
            "point_backprojection": config.point_backprojection,
            "depth_guidance": {
                "enabled": config.guidance != "none",
                "tsdf_fusion_channel": config.guidance == "tsdf",
                "density_fusion_channel": config.guidance == "density",
                "bp_weighting": config.bp_weighting,
            },
        },
        "tensors": [
            {
                "name": name,
                "shape": list(value.shape),
                "dtype": str(value.dtype).removeprefix("torch."),
                "kind": "parameter" if name in parameters else "buffer",
            }
            for name, value in net.state_dict().items()
        ],
    }


class Statistics:
    """Collects `layer_stats` of the modules named, while they run."""

    def __init__(self, net: nn.Module) -> None:
        self.found: dict[str, Any] = {}
        self._net = net
        self._hooks: list[Any] = []
        self._names: tuple[str, ...] = ()

    def of(self, *names: str) -> "Statistics":
        self._names = names
        return self

    def __enter__(self) -> None:
        for name in self._names:
            module = self._net.get_submodule(name)
            self._hooks.append(module.register_forward_hook(self._noting(name)))

    def __exit__(self, *failure: object) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _noting(self, name: str) -> Any:
        def note(module: nn.Module, given: Any, output: Tensor) -> None:
            values = output.numpy().astype(np.float64)
            index = np.linspace(0, values.size - 1, 8).astype(int)
            self.found[name] = {
                "shape": list(values.shape),
                "mean": values.mean(),
                "std": values.std(),
                "absmax": np.abs(values).max(),
                "index": index.tolist(),
                "value": values.ravel()[index].tolist(),
            }

        return note
