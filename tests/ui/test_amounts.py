"""Ages and sizes in words."""

from datetime import datetime, timedelta

import pytest

from ui.widgets.amounts import age, counted, size

NOW = datetime(2026, 5, 20, 15, 30)


@pytest.mark.parametrize(
    ("past", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(minutes=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=15), "15 hours ago"),
        (timedelta(hours=16), "yesterday"),
        (timedelta(days=1, hours=15), "yesterday"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=6), "6 days ago"),
        (timedelta(days=7), "13 May 2026"),
    ],
)
def test_an_age_goes_by_the_calendar(past, words):
    assert age((NOW - past).timestamp(), NOW.timestamp()) == words


@pytest.mark.parametrize(
    ("megabytes", "words"),
    [
        (0.02, "under 0.1 MB"),
        (0.4, "0.4 MB"),
        (9.94, "9.9 MB"),
        (12.5, "12 MB"),
        (999.4, "999 MB"),
        (1234.0, "1.2 GB"),
    ],
)
def test_a_size_has_a_short_number(megabytes, words):
    assert size(megabytes) == words


def test_one_is_not_many():
    assert counted(1, "scan") == "1 scan"
    assert counted(1200, "scan") == "1,200 scans"
