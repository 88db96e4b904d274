"""Rays, projection and sampling, in float32 whatever the networks around them use."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Trap: pixel centres lie at half numbers and intrinsics count from the picture's corner.
PIXEL_CENTRE = 0.5
# Trap: what lies outside a source is zero, and its corners are corners of pixels, not centres.
OUTSIDE = "zeros"
ALIGN_CORNERS = False
EPS = 1e-8


def exact(like: Tensor) -> torch.autocast:
    """Return the context in which nothing is computed in half precision."""
    return torch.autocast(like.device.type, enabled=False)


def wide(values: Tensor) -> Tensor:
    """Return values in float32, or in float64 where they already are."""
    return values if values.dtype == torch.float64 else values.float()


def pixel_centres(
    height: int,
    width: int,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Return homogeneous pixel centres (3, h * w), row by row."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=dtype, device=device) + PIXEL_CENTRE,
        torch.arange(width, dtype=dtype, device=device) + PIXEL_CENTRE,
        indexing="ij",
    )
    return torch.stack([x, y, torch.ones_like(x)]).flatten(1)


class Backprojector(nn.Module):
    """Rays behind pixel centres.

    The stored grid belongs to the file format only: rays are made for the size that is asked for,
    and a checkpoint made at another size leaves our grid as it is.
    """

    pix_coords_13N: Tensor

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.register_buffer("pix_coords_13N", pixel_centres(height, width)[None])

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *args: Any, **others: Any
    ) -> None:
        name = f"{prefix}pix_coords_13N"
        if name in state_dict:
            state_dict[name] = self.pix_coords_13N
        super()._load_from_state_dict(state_dict, prefix, *args, **others)

    def forward(self, K_b33: Tensor, height: int, width: int) -> Tensor:
        """Return points at depth one (b, 3, h * w), camera frame; depth scales them."""
        inverse_b33: Tensor = torch.linalg.inv(K_b33)
        return inverse_b33 @ pixel_centres(height, width, K_b33.device, K_b33.dtype)


class Projector(nn.Module):
    """The perspective division."""

    eps: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("eps", torch.full((1, 1, 1), EPS))

    def forward(self, homogeneous_x3n: Tensor) -> tuple[Tensor, Tensor]:
        """Return pixels (..., 2, n) and depths (..., n) of projected points (..., 3, n).

        Points at the camera's own plane keep their undivided coordinates.
        """
        c = homogeneous_x3n[..., 2:, :]
        eps = self.eps.reshape(()).to(c.dtype)
        depth = c + eps
        divisor = torch.where(c.abs() > eps, depth, torch.ones_like(c))
        return homogeneous_x3n[..., :2, :] / divisor, depth.squeeze(-2)


def transform(T_x34: Tensor, points_x3n: Tensor) -> Tensor:
    """Return points (..., 3, n) moved by matrices (..., >=3, 4)."""
    return T_x34[..., :3, :3] @ points_x3n + T_x34[..., :3, 3:]


def camera_matrix(K_x33: Tensor, T_x44: Tensor) -> Tensor:
    """Return the (..., 3, 4) matrix that moves points into a camera and onto its picture."""
    return K_x33 @ T_x44[..., :3, :]


def sample(feat_bchw: Tensor, pixels_b2n: Tensor, mode: str = "bilinear") -> Tensor:
    """Return features (b, c, n) at pixel coordinates, zero outside."""
    size = pixels_b2n.new_tensor(feat_bchw.shape[:-3:-1])
    grid_bn12 = (2 * pixels_b2n.mT / size - 1).unsqueeze(2)
    sampled = F.grid_sample(
        feat_bchw, grid_bn12, mode=mode, padding_mode=OUTSIDE, align_corners=ALIGN_CORNERS
    )
    return sampled.squeeze(-1)


def scaled(K_x33: Tensor, divisor: float) -> Tensor:
    """Return the intrinsics of a picture smaller by a factor; no half-pixel terms are needed."""
    return torch.cat([K_x33[..., :2, :] / divisor, K_x33[..., 2:, :]], dim=-2)


def relative_poses(T_world_cam_bv44: Tensor) -> Tensor:
    """Return `T_src_ref` (b, v - 1, 4, 4) of poses whose first view is the reference."""
    return inverse(T_world_cam_bv44[:, 1:]) @ T_world_cam_bv44[:, :1]


def inverse(T_x44: Tensor) -> Tensor:
    """Return inverted poses, worked out in double so that warping amplifies less rounding."""
    inverted: Tensor = torch.linalg.inv(T_x44.double())
    return inverted.to(T_x44.dtype)


def pose_distance(T_x44: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return combined distance, rotation part and metres of relative poses (Duzceker 2021)."""
    metres = T_x44[..., :3, 3].norm(dim=-1)
    trace = T_x44[..., 0, 0] + T_x44[..., 1, 1] + T_x44[..., 2, 2]
    turn = torch.sqrt(2 * (1 - trace.clamp(max=3) / 3))
    return torch.sqrt(metres**2 + turn**2), turn, metres
