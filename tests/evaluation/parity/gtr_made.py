"""A fixture of another network than the stored one, computed in double precision."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.evaluation.parity.recipe import NormalRecipe, fill
from engine.nets.gtr.config import GtrConfig
from engine.nets.gtr.grid import grid_points
from engine.nets.gtr.model import Gtr
from engine.nets.gtr.volume_render import ray_box, render_rays
from engine.objects.cameras import look_at_origin, six_view_rig, turntable, write_camera
from engine.objects.views import load_views

SEED, VIEWS, SIZE, GRID = 5, 2, 48, 9
GENERATOR = {
    "in_channels": 10,
    "plane_resolution": 4,
    "out_channels": 5,
    "patch_size": 12,
    "model_channels": 20,
    "num_layers": 2,
    "num_heads": 5,
    "num_head_channels": 4,
    "dropout": 0.0,
    "gradient_checkpointing": False,
    "upsample_factor": 3,
    "img_token_normalization": True,
}
FIELD = {
    "num_samples_per_ray": 16,
    "decoder_args": {
        "field_args": {
            "in_dim": 15,
            "num_layers_sigma": 3,
            "num_layers_color": 4,
            "layer_width": 12,
        }
    },
}
# The camera files speak of a smaller picture with the principal point off its centre.
FILE_LENS = (61.5, 40.25, 30.0, 21.0)
FILE_HEIGHT, FILE_WIDTH = 40, 60


def make(folder: Path) -> None:
    """Write the fixture."""
    rng = np.random.default_rng(SEED)
    config = {
        "SEED": SEED,
        "views": VIEWS,
        "image_size": SIZE,
        "generator": GENERATOR,
        "field": FIELD,
        "grid_res": GRID,
    }
    eyes = rng.normal(size=(VIEWS + 1, 3)) * 2 + (0, 0, 4)
    inputs = {
        "rgba": rng.integers(0, 256, (VIEWS + 1, 30, 50, 4), dtype=np.uint8),
        "camera_text": np.array([_camera_text(eye) for eye in eyes]),
        "probe_pixels_vyx": rng.integers(0, (VIEWS, SIZE, SIZE), (30, 3)),
        "query_points": rng.uniform(-1.1, 1.1, (50, 3)).astype(np.float32),
        "nerf_intrinsics": np.array([9.0, 8.0, 4.5, 5.5], np.float32),
        "nerf_c2w": look_at_origin(eyes[0]).matrix.astype(np.float32),
        "nerf_hw": np.array([10, 8]),
        "zero123pp_rig_camera_text": np.array([write_camera(c) for c in six_view_rig()]),
    }
    network = Gtr(GtrConfig.from_dict(config)).eval()
    fill(network.state_dict(), NormalRecipe(SEED))
    entries = {
        name: {"shape": list(value.shape), "dtype": "float32"}
        for name, value in network.state_dict().items()
    }
    _write(folder / "odd_config.json", config)
    _write(folder / "manifest.json", {"format": "words", "odd": {"entries": entries}})
    np.savez(folder / "odd_inputs.npz", **inputs)
    with torch.inference_mode():
        outputs = _outputs(network.double(), inputs)
    np.savez(folder / "odd_outputs.npz", **outputs)


def _write(path: Path, values: dict[str, Any]) -> None:
    path.write_text(json.dumps(values))


def _camera_text(eye: np.ndarray) -> str:
    rows = look_at_origin(eye).inverse.matrix
    lines = ["extrinsic", *(" ".join(f"{v:.6f}" for v in row) for row in rows), "", "intrinsic"]
    return "\n".join([*lines, " ".join(map(str, (*FILE_LENS, FILE_HEIGHT, FILE_WIDTH)))])


def _outputs(network: Gtr, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    texts = [str(text) for text in inputs["camera_text"][:VIEWS]]
    views = load_views(list(inputs["rgba"][:VIEWS]), texts, SIZE)
    images = views.network_input().double()
    generator, field = network.generator, network.field
    v, y, x = inputs["probe_pixels_vyx"].T
    projections, matrices = _published_matrices(texts)
    found = {
        "load.cond_m2vs": matrices,
        "load.cond_projections": projections,
        "load.cond_mvps": projections @ matrices,
        "load.cond_imgs@probe": views.color[v, y, x],
        "gen.cond_input@probe": images.permute(0, 2, 3, 1)[v, y, x],
        "gen.conv_out": generator.conv_proj(images),
        "gen.view_tokens_normed": generator.view_tokens(images[None])[0],
    }
    tokens = torch.cat([generator.plane_tokens(1), found["gen.view_tokens_normed"][None]], 1)
    for b, block in enumerate(generator.attn_layers):
        found[f"gen.block{b}.attn_out"] = block.self_attn(block.norm1(tokens))[0]
        tokens = block(tokens)
        found[f"gen.block{b}.out"] = tokens[0]
    plane_tokens = generator.norm2(tokens[:, :48])
    triplane = generator.triplane(plane_tokens)[0]
    found |= {"gen.plane_tokens_normed": plane_tokens[0], "gen.triplane": triplane}
    points = torch.from_numpy(inputs["query_points"]).double()
    features = field.features(triplane, points)
    found |= {
        "query.features": features,
        "query.raw_sigma": field.raw_density(features),
        "query.density": field.density(features),
        "query.rgb": field.color(features),
        "grid.density": field(triplane, grid_points(GRID, triplane).flatten(0, 2))[0].view(
            GRID, GRID, GRID
        ),
    }
    found |= _rays(network, triplane, inputs)
    preview = turntable((0, 36, 205.2))
    lens = preview[0].projection(0.1, 1000) * [[1], [-1], [1], [1]]
    found["turntable.world_to_camera"] = np.stack([c.view() for c in preview])
    found["turntable.mvp"] = lens @ found["turntable.world_to_camera"]
    return {name: np.asarray(value, np.float32) for name, value in found.items()}


def _rays(network: Gtr, triplane: torch.Tensor, inputs: dict[str, np.ndarray]) -> dict[str, Any]:
    fx, fy, cx, cy = inputs["nerf_intrinsics"].astype(float)
    height, width = inputs["nerf_hw"]
    c2w = inputs["nerf_c2w"].astype(float)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    directions = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], -1) @ c2w[:3, :3].T
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    flat = torch.from_numpy(directions).flatten(0, 1)
    origins = torch.from_numpy(c2w[:3, 3]).expand_as(flat)
    near, far = ray_box(origins, flat, network.field.aabb)
    seen = render_rays(network.field, triplane, origins, flat)
    return {
        "nerf.rays_o": c2w[:3, 3],
        "nerf.rays_d": directions,
        "nerf.near": near.view(height, width),
        "nerf.far": far.view(height, width),
        "nerf.rgb": seen.rgb.view(height, width, 3),
        "nerf.accumulation": seen.accumulation.view(height, width),
    }


def _published_matrices(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return projections and world-to-OpenGL matrices, step by step as the specification says."""
    views, projections = [], []
    for text in texts:
        lines = text.splitlines()
        world_to_camera = np.array([[float(word) for word in row.split()] for row in lines[1:5]])
        pose = np.linalg.inv(world_to_camera)
        pose[:, 1:3] *= -1
        view = np.eye(4)
        view[:3, :3] = pose[:3, :3].T
        view[:3, 3] = -pose[:3, :3].T @ pose[:3, 3]
        fx, fy = FILE_LENS[0] * SIZE / FILE_WIDTH, FILE_LENS[1] * SIZE / FILE_HEIGHT
        fov_x, fov_y = 2 * np.arctan(FILE_WIDTH / 2 / fx), 2 * np.arctan(FILE_HEIGHT / 2 / fy)
        near, far = 0.1, 100
        projection = np.zeros((4, 4))
        projection[0, 0], projection[1, 1] = 1 / np.tan(fov_x / 2), -1 / np.tan(fov_y / 2)
        projection[2, 2] = (far + near) / (near - far)
        projection[2, 3] = 2 * far * near / (near - far)
        projection[3, 2] = -1
        views.append(view)
        projections.append(projection)
    return np.stack(projections), np.stack(views)
