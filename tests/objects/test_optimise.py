import pytest

from engine.nets.gtr.config import FieldConfig, GeneratorConfig, GtrConfig
from engine.nets.gtr.model import Gtr
from engine.objects.optimise import AdamwSettings, Schedule, groups

SMALL = GtrConfig(
    GeneratorConfig(10, 2, 2, 64, 8, 1, 2, 4, upsample_factor=2), FieldConfig(6, 3, 4, 8, 4)
)


def test_the_first_step_stands_still_the_second_is_full_the_last_a_twentieth():
    schedule = Schedule()
    assert schedule.share(0) == 0
    assert schedule.share(1) == 1
    assert schedule.share(500) == pytest.approx(0.05)
    assert schedule.share(1 + 499 // 2) == pytest.approx(0.525, abs=0.002)


def test_training_warms_up_in_a_straight_line():
    schedule = Schedule(warmup=5000, total=300_000)
    assert schedule.share(2500) == 0.5
    assert schedule.share(152_500) == pytest.approx(0.525)
    shares = [schedule.share(k) for k in range(5000, 300_001, 5000)]
    assert shares == sorted(shares, reverse=True)


def test_biases_and_layer_norms_do_not_decay_but_planes_do():
    network = Gtr(SMALL)
    decaying, resting = groups(network, AdamwSettings())
    names = {id(p): name for name, p in network.named_parameters()}
    assert decaying["weight_decay"] == 0.05
    assert resting["weight_decay"] == 0
    in_decaying = {names.pop(id(p)) for p in decaying["params"]}
    in_resting = {names.pop(id(p)) for p in resting["params"]}
    assert not names
    assert "generator.planes" in in_decaying
    assert "generator.conv_proj.weight" in in_decaying
    assert all(name.endswith(".weight") for name in in_decaying - {"generator.planes"})
    norms = {name for name in in_resting if not name.endswith("bias")}
    assert norms == {
        f"generator.{part}.weight"
        for part in ("norm1", "norm2", "attn_layers.0.norm1", "attn_layers.0.norm2")
    }
