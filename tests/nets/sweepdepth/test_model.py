"""The correcting network: what it begins as, and that its parts do what they say."""

import math
from dataclasses import replace

import pytest
import torch

from engine.nets.sweepdepth.config import SweepDepthConfig
from engine.nets.sweepdepth.losses import FAR_OFF, cross_entropy, damped, losses
from engine.nets.sweepdepth.model import SweepDepth, Swept, expected_plane, upsampled

SMALL = SweepDepthConfig(planes=16, volume_width=8, widths=(8, 8, 8, 8, 8), blocks=(1, 1, 1, 1, 1))


def swept(h: int = 64, w: int = 96, plane: float = 6.0) -> Swept:
    """Return what a sweep says of a wall on one plane."""
    torch.manual_seed(0)
    volume = torch.ones(2, 2, 16, h // 4, w // 4)
    volume[:, 1, int(plane)] = 0
    maps = (torch.full((2, h, w), value) for value in (plane, 0.1, 2.0))
    return Swept(torch.rand(2, 3, h, w), *maps, volume)


def test_it_begins_as_the_sweep():
    network = SweepDepth(SMALL).eval()
    said = network(swept())
    assert said.plane_bhw.shape == said.spread_bhw.shape == (2, 32, 48)
    assert said.coarse_bhw.shape == (2, 16, 24)
    assert said.logits_bdhw.shape == (2, 16, 16, 24)
    assert (said.plane_bhw - 6).abs().max() < 0.3
    assert (said.spread_bhw > 0).all()


def test_a_picture_of_another_size_gives_what_its_part_gives_far_from_the_rim():
    network = SweepDepth(SMALL).eval()
    wide = swept(64, 512)
    part = Swept(*(each[..., :256] for each in wide[:-1]), wide.volume_b2dhw[..., :64])
    apart = (network(wide).plane_bhw[..., :40] - network(part).plane_bhw[..., :40]).abs()
    assert apart.max() < 1e-3


def test_every_weight_learns():
    network = SweepDepth(SMALL)
    truth = torch.rand(2, 64, 96) * 14
    seen = swept()._replace(volume_b2dhw=torch.rand(2, 2, 16, 16, 24))
    losses(network(seen), truth).total.backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert not silent


def test_expected_plane_lies_between_equals():
    logits = torch.full((1, 8, 1, 1), -50.0)
    logits[0, [2, 3]] = 5.0
    assert expected_plane(logits).item() == pytest.approx(2.5, abs=1e-4)


def test_upsampling_carries_the_neighbour_that_is_weighted():
    plane = torch.arange(12.0).reshape(1, 3, 4)
    weights = torch.zeros(1, 9, 4, 3, 4)
    # The neighbour to the right; the rim repeats itself.
    weights[:, 5] = 100.0
    carried = upsampled(plane, weights.flatten(1, 2))
    right = plane[:, :, [1, 2, 3, 3]]
    assert torch.allclose(carried, right.repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_errors_count_less_and_less():
    error = torch.tensor([0.5, FAR_OFF, FAR_OFF * math.e])
    assert damped(error).tolist() == pytest.approx([0.5, FAR_OFF, 2 * FAR_OFF])


def test_cross_entropy_is_least_at_the_truth_and_skips_what_is_unknown():
    truth = torch.full((1, 2, 2), 3.0)
    truth[0, 0, 0], truth[0, 0, 1] = torch.nan, 99.0
    right, wrong = torch.zeros(1, 8, 2, 2), torch.zeros(1, 8, 2, 2)
    right[:, 3], wrong[:, 5] = 9.0, 9.0
    assert cross_entropy(right, truth) < 0.01 < 5 < cross_entropy(wrong, truth)


def test_spread_is_taught_to_be_the_mean_error():
    network = SweepDepth(SMALL).eval()
    said = network(swept())
    truth = torch.full((2, 64, 96), 8.0)
    error = (said.plane_bhw - 8).abs()
    terms = [
        losses(said._replace(spread_bhw=error * factor), truth).spread for factor in (0.5, 1.0, 2.0)
    ]
    assert terms[1] < terms[0]
    assert terms[1] < terms[2]


def test_configurations_survive_json_and_shapes():
    network = SweepDepth(SMALL)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    assert SweepDepthConfig.from_shapes(shapes) == SMALL
    assert SweepDepthConfig.from_dict(SMALL.as_dict()) == SMALL
    with pytest.raises(ValueError, match="no setting called depths"):
        SweepDepthConfig.from_dict({"depths": 3})
    with pytest.raises(ValueError, match="missing"):
        SweepDepthConfig.from_shapes({})
    for wrong in ({"planes": 4}, {"near_m": 6.0}, {"widths": (8, 8)}, {"long_side_px": 100}):
        with pytest.raises(ValueError, match=r"\."):
            replace(SMALL, **wrong)


def test_it_can_be_exported_without_breaks():
    network = SweepDepth(SMALL).eval()
    exported = torch.export.export(network, (swept(),))
    ours, theirs = network(swept()), exported.module()(swept())
    assert torch.allclose(ours.plane_bhw, theirs.plane_bhw, atol=1e-4)
