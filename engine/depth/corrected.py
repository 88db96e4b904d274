"""Depth from photographs: a plane sweep, corrected by a network that has seen many rooms."""

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.core.arrays import F32
from engine.core.frames import Photo
from engine.depth.base import DepthMap
from engine.depth.plane_sweep import Compared, SweepSettings, compare
from engine.kernels.plane_sweep import Picked, rival_gap
from engine.kernels.plane_sweep_numba import smooth_pick_and_keep
from engine.nets.layout import channels_last
from engine.nets.sweepdepth.config import SIZE_MULTIPLE
from engine.nets.sweepdepth.model import RESULT_SHRINK, Corrected, SweepDepth, Swept

# Confidence is the chance that depth is within this share of the truth. With it, fusion's threshold
# of 0.4 keeps about two thirds of the kitchen's pixels, nearly as many as of the plain sweep's.
SURE_RATIO = 1.03
# Where the sweep says the same within so many planes, its own number stands: outlines and fine
# relief are sharper at full size. Elsewhere nobody confirms the network, which counts less then.
AGREES_PLANES = 1.0
ALONE = 0.7


class CorrectedSweep:
    """A `DepthEstimator`; depth of the working size, known everywhere.

    Confidence is what the network expects: the chance that depth is within 3 %, of errors with a
    Laplace distribution.
    """

    def __init__(
        self,
        network: SweepDepth,
        half: torch.dtype | None = None,
        run: Callable[[Swept], Corrected] | None = None,
    ) -> None:
        """Put the network into evaluation mode; it computes in `half` where that is given.

        `run` computes what the network would, by other means.
        """
        config = network.config
        self._network = channels_last(network.eval())
        self._run = run or self._by_torch
        self._half = half
        self._settings = SweepSettings(
            nearest_m=config.near_m,
            farthest_m=config.far_m,
            planes=config.planes,
            long_side_px=config.long_side_px,
        )
        self.source_count = self._settings.sources

    def estimate(self, reference: Photo, sources: Sequence[Photo]) -> DepthMap:
        """Return depth and confidence of the reference.

        Raises:
            BadInput: no source, a picture too small, or a pose that is not finite.
        """
        compared = compare(reference, sources, self._settings)
        height, width = compared.grey.shape
        # The network halves its pictures five times; the rim is repeated until that fits.
        rim = (-height % SIZE_MULTIPLE, -width % SIZE_MULTIPLE)
        grey = _padded(compared.grey, rim)
        costs = np.pad(compared.costs, ((0, rim[0]), (0, 0), (0, rim[1])), mode="edge")
        picked, volume = smooth_pick_and_keep(
            np.ascontiguousarray(costs), grey, self._settings.smooth, rival_gap(self._settings.step)
        )
        color = cv2.resize(reference.color, (width, height), interpolation=cv2.INTER_AREA)
        said = self._run(_swept(_padded(color, rim), picked, volume))
        return self._depth_map(said, picked.plane, compared)

    def _by_torch(self, swept: Swept) -> Corrected:
        device = next(self._network.parameters()).device
        enabled = self._half is not None
        with torch.inference_mode(), torch.autocast(device.type, self._half, enabled=enabled):
            said: Corrected = self._network(Swept(*(each.to(device) for each in swept)))
            return said

    def _depth_map(self, said: Corrected, swept: F32, compared: Compared) -> DepthMap:
        height, width = compared.grey.shape
        plane, spread = (
            between(each.float().cpu())[0, :height, :width].numpy()
            for each in (said.plane_bhw, said.spread_bhw)
        )
        swept = swept[:height, :width]
        agrees = np.abs(swept - plane) < AGREES_PLANES
        depth = self._settings.nearest_m * np.exp(
            self._settings.step * np.where(agrees, swept, plane)
        )
        within = math.log(SURE_RATIO) / self._settings.step
        confidence = (1 - np.exp(-within / spread)) * np.where(agrees, 1.0, ALONE)
        known = np.isfinite(depth) & np.isfinite(confidence)
        return DepthMap(
            np.where(known, depth, 0).astype(np.float32),
            np.where(known, confidence, 0).astype(np.float32),
            compared.camera,
        )


def between(values_bhw: Tensor) -> Tensor:
    """Return values (b, 2h, 2w) of which every second is given, beginning with the first ones."""
    height, width = values_bhw.shape[-2:]
    # Between the given ones, which keep their places; the last row and column stand for the rim.
    inner = F.interpolate(
        values_bhw[:, None],
        size=(RESULT_SHRINK * height - 1, RESULT_SHRINK * width - 1),
        mode="bilinear",
        align_corners=True,
    )
    return F.pad(inner, (0, 1, 0, 1), mode="replicate")[:, 0]


def _padded(values: np.ndarray, rim: tuple[int, int]) -> np.ndarray:
    """Return a picture with its last rows and columns repeated."""
    wide = [(0, rim[0]), (0, rim[1]), *[(0, 0)] * (values.ndim - 2)]
    return np.ascontiguousarray(np.pad(values, wide, mode="edge"))


def _swept(color: np.ndarray, picked: Picked, volume: F32) -> Swept:
    def batch(values: F32) -> Tensor:
        return torch.from_numpy(values)[None]

    picture = torch.from_numpy(color).movedim(-1, 0)[None].float() / 255
    return Swept(
        picture, batch(picked.plane), batch(picked.least), batch(picked.margin), batch(volume)
    )
