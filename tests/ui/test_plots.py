"""What the plots keep of the last minute."""

from engine.core.news import ScanStats, StageNews
from ui.views.plots import DELAY, EVERY_S, LOSS, RATE, SPAN_S, TICK, Minute


def stats(fps=10.0, dropped=0, **steps):
    stages = tuple(StageNews(name, 5, value, 2 * value) for name, value in steps.items())
    return ScanStats(frames_per_second=fps, dropped=dropped, stages=stages)


def test_nothing_is_drawn_of_nothing():
    assert Minute().curves() == {RATE: {}, DELAY: {}, LOSS: {}}


def test_rates_delays_and_losses_over_time():
    minute = Minute()
    minute.add(stats(10, 0, capture=3.0, other=99.0), 2.0, 100.0)
    minute.add(stats(20, 0, capture=4.0, frame=30.0), 2.5, 100.5)
    minute.add(stats(15, 6, capture=5.0, frame=31.0), 3.0, 101.5)
    curves = minute.curves()
    assert curves[RATE] == {"": ([-1.5, -1.0, 0.0], [10, 20, 15])}
    assert curves[LOSS] == {"": ([-1.0, 0.0], [0.0, 6.0])}
    assert curves[DELAY]["capture"] == ([-1.5, -1.0, 0.0], [3.0, 4.0, 5.0])
    assert curves[DELAY]["frame"] == ([-1.0, 0.0], [30.0, 31.0])
    assert curves[DELAY][TICK][1] == [2.0, 2.5, 3.0]
    assert "other" not in curves[DELAY]


def test_moments_are_kept_twice_a_second_for_a_minute():
    minute = Minute()
    kept = sum(minute.add(stats(), 1.0, tick * 0.016) for tick in range(int(200 / 0.016)))
    assert abs(kept - 200 / EVERY_S) < 0.05 * kept
    times, _ = minute.curves()[RATE][""]
    assert -SPAN_S <= times[0] < -SPAN_S + 2 * EVERY_S
    assert len(times) <= SPAN_S / EVERY_S + 1


def test_counters_that_begin_anew_are_no_loss():
    minute = Minute()
    minute.add(stats(dropped=9), 1.0, 0.0)
    minute.add(stats(dropped=0), 1.0, 1.0)
    assert minute.curves()[LOSS][""][1] == [0.0]
