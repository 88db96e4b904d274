import json

import pytest

from engine.nets.gtr.config import FieldConfig, GeneratorConfig, GtrConfig
from tests.nets.gtr.small import TINY, tiny


def test_defaults_are_the_released_network():
    generator, field = GtrConfig().generator, GtrConfig().field
    assert (generator.model_channels, generator.num_layers, generator.num_heads) == (1024, 24, 16)
    assert (field.in_dim, field.num_samples_per_ray) == (120, 256)


def test_json_form_comes_back_equal():
    assert GtrConfig.from_dict(json.loads(json.dumps(TINY.as_dict()))) == TINY


def test_what_a_json_form_leaves_out_is_as_released():
    assert GtrConfig.from_dict({}) == GtrConfig()
    assert GeneratorConfig.from_dict({"num_layers": 2}).model_channels == 1024


def test_shapes_give_the_widths_back():
    shapes = {name: list(value.shape) for name, value in tiny().state_dict().items()}
    found = GtrConfig.from_shapes(shapes, num_heads=2)
    samples = {**TINY.as_dict()["field"], "num_samples_per_ray": 256}
    assert found == GtrConfig(TINY.generator, FieldConfig.from_dict(samples))


def test_shapes_that_do_not_fit_the_heads_are_refused():
    shapes = {name: list(value.shape) for name, value in tiny().state_dict().items()}
    with pytest.raises(ValueError, match="16 cannot be cut into 5 heads"):
        GtrConfig.from_shapes(shapes, num_heads=5)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"generator": {"dropout": 0.1}}, "dropout can only be 0.0"),
        ({"generator": {"layers": 3}}, "layers is not known"),
        ({"field": {"background_color": "black"}}, "background_color"),
        ({"field": {"decoder_args": {"field_args": {"activation": "relu"}}}}, "activation"),
        ({"generator": {"out_channels": 8}}, "24 features, not 120"),
        ({"generator": {"num_layers": 0}}, "num_layers must be a whole number above zero"),
        ({"generator": {"num_heads": 2.5}}, "num_heads must be"),
        ({"field": {"num_samples_per_ray": "many"}}, "num_samples_per_ray must be"),
    ],
)
def test_choices_the_network_does_not_have_are_refused(part, says):
    with pytest.raises(ValueError, match=says):
        GtrConfig.from_dict(part)
