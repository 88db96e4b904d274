"""What the training pass is given: posed pictures and a turned box of voxels, in batches."""

from typing import NamedTuple

import torch
from torch import Tensor

from engine.nets.finerecon.projection import apply_33, exact
from engine.nets.finerecon.volumes import lattice


class Views(NamedTuple):
    """Posed pictures of a batch of scenes: values 0..1, depth in metres, pixel centres at integers.

    One colour and one depth matrix serve all views of a scene. Poses are camera-to-world.
    """

    images_bv3hw: Tensor
    depth_bvhw: Tensor
    K_color_b33: Tensor
    K_depth_b33: Tensor
    T_world_cam_bv44: Tensor


class Crop(NamedTuple):
    """A turned box of voxels for each scene: p_world = rotation @ p_crop + center."""

    center_b3: Tensor
    rotation_b33: Tensor
    dims: tuple[int, int, int]

    def voxels(self, voxel_m: float) -> Tensor:
        """Return the voxels' centres (b, x*y*z, 3) in the world, z fastest.

        Voxel i is i * voxel_m from the lower corner: the lattice is half a voxel off the box.
        """
        with exact(self.center_b3):
            local_n3 = lattice(self.dims, -self._half_3(voxel_m), voxel_m)
            pairs = zip(self.rotation_b33.float(), self.center_b3.float(), strict=True)
            return torch.stack([apply_33(R, local_n3) + t for R, t in pairs])

    def inside(self, points_bn3: Tensor, voxel_m: float) -> Tensor:
        """Return world points (b, n, 3) in the frame of the lattice, whose first voxel is at 0."""
        with exact(self.center_b3):
            rows = zip(
                self.rotation_b33.float(), self.center_b3.float(), points_bn3.float(), strict=True
            )
            half_3 = self._half_3(voxel_m)
            return torch.stack([apply_33(R.T, p - t) + half_3 for R, t, p in rows])

    def _half_3(self, voxel_m: float) -> Tensor:
        return self.center_b3.new_tensor(self.dims, dtype=torch.float32) * (voxel_m / 2)
