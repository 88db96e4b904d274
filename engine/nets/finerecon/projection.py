"""World points into pictures (paper section 3.1); always float32, also under autocast.

Pictures: an integer (u, v) is the centre of a pixel, the first one (0, 0). Cameras: x right,
y down, z forward. Matrices are applied term by term, because matrix products may be computed in
reduced precision on CUDA.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

# Half a pixel beyond the outer centres still counts as inside.
EDGE_PX = 0.5
# Both in pixels of the feature map, not of the picture (paper eq. 7).
BORDER_MARGIN_PX = 20.0
BORDER_STEEPNESS = 6.0
# Points in the outer half pixel take the value of the edge.
FEATURE_PADDING = "border"


def exact(like: Tensor) -> torch.autocast:
    """Return a context in which arithmetic on the device of `like` keeps the given precision."""
    return torch.autocast(like.device.type, enabled=False)


def world_to_camera(T_world_cam_v44: Tensor) -> Tensor:
    """Return T_cam_world; poses are stored camera-to-world, whatever their instructions say."""
    with exact(T_world_cam_v44):
        T_cam_world_v44: Tensor = torch.linalg.inv(T_world_cam_v44.float())
        return T_cam_world_v44


def scale_intrinsics(K_33: Tensor, from_hw: tuple[int, int], to_hw: tuple[int, int]) -> Tensor:
    """Return the matrix (..., 3, 3) for another size of the picture.

    With pixel centres at integers half a pixel would have to be added; the published network was
    trained without it.
    """
    across, down = to_hw[1] / from_hw[1], to_hw[0] / from_hw[0]
    return torch.stack([K_33[..., 0, :] * across, K_33[..., 1, :] * down, K_33[..., 2, :]], -2)


def apply_33(M_33: Tensor, points_n3: Tensor) -> Tensor:
    """Return M p for every point, in float32 whatever the device allows for products."""
    x, y, z = points_n3.unbind(-1)
    return x[:, None] * M_33[:, 0] + y[:, None] * M_33[:, 1] + z[:, None] * M_33[:, 2]


def project(points_n3: Tensor, K_33: Tensor, T_cam_world_44: Tensor) -> tuple[Tensor, Tensor]:
    """Return pixels (n, 2) and depths (n) of world points; a pixel at depth 0 means nothing."""
    points_cam_n3 = apply_33(T_cam_world_44[:3, :3], points_n3) + T_cam_world_44[:3, 3]
    image_n3 = apply_33(K_33, points_cam_n3)
    depth_n = image_n3[:, 2]
    divisor_n = torch.where(depth_n == 0, 1, depth_n)
    return image_n3[:, :2] / divisor_n[:, None], depth_n


def in_front(depth_n: Tensor) -> Tensor:
    """Return which depths are in front of the camera; behind it, points project as well."""
    return depth_n > 0


def in_view(uv_n2: Tensor, depth_n: Tensor, hw: tuple[int, int]) -> Tensor:
    """Return which points lie in a map of this size and in front of the camera."""
    u, v = uv_n2.unbind(-1)
    across = (u >= -EDGE_PX) & (u <= hw[1] - 1 + EDGE_PX)
    down = (v >= -EDGE_PX) & (v <= hw[0] - 1 + EDGE_PX)
    return across & down & in_front(depth_n)


def seen(points_n3: Tensor, K_33: Tensor, hw: tuple[int, int], T_cam_world_v44: Tensor) -> Tensor:
    """Return (v, n): which views have a point within a picture of size `hw`.

    `K_33` belongs to that size and serves all views, or is (v, 3, 3).
    """
    with exact(points_n3):
        views = zip(per_view(K_33, T_cam_world_v44), T_cam_world_v44.float(), strict=True)
        points = points_n3.float()
        return torch.stack([in_view(*project(points, K, T), hw) for K, T in views])


def per_view(K_33: Tensor, T_v44: Tensor) -> Tensor:
    """Return float32 (v, 3, 3), repeating a matrix that serves all views."""
    return K_33.float().expand(len(T_v44), 3, 3)


def sample(map_chw: Tensor, uv_n2: Tensor, mode: str, padding: str) -> Tensor:
    """Return (c, n): values of a map at pixels, interpolated or of the nearest centre."""
    h, w = map_chw.shape[-2:]
    u, v = uv_n2.unbind(-1)
    place_n2 = torch.stack([2 * (u + 0.5) / w - 1, 2 * (v + 0.5) / h - 1], -1)
    found = F.grid_sample(map_chw[None], place_n2[None, None], mode, padding, align_corners=False)
    return found[0, :, 0]


def border_weight(uv_n2: Tensor, hw: tuple[int, int]) -> Tensor:
    """Return (n): nearly 0 at the edge of the map, nearly 1 from the margin on (paper eq. 7)."""
    u, v = uv_n2.unbind(-1)
    inset = torch.stack([u, hw[1] - u, v, hw[0] - v]).amin(0)
    share = (inset / BORDER_MARGIN_PX).clamp(0, 1)
    return torch.sigmoid(BORDER_STEEPNESS * (2 * share - 1))


def feature_sums(
    features_vchw: Tensor,
    points_n3: Tensor,
    K_33: Tensor,
    image_hw: tuple[int, int],
    T_cam_world_v44: Tensor,
    border_weighted: bool,
    weight_vn: Tensor | None = None,
    seen_vn: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return sums (c, n) of the features of all views that see a world point, and their counts (n).

    `K_33` is that of the picture of size `image_hw`, (3, 3) or (v, 3, 3); whether a view sees a
    point is decided at the size of the feature map. Weights multiply features but not the count,
    so they are not divided out again. `seen_vn` leaves out further views of a point, which then do
    not count either. Views may come in pieces: sums and counts add up.
    """
    hw = (features_vchw.shape[-2], features_vchw.shape[-1])
    with exact(points_n3):
        points = points_n3.float()
        K_v33 = per_view(scale_intrinsics(K_33, image_hw, hw), T_cam_world_v44)
        total = points.new_zeros(features_vchw.shape[1], len(points))
        count = points.new_zeros(len(points))
        for i, (K, T) in enumerate(zip(K_v33, T_cam_world_v44.float(), strict=True)):
            uv, depth = project(points, K, T)
            is_seen = in_view(uv, depth, hw)
            if seen_vn is not None:
                is_seen = is_seen & seen_vn[i]
            # Points out of view are sampled at a harmless place: far ones would give infinities.
            uv = torch.where(is_seen[:, None], uv, 0)
            weight = is_seen.float()
            count = count + weight
            if border_weighted:
                weight = weight * border_weight(uv, hw)
            if weight_vn is not None:
                weight = weight * weight_vn[i]
            total = (
                total + sample(features_vchw[i].float(), uv, "bilinear", FEATURE_PADDING) * weight
            )
        return total, count


def mean(sum_cn: Tensor, count_n: Tensor) -> Tensor:
    """Return sums divided by the number of views that count, 0 where none does."""
    return sum_cn / count_n.clamp(min=1)
