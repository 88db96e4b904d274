from importlib.util import find_spec
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from engine.core.faults import MissingPart
from engine.depth import backend
from engine.depth.backend import OpenVino

needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None, reason="OpenVINO is not installed (extra 'openvino')"
)


class Given(NamedTuple):
    picture: Tensor
    plane: Tensor


class Said(NamedTuple):
    depth: Tensor
    sure: Tensor


class Small(nn.Module):
    """Halves a picture, with what ours do: normalisation, a softmax, nearest neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.up = nn.Conv2d(8, 5, 1)

    def forward(self, given: Given) -> Said:
        feat = self.down(torch.cat([given.picture, given.plane[:, None] / 64], 1))
        logits = self.up(feat)
        share = logits.softmax(1)
        depth = torch.einsum("bdhw,d->bhw", share, torch.arange(5.0))
        wide = nn.functional.interpolate(logits, scale_factor=2.0, mode="nearest")
        return Said(depth, wide.amax(1))


def network() -> Small:
    torch.manual_seed(1)
    made = Small()
    for _ in range(3):
        made(given(32, 48))
    return made.eval()


def given(height: int, width: int) -> Given:
    return Given(torch.rand(1, 3, height, width), 64 * torch.rand(1, height, width))


def test_who_lacks_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "find_spec", lambda _: None)
    with pytest.raises(MissingPart, match="OpenVINO is not installed") as fault:
        OpenVino(network())
    assert "--backend torch" in fault.value.remedy


@needs_openvino
@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_it_says_what_torch_says(dtype: torch.dtype | None) -> None:
    module = network()
    run: OpenVino[Given, Said] = OpenVino(module, dtype)
    # Halves have eight bits, of numbers up to four.
    within = 1e-5 if dtype is None else 0.05
    for size in ((32, 48), (32, 48), (48, 32)):
        asked = given(*size)
        said = run(asked)
        with torch.inference_mode():
            wanted = module(asked)
        assert type(said) is Said
        for ours, theirs in zip(said, wanted, strict=True):
            assert ours.shape == theirs.shape
            assert float((ours - theirs).abs().max()) < within
            assert float(theirs.std()) > 0.01


@needs_openvino
def test_answers_stay_what_they_were() -> None:
    run: OpenVino[Given, Said] = OpenVino(network())
    first = run(given(32, 48))
    before = [each.clone() for each in first]
    run(given(32, 48))
    assert all(torch.equal(now, then) for now, then in zip(first, before, strict=True))


@needs_openvino
def test_it_is_compiled_once_for_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    run: OpenVino[Given, Said] = OpenVino(network())
    compiled: list[torch.Size] = []
    original = run._compile

    def counted(asked: Given) -> object:
        compiled.append(asked.picture.shape)
        return original(asked)

    monkeypatch.setattr(run, "_compile", counted)
    assert compiled == []
    for size in ((32, 48), (48, 32), (32, 48), (48, 32)):
        run(given(*size))
    assert [tuple(shape[-2:]) for shape in compiled] == [(32, 48), (48, 32)]
