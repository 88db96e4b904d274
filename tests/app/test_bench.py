import json

import numpy as np
import pytest

from app.bench import fusion as bench
from app.bench.fusion import run_suite
from engine.core.faults import BadInput
from engine.core.news import Progress
from engine.core.settings import VolumeSettings
from tests.app.fakes import FakeSource
from tests.scenes import ball_and_wall

SPEC = "synthetic:room?seed=5&frames=20&size=64x48&area=10"
FIGURES = (
    "ours_ms", "open3d_ms", "speedup_vs_open3d", "speedup_vs_open3d_every10", "longest_stall_ms",
    "frames_per_second", "growth_ratio", "peak_rss_mb",
)  # fmt: skip


class Orbit(FakeSource):
    """Views close enough together that all see the same."""

    def frames(self):
        for index, angle in enumerate(np.linspace(-0.2, 0.2, self.count)):
            yield ball_and_wall(index, angle)


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench, "open_source", lambda spec: Orbit(count=15))
    return VolumeSettings(voxel_m=0.04, truncation_vox=4, weighting="constant", memory_mb=256)


@pytest.mark.slow
def test_the_fusion_suite_gives_every_figure_that_was_promised():
    steps = []
    row = json.loads(json.dumps(run_suite("fusion", SPEC, 0.04, 4.0, 20, steps.append)))
    for name in FIGURES:
        assert np.isfinite(row[name]), name
        assert row[name] > 0, name
    assert row["frames"] == 20
    assert (row["suite"], row["source"], row["voxel_m"]) == ("fusion", SPEC, 0.04)
    assert row["machine"]["cores"] >= 1
    assert row["frames_per_second"] == pytest.approx(1000 / row["ours_ms"])
    assert row["speedup_vs_open3d"] == pytest.approx(row["open3d_ms"] / row["ours_ms"])
    assert row["longest_stall_ms"] >= row["ours_ms"]
    assert {step.stage for step in steps} == {"load", "every 1", "every 10"}


def test_both_fuse_the_same_surface_in_the_race(small):
    frames = bench._load("orbit", 15, lambda step: None)
    (ours_ms, theirs_ms), (patches, theirs) = bench._race(frames, small, 1, lambda step: None)
    assert len(ours_ms) == len(theirs_ms) == 15 - bench.WARM_UP
    assert min(ours_ms.min(), theirs_ms.min()) > 0
    ours = bench.weld(patches)
    score = bench.compare(ours, bench.MeshReference(theirs), thresholds_m=(0.02,))
    assert score.f1[0] > 0.95


def test_a_scan_ten_times_longer_holds_ten_times_the_bricks_and_fuses_as_fast(small):
    row = bench.growth("orbit", small, 15)
    assert row["growth_frames"] == 150
    assert 0 < row["growth_ratio"] < 5
    assert row["growth_volume_mb"] > 0
    assert row["peak_rss_mb"] > row["growth_volume_mb"]


def test_the_kernel_suite_compares_with_the_plain_twin(small):
    row = run_suite("kernels", "orbit", 0.04, 4.0, 15, lambda step: None)
    assert row["voxels"] > 0
    assert row["integrate_speedup_vs_plain"] == pytest.approx(
        row["integrate_plain_ms"] / row["integrate_ms"]
    )
    assert row["integrate_speedup_vs_plain"] > 1


def test_frames_without_depth_or_pose_are_not_raced(small, monkeypatch):
    monkeypatch.setattr(bench, "open_source", lambda spec: Orbit(count=bench.WARM_UP - 1))
    with pytest.raises(BadInput, match="frames with depth"):
        bench._load("orbit", 50, lambda step: None)
    monkeypatch.setattr(bench, "open_source", lambda spec: Orbit(count=9))
    steps = []
    assert len(bench._load("orbit", 7, steps.append)) == 7
    assert steps[-1] == Progress("load", 7, 7)


def test_an_unknown_suite_is_refused_with_the_known_ones():
    with pytest.raises(BadInput, match="speed") as caught:
        run_suite("speed", None, 0.02, 8.0, 10, lambda step: None)
    assert "fusion, kernels" in caught.value.remedy
