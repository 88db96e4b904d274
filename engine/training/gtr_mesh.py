"""GTR's second stage: pictures of the mesh against the truth, with gradient to its vertices."""

import torch
from torch import Tensor

from engine.kernels.diff_marching import derived_table, extract
from engine.kernels.raster_torch import TorchRasteriser
from engine.nets.gtr.field import TriplaneField
from engine.nets.gtr.grid import density_grid
from engine.nets.gtr.losses import Rendered, Stage2Weights, Wanted, ray_opacity, stage2_terms
from engine.nets.gtr.volume_render import ray_box
from engine.objects.mesh_render import render_mesh
from engine.training.gtr_points import LEVEL, chosen_rays
from engine.training.gtr_sizes import GtrSize
from engine.training.objects import ObjectSample

NEAR, FAR = 0.1, 100.0
# As published, but with the normal terms of the paper, which the released file leaves out, and
# with less weight on opacity: exact distances say the same already. LPIPS is nobody's to ship.
WEIGHTS = Stage2Weights(
    rgb=2.0, lpips=0.0, mask=1.0, depth=0.2, ray_opacity=0.1, normal=0.1, normal_l2=0.5
)
NAMES = {"rgb": "rays"}


def mesh_terms(
    field: TriplaneField, triplane: Tensor, truth: ObjectSample, size: GtrSize
) -> dict[str, Tensor]:
    """Return the weighted terms of stage 2 over random views of every object of a batch."""
    each = [_terms(field, planes, truth, number, size) for number, planes in enumerate(triplane)]
    return {NAMES.get(n, n): torch.stack([terms[n] for terms in each]).mean() for n in each[0]}


def _terms(
    field: TriplaneField, planes: Tensor, truth: ObjectSample, number: int, size: GtrSize
) -> dict[str, Tensor]:
    n = size.mesh_grid
    surface = extract(LEVEL - density_grid(field, planes, n), table=derived_table())
    vertices = 2 * surface.vertices / (n - 1) - 1
    pick = torch.randperm(truth.depth.shape[1])[: size.mesh_views].to(planes.device)
    K, T = truth.K[number, pick], truth.T_world_cam[number, pick]
    height, width = truth.depth.shape[-2:]
    seen = render_mesh(
        vertices, surface.faces, opengl_views(T), projections(K, height, width), height, width,
        TorchRasteriser(), lambda points: field.color(field.features(planes, points)),
    )  # fmt: skip
    assert seen.color is not None
    depth = truth.depth[number, pick, ..., None]
    wanted = Wanted(
        truth.pictures[number, pick].permute(0, 2, 3, 1),
        (depth > 0).float(),
        depth,
        truth.normal[number, pick].permute(0, 2, 3, 1),
    )
    opacity = _opacity(field, planes, truth, number, size.rays)
    rendered = Rendered(seen.color, seen.mask, seen.depth, seen.normal, opacity)
    return stage2_terms(rendered, wanted, WEIGHTS)


def _opacity(
    field: TriplaneField, planes: Tensor, truth: ObjectSample, number: int, count: int
) -> Tensor:
    """Return how opaque the way to the true surface is along random rays."""
    rays = chosen_rays(truth, number, count)
    near, far = ray_box(rays.origins, rays.directions, field.aabb)
    # Unit directions: what is called depth there is the length of the way here.
    return ray_opacity(
        lambda points: field.density(field.features(planes, points)),
        rays.origins, rays.directions, near, far, rays.distance,
        torch.rand(count, device=planes.device),
    )  # fmt: skip


def opengl_views(T_world_cam: Tensor) -> Tensor:
    """Return (v, 4, 4) from world to OpenGL camera axes, of poses in OpenCV axes."""
    flip = torch.diag(T_world_cam.new_tensor([1.0, -1.0, -1.0, 1.0]))
    views: Tensor = flip @ torch.linalg.inv(T_world_cam)
    return views


def projections(K_v33: Tensor, height: int, width: int) -> Tensor:
    """Return (v, 4, 4) from OpenGL camera axes to clip space, rows growing with y."""
    P = K_v33.new_zeros(len(K_v33), 4, 4)
    P[:, 0, 0] = 2 * K_v33[:, 0, 0] / width
    P[:, 0, 2] = 1 - 2 * K_v33[:, 0, 2] / width
    P[:, 1, 1] = -2 * K_v33[:, 1, 1] / height
    P[:, 1, 2] = 1 - 2 * K_v33[:, 1, 2] / height
    P[:, 2, 2], P[:, 2, 3] = (FAR + NEAR) / (NEAR - FAR), 2 * FAR * NEAR / (NEAR - FAR)
    P[:, 3, 2] = -1
    return P
