"""The corrected sweep, its weights correcting nothing, on painted planes of known depth."""

import numpy as np
import pytest
import torch

from engine.core.camera import Intrinsics
from engine.core.faults import BadInput
from engine.depth.corrected import CorrectedSweep, between
from engine.nets.sweepdepth.config import SweepDepthConfig
from engine.nets.sweepdepth.model import Corrected, SweepDepth, Swept
from tests.depth.painted import Painted, beside, depth_of, look

SLANTED = Painted(normal=(0.35, 0.2, 1.0), distance_m=1.4)
AROUND = [beside(0.12), beside(-0.1, 0.05), beside(0.03, 0.12, 0.02)]
SMALL = SweepDepthConfig(volume_width=8, widths=(8, 8, 8, 8, 8), blocks=(1, 1, 1, 1, 1))


def estimator() -> CorrectedSweep:
    torch.manual_seed(0)
    return CorrectedSweep(SweepDepth(SMALL))


def found_with(camera: Intrinsics):
    sources = [look([SLANTED], T, camera) for T in AROUND]
    return estimator().estimate(look([SLANTED], beside(0), camera), sources)


@pytest.mark.parametrize(("width", "height"), [(160, 120), (250, 171), (75, 101)])
def test_any_size_gives_depth_where_its_camera_says(width, height):
    camera = Intrinsics(width, height, 0.9 * width, 0.9 * width, width / 2, height / 2)
    found = found_with(camera)
    assert found.depth_m.shape == (height, width)
    assert found.intrinsics == camera
    true = depth_of([SLANTED], beside(0), found.intrinsics)
    inside = np.zeros(true.shape, bool)
    inside[12:-12, 12:-12] = True
    errors = (found.depth_m[inside] - true[inside]) / true[inside]
    assert np.median(np.abs(errors)) < 0.012
    assert abs(np.median(errors)) < 0.004


def test_confidence_is_a_chance():
    found = found_with(Intrinsics(160, 120, 140.0, 140.0, 80.0, 60.0))
    assert found.confidence.min() >= 0
    assert found.confidence.max() <= 1
    assert found.confidence.std() > 0


def test_sure_and_unsure_are_told_apart():
    def run(swept: Swept) -> Corrected:
        plane = swept.plane_bhw[:, ::2, ::2]
        spread = torch.full_like(plane, 0.1)
        spread[..., :10] = 10.0
        return Corrected(plane, spread, plane, plane)

    sources = [look([SLANTED], T) for T in AROUND]
    found = CorrectedSweep(SweepDepth(SMALL), run=run).estimate(look([SLANTED], beside(0)), sources)
    assert found.confidence[:, :18].max() < 0.1
    assert found.confidence[:, 20:].min() > 0.99


def test_what_is_no_number_is_unknown():
    def run(swept: Swept) -> Corrected:
        plane = swept.plane_bhw[:, ::2, ::2].clone()
        plane[..., :5, :] = torch.nan
        return Corrected(plane, torch.ones_like(plane), plane, plane)

    sources = [look([SLANTED], T) for T in AROUND]
    found = CorrectedSweep(SweepDepth(SMALL), run=run).estimate(look([SLANTED], beside(0)), sources)
    assert not found.depth_m[:9].any()
    assert not found.confidence[:9].any()
    assert (found.depth_m[10:] > 0).all()


def test_without_a_source_there_is_no_depth():
    with pytest.raises(BadInput, match="at least one other photograph"):
        estimator().estimate(look([SLANTED], beside(0)), [])


def test_what_the_network_alone_says_counts_less_than_what_the_sweep_confirms():
    def run(swept: Swept) -> Corrected:
        plane = swept.plane_bhw[:, ::2, ::2].clone()
        plane[..., :40] += 5
        return Corrected(plane, torch.full_like(plane, 0.1), plane, plane)

    sources = [look([SLANTED], T) for T in AROUND]
    found = CorrectedSweep(SweepDepth(SMALL), run=run).estimate(look([SLANTED], beside(0)), sources)
    assert found.confidence[:, :78].max() < 0.71
    assert found.confidence[:, 82:].min() > 0.99
    true = depth_of([SLANTED], beside(0), found.intrinsics)
    assert np.median(found.depth_m[20:-20, 20:70] / true[20:-20, 20:70]) > 1.2
    assert np.median(found.depth_m[20:-20, 90:-20] / true[20:-20, 90:-20]) < 1.01


def test_given_values_keep_their_places():
    given = torch.arange(12.0).reshape(1, 3, 4) ** 2
    wide = between(given)
    assert wide.shape == (1, 6, 8)
    assert torch.allclose(wide[:, ::2, ::2], given)
    assert torch.allclose(wide[:, 0, 1], (given[:, 0, 0] + given[:, 0, 1]) / 2)
