"""One object made of a few solids, blended where they meet, with its distance anywhere.

An object lives in the box [-1, 1]^3 with +Y up. Its solids are those of `engine.synth.shapes`, and
shells of revolution, which hollow things are made of. Where solids do not blend the distance is
exact in free space; within a blend it is a little short, never too long.
"""

from dataclasses import dataclass, fields, replace
from enum import IntEnum

import torch
from torch import Tensor

from engine.synth.shapes import Kind, distance_local

SHELL = 4
PROFILE = 6


class Form(IntEnum):
    """Which formula a solid obeys, each in its own frame, whose z is its axis."""

    BOX = int(Kind.BOX)
    FRUSTUM = int(Kind.FRUSTUM)
    TORUS = int(Kind.TORUS)
    SHELL = SHELL


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of n solids, float32.

    Attributes:
        form: (n,) int64.
        R_world_obj: (n, 3, 3).
        center: (n, 3).
        size: (n, 3) as `engine.synth.shapes` has it.
        round: (n,) rounding radius, or half the thickness of a shell.
        profile: (n, PROFILE, 2) radius and height of a shell's corners, the last one repeated.
        blend: () how far from each other solids begin to flow together.
        layer: (n,) int64, the picture each wears.
        tint: (n, 3) factor on its reflectance.
        tile: (n,) how long one repetition of the picture is.
    """

    form: Tensor
    R_world_obj: Tensor
    center: Tensor
    size: Tensor
    round: Tensor
    profile: Tensor
    blend: Tensor
    layer: Tensor
    tint: Tensor
    tile: Tensor

    def to(self, device: torch.device) -> "Thing":
        """Return the same on a device."""
        return Thing(*(getattr(self, f.name).to(device) for f in fields(self)))

    def placed(self, middle: Tensor, scale: float) -> "Thing":
        """Return it enlarged about the point `middle` (3,), which comes to lie in the origin."""
        return replace(
            self,
            center=(self.center - middle) * scale,
            size=self.size * scale,
            round=self.round * scale,
            profile=self.profile * scale,
            blend=self.blend * scale,
        )

    def turned(self, turn: Tensor) -> "Thing":
        """Return it turned about the origin by a rotation (3, 3)."""
        return replace(self, R_world_obj=turn @ self.R_world_obj, center=self.center @ turn.T)

    def local(self, points_p3: Tensor, solid: int) -> Tensor:
        """Return points (p, 3) in the frame of one solid."""
        return (points_p3 - self.center[solid]) @ self.R_world_obj[solid]

    def each(self, points_p3: Tensor) -> Tensor:
        """Return the distance (n, p) of points (p, 3) to every solid by itself."""
        found = []
        for solid, form in enumerate(self.form.tolist()):
            p = self.local(points_p3, solid)
            size, round_m = self.size[solid], self.round[solid]
            if form == SHELL:
                found.append(_to_profile(p, self.profile[solid]) - round_m)
            else:
                found.append(distance_local(Kind(form), p, size, round_m))
        return torch.stack(found)

    def distance(self, points_p3: Tensor) -> Tensor:
        """Return the signed distance (p,) of points (p, 3), negative in matter."""
        return blended(self.each(points_p3), self.blend)

    def normals(self, points_p3: Tensor, step: float = 2e-3) -> Tensor:
        """Return the outward unit normals (p, 3) at surface points, by differences."""
        # The corners of a tetrahedron: four looks instead of six.
        corners = points_p3.new_tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
        around = points_p3[None] + step * corners[:, None]
        found = torch.unflatten(self.distance(around.flatten(0, 1)), 0, (4, -1))
        return torch.nn.functional.normalize((found[..., None] * corners[:, None]).sum(0), dim=-1)


def blended(distances_np: Tensor, reach: Tensor) -> Tensor:
    """Return the least of n distances (p,), rounded off where two are within `reach`."""
    if not reach > 0:
        return distances_np.amin(0)
    result = distances_np[0]
    for other in distances_np[1:]:
        # A parabola between the two; equal to the lesser one from `reach` on.
        overlap = (reach - (result - other).abs()).clamp_min(0)
        result = torch.minimum(result, other) - overlap.square() / (4 * reach)
    return result


def _to_profile(points_p3: Tensor, profile_k2: Tensor) -> Tensor:
    """Return the distance (p,) to a line of corners turned round z."""
    rho = torch.linalg.vector_norm(points_p3[:, :2], dim=-1)
    at = torch.stack([rho, points_p3[:, 2]], -1)[:, None]
    start, along = profile_k2[:-1], profile_k2[1:] - profile_k2[:-1]
    length2 = along.square().sum(-1).clamp_min(1e-12)
    share = (((at - start) * along).sum(-1) / length2).clamp(0, 1)
    off = at - start - share[..., None] * along
    found: Tensor = torch.linalg.vector_norm(off, dim=-1).amin(-1)
    return found
