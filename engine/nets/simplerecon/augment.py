"""The flip of a whole training sample; the network's own, image-only flip is in its forward."""

import torch
from torch import Tensor

from engine.nets.simplerecon.model import mirror


def mirrored_scene(
    images_bv3hw: Tensor, depth_bv1hw: Tensor, K_bv33: Tensor, T_world_cam_bv44: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the sample as seen in a mirror: pictures, depths, cameras and poses alike.

    The principal point moves to `width - cx` and the cameras' x axes turn round, so poses become
    left-handed; relative poses stay rigid.
    """
    K = K_bv33.clone()
    K[..., 0, 2] = images_bv3hw.shape[-1] - K_bv33[..., 0, 2]
    x_axis = torch.ones(4, dtype=T_world_cam_bv44.dtype, device=T_world_cam_bv44.device)
    x_axis[0] = -1
    return mirror(images_bv3hw), mirror(depth_bv1hw), K, T_world_cam_bv44 * x_axis
