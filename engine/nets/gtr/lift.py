"""Pictures lifted to the planes: an addition of ours for networks too small to learn it.

The published transformer has to find out by itself that a pixel lies on its ray. Here points of
the box look up their pixels: what all views agree on becomes a coarse volume of occupancy within
the silhouettes' hull, and every plane is told, from both of its sides, how far away the surface
is and which colour it has there. All of it is added to the triplane; the rest stays as it is.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.gtr.config import LiftConfig
from engine.nets.gtr.precision import full_precision
from engine.nets.gtr.rays import eyes, project, projections
from engine.nets.gtr.triplane import PLANE_AXES

# The axis that each plane does not have.
AWAY_AXIS = (2, 1, 0)
# Silhouettes forbid matter outside them by this logit.
FORBIDDEN = 12.0
# Lengths are told in these units, since density has to change within hundredths of the box.
LENGTH_GAIN = 4.0
# Colours vary less than lengths; told in these units they are learned from as soon.
COLOR_MIDDLE, COLOR_GAIN = 0.5, 4.0
# Where on the way to a camera it is asked whether something hides a point.
VISIBILITY_FROM, VISIBILITY_TO, VISIBILITY_STEPS = 0.1, 1.1, 6
SIDE_MAPS = 6


class Lifted(NamedTuple):
    """`planes` (b, 3, c, h, w) to add; `occupancy` (b, n, n, n) logits of cells, x y z."""

    planes: Tensor
    occupancy: Tensor


class Lift(nn.Module):
    """Views to planes, by way of a volume."""

    def __init__(self, config: LiftConfig, side: int, out_channels: int) -> None:
        """Make the layers for planes of `side` texels."""
        super().__init__()
        self.config, self.side = config, side
        width, kept = config.features, config.kept
        self.pixels = nn.Sequential(
            nn.Conv2d(4, width, 3, 2, 1), nn.GELU(), nn.Conv2d(width, width, 3, 1, 1), nn.GELU(),
            nn.Conv2d(width, width, 3, 1, 1),
        )  # fmt: skip
        self.volume = Volume(2 * width + 4, config.widths, kept)
        self.trust = nn.Sequential(nn.Linear(3, 8), nn.GELU(), nn.Linear(8, 1))
        told = 2 * (SIDE_MAPS + kept) + 2
        self.plain = nn.Conv2d(told, out_channels, 1)
        self.mixed = nn.Sequential(
            nn.Conv2d(told, 32, 3, 1, 1), nn.GELU(), nn.Conv2d(32, out_channels, 3, 1, 1)
        )

    def forward(self, views_bvchw: Tensor) -> Lifted:
        """Return what views (b, v, 10, h, w) of pinhole cameras say about the planes."""
        with full_precision(views_bvchw):
            flat = views_bvchw.flatten(0, 1).float()
            P = torch.unflatten(projections(flat), 0, views_bvchw.shape[:2])
            seen = torch.cat([flat[:, :3], flat[:, 9:]], 1)
            coarse, kept = self.volume(self._gathered(seen, P))
            fine = F.interpolate(
                coarse, size=(self.side,) * 3, mode="trilinear", align_corners=False
            )[:, 0]
            hull = self._hull(seen[:, 3:], P, self.side)
            # Where a silhouette's edge halves a pixel nothing is said.
            logits = fine - FORBIDDEN * (1 - 2 * hull).clamp_min(0)
            told = self._told(logits, kept, seen, P).flatten(0, 1)
            planes = self.plain(told) + self.mixed(told)
        return Lifted(torch.unflatten(planes, 0, (-1, 3)), logits)

    def _gathered(self, seen: Tensor, P_bv34: Tensor) -> Tensor:
        """Return mean, spread, hull and place (b, c, n, n, n) of all cells."""
        b, v = P_bv34.shape[:2]
        n = self.config.grid
        cells = cell_centres(n, seen)
        place = project(cells.flatten(0, 2), P_bv34.flatten(0, 1))
        features = torch.cat([self.pixels(seen - COLOR_MIDDLE), F.avg_pool2d(seen[:, 3:], 2)], 1)
        values = F.grid_sample(features, place[:, None], align_corners=False)[:, :, 0]
        values = torch.unflatten(values, 0, (b, v))
        share = values[:, :, -1:] + 1e-3
        share = share / share.sum(1, keepdim=True)
        each = values[:, :, :-1]
        mean = (share * each).sum(1)
        spread = (share * (each - mean[:, None]).square()).sum(1)
        hull = self._hull(seen[:, 3:], P_bv34, n)[:, None]
        where = cells.movedim(-1, 0).expand(b, -1, -1, -1, -1)
        agreed = torch.unflatten(torch.cat([mean, spread], 1), -1, (n, n, n))
        return torch.cat([agreed, hull, where], 1)

    def _hull(self, mask_n1hw: Tensor, P_bv34: Tensor, n: int) -> Tensor:
        """Return (b, n, n, n) the least mask of all views that have a cell in their picture."""
        place = project(cell_centres(n, mask_n1hw).flatten(0, 2), P_bv34.flatten(0, 1))
        inside = F.grid_sample(mask_n1hw, place[:, None], align_corners=False)[:, 0, 0]
        unseen = (place.abs() > 1).any(-1)
        inside = torch.where(unseen, 1.0, inside)
        least = torch.unflatten(inside, 0, P_bv34.shape[:2]).amin(1)
        return torch.unflatten(least, -1, (n, n, n))

    def _told(self, logits: Tensor, kept: Tensor, seen: Tensor, P: Tensor) -> Tensor:
        """Return what both sides of the planes see, (b, 3, c, h, w)."""
        # See `Volume`: depth passes no gradient either.
        logits = logits.detach()
        opacity, depth = both_sides(logits)
        b, side = len(logits), self.side
        points = surface_points(depth)
        color, trusted = self._colors(points.flatten(1, 4), logits, seen, P)
        grid = points.flatten(1, 4)[:, :, None, None].flip(-1)
        features = F.grid_sample(kept, grid, padding_mode="border", align_corners=False)
        shape = (-1, 3, 2, side, side)
        values = torch.cat([color, trusted, features[..., 0, 0]], 1)
        values = torch.unflatten(values, -1, shape[1:])
        maps = torch.cat([torch.stack([depth * LENGTH_GAIN, opacity], 1), values], 1)
        maps = maps.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)
        axis = cell_axis(side, logits) * LENGTH_GAIN
        texel = torch.stack(torch.meshgrid(axis, axis, indexing="xy")).expand(b, 3, 2, -1, -1)
        return torch.cat([maps, texel], 2)

    def _colors(
        self, points_bn3: Tensor, logits: Tensor, seen: Tensor, P: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the colour (b, 3, n) that the best views give points, and how free they look."""
        b, v = P.shape[:2]
        place = project(points_bn3.repeat_interleave(v, 0), P.flatten(0, 1))
        shown = F.grid_sample(seen, place[:, None], padding_mode="border", align_corners=False)
        shown = torch.unflatten(shown[:, :, 0], 0, (b, v))
        eye = torch.unflatten(eyes(P.flatten(0, 1)), 0, (b, v))
        to_eye = F.normalize(eye[:, :, None] - points_bn3[:, None], dim=-1)
        free = _visible(logits, points_bn3, to_eye)
        facing = _facing(to_eye, self.side)
        signs = torch.stack([free, facing, shown[:, :, 3]], -1)
        score = self.trust(signs)[..., 0].softmax(1)
        color = (shown[:, :, :3] * score[:, :, None]).sum(1)
        color = (color - COLOR_MIDDLE) * COLOR_GAIN
        trusted = torch.stack([(free * score).sum(1)], 1)
        return color, trusted


