"""Rooms of six painted planes: quick to draw, and everything about them is known."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Room:
    """Samples of box rooms; walls are `offsets_b6` from the origin along -x, x, -y, y, -z, z."""

    pictures: Tensor
    depth: Tensor
    K: Tensor
    T_world_cam: Tensor
    offsets_b6: Tensor

    def distance(self, points_bn3: Tensor) -> Tensor:
        both = torch.cat([points_bn3 + self.offsets_b6[:, None, ::2],
                          self.offsets_b6[:, None, 1::2] - points_bn3], -1)  # fmt: skip
        return both.amin(-1)


class Planes:
    """Worlds of one box room each, seen by cameras near its middle."""

    def __init__(self, hw: tuple[int, int], views: int, batch: int = 1, seed: int = 0) -> None:
        self.hw, self.views, self.size, self.seed = hw, views, batch, seed

    def batch(self, index: int) -> Room:
        rooms = [self._room(self.seed + 1000 + index * self.size + k) for k in range(self.size)]
        parts = zip(*[(r.pictures, r.depth, r.K, r.T_world_cam, r.offsets_b6) for r in rooms],
                    strict=True)  # fmt: skip
        return Room(*[torch.cat(part) for part in parts])

    def held_out(self, number: int) -> Room:
        return self._room(number)

    walk = batch

    def held_out_walk(self, number: int, frames: int) -> Room:
        assert frames == self.views
        return self._room(number)

    def _room(self, seed: int) -> Room:
        chance = torch.Generator().manual_seed(seed)

        def draw(*shape: int) -> Tensor:
            return torch.rand(shape, generator=chance) * 2 - 1

        h, w = self.hw
        offsets = 1.5 + 0.7 * draw(6)
        focal = 0.8 * w
        K = torch.tensor([[focal, 0, w / 2], [0, focal, h / 2], [0, 0, 1]])
        poses = torch.eye(4).repeat(self.views, 1, 1)
        poses[:, :3, 3] = 0.12 * draw(self.views, 3)
        yaw = 3.0 * draw(1) + 0.1 * draw(self.views)
        poses[:, 0, 0], poses[:, 0, 1] = yaw.cos(), -yaw.sin()
        poses[:, 1, 0], poses[:, 1, 1] = yaw.sin(), yaw.cos()
        # From axes with z forward to a world with z up.
        poses[:, :3, :3] = poses[:, :3, :3] @ torch.tensor([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
        v, u = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
        rays_cam = torch.stack([u, v, torch.ones_like(u)], -1) @ torch.linalg.inv(K).T
        rays = torch.einsum("vij,hwj->vhwi", poses[:, :3, :3], rays_cam)
        here = poses[:, None, None, :3, 3]
        walls = torch.where(rays > 0, offsets[1::2] - here, offsets[::2] + here)
        depth = (walls / rays.abs().clamp_min(1e-9)).amin(-1)
        points = here + rays * depth[..., None]
        waves = 4 * draw(3, 3, 6), 3 * draw(3, 6)
        paint = torch.einsum("vhwj,jck->vhwck", 3 * points, waves[0]) + waves[1]
        pictures = (0.5 + 0.2 * paint.sin().sum(-1)).clamp(0, 1).movedim(-1, 1)
        return Room(
            pictures[None], depth[None], K.expand(1, self.views, 3, 3), poses[None], offsets[None]
        )
