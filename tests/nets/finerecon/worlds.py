"""A small network and a small scene, for every test of FineRecon."""

import math

import torch
from torch import Tensor

from engine.nets.finerecon.config import FineReconConfig, StageConfig
from engine.nets.finerecon.crop import Crop, Views
from engine.nets.finerecon.model import FineRecon

SMALL = FineReconConfig(
    image_feature_dim=7,
    backbone_stem=4,
    backbone_stages=(
        StageConfig(4, 1, 1),
        StageConfig(8, 2, 2),
        StageConfig(8, 1, 2),
        StageConfig(12, 2, 3),
    ),
    unet_widths=(8, 8, 12),
    unet_up_widths=(8, 8, 10),
    unet_blocks=1,
    head_width=6,
)
HW, DEPTH_HW = (48, 64), (24, 32)
VOXEL_M = SMALL.voxel_m


def network(config: FineReconConfig = SMALL, seed: int = 0) -> FineRecon:
    """Return a network in evaluation mode whose norms are not the identity."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = FineRecon(config)
        for name, buffer in made.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(0, 0.1)
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 1.5)
    return made.eval()


def look_at(eye: tuple[float, float, float], target: tuple[float, float, float]) -> Tensor:
    """Return T_world_cam (4, 4) of a camera at `eye`; the world's z axis points up."""
    position = torch.tensor(eye)
    forward = torch.nn.functional.normalize(torch.tensor(target) - position, dim=0)
    right = torch.linalg.cross(forward, torch.tensor([0.0, 0.0, 1.0]))
    right = torch.nn.functional.normalize(right, dim=0)
    T = torch.eye(4)
    T[:3] = torch.stack([right, torch.linalg.cross(forward, right), forward, position], dim=1)
    return T


def intrinsics(hw: tuple[int, int]) -> Tensor:
    """Return a matrix of about 65 degrees, its centre off the middle."""
    focal = 0.8 * hw[1]
    return torch.tensor([[focal, 0, 0.49 * hw[1]], [0, 0.98 * focal, 0.51 * hw[0]], [0, 0, 1]])


def scenes(count: int = 1, views: int = 3, seed: int = 0) -> Views:
    """Return views of noise with depth full of holes.

    The first camera stands inside a box at the origin, the others look past it from around.
    """
    random = torch.Generator().manual_seed(seed)
    angles = [0.4 + 2.0 * k / views for k in range(1, views)]
    poses = [look_at((0.12, 0.08, 0.02), (-0.4, -0.2, 0.0))]
    poses += [
        look_at((0.6 * math.cos(a), 0.6 * math.sin(a), 0.3), (0.2, 0.25 * k, 0.05 * k))
        for k, a in enumerate(angles)
    ]
    depth = 0.2 + 0.7 * torch.rand(count, views, *DEPTH_HW, generator=random)
    depth[torch.rand(depth.shape, generator=random) < 0.1] = 0
    return Views(
        images_bv3hw=torch.rand(count, views, 3, *HW, generator=random),
        depth_bvhw=depth,
        K_color_b33=intrinsics(HW).expand(count, 3, 3),
        K_depth_b33=intrinsics(DEPTH_HW).expand(count, 3, 3),
        T_world_cam_bv44=torch.stack(poses).expand(count, views, 4, 4),
    )


def crops(count: int = 1, dims: tuple[int, int, int] = (12, 8, 4)) -> Crop:
    """Return boxes near the origin, turned about z and a little about x."""
    cos, sin, tilt = math.cos(0.7), math.sin(0.7), 0.05
    Rz = torch.tensor([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    Rx = torch.tensor(
        [
            [1, 0, 0],
            [0, math.cos(tilt), -math.sin(tilt)],
            [0, math.sin(tilt), math.cos(tilt)],
        ]
    )
    center = torch.tensor([0.03, 0.02, 0.01])
    return Crop(center.expand(count, 3), (Rz @ Rx).expand(count, 3, 3), dims)


def queries(count: int = 1, points: int = 200, seed: int = 3) -> Tensor:
    """Return world points (count, points, 3), some of them outside the crop."""
    random = torch.Generator().manual_seed(seed)
    return (torch.rand(count, points, 3, generator=random) - 0.5) * 0.8
