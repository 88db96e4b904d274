"""Frames as the reconstruction wants them: torch, and pixel centres at integers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.core.arrays import F32, U8
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.nets.finerecon.projection import world_to_camera

# What every picture is resized to, and the step in which its edges may grow: the 2D networks
# upsample by fixed factors from a sixteenth of the size.
NETWORK_WIDTH, NETWORK_HEIGHT = 640, 480
MULTIPLE_PX = 16


@dataclass(frozen=True, slots=True)
class DepthView:
    """A depth picture and its camera.

    Attributes:
        depth_hw: float32 metres, 0 unknown.
        K: (3, 3) float32, pixel centres at integers.
        T_cam_world: (4, 4) float32, world to this camera.
    """

    depth_hw: Tensor
    K: Tensor
    T_cam_world: Tensor

    def to(self, device: torch.device) -> "DepthView":
        """Return the same view on a device."""
        return DepthView(*(part.to(device) for part in (self.depth_hw, self.K, self.T_cam_world)))


@dataclass(frozen=True, slots=True)
class View:
    """A photograph of the network's size, with the depth that guides it where there is any.

    Attributes:
        image_3hw: uint8 RGB.
        K: (3, 3) float32, pixel centres at integers.
        T_cam_world: (4, 4) float32, world to the colour camera.
        depth: None where the frame guides nothing.
    """

    image_3hw: Tensor
    K: Tensor
    T_cam_world: Tensor
    depth: DepthView | None

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        height, width = self.image_3hw.shape[-2:]
        return height, width

    def to(self, device: torch.device) -> "View":
        """Return the same view on a device."""
        image, K, T = (part.to(device) for part in (self.image_3hw, self.K, self.T_cam_world))
        return View(image, K, T, None if self.depth is None else self.depth.to(device))


def color_view(
    color: U8,
    camera: Intrinsics,
    T_world_cam: Pose,
    depth: DepthView | None,
    width: int = NETWORK_WIDTH,
    height: int = NETWORK_HEIGHT,
) -> View:
    """Return a photograph resized to the network's size, whatever its proportions were.

    Raises:
        BadInput: a size that is not a multiple of 16.
    """
    if width % MULTIPLE_PX or height % MULTIPLE_PX or min(width, height) < MULTIPLE_PX:
        raise BadInput(
            f"Pictures of {width}x{height} do not fit the network.",
            f"Use multiples of {MULTIPLE_PX}.",
        )
    picture = Image.fromarray(color)
    if picture.size != (width, height):
        picture = picture.resize((width, height))  # bicubic, as the weights were trained
    image = torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous()
    return View(image, resized_matrix(camera, width, height), to_cam(T_world_cam.matrix), depth)


def depth_view(depth_m: F32, camera: Intrinsics, T_world_depth: Pose) -> DepthView:
    """Return a depth picture in its own size."""
    K = torch.from_numpy(camera.opencv_matrix().astype(np.float32))
    return DepthView(torch.from_numpy(np.array(depth_m)), K, to_cam(T_world_depth.matrix))


def resized_matrix(camera: Intrinsics, width: int, height: int) -> Tensor:
    """Return K (3, 3) of the resized picture, pixel centres at integers.

    The only place where our half-pixel centres become the network's. The rows are then scaled as
    the published system does it, without moving the centre by the half pixel a resize asks for:
    the weights were trained with that.
    """
    K = camera.opencv_matrix()
    K[0] *= width / camera.width
    K[1] *= height / camera.height
    return torch.from_numpy(K.astype(np.float32))


def to_cam(T_world_cam: np.ndarray | Sequence[Sequence[float]]) -> Tensor:
    """Return the inverse of a pose (4, 4), in the single precision of the published system."""
    return world_to_camera(torch.tensor(np.asarray(T_world_cam, np.float32)))
