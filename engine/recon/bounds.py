"""Which box of the world a reconstruction fills: what the depth pictures saw, and a little more."""

from collections.abc import Iterable

import torch

from engine.core.faults import BadInput
from engine.recon.lattice import Lattice, lattice_between
from engine.recon.views import DepthView

MAX_DEPTH_M = 3.5
EVERY_PIXEL = 10
BORDER_M = 0.12


def bounds(
    views: Iterable[DepthView],
    voxel_m: float = 0.04,
    max_depth_m: float = MAX_DEPTH_M,
    border_m: float = BORDER_M,
) -> Lattice:
    """Return the lattice round every tenth pixel, both ways, of all depth pictures.

    Depth beyond `max_depth_m` is left out, and the box grows by `border_m` on all sides. The
    rule is that of the published ground truth, which takes every tenth frame of a video; frames
    that were already thinned are best given all.

    Raises:
        BadInput: no pixel has depth in range.
    """
    low, high = torch.full((3,), torch.inf), torch.full((3,), -torch.inf)
    for view in views:
        points = _lifted(view, max_depth_m)
        if len(points):
            low = torch.minimum(low, points.amin(dim=0))
            high = torch.maximum(high, points.amax(dim=0))
    if not torch.isfinite(low).all():
        raise BadInput(
            f"No picture has depth between 0 and {max_depth_m:g} m, so there is nothing to fill.",
            "Raise --max-depth-m, or choose another estimate with --depth.",
        )
    return lattice_between((low - border_m).tolist(), (high + border_m).tolist(), voxel_m)


def _lifted(view: DepthView, max_depth_m: float) -> torch.Tensor:
    """Return the world points (n, 3) of the sampled pixels."""
    depth = view.depth_hw[::EVERY_PIXEL, ::EVERY_PIXEL].double()
    v, u = torch.nonzero((depth > 0) & (depth <= max_depth_m), as_tuple=True)
    pixels = torch.stack([u * EVERY_PIXEL, v * EVERY_PIXEL, torch.ones_like(u)], dim=1).double()
    rays = pixels @ torch.linalg.inv(view.K.double()).T
    points_cam = rays * depth[v, u, None]
    T_cam_world = view.T_cam_world.double()
    # From the right: the inverse of a rotation applied to rows.
    points: torch.Tensor = (points_cam - T_cam_world[:3, 3]) @ T_cam_world[:3, :3]
    return points.float()
