"""What packed worlds keep for their light, and the cubes of pictures it is kept in."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from engine.synth.cast_many import Cameras
from engine.synth.packed import Packed

SHADOW_PX, SHADOW_BORDER_PX = 64, 2
MIRROR_PX, MIRROR_BORDER_PX = 48, 1


@dataclass(frozen=True, slots=True)
class Stage:
    """Worlds with all that their light needs.

    Attributes:
        packed: the worlds.
        shadow: (w, LIGHTS, 6, px, px) depth from each lamp.
        openness: (w, 1, z, y, x) metres to the nearest surface.
        mirror: (w, 6, px, px, 3) linear light seen from the middle, and the same blurred.
        middle: (w, 3) where that was.
    """

    packed: Packed
    shadow: Tensor
    openness: Tensor
    mirror: Tensor
    middle: Tensor

    def rows(self, which: slice) -> "Stage":
        """Return a run of the worlds."""
        rest = [getattr(self, f.name)[which] for f in fields(Stage)[1:]]
        return Stage(self.packed.rows(which), *rest)

    @staticmethod
    def join(some: "Sequence[Stage]") -> "Stage":
        """Return the worlds of several in a row."""
        rest = [torch.cat([getattr(s, f.name) for s in some]) for f in fields(Stage)[1:]]
        return Stage(Packed.join([s.packed for s in some]), *rest)


def cube_cameras(eye: Tensor, edge_px: int, border_px: int) -> Cameras:
    """Return six cameras (w, 6 * e) about every eye (w, e, 3): +x -x +y -y +z -z."""
    focal = edge_px / 2 - border_px
    device = eye.device
    K = torch.zeros(3, 3, device=device)
    K[0, 0] = K[1, 1] = focal
    K[0, 2] = K[1, 2] = edge_px / 2
    K[2, 2] = 1
    faces = torch.zeros(6, 4, 4, device=device)
    for face in range(6):
        axis, sign = face // 2, 1.0 if face % 2 == 0 else -1.0
        faces[face, (axis + 1) % 3, 0] = 1
        faces[face, (axis + 2) % 3, 1] = sign
        faces[face, axis, 2] = sign
    faces[:, 3, 3] = 1
    w, e = eye.shape[:2]
    T = faces.expand(w, e, 6, 4, 4).clone()
    T[..., :3, 3] = eye[:, :, None]
    views = (w, e * 6)
    return Cameras(K.expand(*views, 3, 3), T.reshape(*views, 4, 4), edge_px, edge_px)


def cube_place(away: Tensor, edge_px: int, border_px: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return face, column, row (pixels from the corner) and depth of directions (3, n)."""
    x, y, z = away
    ax, ay, az = x.abs(), y.abs(), z.abs()
    is_z, is_y = az > torch.maximum(ax, ay), ay > ax
    main = torch.where(is_z, z, torch.where(is_y, y, x))
    second = torch.where(is_z, x, torch.where(is_y, z, y))
    third = torch.where(is_z, y, torch.where(is_y, x, z))
    axis = torch.where(is_z, 2, is_y.long())
    ahead = main.abs().clamp(min=1e-6)
    focal = (edge_px / 2 - border_px) / ahead
    side = torch.where(main < 0, -focal, focal)
    face = axis * 2 + (main < 0)
    return face, second * focal + edge_px / 2, third * side + edge_px / 2, ahead