class Volume(nn.Module):
    """A small U-net over cells: one logit each, and what else the planes should know.

    The logit's loss alone moves the net; the rest is read off it. What density and colour want
    of single cells is so loud that occupancy would not be learned beside it.
    """

    def __init__(self, inputs: int, widths: tuple[int, ...], kept: int) -> None:
        """Make a level for every width, each half as fine as the one before."""
        super().__init__()
        self.enter = nn.Conv3d(inputs, widths[0], 1)
        pairs = list(pairwise(widths))
        self.levels = nn.ModuleList(_Residual(width) for width in widths)
        self.down = nn.ModuleList(nn.Conv3d(a, b, 2, 2) for a, b in pairs)
        self.up = nn.ModuleList(nn.Conv3d(b, a, 1) for a, b in pairs)
        self.after = nn.ModuleList(_Residual(a) for a, _ in pairs)
        self.leave = nn.Conv3d(widths[0], 1, 1)
        self.tell = nn.Conv3d(widths[0], kept, 1)

    def forward(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Return (b, 1, n, n, n) and (b, kept, n, n, n) of (b, inputs, n, n, n)."""
        cells = self.levels[0](self.enter(cells))
        above = []
        for down, level in zip(self.down, self.levels[1:], strict=True):
            above.append(cells)
            cells = level(down(cells))
        for up, after in zip(reversed(self.up), reversed(self.after), strict=True):
            finer = above.pop()
            cells = F.interpolate(
                up(cells), size=finer.shape[2:], mode="trilinear", align_corners=False
            )
            cells = after(finer + cells)
        return self.leave(cells), self.tell(cells.detach())


class SlabConv(nn.Conv3d):
    """A 3x3x3 convolution computed as one 2D convolution over triples of slices.

    The same sum; on a CPU thread torch's own is six times slower for a single sample.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return (b, out, d, h, w) of (b, c, d, h, w)."""
        depth = input.shape[2]
        slices = F.pad(input, (0, 0, 0, 0, 1, 1)).transpose(1, 2)
        triples = torch.cat([slices[:, k : k + depth] for k in range(3)], 2)
        kernel = self.weight.transpose(1, 2).flatten(1, 2)
        out = F.conv2d(triples.flatten(0, 1), kernel, self.bias, padding=1)
        return torch.unflatten(out, 0, (-1, depth)).transpose(1, 2)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(4, width)
        self.first = SlabConv(width, width, 3, padding=1)
        self.second = nn.Conv3d(width, width, 1)

    def forward(self, cells: Tensor) -> Tensor:
        out: Tensor = cells + self.second(F.gelu(self.first(self.norm(cells))))
        return out


def cell_axis(n: int, like: Tensor) -> Tensor:
    """Return the (n,) centres of equal cells between -1 and 1, as texels lie."""
    return (torch.arange(n, device=like.device, dtype=like.dtype) * 2 + 1) / n - 1


def cell_centres(n: int, like: Tensor) -> Tensor:
    """Return the (n, n, n, 3) centres of cells, indexed x, y, z."""
    axis = cell_axis(n, like)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)


