"""What depth maps say about a point, as a channel for the network; always float32.

Depth maps are in metres, 0 where unknown, at a resolution of their own.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from engine.nets.finerecon.projection import exact, in_view, per_view, project, sample

# Where no depth counts: the same value as just behind a surface.
UNSEEN_TSDF = 1.0
UNSEEN_DENSITY = 0.0
# At the margin behind the surface and beyond, a point is hidden and does not count.
HIDDEN_FROM = 0.999
# Depth is never interpolated: between near and far lies nothing.
DEPTH_SAMPLING = "nearest"
# Counts of views on a logarithmic scale: so many nats are 1.
FEW = 2.0
# A soft weighting of 12 cm is exp(-(16 d)^2), one of 24 cm exp(-(8 d)^2): 1.92 reaches a metre.
SOFT_REACHES = 1.92
# No depth counts more than this one, however it falls off.
NEAREST_M = 0.3


def behind(depth_n: Tensor, measured_n: Tensor) -> Tensor:
    """Return how far points lie behind the surface: negative in front, unlike the output TSDF."""
    return depth_n - measured_n


def views(
    depth_vhw: Tensor, points_n3: Tensor, K_depth_33: Tensor, T_cam_world_v44: Tensor
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield how far points lie behind each view's surface (n), its depth, and where it is known."""
    hw = (depth_vhw.shape[-2], depth_vhw.shape[-1])
    points = points_n3.float()
    K_v33 = per_view(K_depth_33, T_cam_world_v44)
    for map_hw, K, T in zip(depth_vhw.float(), K_v33, T_cam_world_v44.float(), strict=True):
        uv, depth = project(points, K, T)
        is_seen = in_view(uv, depth, hw)
        uv = torch.where(is_seen[:, None], uv, 0)
        measured = sample(map_hw[None], uv, DEPTH_SAMPLING, "zeros")[0]
        yield behind(depth, measured), measured, is_seen & (measured != 0)


def guidance_sums(
    depth_vhw: Tensor,
    points_n3: Tensor,
    K_depth_33: Tensor,
    T_cam_world_v44: Tensor,
    margin_m: float,
    seen_vn: Tensor | None = None,
    falloff: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Return sums (n) of cut distances behind the surface, in margins, and how many views count.

    Views in which a point is hidden do not count. `seen_vn` leaves out further views of a point:
    the volume at inference ignores depth outside the colour picture. With `falloff` a view counts
    as its depth to the power of -falloff, 1 at a metre. Views may come in pieces.
    """
    with exact(points_n3):
        total = points_n3.new_zeros(len(points_n3), dtype=torch.float32)
        count = torch.zeros_like(total)
        found = views(depth_vhw, points_n3, K_depth_33, T_cam_world_v44)
        for i, (distance, measured, is_known) in enumerate(found):
            signed = distance.clamp(-margin_m, margin_m) / margin_m
            counts = is_known & (signed < HIDDEN_FROM)
            if seen_vn is not None:
                counts = counts & seen_vn[i]
            weight = counts.float()
            if falloff:
                weight = weight * measured.clamp(min=NEAREST_M) ** -falloff
            total = total + weight * signed
            count = count + weight
        return total, count


def density_sums(
    depth_vhw: Tensor,
    points_n3: Tensor,
    K_depth_33: Tensor,
    T_cam_world_v44: Tensor,
    reach_m: float,
    seen_vn: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return how many views (n) have a surface within reach, and how many know any depth there."""
    with exact(points_n3):
        total = points_n3.new_zeros(len(points_n3), dtype=torch.float32)
        count = torch.zeros_like(total)
        found = views(depth_vhw, points_n3, K_depth_33, T_cam_world_v44)
        for i, (distance, _, is_known) in enumerate(found):
            counts = is_known if seen_vn is None else is_known & seen_vn[i]
            total = total + (counts & (distance.abs() < reach_m))
            count = count + counts
        return total, count


def fill(sum_n: Tensor, count_n: Tensor, unseen: float) -> Tensor:
    """Return the channel: the mean over counting views, `unseen` where there are none."""
    is_known = count_n > 0
    return torch.where(is_known, sum_n / torch.where(is_known, count_n, 1), unseen)


def counted(count: Tensor) -> Tensor:
    """Return how many views there are on a scale on which one more of many matters little."""
    return torch.log1p(count.float()) / FEW


def signed_voxels(guidance: Tensor, margin_vox: float) -> Tensor:
    """Return what TSDF guidance says of the surface in voxels, positive in front; 0 if nothing.

    It may be 0 there because no view that counts is as far behind as `UNSEEN_TSDF`.
    """
    return torch.where(guidance < HIDDEN_FROM, -margin_vox * guidance.float(), 0)


def depth_weights(
    depth_vhw: Tensor,
    points_n3: Tensor,
    K_depth_33: Tensor,
    T_cam_world_v44: Tensor,
    weighting: str,
) -> Tensor | None:
    """Return weights (v, n) for image features by distance to the surface; None for no weighting.

    "soft-12cm" and "soft-24cm" fall off as a Gaussian, "hard-<reach>" is 1 within reach. Unknown
    depth gives 0.
    """
    if weighting == "none":
        return None
    kind, reach = weighting.split("-")
    reach_m = float(reach.removesuffix("cm")) / 100
    with exact(points_n3):
        rows = []
        for distance, _, is_known in views(depth_vhw, points_n3, K_depth_33, T_cam_world_v44):
            if kind == "hard":
                weight = (distance.abs() < reach_m).float()
            else:
                weight = torch.exp(-((SOFT_REACHES * distance / reach_m) ** 2))
            rows.append(torch.where(is_known, weight, 0))
        return torch.stack(rows)
