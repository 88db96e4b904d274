"""What every pixel meets first, for cameras in many packed worlds, in tensors of fixed shape.

`raycast.Caster` makes lists as long as they need to be, which a GPU can only do by asking back.
Here every tile of 8 x 8 pixels keeps a fixed number of the solids its rays may touch, nearest
first, and every ray refines the few round ones whose bounding boxes it enters first. A solid beyond
those numbers is missed: `SHARP_KEPT` and `ROUND_KEPT` are set so that this happens to fewer than
one pixel in ten thousand of a furnished room, which a test measures.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.synth.packed import (
    BOX,
    CENTER,
    FORM,
    OUTER,
    PLANE,
    PLANES,
    ROTATION,
    ROUND,
    SIZE,
    UP,
    Packed,
    rotations,
    solids_of,
)
from engine.synth.raycast import TILE_PX, Caster, Pinhole

LANES = TILE_PX * TILE_PX
SHARP_KEPT, ROUND_KEPT, REFINED = 32, 16, 5
NEWTON_STEPS = 7
# Some seven gigabytes of numbers in between.
PIXELS_AT_ONCE = 1 << 21
NEAR_M = 1e-3
ARRIVED_M = 2e-4


@dataclass(frozen=True, slots=True)
class Cameras:
    """Pinhole cameras in worlds: c of them in each of w worlds, all pictures of one size.

    Attributes:
        K: (w, c, 3, 3) pixel units, pixel centres at a half.
        T_world_cam: (w, c, 4, 4) OpenCV axes.
        height: of the pictures, a multiple of `TILE_PX`, and `width` likewise.
    """

    K: Tensor
    T_world_cam: Tensor
    height: int
    width: int

    def pick(self, worlds: slice, views: slice) -> "Cameras":
        """Return some of the cameras."""
        T = self.T_world_cam[worlds, views]
        return Cameras(self.K[worlds, views], T, self.height, self.width)

    def slices(self) -> list[slice]:
        """Return runs of worlds whose pixels fit on a device at once."""
        w, c = self.K.shape[:2]
        step = max(1, PIXELS_AT_ONCE // (c * self.height * self.width))
        return [slice(start, start + step) for start in range(0, w, step)]

    def directions(self) -> Tensor:
        """Return world rays (w, c, h, w, 3) at depth one behind every pixel centre."""
        device = self.K.device
        u = torch.arange(self.width, device=device) + 0.5
        v = torch.arange(self.height, device=device) + 0.5
        fx, fy = self.K[..., 0, 0, None, None], self.K[..., 1, 1, None, None]
        cx, cy = self.K[..., 0, 2, None, None], self.K[..., 1, 2, None, None]
        shape = (*self.K.shape[:2], self.height, self.width)
        x = ((u - cx) / fx).expand(shape)
        y = ((v[:, None] - cy) / fy).expand(shape)
        R = self.T_world_cam[..., None, None, :3, :3]
        # Three products of whole pictures are quicker than as many small ones as pixels.
        return x[..., None] * R[..., 0] + y[..., None] * R[..., 1] + R[..., 2]


def cast(packed: Packed, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Return depth (w, c, h, w), 0 for none, and the row of the table met, -1 for none.

    A processor makes lists, which is some fifteen times less work; the answers are the same.
    """
    if packed.table.device.type == "cpu":
        return cast_listed(packed, cameras)
    some = [
        cast_dense(packed.rows(worlds), cameras.pick(worlds, slice(None)))
        for worlds in cameras.slices()
    ]
    depths, rows = zip(*some, strict=True)
    return torch.cat(depths), torch.cat(rows)


