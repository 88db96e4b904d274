"""A network small enough for tests, with weights from a formula, and a scene for it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.evaluation.parity.recipe import SplitmixRecipe, fill
from engine.nets.simplerecon.config import SimpleReconConfig
from engine.nets.simplerecon.model import SimpleRecon, normalised

CONSTANTS = frozenset({"pix_coords_13N", "eps", "linear_ramp_1d11", "filt"})
SEED = 11
SMALL = SimpleReconConfig(
    image_width=128,
    image_height=96,
    sources=3,
    planes=16,
    matching_dims=8,
    matching_stem=8,
    matching_blocks=1,
    matching_hidden=16,
    mlp_hidden=(16, 12),
    encoder_stem=8,
    encoder_widths=(8, 8, 12, 16, 20, 24),
    encoder_repeats=(2, 2, 1, 2, 2, 1),
    encoder_expansions=(1.0, 2.0, 3.0, 2.0, 2.5, 2.0),
    volume_widths=(8, 12, 16, 24),
    decoder_widths=(8, 10, 12, 16),
)
WALL_M = 2.0


def network(config: SimpleReconConfig = SMALL) -> SimpleRecon:
    """Return the network with weights from the recipe, for evaluation."""
    made = SimpleRecon(config)
    fill(made.state_dict(), SplitmixRecipe(SEED, gain=1.05, constants=CONSTANTS))
    return made.eval()


@dataclass(frozen=True)
class Views:
    """A reference and three sources before a tilted, spotted wall.

    Attributes:
        rgb: (4, 3, 96, 128) bytes.
        poses: (4, 4, 4) camera-to-world, sorted by distance.
        K: (4, 4) camera of the pictures.
        depth: (4, 48, 64) metres, 0 in a corner.
    """

    rgb: np.ndarray
    poses: np.ndarray
    K: np.ndarray
    depth: np.ndarray

    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return what the network's forward takes."""
        views = len(self.rgb)
        K_33 = torch.from_numpy(self.K[:3, :3]).expand(1, views, 3, 3)
        return (
            normalised(torch.from_numpy(self.rgb))[None],
            K_33,
            torch.from_numpy(self.poses)[None],
        )


def views(seed: int = 5, width: int = 128, height: int = 96) -> Views:
    """Return the scene; the last source stands a metre ahead, so that near planes are behind it."""
    generator = np.random.default_rng(seed)
    focal = 0.9 * width
    K = np.array(
        [
            [focal, 0, width / 2 + 1.3, 0],
            [0, focal, height / 2 - 0.7, 0],
            [0, 0, 1, 0],
            [0, 0, 0, 1],
        ]
    )
    poses = np.stack([np.eye(4)] * 4)
    for k, (x, z, yaw) in enumerate(
        [(0.08, 0.02, 0.02), (-0.15, 0.03, -0.06), (0.1, 1.0, 0.12)], 1
    ):
        poses[k, :3, :3] = [
            [np.cos(yaw), 0, np.sin(yaw)],
            [0, 1, 0],
            [-np.sin(yaw), 0, np.cos(yaw)],
        ]
        poses[k, :3, 3] = x, 0.03 * k, z
    pictures, depths = [], []
    for T in poses:
        points, _ = wall(K, T, width, height)
        pictures.append(paint(points, generator))
        depths.append(wall(np.diag([0.5, 0.5, 1, 1]) @ K, T, width // 2, height // 2)[1])
    depth = np.stack(depths)
    depth[:, :6, :9] = 0
    return Views(
        np.stack(pictures),
        poses.astype(np.float32),
        K.astype(np.float32),
        depth.astype(np.float32),
    )


def wall(K: np.ndarray, T: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points (h, w, 3) and depths (h, w) of the wall z = 2 + 0.2 x."""
    u, v = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    rays_cam = np.stack([u, v, np.ones_like(u)], -1) @ np.linalg.inv(K[:3, :3]).T
    rays, centre = rays_cam @ T[:3, :3].T, T[:3, 3]
    depth = (WALL_M + 0.2 * centre[0] - centre[2]) / (rays[..., 2] - 0.2 * rays[..., 0])
    return centre + depth[..., None] * rays, depth


def paint(points: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return a picture (3, h, w) of smooth spots fixed to the wall, with a little noise."""
    x, y = points[..., 0], points[..., 1]
    waves = [np.sin(a * x + b * y + c) for a, b, c in ((9, 4, 0), (-5, 11, 1), (17, 13, 2))]
    picture = 127 + 80 * np.stack(waves) + generator.normal(0, 6, (3, *x.shape))
    return np.clip(picture, 0, 255).astype(np.uint8)
