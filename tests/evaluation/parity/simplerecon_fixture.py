"""Writes a fixture folder for the small network, in the form of the stored ones."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from engine.depth import keyframes
from engine.evaluation.parity.simplerecon import Scene, loss_terms, metadata_cells
from engine.nets.simplerecon.geometry import scaled
from engine.nets.simplerecon.losses import valid_depth
from engine.nets.simplerecon.model import SimpleRecon
from tests.nets.simplerecon.small import CONSTANTS, SEED, SMALL, network, views

MANIFEST_SIZE = (192, 128)


def write(folder: Path, *, with_training: bool = True, has_blind_source: bool = False) -> None:
    """Write every file; a blind source looks away from all the others."""
    seen = views()
    if has_blind_source:
        seen.poses[3, :3, :3] = np.diag([-1, 1, -1])
        seen.poses[3, 2, 3] = 0.0
    made = network()
    _write_descriptions(folder)
    np.savez(
        folder / "inputs.npz", rgb=seen.rgb, poses=seen.poses, K_image=seen.K, depth=seen.depth
    )
    images, K, T = seen.tensors()
    scene = Scene(images, K, T, valid_depth(torch.from_numpy(seen.depth))[None, :, None])
    with torch.no_grad():
        _write_evaluation(folder, made, scene)
    if with_training:
        _write_training(folder, made, scene)
    _write_keyframes(folder)


def _write_descriptions(folder: Path) -> None:
    made = SimpleRecon(
        SMALL.from_dict(
            SMALL.as_dict() | {"image_width": MANIFEST_SIZE[0], "image_height": MANIFEST_SIZE[1]}
        )
    )
    parameters = dict(made.named_parameters())
    tensors = [
        {
            "name": name,
            "shape": list(value.shape),
            "dtype": str(value.dtype).removeprefix("torch."),
            "kind": "parameter" if name in parameters else "buffer",
        }
        for name, value in made.state_dict().items()
    ]
    configuration = {"image_width": MANIFEST_SIZE[0], "image_height": MANIFEST_SIZE[1]}
    (folder / "manifest.json").write_text(
        json.dumps({"configuration": configuration, "tensors": tensors})
    )
    recipe = {"kind": "splitmix64-uniform", "gain": 1.05}
    weight = network().state_dict()["encoder.conv_stem.weight"].double().flatten()
    checksum = {
        "shape": [8, 3, 3, 3],
        "sum": float(weight.sum()),
        "abs_sum": float(weight.abs().sum()),
        "first3": weight[:3].tolist(),
        "last": float(weight[-1]),
    }
    fixture = {
        "seed": SEED,
        "recipe": recipe,
        "constant_buffers": sorted(CONSTANTS),
        "image_height": SMALL.image_height,
        "image_width": SMALL.image_width,
        "checksums": {"encoder.conv_stem.weight": checksum},
    }
    (folder / "fixture.json").write_text(json.dumps(fixture))


def _write_evaluation(folder: Path, made: SimpleRecon, scene: Scene) -> None:
    generator = np.random.default_rng(2)
    views_ = scene.images_bv3hw, scene.K_bv33, scene.T_world_cam_bv44
    levels = made.encoder(scene.images_bv3hw[:, 0])
    matching = made.match(scene.images_bv3hw)
    np.savez(
        folder / "features.npz",
        matching=matching[0],
        **{f"encoder_{i}": level[0] for i, level in enumerate(levels)},
    )
    swept = made.sweep(matching, made.cameras(*views_[1:]))
    joined = made.cost_volume_net(swept.cost_bdhw, levels[1:])
    sizes = swept.cost_bdhw.shape[1:]
    index = [torch.from_numpy(generator.integers(0, size, 40)) for size in sizes]
    cells = metadata_cells(made, scene, matching, index)
    np.savez(
        folder / "cost_volume.npz",
        cost_volume=swept.cost_bdhw[0],
        depth_planes=made.cost_volume.planes_m(),
        lowest_cost=swept.best_depth_bhw[0],
        overall_mask=swept.mask_bhw[0],
        mlp_plane=index[0],
        mlp_row=index[1],
        mlp_col=index[2],
        mlp_input=cells,
        mlp_output=made.cost_volume.mlp(cells).squeeze(-1),
        **{f"cv_encoder_{i}": level[0] for i, level in enumerate(joined)},
    )
    log_depths = made.depth_decoder((levels[0], *joined))
    outputs = {f"log_depth_s{s}": each[0, 0] for s, each in enumerate(log_depths)}
    np.savez(folder / "depth.npz", **outputs)
    K_b33 = scaled(scene.K_bv33[:, 0], 2)
    np.savez(
        folder / "losses.npz",
        normals_gt=made.compute_normals(scene.truth_bv1hw[:, 0], K_b33)[0],
        normals_pred=made.compute_normals(log_depths[0].exp(), K_b33)[0],
        flip_log_depth_s0=made(*views_, is_mirrored=True).log_depths[0][0, 0],
        **{
            key: np.float64(value)
            for key, value in loss_terms(made, scene, log_depths)._asdict().items()
        },
    )


def _write_training(folder: Path, made: SimpleRecon, scene: Scene) -> None:
    made.train()
    log_depths = made(scene.images_bv3hw, scene.K_bv33, scene.T_world_cam_bv44).log_depths
    terms = loss_terms(made, scene, log_depths)
    terms.loss.backward()
    norms = {name: float(p.grad.norm()) for name, p in made.named_parameters()}
    np.savez(
        folder / "train_step.npz",
        log_depth_s0=log_depths[0][0, 0].detach(),
        grad_names=np.array(list(norms)),
        grad_norms=np.array(list(norms.values())),
        **{key: np.float64(value.detach()) for key, value in terms._asdict().items()},
    )


def _write_keyframes(folder: Path) -> None:
    generator = np.random.default_rng(3)
    poses = np.stack([np.eye(4, dtype=np.float32)] * 40)
    poses[:, :3, 3] = np.cumsum(generator.normal(0, 0.06, (40, 3)), axis=0)
    gaps = np.zeros(40, np.int64)
    gaps[25] = 31
    rule = keyframes.KeyframeRule(sources=SMALL.sources)
    steps = [np.linalg.inv(a) @ b for a, b in pairwise(poses)]
    np.savez(
        folder / "keyframes.npz",
        poses=poses,
        dist_to_last_valid=gaps,
        response=keyframes.online_responses(poses, gaps, rule),
        online_tuples=keyframes.online_tuples(poses, gaps, rule),
        offline_tuples=keyframes.offline_tuples(poses, rule),
        dense_tuples=keyframes.dense_tuples(poses, rule),
        consecutive_distance=np.array([keyframes.pose_distance(T) for T in steps]),
    )
