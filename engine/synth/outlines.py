"""Smooth outlines: how much of a pixel each of the things that meet in it covers.

One ray a pixel makes staircases where one face ends before another. There, four more rays decide
how the pixel is shared among the faces that its neighbourhood shows, and each share takes its
colour from a neighbour that shows the same face. Nothing is shaded twice.
"""

import torch
from torch import Tensor

from engine.synth.raycast import Caster, Pinhole

FACES = 8
# A square turned by some 27 degrees: no two of its corners share a row or a column.
SPOTS = ((-0.125, -0.375), (0.375, -0.125), (0.125, 0.375), (-0.375, 0.125))
# The pixel itself comes first, so that it wins where several neighbours show the same face.
AROUND = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, -1), (-1, 1), (1, 1))


def smooth_outlines(
    caster: Caster, camera: Pinhole, T_world_cam: Tensor, shown: Tensor, light: Tensor
) -> Tensor:
    """Return the picture (b, h, w, 3) with its outlines shared out.

    `shown` (b, h, w) is `FACES` times the solid seen plus its face, negative where there is none.
    """
    h, w = shown.shape[1:]
    edge = torch.zeros_like(shown, dtype=torch.bool)
    for axis in (1, 2):
        inner = shown.shape[axis] - 1
        change = shown.narrow(axis, 0, inner) != shown.narrow(axis, 1, inner)
        edge.narrow(axis, 0, inner).logical_or_(change)
        edge.narrow(axis, 1, inner).logical_or_(change)
    view, y, x = torch.nonzero(edge, as_tuple=True)
    if len(view) == 0:
        return light
    near_pixel = torch.stack(
        [(view * h + (y + dy).clamp(0, h - 1)) * w + (x + dx).clamp(0, w - 1) for dx, dy in AROUND],
        dim=1,
    )
    near = shown.reshape(-1)[near_pixel]
    fresh = near >= 0
    for place in range(1, len(AROUND)):
        fresh[:, place] &= (near[:, :place] != near[:, place : place + 1]).all(dim=1)
    pixel, k = torch.nonzero(fresh, as_tuple=True)
    candidate = near[pixel, k]
    spot = torch.tensor(SPOTS, device=light.device)
    rays = torch.stack(
        [
            (x[:, None] + (0.5 - camera.cx) + spot[:, 0]) / camera.fx,
            (y[:, None] + (0.5 - camera.cy) + spot[:, 1]) / camera.fy,
            torch.ones(len(view), len(SPOTS), device=light.device),
        ],
        dim=2,
    )
    rays = torch.bmm(rays, T_world_cam[:, :3, :3].transpose(1, 2).index_select(0, view))
    eye = T_world_cam[:, :3, 3].index_select(0, view)
    met, face = caster.meet(
        candidate // FACES, eye.index_select(0, pixel), rays.index_select(0, pixel)
    )
    # The right solid in the wrong face will do only where nobody shows the right face.
    met = met * torch.where(face == (candidate % FACES)[:, None], 1.0, 1.0001)
    depth = torch.full((len(view), len(AROUND), len(SPOTS)), torch.inf, device=light.device)
    depth[pixel, k] = met
    # Where no candidate is met, the first wins: the pixel keeps its own colour.
    source = near_pixel.gather(1, depth.argmin(dim=1))
    flat = light.reshape(-1, 3)
    shared = flat.index_select(0, source.reshape(-1)).reshape(len(view), len(SPOTS), 3)
    result = flat.clone()
    result[near_pixel[:, 0]] = shared.mean(dim=1)
    return result.reshape(light.shape)
