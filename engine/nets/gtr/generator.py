"""From posed views to a triplane: patches, one transformer, pixel shuffle.

GTR, arXiv 2406.05649, section 3.1: the convolutional encoder, the transformer over plane and view
tokens, and the linear layer with pixel shuffle in place of a deconvolution.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from engine.nets.gtr.config import GeneratorConfig
from engine.nets.gtr.lift import Lift

# The exact (erf) form; the tanh form shifts colours by 2e-3.
GELU_FORM = "none"


class PatchConv(nn.Conv2d):
    """A convolution whose stride is its kernel, computed as one matrix product.

    The same sum over every patch; oneDNN's bfloat16 convolution of so large a kernel returns
    wrong numbers on CPUs with AMX (torch 2.13), and the product is no slower.
    """

    def __init__(self, in_channels: int, channels: int, patch: int) -> None:
        """Make a square kernel without bias."""
        super().__init__(in_channels, channels, patch, patch, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Return (v, channels, h / patch, w / patch) for views (v, in_channels, h, w)."""
        side = self.kernel_size[0]
        rows, columns = input.shape[-2] // side, input.shape[-1] // side
        patches = F.unfold(input, side, stride=side).transpose(1, 2)
        tokens = F.linear(patches, self.weight.flatten(1))
        return torch.unflatten(tokens.transpose(1, 2), -1, (rows, columns))


class SelfAttention(nn.Module):
    """Every token attends to every token; queries, keys and values have no bias."""

    def __init__(self, channels: int, heads: int, head_channels: int) -> None:
        """Make the four projections."""
        super().__init__()
        self.heads = heads
        inner = heads * head_channels
        self.to_q = nn.Linear(channels, inner, bias=False)
        self.to_k = nn.Linear(channels, inner, bias=False)
        self.to_v = nn.Linear(channels, inner, bias=False)
        self.to_out = nn.Sequential(nn.Linear(inner, channels))

    def forward(self, tokens_bnc: Tensor) -> Tensor:
        """Return softmax(Q K^T / sqrt(d)) V, projected, for tokens (b, n, c)."""
        q, k, v = (
            to(tokens_bnc).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for to in (self.to_q, self.to_k, self.to_v)
        )
        mixed_bhnd = F.scaled_dot_product_attention(q, k, v)
        out: Tensor = self.to_out(mixed_bhnd.transpose(1, 2).flatten(-2))
        return out


def value_and_gate(both: Tensor) -> tuple[Tensor, Tensor]:
    """Return the halves of (b, n, 2 hidden): the first is the value, the second its gate."""
    value, gate = both.chunk(2, dim=-1)
    return value, gate


class GatedGelu(nn.Module):
    """A linear layer of twice the width, whose halves are multiplied."""

    def __init__(self, channels: int, hidden: int) -> None:
        """Make the projection."""
        super().__init__()
        self.proj = nn.Linear(channels, 2 * hidden)

    def forward(self, tokens_bnc: Tensor) -> Tensor:
        """Return value * GELU(gate), (b, n, hidden)."""
        value, gate = value_and_gate(self.proj(tokens_bnc))
        return value * F.gelu(gate, approximate=GELU_FORM)


class FeedForward(nn.Module):
    """Gated widening, then back; the middle of `net` is where dropout of rate zero stood."""

    def __init__(self, channels: int, mult: int) -> None:
        """Make both layers."""
        super().__init__()
        self.net = nn.Sequential(
            GatedGelu(channels, mult * channels),
            nn.Identity(),
            nn.Linear(mult * channels, channels),
        )

    def forward(self, tokens_bnc: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        out: Tensor = self.net(tokens_bnc)
        return out


class Block(nn.Module):
    """x + Attn(LN x), then x + FF(LN x)."""

    def __init__(self, config: GeneratorConfig) -> None:
        """Make the layers in the order of the published state dict."""
        super().__init__()
        channels = config.model_channels
        self.self_attn = SelfAttention(channels, config.num_heads, config.num_head_channels)
        self.ff = FeedForward(channels, config.ff_mult)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)

    def forward(self, tokens_bnc: Tensor) -> Tensor:
        """Return tokens of the same shape."""
        tokens_bnc = tokens_bnc + self.self_attn(self.norm1(tokens_bnc))
        out: Tensor = tokens_bnc + self.ff(self.norm2(tokens_bnc))
        return out


