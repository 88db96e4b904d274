"""Sizes, their JSON form, and what is read back from names and shapes."""

import json
from dataclasses import replace

import pytest
import torch

from engine.nets.simplerecon.config import SimpleReconConfig
from engine.nets.simplerecon.model import SimpleRecon
from tests.nets.simplerecon.small import SMALL


def shapes_of(config: SimpleReconConfig) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        return {name: tuple(v.shape) for name, v in SimpleRecon(config).state_dict().items()}


@pytest.mark.parametrize("config", [SimpleReconConfig(), SMALL])
def test_shapes_tell_the_configuration(config):
    assert SimpleReconConfig.from_shapes(shapes_of(config)) == config


def test_shapes_do_not_tell_unusual_proportions():
    wide = replace(SMALL, image_width=320, image_height=64)
    assert SimpleReconConfig.from_shapes(shapes_of(wide)) == replace(
        wide, image_width=160, image_height=128
    )
    assert SimpleReconConfig.from_shapes(shapes_of(wide), (320, 64)) == wide


@pytest.mark.parametrize("config", [SimpleReconConfig(), SMALL])
def test_json_keeps_everything(config):
    assert SimpleReconConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_released_network_has_the_published_number_of_weights():
    with torch.device("meta"):
        network = SimpleRecon(SimpleReconConfig())
    parts = {
        name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()
    }
    assert parts == {
        "encoder": 19_847_248,
        "cost_volume_net": 14_795_200,
        "depth_decoder": 14_269_124,
        "mv_depth_loss": 0,
        "compute_normals": 0,
        "cost_volume": 42_625,
        "matching_model": 184_272,
    }
    assert network.config.mlp_widths == (202, 128, 128, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"image_width": 500},
        {"image_height": 240},
        {"matching_scale": 0},
        {"near_m": 6.0},
        {"planes": 1},
        {"sources": 0},
        {"encoder_widths": (1, 2)},
        {"volume_widths": (1, 2, 3)},
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match=r"\."):
        replace(SMALL, **wrong)


def test_shapes_of_another_network_are_refused():
    shapes = shapes_of(SMALL)
    with pytest.raises(ValueError, match=r"conv_stem.* is missing"):
        SimpleReconConfig.from_shapes(
            {name: s for name, s in shapes.items() if not name.startswith("encoder")}
        )
    with pytest.raises(ValueError, match="does not fit"):
        SimpleReconConfig.from_shapes(shapes | {"cost_volume.mlp.net.0.weight": (16, 67)})
    with pytest.raises(ValueError, match="too few axes"):
        SimpleReconConfig.from_shapes(shapes | {"encoder.conv_stem.weight": ()})
    with pytest.raises(ValueError, match="multiples of 32"):
        SimpleReconConfig.from_shapes(
            shapes | {"compute_normals.backproject.pix_coords_13N": (1, 3, 100)}
        )


def test_constants_may_be_left_out():
    last = ("pix_coords_13N", "eps", "linear_ramp_1d11", "filt")
    shapes = {n: s for n, s in shapes_of(SMALL).items() if not n.endswith(last)}
    released = SimpleReconConfig()
    assert SimpleReconConfig.from_shapes(shapes) == replace(
        SMALL, image_width=released.image_width, image_height=released.image_height
    )


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="no setting called depth_planes"):
        SimpleReconConfig.from_dict({"depth_planes": 64})
