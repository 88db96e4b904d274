"""Both picture encoders, the volume encoder and the decoder, against plain arithmetic."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.nets.simplerecon import encoder
from engine.nets.simplerecon.decoder import upsample
from engine.nets.simplerecon.layers import BasicBlock
from engine.nets.simplerecon.matching import BlurPool
from tests.nets.simplerecon.small import SMALL, network


def slow_same_conv(picture: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Return what TensorFlow's "SAME" means, pixel by pixel."""
    height, width = picture.shape[-2:]
    rows, columns = -(-height // stride), -(-width // stride)
    kernel = weight.shape[-1]
    out = torch.zeros(1, weight.shape[0], rows, columns)
    before = [
        max((count - 1) * stride + kernel - size, 0) // 2
        for count, size in ((rows, height), (columns, width))
    ]
    for i in range(rows):
        for j in range(columns):
            for a in range(kernel):
                for b in range(kernel):
                    y, x = i * stride + a - before[0], j * stride + b - before[1]
                    if 0 <= y < height and 0 <= x < width:
                        out[0, :, i, j] += weight[:, :, a, b] @ picture[0, :, y, x]
    return out


@pytest.mark.parametrize("size", [(6, 8), (7, 6), (5, 9)])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (1, 1)])
def test_same_padding(size, kernel, stride):
    generator = torch.Generator().manual_seed(1)
    picture = torch.randn(1, 2, *size, generator=generator)
    conv = encoder.SameConv2d(2, 3, kernel, stride)
    assert torch.allclose(conv(picture), slow_same_conv(picture, conv.weight, stride), atol=1e-5)


def test_even_axis_gets_its_zero_at_the_end():
    assert encoder.same_padding(8, 3, 2) == (0, 1)
    assert encoder.same_padding(7, 3, 2) == (1, 1)
    assert encoder.same_padding(8, 3, 1) == (1, 1)


def test_levels_of_the_image_encoder():
    levels = network().encoder(torch.zeros(2, 3, 64, 96))
    assert [tuple(level.shape) for level in levels] == [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(SMALL.encoder_channels, (2, 4, 8, 16, 32), strict=True)
    ]


def test_blur_pool_mirrors_one_and_two_pixels():
    feat = torch.arange(8.0).reshape(1, 1, 1, 8).expand(1, 1, 8, 8)
    row = [1.0, 0, 1, 2, 3, 4, 5, 6, 7, 6, 5]
    wanted = [(row[i] + 3 * row[i + 1] + 3 * row[i + 2] + row[i + 3]) / 8 for i in range(0, 8, 2)]
    assert torch.allclose(BlurPool(1)(feat)[0, 0, 0], torch.tensor(wanted))


def test_matching_features_are_normalised_picture_by_picture():
    generator = torch.Generator().manual_seed(1)
    pictures = (
        torch.randn(3, 3, 64, 96, generator=generator)
        * torch.tensor([1.0, 5, 0.1])[:, None, None, None]
    )
    model = network().matching_model
    together = model(pictures)
    assert together.shape == (3, SMALL.matching_dims, 16, 24)
    assert together.mean((2, 3)).abs().max() < 1e-5
    assert (together.var((2, 3), unbiased=False) - 1).abs().max() < 1e-2
    alone = torch.cat([model(picture[None]) for picture in pictures])
    assert torch.allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize(("inputs", "stride", "kernel"), [(4, 1, None), (3, 1, 1), (4, 2, 3)])
def test_shortcuts(inputs, stride, kernel):
    block = BasicBlock(inputs, 4, stride)
    for conv in (block.conv1, block.conv2):
        torch.nn.init.zeros_(conv.weight)
        torch.nn.init.zeros_(conv.bias)
    feat = torch.randn(1, inputs, 6, 8, generator=torch.Generator().manual_seed(2))
    if kernel is None:
        straight = feat
    else:
        conv = block.downsample[0]
        assert conv.kernel_size == (kernel, kernel)
        straight = F.conv2d(feat, conv.weight, conv.bias, stride, kernel // 2)
    wanted = torch.where(straight > 0, straight, 0.2 * straight)
    assert torch.allclose(block(feat), wanted, atol=1e-6)


def test_upsampling_by_hand():
    doubled = upsample(torch.tensor([[[[0.0, 4.0]]]]))
    assert doubled[0, 0, 0].tolist() == [0.0, 1.0, 3.0, 4.0]


def test_shapes_of_volume_encoder_and_decoder():
    model = network()
    levels = model.encoder(torch.zeros(1, 3, 64, 96))
    joined = model.cost_volume_net(torch.zeros(1, SMALL.planes, 16, 24), levels[1:])
    assert [each.shape[1] for each in joined] == list(SMALL.volume_widths)
    assert [tuple(each.shape[2:]) for each in joined] == [(16, 24), (8, 12), (4, 6), (2, 3)]
    log_depths = model.depth_decoder((levels[0], *joined))
    assert [tuple(each.shape) for each in log_depths] == [
        (1, 1, 32, 48),
        (1, 1, 16, 24),
        (1, 1, 8, 12),
        (1, 1, 4, 6),
    ]