class Upsampler(nn.Module):
    """One linear layer a token, its outputs laid out as a square of texels."""

    def __init__(self, channels: int, out_channels: int, factor: int) -> None:
        """Make the 1x1 convolution."""
        super().__init__()
        self.factor = factor
        self.proj = nn.Conv2d(channels, out_channels * factor**2, kernel_size=1)

    def forward(self, planes_bchw: Tensor) -> Tensor:
        """Return out[c, f i + a, f j + b] = projected[f^2 c + f a + b, i, j]."""
        return F.pixel_shuffle(self.proj(planes_bchw), self.factor)


class Generator(nn.Module):
    """Views to triplane.

    The only sign of where a view token lies are the rays among its input channels.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        """Make the layers in the order of the published state dict."""
        super().__init__()
        self.config = config
        channels, side = config.model_channels, config.plane_resolution
        self.planes = nn.Parameter(torch.randn(1, 3, channels, side, side) / channels**0.5)
        self.conv_proj = PatchConv(config.in_channels, channels, config.patch_size)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.attn_layers = nn.ModuleList(Block(config) for _ in range(config.num_layers))
        self.out = Upsampler(channels, config.out_channels, config.upsample_factor)
        if config.lift is not None:
            factor = config.upsample_factor
            self.lift = Lift(config.lift, side * factor, config.out_channels)
            self.lift_proj = PatchConv(config.out_channels, channels, factor)
            # What the transformer adds begins with nothing.
            nn.init.zeros_(self.out.proj.weight)
            nn.init.zeros_(self.out.proj.get_parameter("bias"))

    def forward(self, views_vchw: Tensor) -> Tensor:
        """Return the triplane (3, c, h, w) of views (v, 10, h, w).

        Channels of a view: RGB in [0, 1], unit ray direction d, moment d x o, mask. A leading
        batch dimension, (b, v, 10, h, w), gives (b, 3, c, h, w).
        """
        batched = views_vchw.ndim == 5
        views_bvchw = views_vchw if batched else views_vchw[None]
        triplane, _ = self.with_occupancy(views_bvchw)
        return triplane if batched else triplane[0]

    def with_occupancy(self, views_bvchw: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the triplane, and the logits of occupancy (b, n, n, n) where there is a lift."""
        plane_tokens = self.plane_tokens(views_bvchw.shape[0])
        lifted = None if self.config.lift is None else self.lift(views_bvchw)
        if lifted is not None:
            patches = self.lift_proj(lifted.planes.flatten(0, 1)).flatten(-2).transpose(1, 2)
            plane_tokens = plane_tokens + patches.unflatten(0, (-1, 3)).flatten(1, 2)
        tokens_bnc = torch.cat([plane_tokens, self.view_tokens(views_bvchw)], dim=1)
        for block in self.attn_layers:
            if self.config.gradient_checkpointing and self.training and torch.is_grad_enabled():
                tokens_bnc = checkpoint(block, tokens_bnc, use_reentrant=False)
            else:
                tokens_bnc = block(tokens_bnc)
        plane_tokens = self.norm2(tokens_bnc[:, : plane_tokens.shape[1]])
        triplane = self.triplane(plane_tokens)
        if lifted is None:
            return triplane, None
        return triplane + lifted.planes, lifted.occupancy

    def view_tokens(self, views_bvchw: Tensor) -> Tensor:
        """Return normalised tokens (b, n, c) in the order view, row, column."""
        patches = self.conv_proj(views_bvchw.flatten(0, 1)).unflatten(0, views_bvchw.shape[:2])
        out: Tensor = self.norm1(patches.flatten(-2).transpose(-1, -2).flatten(1, 2))
        return out

    def plane_tokens(self, batch: int) -> Tensor:
        """Return the learnt tokens (b, n, c) in the order plane, row, column, not normalised."""
        tokens = self.planes.flatten(-2).transpose(-1, -2).flatten(1, 2)
        return tokens.expand(batch, -1, -1)

    def triplane(self, plane_tokens_bnc: Tensor) -> Tensor:
        """Return the planes (b, 3, c, h, w) of their tokens."""
        side = self.config.plane_resolution
        planes = torch.unflatten(plane_tokens_bnc.transpose(-1, -2), -1, (3, side, side))
        planes_bchw = planes.transpose(1, 2).flatten(0, 1)
        out: Tensor = self.out(planes_bchw).unflatten(0, (-1, 3))
        return out
