"""What both training stages minimise: the field's pictures first, then those of its mesh.

GTR, arXiv 2406.05649: stage 1 (3.2) and stage 2 (3.3). LPIPS comes from outside, since its
weights are not ours to ship: a function of two pictures (n, 3, 256, 256) in [-1, 1].
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

Perceptual = Callable[[Tensor, Tensor], Tensor]

PERCEPTUAL_PX = 256
# Where nothing is seen, normals point here.
BACKGROUND_NORMAL = (0.0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Stage2Weights:
    """Share of every term; the defaults are those published with the refinement.

    That both normal terms weigh nothing serves refinement and is no training recipe: the paper
    trains with them.
    """

    rgb: float = 1.0
    lpips: float = 0.5
    mask: float = 1.0
    depth: float = 0.2
    ray_opacity: float = 0.5
    normal: float = 0.0
    normal_l2: float = 0.0


@dataclass(frozen=True, slots=True)
class Rendered:
    """Pictures of a mesh, (..., h, w, c) with any leading dimensions.

    Attributes:
        rgb: colours over white.
        mask: antialiased coverage, one channel.
        depth: along the camera axis, zero on background.
        normal: unit normals, or None.
        ray_opacity: see `ray_opacity`, any shape, or None.
    """

    rgb: Tensor
    mask: Tensor
    depth: Tensor
    normal: Tensor | None = None
    ray_opacity: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The same pictures of the true object; depth is zero where there is none."""

    rgb: Tensor
    mask: Tensor
    depth: Tensor
    normal: Tensor | None = None


def stage1_loss(
    rgb_bhwc: Tensor,
    wanted_bhwc: Tensor,
    lpips_weight: float = 0.0,
    perceptual: Perceptual | None = None,
) -> Tensor:
    """Return the mean squared error of square patches, plus weighted LPIPS where that is given."""
    loss = F.mse_loss(rgb_bhwc, wanted_bhwc)
    if perceptual is not None and lpips_weight > 0:
        pictures = (rgb_bhwc.movedim(-1, -3) * 2 - 1, wanted_bhwc.movedim(-1, -3) * 2 - 1)
        loss = loss + lpips_weight * perceptual(*pictures).mean()
    return loss


def stage2_terms(
    rendered: Rendered,
    wanted: Wanted,
    weights: Stage2Weights | None = None,
    perceptual: Perceptual | None = None,
) -> dict[str, Tensor]:
    """Return every term that weighs something, already weighted; their sum is the loss.

    LPIPS is left out without a function for it, a normal term without normals on both sides.
    """
    terms = {
        "rgb": F.mse_loss(rendered.rgb, wanted.rgb),
        "mask": F.mse_loss(rendered.mask, wanted.mask),
        "depth": depth_loss(rendered.depth, wanted.depth),
    }
    if rendered.ray_opacity is not None:
        terms["ray_opacity"] = rendered.ray_opacity.mean()
    if perceptual is not None:
        terms["lpips"] = perceptual_loss(rendered.rgb, wanted.rgb, perceptual)
    if rendered.normal is not None and wanted.normal is not None:
        both = wanted.mask * rendered.mask
        pair = _over_background(rendered.normal, both), _over_background(wanted.normal, both)
        terms["normal"] = 1 - _mean_where(both > 0, (pair[0] * pair[1]).sum(-1, keepdim=True).abs())
        terms["normal_l2"] = (both * (pair[0] - pair[1]).square().mean(-1, keepdim=True)).mean()
    share: Mapping[str, float] = asdict(weights or Stage2Weights())
    return {name: share[name] * term for name, term in terms.items() if share[name] > 0}


def depth_loss(depth: Tensor, wanted: Tensor) -> Tensor:
    """Return the squared error where depth is known, as a mean over all pixels, known or not."""
    return ((depth - wanted).square() * (wanted > 0)).mean()


def perceptual_loss(rgb: Tensor, wanted: Tensor, perceptual: Perceptual) -> Tensor:
    """Return LPIPS of pictures (..., h, w, 3) in [0, 1], resized to 256^2 without antialiasing."""
    pair = []
    for picture in (rgb.clamp(0, 1), wanted):
        flat_nchw = picture.flatten(0, -4).movedim(-1, 1) * 2 - 1
        size = (PERCEPTUAL_PX, PERCEPTUAL_PX)
        pair.append(F.interpolate(flat_nchw, size, mode="bilinear", align_corners=False))
    return perceptual(*pair).mean()


def ray_opacity(
    density: Callable[[Tensor], Tensor],
    origins: Tensor,
    directions: Tensor,
    near: Tensor,
    far: Tensor,
    wanted_depth: Tensor,
    random: Tensor,
) -> Tensor:
    """Return (n,) how opaque the way to the true surface is, judged by one sample a ray.

    Directions have depth one, so that their parameter is depth. A sample is taken between the
    box's near side and the true depth, or the box's far side where there is none; the opacity is
    1 - exp(-density * length of the rest). Rays that miss the box (far <= near) give zero.
    Gradient flows through the density alone.

    Args:
        density: of points (n, 3), (n,).
        origins: (n, 3).
        directions: (n, 3), as long as depth one takes.
        near: (n,) ray parameter where the box begins.
        far: (n,) where it ends.
        wanted_depth: (n,) zero where nothing is to be seen.
        random: (n,) in [0, 1).
    """
    end = torch.where(wanted_depth > 0, wanted_depth, far)
    at = near + random * (end - near)
    # Positive also where the true surface lies before the box.
    rest = (end - at).abs() * directions.norm(dim=-1)
    opacity = 1 - torch.exp(-density(origins + at[:, None] * directions) * rest)
    return torch.where(far > near, opacity, 0.0)


def _over_background(normal: Tensor, mask: Tensor) -> Tensor:
    return normal * mask + (1 - mask) * normal.new_tensor(BACKGROUND_NORMAL)


def _mean_where(where: Tensor, values: Tensor) -> Tensor:
    """Return the mean of some values; one where there are none, so that nothing is penalised."""
    count = where.sum()
    mean = (values * where).sum() / count.clamp_min(1)
    return torch.where(count > 0, mean, torch.ones_like(mean))
