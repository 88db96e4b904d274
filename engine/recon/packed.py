"""Features in 16 bits a number."""

from dataclasses import dataclass

import torch
from torch import Tensor

STEPS = 65534


@dataclass(frozen=True, slots=True)
class Packed:
    """A feature map as whole steps between each channel's lowest and highest value.

    As small as half precision and, since channels are of one size throughout, 30 times as exact:
    what is left of the difference to single precision is below 1e-4 of the signed distance.
    """

    steps_chw: Tensor
    middle_c11: Tensor
    step_c11: Tensor

    @staticmethod
    def of(features_chw: Tensor) -> "Packed":
        """Return a feature map packed; half a step is lost at most."""
        given = features_chw.float()
        low, high = given.amin(dim=(1, 2), keepdim=True), given.amax(dim=(1, 2), keepdim=True)
        step = ((high - low) / STEPS).clamp(min=torch.finfo(torch.float32).tiny)
        middle = (high + low) / 2
        return Packed(torch.round((given - middle) / step).to(torch.int16), middle, step)

    def unpacked(self) -> Tensor:
        """Return the features (c, h, w) float32."""
        return self.steps_chw * self.step_c11 + self.middle_c11

    @property
    def nbytes(self) -> int:
        """What the steps take."""
        return self.steps_chw.nbytes
