"""Depth by the published network, from a picture and those around it."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from engine.core.arrays import F32, U8
from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.core.frames import Photo
from engine.depth.base import DepthMap
from engine.depth.keyframes import pose_distance
from engine.nets.simplerecon.model import (
    RESULT_SHRINK,
    DepthPrediction,
    SimpleRecon,
    normalised,
)

# Trust falls to 1/e where prediction and volume disagree by so many planes.
TRUST_PLANES = 4.0


class LearnedDepth:
    """Depth for any reference with at least one source, at half the network's picture size.

    Depth is known everywhere. Confidence is 0 where no source sees the farthest plane, for depth is
    guessed from the picture alone there; elsewhere it is 1 where the prediction lies on the plane
    that fits the sources best, and falls exponentially with the planes between the two.

    `network` is used as it is, on its device; `half` is a type such as bfloat16 to compute the
    networks in (geometry stays float32), None for float32.
    """

    def __init__(self, network: SimpleRecon, half: torch.dtype | None = None) -> None:
        """Put the network into evaluation mode."""
        self._network = network.eval()
        self._half = half
        self.source_count = network.config.sources

    def estimate(self, reference: Photo, sources: Sequence[Photo]) -> DepthMap:
        """Return the depth of the reference.

        The first `source_count` sources are used; where there are fewer, the nearest is repeated.

        Raises:
            BadInput: no source.
        """
        if not sources:
            raise BadInput(
                "Depth from photographs needs at least one other photograph of the same place.",
                "Choose a frame that overlaps, taken from some centimetres away.",
            )
        photos = [reference, *self._lined_up(reference, sources)]
        config = self._network.config
        cameras = [p.intrinsics.scaled_to(config.image_width, config.image_height) for p in photos]
        device = next(self._network.parameters()).device
        # The network's world is the reference camera, so that no digit is lost far from the origin.
        T_ref_cam = [(reference.T_world_cam.inverse @ p.T_world_cam).matrix for p in photos]
        images = np.stack(
            [resized(p.color, config.image_width, config.image_height) for p in photos]
        )
        enabled = self._half is not None
        with torch.inference_mode(), torch.autocast(device.type, self._half, enabled=enabled):
            predicted = self._network(
                normalised(torch.from_numpy(images).to(device).movedim(-1, 1))[None],
                _floats([_matrix(camera) for camera in cameras], device),
                _floats(T_ref_cam, device),
            )
        depth_m, confidence = self._believed(predicted)
        size = config.image_width // RESULT_SHRINK, config.image_height // RESULT_SHRINK
        return DepthMap(depth_m, confidence, reference.intrinsics.scaled_to(*size))

    def _lined_up(self, reference: Photo, sources: Sequence[Photo]) -> list[Photo]:
        """Return as many sources as the network wants, nearest pose first."""

        def distance(source: Photo) -> float:
            T_ref_src = reference.T_world_cam.inverse @ source.T_world_cam
            return pose_distance(T_ref_src.matrix)[0]

        nearest_first = sorted(sources[: self.source_count], key=distance)
        missing = self.source_count - len(nearest_first)
        return [nearest_first[0]] * missing + nearest_first

    def _believed(self, predicted: DepthPrediction) -> tuple[F32, F32]:
        """Return depth and confidence (h, w) of a prediction."""
        config, volume = self._network.config, predicted.volume
        log_depth_b1hw = predicted.log_depths[0]
        size = log_depth_b1hw.shape[-2:]
        seen = F.interpolate(volume.mask_bhw[:, None].float(), size=size, mode="nearest")
        best = F.interpolate(volume.best_depth_bhw[:, None], size=size, mode="nearest")
        step = math.log(config.far_m / config.near_m) / (config.planes - 1)
        planes_off = (log_depth_b1hw - best.log()).abs() / step
        confidence = seen * torch.exp(-planes_off / TRUST_PLANES)
        depth = log_depth_b1hw.exp()
        # Half precision may overflow.
        known = torch.isfinite(depth) & (depth > 0)
        return _picture(depth.where(known, 0.0)), _picture(confidence.where(known, 0.0))


def resized(color: U8, width: int, height: int) -> U8:
    """Return a picture of another size, as the network was trained on: whole, by Pillow."""
    if color.shape[:2] == (height, width):
        return color
    return np.asarray(Image.fromarray(color).resize((width, height), Image.Resampling.BILINEAR))


def _matrix(camera: Intrinsics) -> np.ndarray:
    # Our pixels are the network's: centres at half numbers.
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])


def _floats(matrices: Sequence[np.ndarray], device: torch.device) -> Tensor:
    return torch.from_numpy(np.stack(matrices)).float().to(device)[None]


def _picture(values_b1hw: Tensor) -> F32:
    return np.array(values_b1hw[0, 0].cpu().numpy(), np.float32)
