"""Smooth outlines: how much of a pixel each of the things that meet in it covers.

One ray a pixel makes staircases where one solid ends before another. There, four more rays decide
how the pixel is shared among the solids that its neighbourhood shows, and each share takes its
colour from the nearest pixel that shows the same solid. Nothing is shaded twice.
"""

import torch
from torch import Tensor

from engine.synth.raycast import Caster, Pinhole

# A square turned by some 27 degrees: no two of its corners share a row or a column.
SPOTS = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))
# The pixel itself comes first, so that it wins where several neighbours show the same solid.
AROUND = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1))


def smooth_outlines(
    caster: Caster, camera: Pinhole, T_world_cam: Tensor, solid: Tensor, light: Tensor
) -> Tensor:
    """Return the picture (b, h, w, 3) with the outlines of solids (b, h, w) shared out."""
    b, h, w = solid.shape
    edge = torch.zeros_like(solid, dtype=torch.bool)
    for axis in (1, 2):
        inner = solid.shape[axis] - 1
        change = solid.narrow(axis, 0, inner) != solid.narrow(axis, 1, inner)
        edge.narrow(axis, 0, inner).logical_or_(change)
        edge.narrow(axis, 1, inner).logical_or_(change)
    view, y, x = torch.nonzero(edge, as_tuple=True)
    if len(view) == 0:
        return light
    near_pixel = torch.stack(
        [(view * h + (y + dy).clamp(0, h - 1)) * w + (x + dx).clamp(0, w - 1) for dx, dy in AROUND],
        dim=1,
    )
    near_solid = solid.reshape(-1)[near_pixel]
    fresh = near_solid >= 0
    for k in range(1, len(AROUND)):
        fresh[:, k] &= (near_solid[:, :k] != near_solid[:, k : k + 1]).all(dim=1)
    pixel, k = torch.nonzero(fresh, as_tuple=True)
    candidate = near_solid[pixel, k]
    R, eye = T_world_cam[:, :3, :3], T_world_cam[:, :3, 3].index_select(0, view)
    depth = torch.full((len(SPOTS), *near_pixel.shape), torch.inf, device=solid.device)
    for s, (du, dv) in enumerate(SPOTS):
        ray = torch.stack(
            [
                (x + (0.5 + du - camera.cx)) / camera.fx,
                (y + (0.5 + dv - camera.cy)) / camera.fy,
                torch.ones_like(x, dtype=torch.float32),
            ],
            dim=1,
        )
        ray_world = torch.einsum("nij,nj->ni", R.index_select(0, view), ray)
        depth[s, pixel, k] = caster.meet(
            candidate, eye.index_select(0, pixel), ray_world.index_select(0, pixel)
        )
    # Where no candidate is met, the first wins: the pixel keeps its own colour.
    winner = depth.argmin(dim=2)
    flat = light.reshape(-1, 3)
    total = torch.zeros(len(view), 3, device=light.device)
    for s in range(len(SPOTS)):
        source = near_pixel.gather(1, winner[s][:, None])[:, 0]
        total += flat.index_select(0, source)
    result = flat.clone()
    result[near_pixel[:, 0]] = total / len(SPOTS)
    return result.reshape(light.shape)