def cast_listed(packed: Packed, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Return `cast` by way of the caster of single worlds; every world has one lens."""
    depths, rows = [], []
    for table, K, T in zip(packed.table, cameras.K, cameras.T_world_cam, strict=True):
        solids, row = solids_of(table)
        lens = lens_of(K[0], cameras.height, cameras.width)
        hits = Caster(solids).cast(lens, T)
        solid, depth = lens.untile(hits.solid), lens.untile(hits.depth_m)
        hit = solid >= 0
        depths.append(torch.where(hit, depth, 0.0))
        rows.append(torch.where(hit, row[solid.clamp(min=0)], -1))
    return torch.stack(depths), torch.stack(rows)


def lens_of(K: Tensor, height: int, width: int) -> Pinhole:
    """Return the camera of a matrix (3, 3) on the processor."""
    fx, fy, cx, cy = K[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
    return Pinhole(width, height, fx, fy, cx, cy)


def cast_dense(packed: Packed, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Return `cast` in tensors whose shapes are known beforehand."""
    table = packed.table
    w, c = cameras.K.shape[:2]
    rows, columns = cameras.height // TILE_PX, cameras.width // TILE_PX
    rays = cameras.directions().reshape(w * c, rows, TILE_PX, columns, TILE_PX, 3)
    rays = rays.permute(0, 1, 3, 5, 2, 4).reshape(w * c, rows * columns, 3, LANES)
    eye = cameras.T_world_cam[..., :3, 3]
    depth, solid = _walls(table, eye, rays)
    R = rotations(table[:, PLANES:])
    offset = eye[:, :, None] - table[:, None, PLANES:, CENTER]
    origin = torch.einsum("wnji,wcnj->wcni", R, offset).flatten(0, 1)
    near, touched = _overlaps(table[:, PLANES:], cameras)
    form, round_m = table[:, None, PLANES:, FORM], table[:, None, PLANES:, ROUND]
    sharp = ((form == BOX) & (round_m == 0)).expand(w, c, -1).flatten(0, 1)
    for is_sharp, kept in ((True, SHARP_KEPT), (False, ROUND_KEPT)):
        wanted = touched & (sharp == is_sharp)[:, None]
        order = torch.where(wanted, near[:, None], torch.inf)
        _, chosen = order.topk(min(kept, order.shape[2]), dim=2, largest=False)
        usable = wanted.gather(2, chosen)
        depth, solid = _meet(table, c, rays, origin, chosen, usable, is_sharp, depth, solid)
    hit = torch.isfinite(depth)

    def whole(values: Tensor) -> Tensor:
        cut = values.reshape(w, c, rows, columns, TILE_PX, TILE_PX).transpose(3, 4)
        return cut.reshape(w, c, cameras.height, cameras.width)

    return whole(torch.where(hit, depth, 0.0)), whole(torch.where(hit, solid, -1))


def _walls(table: Tensor, eye: Tensor, rays: Tensor) -> tuple[Tensor, Tensor]:
    """Return depth and row (views, tiles, 64) of the nearest wall."""
    walls = table[:, :PLANES]
    up = walls[:, :, UP]
    height = torch.einsum("wni,wcni->wcn", up, eye[:, :, None] - walls[:, None, :, CENTER])
    views = len(rays)
    up = up[:, None].expand(-1, eye.shape[1], -1, -1).reshape(views, 1, PLANES, 3)
    facing = up @ rays
    above = (height > 0) & (walls[:, None, :, FORM] == PLANE)
    height = torch.where(above, height, torch.inf).reshape(views, 1, PLANES, 1)
    depth = torch.where(facing < -1e-9, -height / facing.clamp(max=-1e-9), torch.inf)
    best, which = depth.min(dim=2)
    return best, which


def _overlaps(solids: Tensor, cameras: Cameras) -> tuple[Tensor, Tensor]:
    """Return each solid's least depth (views, n), and which tiles its box may touch.

    The second is (views, tiles, n).
    """
    w, c = cameras.K.shape[:2]
    rows, columns = cameras.height // TILE_PX, cameras.width // TILE_PX
    T = cameras.T_world_cam
    R_cam_world = T[..., :3, :3].transpose(2, 3)
    center = torch.einsum(
        "wcij,wcnj->wcni", R_cam_world, solids[:, None, :, CENTER] - T[..., None, :3, 3]
    )
    R_world_obj = rotations(solids)
    axes = torch.einsum("wcij,wnjk->wcnik", R_cam_world, R_world_obj)
    axes = axes * solids[:, None, :, None, OUTER]
    deep = center[..., 2] + axes[..., 2, :].abs().sum(-1)
    exists = (solids[:, None, :, FORM] >= BOX) & (deep > NEAR_M)

    def touch(axis: int, count: int) -> Tensor:
        focal, middle = cameras.K[..., axis, axis], cameras.K[..., axis, 2]
        edge = torch.arange(count + 1, device=T.device) * TILE_PX
        edge = (edge - middle[..., None]) / focal[..., None]
        side = center[..., axis, None] - edge[:, :, None] * center[..., 2, None]
        reach = axes[..., None, axis, :] - edge[:, :, None, :, None] * axes[..., None, 2, :]
        reach = reach.abs().sum(-1)
        return (side + reach >= 0)[..., :-1] & (side - reach <= 0)[..., 1:]

    in_row, in_column = touch(1, rows), touch(0, columns) & exists[..., None]
    both = in_row[..., :, None] & in_column[..., None, :]
    tiles = both.reshape(w * c, -1, rows * columns).transpose(1, 2)
    near = center[..., 2] - axes[..., 2, :].abs().sum(-1)
    return near.reshape(w * c, -1), tiles


def _meet(
    table: Tensor,
    views_each: int,
    rays: Tensor,
    origin: Tensor,
    chosen: Tensor,
    usable: Tensor,
    is_sharp: bool,
    depth: Tensor,
    solid: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return depth and row after trying the chosen solids (views, tiles, k) in each tile."""
    views, tiles, kept = chosen.shape
    n = table.shape[1] - PLANES
    world = torch.arange(views, device=rays.device) // views_each
    row = (world[:, None, None] * table.shape[1] + PLANES + chosen).reshape(-1)
    flat = table.reshape(-1, table.shape[2])
    R = flat[:, ROTATION].index_select(0, row).reshape(views * tiles, kept, 3, 3)
    outer = flat[:, OUTER].index_select(0, row).reshape(views * tiles, kept, 3, 1)
    view = torch.arange(views, device=rays.device)[:, None, None]
    at = origin.reshape(-1, 3).index_select(0, (view * n + chosen).reshape(-1))
    at = at.reshape(views * tiles, kept, 3, 1)
    # Row i of `ahead` is the ray's part along the solid's own axis i.
    ahead = R.permute(0, 1, 3, 2).reshape(views * tiles, kept * 3, 3) @ rays.flatten(0, 1)
    ahead = ahead.reshape(views * tiles, kept, 3, LANES)
    inverse = 1 / torch.where(ahead.abs() < 1e-9, 1e-9, ahead)
    middle, half = -at * inverse, outer * inverse.abs()
    enter, leave = (middle - half).amax(2), (middle + half).amin(2)
    depth, solid = depth.reshape(-1, LANES), solid.reshape(-1, LANES)
    fits = (enter < leave) & (enter > NEAR_M) & usable.reshape(-1, kept, 1)
    enter = torch.where(fits & (enter < depth[:, None]), enter, torch.inf)
    chosen = chosen.reshape(-1, kept) + PLANES
    if is_sharp:
        best, which = enter.min(1)
        nearer = best < depth
        found = chosen.gather(1, which)
        depth, solid = torch.where(nearer, best, depth), torch.where(nearer, found, solid)
        return depth.reshape(views, tiles, LANES), solid.reshape(views, tiles, LANES)
    shape = flat[:, SIZE.start : ROUND + 1].index_select(0, row).reshape(-1, kept, 4)
    form = flat[:, FORM].index_select(0, row).reshape(-1, kept)
    for _ in range(min(REFINED, kept)):
        first, which = enter.min(1)
        enter = enter.scatter(1, which[:, None], torch.inf)
        out = leave.gather(1, which[:, None])[:, 0]
        place = [ahead[:, :, i].gather(1, which[:, None])[:, 0] for i in range(3)]
        start = [at[:, :, i, 0].gather(1, which) for i in range(3)]
        size = [shape[:, :, i].gather(1, which) for i in range(4)]
        met = _refine(form.gather(1, which), start, place, size, first, out)
        nearer = met < depth
        depth = torch.where(nearer, met, depth)
        solid = torch.where(nearer, chosen.gather(1, which), solid)
    return depth.reshape(views, tiles, LANES), solid.reshape(views, tiles, LANES)


def _refine(
    form: Tensor,
    at: list[Tensor],
    ahead: list[Tensor],
    size: list[Tensor],
    enter: Tensor,
    leave: Tensor,
) -> Tensor:
    """Return where rays meet their solids by Newton's steps from outside, inf for never.

    The distance to a convex solid is convex along a ray, so a step never passes the surface.
    """
    t = torch.where(torch.isfinite(enter), enter, 0.0)
    alive = torch.isfinite(enter)
    gap = torch.zeros_like(t)
    for _ in range(NEWTON_STEPS):
        gap, closing = _slope(form, at, ahead, size, t)
        alive = alive & ((closing > 0) | (gap < ARRIVED_M))
        t = torch.where(gap > 0, t + gap / closing.clamp(min=1e-9), t)
        # What has left its box is gone; it stays at the border so that numbers stay finite.
        alive = alive & (t <= leave + ARRIVED_M)
        t = torch.minimum(t, leave + ARRIVED_M)
    # One more look: only what has arrived counts.
    gap, _ = _slope(form, at, ahead, size, t)
    return torch.where(alive & (gap < ARRIVED_M), t, torch.inf)


def _slope(
    form: Tensor, at: list[Tensor], ahead: list[Tensor], size: list[Tensor], t: Tensor
) -> tuple[Tensor, Tensor]:
    """Return distance and how fast it closes for each length of ray; right outside solids only."""
    dx, dy, dz = ahead
    x, y, z = (o + t * d for o, d in zip(at, ahead, strict=True))
    a, b, c, round_m = size
    # A rounded box: from outside, the way to its core.
    qx, qy, qz = ((p.abs() - s).clamp(min=0) for p, s in ((x, a), (y, b), (z, c)))
    box = (qx * qx + qy * qy + qz * qz).sqrt()
    box_rate = qx * x.sign() * dx + qy * y.sign() * dy + qz * z.sign() * dz
    box_rate = -box_rate / box.clamp(min=1e-12)
    # A frustum: caps and slanted side in the half plane of radius and height.
    rho = (x * x + y * y).sqrt()
    slope = b - a
    length2 = (slope * slope + 4 * c * c).clamp(min=1e-20)
    share = ((rho - a) * slope + (z + c) * 2 * c) / length2
    along = share.clamp(0, 1)
    side_out, side_up = rho - (a + along * slope), z - (2 * along - 1) * c
    cap_out = (rho - torch.where(z > 0, b, a)).clamp(min=0)
    cap_up = z.abs() - c
    side2, cap2 = side_out.square() + side_up.square(), cap_out.square() + cap_up.square()
    on_cap = cap2 < side2
    inside = (cap_up < 0) & (rho < a + (z + c) / (2 * c).clamp(min=1e-20) * slope)
    core = torch.minimum(side2, cap2).sqrt()
    # On flat parts the direction is the part's own, exact however near the point is.
    scale = length2.rsqrt()
    flat = (share > 0) & (share < 1)
    away = 1 / core.clamp(min=1e-12)
    out = torch.where(flat, 2 * c * scale, side_out * away)
    up = torch.where(flat, -slope * scale, side_up * away)
    sign = torch.where(z < 0, -1.0, 1.0)
    flat_cap = cap_out <= 0
    out = torch.where(on_cap, torch.where(flat_cap, 0.0, cap_out * away), out)
    up = torch.where(on_cap, torch.where(flat_cap, sign, cap_up * sign * away), up)
    rate = -(out * (x * dx + y * dy) / rho.clamp(min=1e-9) + up * dz)
    frustum = torch.where(inside, -core, core)
    is_box = form == BOX
    return torch.where(is_box, box, frustum) - round_m, torch.where(is_box, box_rate, rate)
