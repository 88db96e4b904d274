"""Face ids by ray casting on the CPU, through Open3D's Embree scene: the free default."""

import numpy as np
import torch
from torch import Tensor

from engine.core.late import open3d
from engine.kernels.rasterise import pixel_centres


class EmbreeRasteriser:
    """A rasteriser for perspective cameras that needs no GPU.

    Drop (X, Y, w) of every clip-space vertex into a space of its own: there the eye is the
    origin, pixel (x, y) looks along (x, y, 1), and the ray's parameter is w. So any mvp will do,
    and a hit before the eye is one with positive w. Nothing is cut away at the near plane.
    """

    def face_ids(self, clip_bv4: Tensor, faces: Tensor, height: int, width: int) -> Tensor:
        """Return (b, height, width) int64 face numbers, -1 where nothing is seen."""
        ids = torch.full((len(clip_bv4), height, width), -1, dtype=torch.int64)
        if len(faces):
            centres = pixel_centres(torch.arange(height * width), height, width).float()
            rays = torch.cat(
                [torch.zeros(len(centres), 3), centres, torch.ones(len(centres), 1)], 1
            )
            corners = np.ascontiguousarray(faces.cpu().numpy(), np.uint32)
            for view, clip in enumerate(clip_bv4.detach().cpu()):
                ids[view] = _cast(clip, corners, rays).reshape(height, width)
        return ids.to(clip_bv4.device)


def _cast(clip_v4: Tensor, faces: np.ndarray, rays_n6: Tensor) -> Tensor:
    o3d = open3d()
    scene = o3d.t.geometry.RaycastingScene()
    points = np.ascontiguousarray(clip_v4[:, [0, 1, 3]].float().numpy())
    scene.add_triangles(o3d.core.Tensor(points), o3d.core.Tensor(faces))
    answer = scene.cast_rays(o3d.core.Tensor(rays_n6.numpy()))
    hit = torch.from_numpy(np.isfinite(answer["t_hit"].numpy()))
    face = torch.from_numpy(answer["primitive_ids"].numpy().astype(np.int64))
    return torch.where(hit, face, -1)
