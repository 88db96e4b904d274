import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.runtime.meters import Meters, Rate


@given(st.lists(st.floats(0, 10), min_size=1, max_size=80))
def test_timings_agree_with_numpy_over_the_window(seconds):
    meters = Meters(window=16)
    for value in seconds:
        meters.record("fuse", value)
    timing = meters.timings()["fuse"]
    recent = np.array(seconds[-16:]) * 1000
    assert timing.count == len(seconds)
    assert timing.total_s == pytest.approx(sum(seconds))
    assert timing.median_ms == pytest.approx(np.median(recent))
    assert timing.p95_ms == pytest.approx(np.percentile(recent, 95))
    assert timing.worst_ms == pytest.approx(max(seconds) * 1000)


def test_a_stage_is_recorded_even_when_it_raises():
    meters = Meters()
    with pytest.raises(KeyError), meters.stage("fuse"):
        raise KeyError
    assert meters.timings()["fuse"].count == 1


def test_memory_stays_bounded():
    meters = Meters(window=8)
    for _ in range(10_000):
        meters.record("fuse", 0.001)
    assert len(meters._stages["fuse"].recent_s) == 8


def test_rate_looks_back_over_its_window_only():
    rate = Rate(window_s=2.0)
    assert rate.tick(0.0) == 0.0
    for i in range(1, 21):
        slow = rate.tick(i * 0.5)
    assert slow == pytest.approx(2.0)
    for i in range(1, 101):
        fast = rate.tick(10 + i * 0.05)
    assert fast == pytest.approx(20.0)
