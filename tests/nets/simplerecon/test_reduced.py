"""What only smaller networks use: some of the metadata, and a decoder that corrects the volume."""

from dataclasses import replace

import pytest
import torch

from engine.nets.simplerecon import cost_volume
from engine.nets.simplerecon.confidence import confidence
from engine.nets.simplerecon.config import METADATA, SimpleReconConfig, metadata_sizes
from engine.nets.simplerecon.model import DepthPrediction, SimpleRecon, expected_log_depth
from tests.nets.simplerecon.small import SMALL, network, views

LIGHT = ("dots", "pose_translation", "masks")


def test_sizes_of_all_metadata_are_the_published_ones() -> None:
    assert sum(metadata_sizes(7, 16).values()) == 202
    assert SimpleReconConfig().mlp_widths[0] == 202
    assert replace(SMALL, metadata=LIGHT).mlp_widths[0] == 9


@pytest.mark.parametrize("parts", [(), ("dots", "colour")])
def test_metadata_that_do_not_exist_are_refused(parts: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="Metadata are some of"):
        replace(SMALL, metadata=parts)


def test_a_configuration_keeps_what_shapes_do_not_tell() -> None:
    config = replace(SMALL, metadata=LIGHT, is_residual=True)
    assert SimpleReconConfig.from_dict(config.as_dict()) == config


def test_some_metadata_are_some_columns_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[int, torch.Tensor] = {}

    def keep(self: cost_volume.MetadataVolume, compared: torch.Tensor) -> torch.Tensor:
        seen.setdefault(len(self.wanted), compared)
        return compared[..., 0]

    monkeypatch.setattr(cost_volume.MetadataVolume, "reduce", keep)
    with torch.no_grad():
        for config in (SMALL, replace(SMALL, metadata=LIGHT)):
            network(config)(*views().tensors())
    sizes = metadata_sizes(SMALL.sources, SMALL.matching_dims)
    columns, at = [], 0
    for name in METADATA:
        columns += list(range(at, at + sizes[name])) if name in LIGHT else []
        at += sizes[name]
    assert torch.equal(seen[len(LIGHT)], seen[len(METADATA)][..., columns])


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_the_decoder_adds_to_what_the_volume_expects(is_mirrored: bool) -> None:
    plain, corrected = network(), network(replace(SMALL, is_residual=True))
    with torch.no_grad():
        outright = plain(*views().tensors(), is_mirrored)
        sum_ = corrected(*views().tensors(), is_mirrored)
        expected = expected_log_depth(outright.volume.cost_bdhw, plain.cost_volume.planes_m())
    assert torch.equal(outright.volume.cost_bdhw, sum_.volume.cost_bdhw)
    assert expected.std() > 1e-3
    assert torch.allclose(sum_.log_depths[1] - outright.log_depths[1], expected, atol=1e-5)


def test_a_sure_volume_expects_its_plane() -> None:
    planes = torch.exp(torch.linspace(-1, 1.6, 16))
    cost = torch.zeros(1, 16, 2, 2)
    cost[:, 6] = 20
    assert torch.allclose(expected_log_depth(cost, planes), planes[6].log(), atol=1e-4)


def test_no_gradient_reaches_the_volume_through_the_expected_depth() -> None:
    model: SimpleRecon = network(replace(SMALL, is_residual=True))
    cost = torch.randn(1, SMALL.planes, 24, 32, requires_grad=True)
    with torch.no_grad():
        levels = model.encoder(views().tensors()[0][:, 0])
    for parameter in model.cost_volume_net.parameters():
        torch.nn.init.zeros_(parameter)  # now nothing but the expected depth hangs on the volume
    total = sum(each.sum() for each in model.decode(cost, levels))
    assert isinstance(total, torch.Tensor)
    torch.autograd.backward(total)
    assert cost.grad is not None
    assert cost.grad.abs().max() == 0


def test_confidence_is_the_probability_near_the_result() -> None:
    planes = torch.exp(torch.linspace(-1, 1.6, 16))
    share = torch.full((1, 16, 2, 2), 0.2 / 13)
    share[:, 5:8] = torch.tensor([0.2, 0.5, 0.1])[:, None, None]
    volume = cost_volume.Volume(share.log(), torch.ones(1, 2, 2), torch.ones(1, 2, 2))

    def at(plane: int) -> torch.Tensor:
        result = planes[plane].log().expand(1, 1, 4, 4)
        return confidence(DepthPrediction((result,), volume), planes)

    assert torch.allclose(at(6), torch.full((1, 1, 2, 2), 0.8))
    assert at(2).max() < 0.05