def both_sides(logits_bxyz: Tensor) -> tuple[Tensor, Tensor]:
    """Return opacity and depth (b, 3, 2, h, w) of the surface met along each plane's own axis.

    First from the low end of the axis, then from the high end; depth is a coordinate of the box,
    and where nothing is met it is the far end's.
    """
    along = torch.stack(
        [
            logits_bxyz.permute(0, 3, 2, 1),
            logits_bxyz.permute(0, 2, 3, 1),
            logits_bxyz.permute(0, 1, 3, 2),
        ],
        1,
    )
    both = torch.stack([along, along.flip(2)], 2)
    thickness = F.softplus(both)
    # Emission and absorption, as in `volume_render.weights`, with cells of length one.
    before = thickness.cumsum(3) - thickness
    share = -torch.expm1(-thickness) * torch.exp(-before)
    opacity = share.sum(3)
    # Matter begins at the near face of its cell.
    axis = cell_axis(both.shape[3], both) - 1 / both.shape[3]
    met = torch.einsum("bpsdhw,d->bpshw", share, axis) + (1 - opacity)
    return opacity, met * met.new_tensor([1.0, -1.0])[:, None, None]


def surface_points(depth_bpshw: Tensor) -> Tensor:
    """Return the points (b, 3, 2, h, w, 3) at which the sides of the planes meet the surface."""
    side = depth_bpshw.shape[-1]
    axis = cell_axis(side, depth_bpshw)
    rows, columns = torch.meshgrid(axis, axis, indexing="ij")
    points = []
    for plane, (along_width, along_height) in enumerate(PLANE_AXES):
        depth = depth_bpshw[:, plane]
        parts = [depth, depth, depth]
        parts[along_width], parts[along_height] = columns.expand_as(depth), rows.expand_as(depth)
        points.append(torch.stack(parts, -1))
    return torch.stack(points, 1)


def _facing(to_eye_bvn3: Tensor, side: int) -> Tensor:
    """Return (b, v, n) how squarely each point's side of its plane looks at the cameras."""
    each = torch.unflatten(to_eye_bvn3, 2, (3, 2, side * side))
    towards = torch.stack([each[:, :, p, :, :, AWAY_AXIS[p]] for p in range(3)], 2)
    # Low sides look towards the low end of their axis.
    return (towards * towards.new_tensor([-1.0, 1.0])[:, None]).flatten(2)


def _visible(logits_bxyz: Tensor, points_bn3: Tensor, to_eye_bvn3: Tensor) -> Tensor:
    """Return (b, v, n) how free the way from points to cameras is, by some samples."""
    reach = torch.linspace(
        VISIBILITY_FROM, VISIBILITY_TO, VISIBILITY_STEPS, device=points_bn3.device
    )
    free = torch.zeros(to_eye_bvn3.shape[:-1], device=points_bn3.device)
    thickness = F.softplus(logits_bxyz)[:, None]
    for length in reach:
        at = points_bn3[:, None] + to_eye_bvn3 * length
        met = F.grid_sample(thickness, at[:, None].flip(-1), mode="nearest", align_corners=False)
        free = free - met[:, 0, 0]
    return free.exp()
