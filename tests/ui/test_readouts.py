import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.news import ChannelNews, ScanStats, StageNews
from ui.views.readouts import MINUTE_S, LastMinute, rows_of

STATS = ScanStats(
    frames_read=1240,
    frames_used=96,
    frames_total=2000,
    dropped=3,
    faces=1_234_567,
    on_disk_mb=12.4,
    frames_per_second=11.96,
    keyframes=40,
    keyframes_thinned=2,
    chunks_refined=17,
    chunks_waiting=4,
    moves_waiting=5,
    memory_mb=812.6,
    disk_free_mb=41_160.0,
    channels=(
        ChannelNews("frames", 1, 8, 1240, 3, 0, 900_000),
        ChannelNews("patches", 20, 0, 500, 0, 77, 3_400_000),
    ),
    stages=(StageNews("fuse", 96, 12.34, 31.0), StageNews("unheard of", 1, 1234.5, 1234.5)),
)


def test_every_figure_of_the_statistics_has_its_place():
    rows = {row.name: row.cells for row in rows_of(STATS, 4.06)}
    assert rows == {
        "Frames read": ("1,240 of 2,000",),
        "Frames used": ("96 · 12.0 a second",),
        "Frames dropped": ("3",),
        "Frames to move": ("5",),
        "Keyframes": ("40 · 2 thinned out",),
        "Triangles": ("1,234,567",),
        "Places refined": ("17 · 4 waiting",),
        "Memory": ("813 MB · 12 MB on disk",),
        "Disk left": ("41.2 GB",),
        "Window tick, p99": ("4.1 ms",),
        "Step, ms": ("median", "p95", "last 60 s"),
        "Fuse": ("12.3", "31.0"),
        "Unheard of": ("1,234", "1,234"),
        "Channel": ("waiting", "dropped", "merged"),
        "Frames": ("1 / 8", "3", "0"),
        "Patches to show": ("20 · 3 MB", "0", "77"),
    }


def test_a_scan_that_has_not_begun_has_no_steps_and_no_channels():
    rows = rows_of(ScanStats(), 0.0)
    assert not any(row.is_head or row.step for row in rows)
    assert rows[0].cells == ("0",)
    assert {row.name: row.cells for row in rows}["Disk left"] == ("unknown",)


def test_a_minute_shows_each_second_once_and_forgets_older_ones():
    minute = LastMinute()
    for now_s in (0.0, 10.1, 10.9, 65.0):
        minute.add((StageNews("fuse", 1, now_s + 1, 2 * now_s + 2),), now_s)
    # Second 0 is over a minute ago, and of second 10 the later word counts.
    bars = minute.bars("fuse")
    assert [ago for ago, _, _ in bars] == [55, 0]
    assert bars[0][1:] == pytest.approx((11.9 / 132, 23.8 / 132))
    assert bars[1][1:] == pytest.approx((0.5, 1.0))
    assert minute.bars("mesh") == []


def test_a_step_that_rests_moves_out_of_its_minute():
    minute = LastMinute()
    minute.add((StageNews("fuse", 1, 1.0, 2.0), StageNews("mesh", 1, 1.0, 2.0)), 0.0)
    minute.add((StageNews("fuse", 1, 1.0, 2.0),), MINUTE_S + 5.0)
    assert minute.bars("mesh") == []


@given(st.lists(st.tuples(st.floats(0, 300), st.floats(0, 1e4), st.floats(1, 3)), max_size=80))
def test_bars_lie_within_their_room(times):
    minute = LastMinute()
    for now_s, median_ms, factor in sorted(times):
        minute.add((StageNews("fuse", 1, median_ms, median_ms * factor),), now_s)
    bars = minute.bars("fuse")
    assert len({ago for ago, _, _ in bars}) == len(bars) <= MINUTE_S
    assert all(0 <= ago < MINUTE_S and 0 <= m <= p <= 1 for ago, m, p in bars)
    assert not bars or max(p for _, _, p in bars) == 1
