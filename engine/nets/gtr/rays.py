"""Cameras read off the ray maps that GTR is shown, so that points of the box find their pixels."""

import torch
from torch import Tensor

# Pixels a side from which a camera is worked out.
READ = 8


@torch.no_grad()
def projections(views_vchw: Tensor) -> Tensor:
    """Return P (v, 3, 4) of pinhole views (v, 10, h, w), world to picture.

    P (X, 1) = w (x, y, 1): x and y run from -1 to 1 between the outer edges of the picture, w is
    positive before the camera and grows with depth; its scale is arbitrary.
    """
    height, width = views_vchw.shape[-2:]
    rows = torch.arange(READ, device=views_vchw.device) * (height - 1) // (READ - 1)
    columns = torch.arange(READ, device=views_vchw.device) * (width - 1) // (READ - 1)
    rays = views_vchw[:, 3:9, rows][..., columns].double().flatten(2).transpose(1, 2)
    y, x = torch.meshgrid((2 * rows + 1) / height - 1, (2 * columns + 1) / width - 1, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], -1).flatten(0, 1).double()
    direction, moment = rays[..., :3], rays[..., 3:]
    across = _cross_matrices(direction)
    # Every ray says d x o = m about the eye o.
    turned = across.transpose(-1, -2)
    eye = torch.linalg.solve((turned @ across).sum(1), (turned @ moment[..., None]).sum(1))
    # A pixel p looks along H p, so d x (H p) = 0: nine unknowns up to scale.
    terms = (across[..., None] * pixels[None, :, None, None]).flatten(-2).flatten(1, 2)
    _, vectors = torch.linalg.eigh(terms.transpose(1, 2) @ terms)
    H = vectors[..., 0].reshape(-1, 3, 3)
    ahead = torch.einsum("vni,vij,nj->v", direction, H, pixels)
    H = H * ahead.sign()[:, None, None]
    world_to_pixel = torch.linalg.inv(H)
    return torch.cat([world_to_pixel, -world_to_pixel @ eye], -1).to(views_vchw.dtype)


def eyes(projections_v34: Tensor) -> Tensor:
    """Return where the cameras (v, 3, 4) stand, (v, 3)."""
    P = projections_v34.double()
    found = -torch.linalg.solve(P[..., :3], P[..., 3:])[..., 0]
    eye: Tensor = found.to(projections_v34.dtype)
    return eye


def project(points_n3: Tensor, projections_v34: Tensor) -> Tensor:
    """Return the places (v, n, 2) of points (v, n, 3) or (n, 3) in pictures, as `projections`.

    A point behind a camera is nowhere near its picture.
    """
    P = projections_v34
    at = points_n3 @ P[..., :3].transpose(-1, -2) + P[..., None, :, 3]
    # The scale of P is arbitrary, so what counts as near nothing is relative to its last row.
    least = 1e-3 * P[:, 2, :3].norm(dim=-1)[:, None]
    ahead = at[..., 2] > least
    place = at[..., :2] / at[..., 2].clamp_min(least)[..., None]
    return torch.where(ahead[..., None], place, 10.0)


def _cross_matrices(v: Tensor) -> Tensor:
    """Return matrices (..., 3, 3) that multiply like v x."""
    x, y, z = v.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).reshape(*x.shape, 3, 3)
