"""Pictures of an object with their cameras, as GTR reads them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.core.arrays import F32, F64, U8
from engine.core.faults import BadInput
from engine.objects.cameras import ObjectCamera, read_camera, released_frustum

# The edge of the square picture that the published network reads.
SIZE_PX = 512


@dataclass(frozen=True, slots=True)
class Views:
    """Pictures of one object.

    Attributes:
        color: (v, h, w, 3) float32 in [0, 1], over white.
        mask: (v, h, w, 1) float32 in [0, 1], soft.
        cameras: one a view, sized as the pictures.
    """

    color: F32
    mask: F32
    cameras: tuple[ObjectCamera, ...]

    def network_input(self) -> Tensor:
        """Return (v, 10, h, w) float32: RGB, unit ray direction, moment, mask."""
        rays = np.stack([ray_map(c, *self.color.shape[1:3]) for c in self.cameras])
        channels = channels_of(self.color, rays, self.mask)
        return torch.from_numpy(channels).permute(0, 3, 1, 2).contiguous()


def channels_of(color: F32, rays: F32, mask: F32) -> F32:
    """Return (v, h, w, 10): the mask comes last."""
    return np.concatenate([color, rays, mask], axis=-1)


def ray_map(camera: ObjectCamera, height: int, width: int) -> F32:
    """Return (height, width, 6) float32: unit direction d and moment d x o, in world axes."""
    origin, directions = camera.rays(height, width)
    rays = [directions, moments(origin, directions)]
    return np.concatenate(rays, axis=-1).astype(np.float32)


def moments(origin: F64, directions: F64) -> F64:
    """Return d x o, (..., 3).

    Not o x d as usual with Pluecker coordinates: the published network learnt the negative.
    """
    return np.cross(directions, origin)


def over_white(rgba: U8) -> tuple[U8, U8]:
    """Return colour over white (h, w, 3) and alpha (h, w) of a picture (h, w, 4)."""
    shares = rgba.astype(np.float32) / np.float32(255)
    alpha = shares[..., 3:]
    return _bytes(shares[..., :3] * alpha + (1 - alpha)), _bytes(alpha[..., 0])


def load_views(
    rgba: Sequence[U8],
    camera_texts: Sequence[str],
    size: int = SIZE_PX,
    compatible: bool = False,
) -> Views:
    """Return pictures (h, w, 4) uint8 with their camera files, resized to a square of `size`.

    `compatible` tells rasterisers of the camera that the published code tells them of, which is
    another than that of the picture unless the file says `size` and a centred principal point.

    Raises:
        BadInput: no picture, not one camera a picture, or a camera that cannot be used.
    """
    if len(rgba) != len(camera_texts) or not len(rgba):
        raise BadInput(
            f"There are {len(rgba)} pictures and {len(camera_texts)} camera files.",
            "Every picture needs its camera, and at least one is needed.",
        )
    pictures = [over_white(picture) for picture in _checked(rgba)]
    return Views(
        np.stack([_resized(color, size) for color, _ in pictures]),
        np.stack([_resized(alpha, size) for _, alpha in pictures])[..., None],
        tuple(_resized_camera(text, size, compatible) for text in camera_texts),
    )


def _resized_camera(text: str, size: int, compatible: bool) -> ObjectCamera:
    """Return the camera of the resized picture."""
    camera = read_camera(text)
    file, lens = camera.intrinsics, camera.intrinsics.scaled_to(size, size)
    frustum = released_frustum(lens, file.width, file.height) if compatible else lens
    return ObjectCamera(lens, camera.T_world_cam, frustum)


def _checked(rgba: Sequence[U8]) -> Sequence[U8]:
    for picture in rgba:
        if picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8:
            raise BadInput(
                f"A picture of shape {picture.shape} and type {picture.dtype} has no alpha.",
                "Pictures of an object are 8-bit RGBA.",
            )
    return rgba


def _bytes(shares: F32) -> U8:
    """Return shares of one as bytes, cut off and not rounded, as the published loader does."""
    return (shares * 255).astype(np.uint8)


def _resized(picture: U8, size: int) -> F32:
    """Return the picture at (size, size) in [0, 1]; untouched when it has that size."""
    image = Image.fromarray(picture).resize((size, size))
    return np.asarray(image, dtype=np.float32) / np.float32(255)
