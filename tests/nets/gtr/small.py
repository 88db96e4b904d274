from collections.abc import Callable

import torch
from torch import Tensor

from engine.nets.gtr.config import FieldConfig, GeneratorConfig, GtrConfig
from engine.nets.gtr.field import TriplaneField
from engine.nets.gtr.model import Gtr

TINY = GtrConfig(
    GeneratorConfig(
        plane_resolution=3,
        out_channels=4,
        patch_size=8,
        model_channels=24,
        num_layers=2,
        num_heads=2,
        num_head_channels=8,
        upsample_factor=2,
        ff_mult=3,
    ),
    FieldConfig(in_dim=12, num_layers_sigma=2, layer_width=16, num_samples_per_ray=24),
)


def tiny(seed: int = 0) -> Gtr:
    torch.manual_seed(seed)
    return Gtr(TINY).eval()


class SolidField(TriplaneField):
    """A field known in closed form, for the renderer: density where a point is inside."""

    def __init__(self, density: float, inside: Callable[[Tensor], Tensor], samples: int) -> None:
        super().__init__(FieldConfig(in_dim=12, num_samples_per_ray=samples))
        self.density_inside = density
        self.inside = inside

    def forward(self, triplane: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        density = self.density_inside * self.inside(points).to(points.dtype)
        return density, torch.tensor([0.2, 0.4, 0.6]).expand(*points.shape[:-1], 3)
