import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.nets.finerecon.config import FineReconConfig, StageConfig
from engine.nets.finerecon.model import FineRecon
from tests.nets.finerecon.worlds import SMALL

widths = st.integers(4, 12)
stages = st.builds(StageConfig, widths, st.integers(1, 2), st.integers(2, 4))
configs = st.builds(
    FineReconConfig,
    image_feature_dim=widths,
    backbone_stem=widths,
    backbone_stages=st.tuples(
        st.builds(StageConfig, widths, st.integers(1, 2), st.integers(1, 3)), stages, stages, stages
    ),
    unet_widths=st.tuples(widths, widths, widths),
    unet_up_widths=st.tuples(widths, widths, widths),
    unet_blocks=st.integers(1, 3),
    head_width=widths,
    head_blocks=st.integers(1, 3),
    point_backprojection=st.booleans(),
    point_blocks=st.integers(1, 3),
    counts_views=st.booleans(),
)


def shapes(network: FineRecon) -> dict[str, list[int]]:
    return {name: list(value.shape) for name, value in network.state_dict().items()}


@settings(max_examples=8, deadline=None)
@given(configs)
def test_a_state_dict_tells_every_width_and_depth(config: FineReconConfig) -> None:
    own = shapes(FineRecon(config))
    again = FineReconConfig.from_shapes(own)
    assert shapes(FineRecon(again)) == own
    # What is not there cannot be counted.
    hidden = {} if config.point_backprojection else {"point_blocks": 0}
    assert again == replace(config, **hidden)


@pytest.mark.parametrize("divisor", [1, 2, 3])
def test_another_squeeze_divisor_is_found(divisor: int) -> None:
    config = replace(SMALL, backbone_squeeze=divisor)
    assert FineReconConfig.from_shapes(shapes(FineRecon(config))) == config


def test_a_reduced_network_is_rebuilt_from_its_shapes() -> None:
    config = replace(
        FineReconConfig(), image_feature_dim=15, unet_widths=(16, 16, 32), unet_up_widths=(16,) * 3
    )
    assert FineReconConfig.from_shapes(shapes(FineRecon(config))) == config


@pytest.mark.parametrize(
    "change",
    [
        {"guidance": "none", "point_guidance": False},
        {"point_guidance": False},
        {"point_backprojection": False, "point_blocks": 0},
        {"point_backprojection": False, "point_blocks": 0, "point_guidance": False},
    ],
)
def test_parts_that_are_missing_are_noticed(change: dict[str, object]) -> None:
    config = replace(SMALL, **change)
    assert FineReconConfig.from_shapes(shapes(FineRecon(config))) == config


@settings(max_examples=30, deadline=None)
@given(configs)
def test_a_configuration_survives_json(config: FineReconConfig) -> None:
    assert FineReconConfig.from_dict(json.loads(json.dumps(config.as_dict()))) == config


def test_other_weights_are_refused_with_a_sentence() -> None:
    with pytest.raises(ValueError, match="not the weights of FineRecon"):
        FineReconConfig.from_shapes({"encoder.weight": [3, 3]})


@pytest.mark.parametrize(
    "change",
    [
        {"guidance": "sonar"},
        {"bp_weighting": "some"},
        {"guidance": "none"},
        {"guidance": "none", "point_guidance": False, "counts_views": True},
        {"guidance": "density", "is_residual": True},
        {"point_guidance": False, "is_residual": True},
    ],
)
def test_what_does_not_exist_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"guidance|bp_weighting"):
        replace(SMALL, **change)


def test_the_released_network_has_the_published_size() -> None:
    network = FineRecon(FineReconConfig())
    counts = {
        name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()
    }
    assert counts == {
        "cnn2d": 1_963_328,
        "fusion": 94,
        "cnn3d": 4_845_696,
        "cnn2d_pb": 1_963_328,
        "point_feat_mlp": 9_212,
        "point_fusion": 94,
        "surface_predictor": 8_001,
        "occ_predictor": 6_465,
    }
    assert len(network.state_dict()) == 810
    assert len(list(network.parameters())) == 432
