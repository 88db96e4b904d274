"""Tracking in words, and how long words stay."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.news import Cause, TrackHealth, Tracking
from ui.views.gauges import DISTANCE_ZONES, PACE_ZONES
from ui.views.guidance import STAYS_S, Steady, sentence

GOOD = TrackHealth(Tracking.GOOD)
FAST = TrackHealth(Tracking.WEAK, (Cause.TOO_FAST,), margin=0.2)
DARK = TrackHealth(Tracking.WEAK, (Cause.TOO_DARK,), margin=0.3)
LOST = TrackHealth(Tracking.LOST, (Cause.NO_POSE,), margin=0.0)


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_name_and_a_cure_in_short_sentences(cause):
    word, why, cure = sentence(TrackHealth(Tracking.WEAK, (cause, Cause.TOO_DARK)))
    assert word == "Tracking weak"
    for text in (why, cure):
        assert text[0].isupper()
        assert text.endswith(".")
        assert len(text) <= 40
    assert why != cure


def test_causes_are_told_apart():
    said = {sentence(TrackHealth(Tracking.WEAK, (cause,))) for cause in Cause}
    assert len(said) == len(Cause)


def test_states_without_a_cause():
    assert sentence(None)[0] == "Waiting"
    assert sentence(GOOD) == ("Tracking good", "", "Keep going like this.")
    assert sentence(LOST)[0] == "Tracking lost"


def test_what_is_worse_is_shown_at_once():
    steady = Steady()
    assert steady.take(GOOD, 0.0) is GOOD
    assert steady.take(FAST, 0.01) is FAST
    assert steady.take(LOST, 0.02) is LOST


def test_a_warning_stays_for_a_glance_with_the_newest_figures():
    steady = Steady()
    steady.take(FAST, 10.0)
    calm = replace(GOOD, speed_m_s=0.3)
    soon = steady.take(calm, 10.0 + STAYS_S / 2)
    assert (soon.state, soon.causes, soon.speed_m_s) == (FAST.state, FAST.causes, 0.3)
    assert steady.take(calm, 10.0 + STAYS_S + 0.01) is calm


def test_a_warning_that_lasts_goes_as_soon_as_it_is_over():
    steady = Steady()
    for at in (0.0, 1.0, 2.0, 3.0):
        assert steady.take(FAST, at) is FAST
    assert steady.take(GOOD, 3.01) is GOOD


def test_two_causes_in_turn_do_not_flicker():
    steady, said = Steady(), []
    for tick in range(100):
        said.append(steady.take(FAST if tick % 2 else DARK, tick * 0.05).causes)
    changes = sum(a != b for a, b in itertools.pairwise(said))
    assert changes <= 5 / STAYS_S + 1


@given(st.floats(0, 100), st.integers(0, 2))
def test_the_marker_stays_in_its_zone(value, zone):
    for zones in (DISTANCE_ZONES, PACE_ZONES):
        at = min(zone, len(zones.words) - 1)
        low = sum(zones.shares[:at])
        assert low < zones.place(value, at) < low + zones.shares[at]
        assert sum(zones.shares) == pytest.approx(1)


def test_the_marker_moves_with_the_value():
    places = [DISTANCE_ZONES.place(metres, 1) for metres in (0.4, 1.0, 2.5, 4.8)]
    assert places == sorted(places)
    assert len(set(places)) == 4
