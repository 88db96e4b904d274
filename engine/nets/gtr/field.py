"""From triplane features to density and colour."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.gtr.config import FieldConfig
from engine.nets.gtr.precision import full_precision, wide
from engine.nets.gtr.triplane import interleave, sample_planes

BOX = (-1.0, -1.0, -1.0, 1.0, 1.0, 1.0)
# Colours are stretched a little so that 0 and 1 can be reached; they may leave [0, 1] by 0.001.
COLOR_STRETCH, COLOR_SHIFT = 1.002, -0.001
# The exact (erf) form; the tanh form shifts colours by 2e-3.
GELU_FORM = "none"


class Mlp(nn.Module):
    """Linear layers with GELU between them."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        """Make the layers: Xavier-uniform weights, biases zero."""
        super().__init__()
        layers = [nn.Linear(a, b) for a, b in pairwise(widths)]
        self.layers = nn.ModuleList(layers)
        for layer in layers:
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return the last layer's output for inputs (..., c)."""
        return self.after_first(self.layers[0](features))

    def after_first(self, hidden: Tensor) -> Tensor:
        """Return the last layer's output where the first layer's is known."""
        for layer in self.layers[1:]:
            hidden = layer(F.gelu(hidden, approximate=GELU_FORM))
        return hidden


class SeparateField(nn.Module):
    """Two networks that share nothing but their input."""

    def __init__(self, config: FieldConfig) -> None:
        """Make both networks."""
        super().__init__()
        width = config.layer_width
        self.mlp_sigma = Mlp((config.in_dim, *[width] * (config.num_layers_sigma - 1), 1))
        self.mlp_color = Mlp((config.in_dim, *[width] * (config.num_layers_color - 1), 3))


class Decoder(nn.Module):
    """Holds the field under the name that published state dicts give it."""

    def __init__(self, config: FieldConfig) -> None:
        """Make the field."""
        super().__init__()
        self.field = SeparateField(config)


class TriplaneField(nn.Module):
    """Density and colour anywhere in the box; always float32, also under autocast."""

    aabb: Tensor

    def __init__(self, config: FieldConfig) -> None:
        """Make the box and both networks."""
        super().__init__()
        self.config = config
        self.register_buffer("aabb", torch.tensor(BOX))
        self.decoder = Decoder(config)

    def forward(self, triplane: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return density (..., n) and colour (..., n, 3) at points (..., n, 3)."""
        features = self.features(triplane, points)
        return self.density(features), self.color(features)

    def features(self, triplane: Tensor, points: Tensor) -> Tensor:
        """Return features (..., n, 3 c) of a triplane (..., 3, c, h, w) at points (..., n, 3)."""
        with full_precision(triplane):
            return interleave(sample_planes(wide(triplane), wide(points)))

    def raw_density(self, features: Tensor) -> Tensor:
        """Return (..., n): the density network's output before softplus."""
        with full_precision(features):
            out: Tensor = self.decoder.field.mlp_sigma(features)
            return out[..., 0]

    def density(self, features: Tensor) -> Tensor:
        """Return (..., n), never negative."""
        return to_density(self.raw_density(features))

    def color(self, features: Tensor) -> Tensor:
        """Return RGB (..., n, 3); not clamped."""
        with full_precision(features):
            raw: Tensor = self.decoder.field.mlp_color(features)
            return COLOR_STRETCH * torch.sigmoid(raw) + COLOR_SHIFT


def to_density(raw: Tensor) -> Tensor:
    """Return the softplus of the density network's output."""
    with full_precision(raw):
        return F.softplus(wide(raw))
