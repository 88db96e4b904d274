"""What every pixel's ray meets first: exact, for many views at once.

The picture is cut into tiles of 8 x 8 pixels. A solid is tried only in tiles its bounding box can
touch, which leaves some ten ray tests a pixel however full the room is. Planes and sharp boxes
have closed answers. Along a ray the distance to a convex solid is a convex function, so Newton's
steps from the bounding box approach the surface from outside and never pass it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.synth.shapes import Kind, Solids, dot, field_local, largest_axis, turn_each

TILE_PX = 8
LANES = TILE_PX * TILE_PX
PAIRS_AT_ONCE = 8192
NEAR_M = 1e-3
PLANE, SHARP = -1, 0
NEWTON_STEPS = 9
TORUS_STEPS = 48
# A ray this near to the surface has arrived; at the last step a little farther will do, which is
# still far below what a depth camera resolves.
SURE_M = 2e-6
ARRIVED_M = 2e-4


@dataclass(frozen=True, slots=True)
class Pinhole:
    """A camera for tensors: size in pixels, focal lengths and centre, pixel centres at a half."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def tiles(self) -> tuple[int, int]:
        """Return rows and columns of tiles; the last ones may hang over the edge."""
        return -(-self.height // TILE_PX), -(-self.width // TILE_PX)

    def tile_directions(self, device: torch.device) -> Tensor:
        """Return (tiles, 3, 64) points at depth one behind every pixel centre, camera frame."""
        rows, columns = self.tiles()
        x = (torch.arange(columns * TILE_PX, device=device) + 0.5 - self.cx) / self.fx
        y = (torch.arange(rows * TILE_PX, device=device) + 0.5 - self.cy) / self.fy
        grid = torch.stack(
            [
                x.expand(len(y), -1),
                y[:, None].expand(-1, len(x)),
                torch.ones_like(x).expand(len(y), -1),
            ]
        )
        cut = grid.reshape(3, rows, TILE_PX, columns, TILE_PX).permute(1, 3, 0, 2, 4)
        return cut.reshape(rows * columns, 3, LANES).contiguous()

    def untile(self, values: Tensor) -> Tensor:
        """Return (b, height, width, ...) from values (b * tiles, 64, ...)."""
        rows, columns = self.tiles()
        rest = values.shape[2:]
        cut = values.reshape(-1, rows, columns, TILE_PX, TILE_PX, *rest).transpose(2, 3)
        whole = cut.reshape(-1, rows * TILE_PX, columns * TILE_PX, *rest)
        return whole[:, : self.height, : self.width]


@dataclass(frozen=True, slots=True)
class Hits:
    """First hits, tiled: `depth_m` (b * tiles, 64), inf for none; `solid` likewise, -1 for none."""

    depth_m: Tensor
    solid: Tensor


class Caster:
    """Casts the pixels of pinhole cameras at a set of solids."""

    def __init__(self, solids: Solids) -> None:
        """Sort the solids by formula; stays on their device."""
        self.solids = solids
        self._planes = torch.nonzero(solids.kind == int(Kind.PLANE))[:, 0]
        self._rest = torch.nonzero(solids.kind != int(Kind.PLANE))[:, 0]
        sharp_box = (solids.kind == int(Kind.BOX)) & (solids.round_m == 0)
        # Planes and sharp boxes have closed answers; the others are refined by their own formula.
        formula = torch.where(solids.kind == int(Kind.PLANE), PLANE, solids.kind)
        self._formula = torch.where(sharp_box, SHARP, formula)

    def cast(self, camera: Pinhole, T_world_cam: Tensor) -> Hits:
        """Return the first hits of cameras at (b, 4, 4) poses; depth is along the camera axis."""
        solids, device = self.solids, self.solids.center.device
        T = T_world_cam.to(device=device, dtype=torch.float32)
        R, eye = T[:, :3, :3], T[:, :3, 3]
        directions = camera.tile_directions(device)
        R_obj_cam = torch.einsum("nji,bjk->bnik", solids.R_world_obj, R)
        eye_obj = torch.einsum(
            "nji,bnj->bni", solids.R_world_obj, eye[:, None] - solids.center[None]
        )
        view_tiles = len(T) * len(directions)
        nearest = torch.full((view_tiles * LANES,), torch.inf, device=device)
        found: list[tuple[Tensor, Tensor, Tensor]] = []
        self._cast_planes(directions, R_obj_cam, eye_obj, nearest, found)
        pairs = self._overlaps(camera, R, eye)
        formula = self._formula[pairs[:, 1]]
        for code in (SHARP, int(Kind.BOX), int(Kind.FRUSTUM), int(Kind.TORUS)):
            for some in torch.split(pairs[formula == code], PAIRS_AT_ONCE):
                self._cast_pairs(code, some, directions, R_obj_cam, eye_obj, nearest, found)
        owner = torch.full((view_tiles * LANES,), -1, dtype=torch.int64, device=device)
        for ray, depth, solid in found:
            won = depth == nearest.index_select(0, ray)
            # The highest index wins a tie, so that the answer does not depend on order.
            owner.scatter_reduce_(0, ray[won], solid[won], "amax")
        return Hits(nearest.reshape(view_tiles, LANES), owner.reshape(view_tiles, LANES))

    def face(self, solid: Tensor, local: Tensor) -> Tensor:
        """Return which side (n,) of its solid each surface point shows: 1..6 of a box, else 0."""
        share = local / self.solids.outer.index_select(0, solid).clamp(min=1e-9)
        axis = largest_axis(share.abs())
        low = share.gather(1, axis[:, None])[:, 0] < 0
        is_box = self.solids.kind.index_select(0, solid) == int(Kind.BOX)
        return torch.where(is_box, 1 + 2 * axis + low, 0)

    def meet(self, solid: Tensor, eye: Tensor, rays: Tensor) -> tuple[Tensor, Tensor]:
        """Return where some rays from each eye meet one solid, inf for never, and in which face.

        `solid` is (n,), `eye` (n, 3) and `rays` (n, s, 3), world; both answers are (n, s), the
        first in lengths of the given ray.
        """
        shape = rays.shape[:2]
        R = self.solids.R_world_obj.transpose(1, 2)
        origin = turn_each(R, solid, eye - self.solids.center.index_select(0, solid))
        origin = origin.repeat_interleave(shape[1], 0)
        solid = solid.repeat_interleave(shape[1], 0)
        local = turn_each(R, solid, rays.reshape(-1, 3))
        outer = self.solids.outer.index_select(0, solid)
        inverse = 1 / torch.where(local.abs() < 1e-9, 1e-9, local)
        one, two = (-origin - outer) * inverse, (-origin + outer) * inverse
        enter = torch.minimum(one, two).amax(1)
        leave = torch.maximum(one, two).amin(1)
        result = torch.where((enter < leave) & (enter > NEAR_M), enter, torch.inf)
        formula = self._formula.index_select(0, solid)
        flat = torch.where(local[:, 2] < -1e-9, -origin[:, 2] / local[:, 2], torch.inf)
        result = torch.where(formula == PLANE, flat, result)
        for kind in (Kind.BOX, Kind.FRUSTUM, Kind.TORUS):
            mine = torch.nonzero((formula == int(kind)) & torch.isfinite(result))[:, 0]
            if len(mine):
                given = (solid, origin, local, enter, leave)
                result[mine] = self._refine(kind, *(g.index_select(0, mine) for g in given))
        reached = torch.where(torch.isfinite(result), result, 0)
        face = self.face(solid, origin + reached[:, None] * local)
        return result.reshape(shape), face.reshape(shape)

    def _cast_planes(
        self,
        directions: Tensor,
        R_obj_cam: Tensor,
        eye_obj: Tensor,
        nearest: Tensor,
        found: list[tuple[Tensor, Tensor, Tensor]],
    ) -> None:
        if len(self._planes) == 0:
            return
        normals_cam = R_obj_cam[:, self._planes, 2]
        height = eye_obj[:, self._planes, 2]
        facing = torch.einsum("bpi,til->bptl", normals_cam, directions)
        depth = torch.where(
            (facing < -1e-9) & (height[:, :, None, None] > 0),
            -height[:, :, None, None] / facing,
            torch.inf,
        )
        best, which = depth.min(dim=1)
        flat = best.reshape(-1)
        nearest.copy_(flat)
        ray = torch.nonzero(torch.isfinite(flat))[:, 0]
        found.append((ray, flat[ray], self._planes[which.reshape(-1)[ray]]))

    def _overlaps(self, camera: Pinhole, R: Tensor, eye: Tensor) -> Tensor:
        """Return (view, solid, tile) rows for every tile that a solid's bounding box may touch."""
        some = self.solids.pick(self._rest)
        rows, columns = camera.tiles()
        center = torch.einsum("bji,bnj->bni", R, some.center[None] - eye[:, None])
        axes = torch.einsum("bji,njk->bnik", R, some.R_world_obj) * some.outer[None, :, None, :]

        def touched(axis: int, count: int, focal: float, middle: float) -> Tensor:
            edge = (torch.arange(count + 1, device=R.device) * TILE_PX - middle) / focal
            side = center[..., axis, None] - edge * center[..., 2, None]
            reach = (axes[..., axis, None, :] - edge[:, None] * axes[..., 2, None, :]).abs().sum(-1)
            return (side + reach >= 0)[..., :-1] & (side - reach <= 0)[..., 1:]

        ahead = center[..., 2] + axes[..., 2, :].abs().sum(-1) > NEAR_M
        in_column = touched(0, columns, camera.fx, camera.cx) & ahead[..., None]
        in_row = touched(1, rows, camera.fy, camera.cy)
        view, solid, tile = torch.nonzero(
            (in_row[..., :, None] & in_column[..., None, :]).flatten(2), as_tuple=True
        )
        return torch.stack([view, self._rest[solid], tile], dim=1)

    def _cast_pairs(
        self,
        code: int,
        pairs: Tensor,
        directions: Tensor,
        R_obj_cam: Tensor,
        eye_obj: Tensor,
        nearest: Tensor,
        found: list[tuple[Tensor, Tensor, Tensor]],
    ) -> None:
        view, solid, tile = pairs.unbind(1)
        row = view * len(self.solids) + solid
        turn = R_obj_cam.reshape(-1, 3, 3).index_select(0, row)
        ray_obj = torch.bmm(turn, directions.index_select(0, tile))
        origin = eye_obj.reshape(-1, 3).index_select(0, row)
        outer = self.solids.outer.index_select(0, solid)
        enter = torch.full_like(ray_obj[:, 0], NEAR_M)
        leave = torch.full_like(enter, torch.inf)
        for axis in range(3):
            d = ray_obj[:, axis]
            inverse = 1 / torch.where(d.abs() < 1e-9, 1e-9, d)
            near_face = (-origin[:, axis, None] - outer[:, axis, None]) * inverse
            far_face = (-origin[:, axis, None] + outer[:, axis, None]) * inverse
            enter = torch.maximum(enter, torch.minimum(near_face, far_face))
            leave = torch.minimum(leave, torch.maximum(near_face, far_face))
        view_tile = view * len(directions) + tile
        behind = nearest.reshape(-1, LANES).index_select(0, view_tile)
        hit = (enter < leave) & (enter < behind) & (enter > NEAR_M)
        flat = torch.nonzero(hit.reshape(-1))[:, 0]
        pair, lane = flat // LANES, flat % LANES
        depth = enter.reshape(-1).index_select(0, flat)
        ray = view_tile.index_select(0, pair) * LANES + lane
        solid = solid.index_select(0, pair)
        if code != SHARP:
            start = pair * (3 * LANES) + lane
            along = [ray_obj.reshape(-1).index_select(0, start + a * LANES) for a in range(3)]
            depth = self._refine(
                Kind(code),
                solid,
                origin.index_select(0, pair),
                torch.stack(along, dim=1),
                depth,
                leave.reshape(-1).index_select(0, flat),
            )
            arrived = torch.nonzero(torch.isfinite(depth))[:, 0]
            depth = depth.index_select(0, arrived)
            ray, solid = ray.index_select(0, arrived), solid.index_select(0, arrived)
        nearest.scatter_reduce_(0, ray, depth, "amin")
        found.append((ray, depth, solid))

    def _refine(
        self, kind: Kind, solid: Tensor, origin: Tensor, ray: Tensor, enter: Tensor, leave: Tensor
    ) -> Tensor:
        """Return where each ray meets its solid between two depths, inf where it misses."""
        size = self.solids.size.index_select(0, solid)
        round_m = self.solids.round_m.index_select(0, solid)
        speed = torch.linalg.vector_norm(ray, dim=-1)
        result = torch.full_like(enter, torch.inf)
        going, t = torch.arange(len(enter), device=enter.device), enter
        steps = TORUS_STEPS if kind is Kind.TORUS else NEWTON_STEPS
        for step in range(steps):
            gap, gradient = field_local(kind, origin + t[:, None] * ray, size, round_m)
            arrived = gap < (SURE_M if step < steps - 1 else ARRIVED_M)
            result[going[arrived]] = t[arrived]
            if kind is Kind.TORUS:
                ahead, reached = ~arrived, t + gap / speed
            else:
                # Once the distance to a convex solid grows, it grows for ever.
                closing = -dot(gradient, ray)
                ahead = ~arrived & (closing > 0)
                reached = t + gap / closing.clamp(min=1e-9)
            left = torch.nonzero(ahead & (reached <= leave))[:, 0]
            if len(left) == 0:
                break
            going, t, leave, speed, origin, ray, size, round_m = (
                values.index_select(0, left)
                for values in (going, reached, leave, speed, origin, ray, size, round_m)
            )
        return result
