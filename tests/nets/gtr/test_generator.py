from dataclasses import replace

import pytest
import torch

from engine.nets.gtr.generator import Block, Generator, PatchConv, SelfAttention, Upsampler
from tests.nets.gtr.small import TINY, tiny

VIEWS = torch.rand(3, 10, 16, 24, generator=torch.Generator().manual_seed(1))


def test_shapes_with_and_without_a_batch():
    generator = tiny().generator
    assert generator(VIEWS).shape == (3, 4, 6, 6)
    both = generator(torch.stack([VIEWS, VIEWS.flip(0).square()]))
    torch.testing.assert_close(both[1], generator(VIEWS.flip(0).square()))


def test_the_order_of_views_does_not_matter_but_their_contents_do():
    generator = tiny().generator
    plain = generator(VIEWS)
    torch.testing.assert_close(generator(VIEWS.flip(0)), plain, atol=1e-5, rtol=0)
    assert (generator(VIEWS.flip(-1)) - plain).abs().max() > 1e-3
    assert (generator(VIEWS[:2]) - plain).abs().max() > 1e-4


def test_view_tokens_run_over_views_then_rows_then_columns():
    generator = tiny().generator
    tokens = generator.view_tokens(VIEWS[None])[0]
    patch = VIEWS[1, :, 8:16, 16:24]  # row 1, column 2 of a grid of two rows and three columns
    by_hand = (generator.conv_proj.weight * patch).sum((1, 2, 3))
    mean, deviation = by_hand.mean(), by_hand.std(correction=0)
    torch.testing.assert_close(tokens[6 + 3 + 2], (by_hand - mean) / deviation, atol=1e-3, rtol=0)


def test_plane_tokens_are_what_was_learnt_in_order_plane_row_column():
    generator = tiny().generator
    tokens = generator.plane_tokens(1)[0]
    assert torch.equal(tokens[2 * 9 + 1 * 3 + 2], generator.planes[0, 2, :, 1, 2])
    assert torch.equal(tokens.std(), generator.planes.std())


def test_attention_is_the_plain_formula_head_by_head():
    attention = SelfAttention(12, heads=3, head_channels=5)
    tokens = torch.randn(1, 7, 12)
    q, k, v = (to(tokens)[0] for to in (attention.to_q, attention.to_k, attention.to_v))
    heads = []
    for h in range(3):
        own = slice(5 * h, 5 * h + 5)
        shares = torch.softmax(q[:, own] @ k[:, own].T / 5**0.5, dim=-1)
        heads.append(shares @ v[:, own])
    expected = attention.to_out(torch.cat(heads, dim=-1))
    torch.testing.assert_close(attention(tokens)[0], expected)


def test_feed_forward_multiplies_the_first_half_by_the_gelu_of_the_second():
    block = Block(TINY.generator)
    tokens = torch.randn(1, 5, 24)
    both = block.ff.net[0].proj(tokens)
    value, gate = both[..., :72], both[..., 72:]
    exact = gate * 0.5 * (1 + torch.erf(gate / 2**0.5))
    torch.testing.assert_close(block.ff(tokens), block.ff.net[2](value * exact))


def test_upsampler_lays_out_channels_as_squares():
    upsampler = Upsampler(6, out_channels=2, factor=3)
    planes = torch.randn(1, 6, 4, 5)
    projected, out = upsampler.proj(planes), upsampler(planes)
    for c, i, j, a, b in ((0, 0, 0, 0, 0), (1, 3, 4, 2, 1), (0, 2, 1, 1, 2), (1, 0, 3, 0, 1)):
        assert out[0, c, 3 * i + a, 3 * j + b] == projected[0, 9 * c + 3 * a + b, i, j]


def test_checkpointing_changes_no_gradient():
    gradients = []
    for checkpointing in (True, False):
        torch.manual_seed(0)
        config = replace(TINY.generator, gradient_checkpointing=checkpointing)
        generator = Generator(config).train()
        generator(VIEWS).square().sum().backward()
        gradients.append([p.grad for p in generator.parameters()])
    for kept, again in zip(*gradients, strict=True):
        torch.testing.assert_close(kept, again)


def test_planes_start_small():
    planes = Generator(replace(TINY.generator, plane_resolution=32)).planes
    assert planes.std().item() == pytest.approx(24**-0.5, rel=0.02)


@pytest.mark.parametrize("channels", [3, 10, 16])
@pytest.mark.parametrize("patch", [8, 16, 32])
def test_patches_in_bfloat16_stay_near_float32(channels, patch):
    torch.manual_seed(0)
    conv = PatchConv(channels, 24, patch)
    views = torch.rand(2, channels, 64, 96)
    with torch.inference_mode():
        exact = conv(views)
        plain = torch.nn.functional.conv2d(views, conv.weight, stride=patch)
        with torch.autocast("cpu", torch.bfloat16):
            rough = conv(views)
    assert torch.allclose(exact, plain, atol=1e-5)
    assert (rough.float() - exact).abs().max() < 0.02 * exact.abs().max()
