import copy

import pytest
import torch
from torch import nn

from engine.nets.layout import channels_last
from tests.nets.finerecon import worlds
from tests.nets.gtr.small import tiny


def test_features_are_the_same_to_rounding():
    pictures = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    plain, ordered = worlds.network(), channels_last(worlds.network())
    weight = ordered.cnn2d.out0[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        expected = plain.coarse_features(pictures)
        assert torch.allclose(ordered.coarse_features(pictures), expected, atol=1e-5)


def test_weights_keep_their_names_and_values():
    plain, ordered = worlds.network(), channels_last(worlds.network())
    for (name, before), (same, after) in zip(
        plain.state_dict().items(), ordered.state_dict().items(), strict=True
    ):
        assert name == same
        assert torch.equal(before, after)


def test_patches_stay_as_their_product_reads_them():
    assert channels_last(tiny()).generator.conv_proj.weight.is_contiguous()


def test_volumes_are_the_same_to_rounding():
    plain, ordered = worlds.network(), channels_last(worlds.network())
    kernels = [m.weight for m in ordered.modules() if type(m) is nn.Conv3d]
    assert kernels
    assert all(each.is_contiguous(memory_format=torch.channels_last_3d) for each in kernels)
    kernel = next(m for m in plain.modules() if type(m) is nn.Conv3d)
    same = channels_last(copy.deepcopy(kernel))
    volume = torch.rand(
        1, kernel.in_channels, 16, 16, 16, generator=torch.Generator().manual_seed(1)
    )
    with torch.inference_mode():
        assert torch.allclose(same(volume), kernel(volume), atol=1e-5)


@pytest.mark.parametrize("kind", [nn.ConvTranspose2d, nn.ConvTranspose3d])
def test_what_reads_its_weights_in_another_order_keeps_it(kind):
    assert channels_last(kind(3, 5, 2)).weight.is_contiguous()
