"""Settings as people read and type them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.ports import SettingField
from ui.widgets.values import bounds, read, shown, step, with_unit


def field(kind="number", value=0.02, unit="m", low=0.002, high=0.1, choices=()):
    return SettingField("a.b_m", "Voxel", "", kind, value, value, unit, low, high, choices)


@given(st.floats(-1e9, 1e9).map(lambda x: float(f"{x:.10g}")))
def test_a_number_is_read_back_as_it_was_shown(value):
    free = field(low=None, high=None)
    assert read(free, shown(free, value)) == value


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_is_read_back_as_it_was_shown(value):
    free = field("integer", low=None, high=None)
    assert read(free, shown(free, value)) == value
    assert isinstance(read(free, shown(free, value)), int)


@given(st.floats(-10, 10))
def test_what_is_taken_lies_within_the_bounds(value):
    if 0.002 <= value <= 0.1:
        assert read(field(), repr(value)) == value
        return
    says = "less than 0.002 m." if value < 0.002 else "more than 0.1 m."
    with pytest.raises(ValueError, match=f"^It cannot be {says}$"):
        read(field(), repr(value))


@pytest.mark.parametrize("text", ["0,05", " 0.05 ", "5e-2"])
def test_a_number_can_be_typed_in_several_ways(text):
    assert read(field(), text) == 0.05


@pytest.mark.parametrize("text", ["", "a lot", "nan", "inf", "1.2.3"])
def test_what_is_no_number_is_refused_in_words(text):
    with pytest.raises(ValueError, match="is not a number"):
        read(field(low=None, high=None), text)


@pytest.mark.parametrize("text", ["20000", "20 000", "20,000", " 20\u202f000"])
def test_thousands_may_be_parted(text):
    assert read(field("integer", 5, "", 1, 1e6), text) == 20_000


@pytest.mark.parametrize("text", ["2.5", "2,5", "20,00", "1,0000"])
def test_a_whole_number_takes_no_fraction(text):
    with pytest.raises(ValueError, match="is not a whole number"):
        read(field("integer", 5, "", 1, 1e6), text)


def test_bounds_are_told_with_their_unit():
    assert bounds(field()) == "From 0.002 to 0.1 m."
    assert bounds(field(high=None)) == "At least 0.002 m."
    above = replace(field(low=0.0, high=None), is_low_open=True)
    assert bounds(above) == "More than 0 m."
    assert bounds(replace(above, high=2.0)) == "More than 0, at most 2 m."
    with pytest.raises(ValueError, match="more than 0 m"):
        read(above, "0.0")
    assert read(above, "0.001") == 0.001
    assert bounds(field(low=None)) == "At most 0.1 m."
    assert bounds(field(low=None, high=None)) == ""
    assert bounds(field(unit="°", low=0.0, high=90.0)) == "From 0 to 90°."


def test_values_are_shown_as_words_where_there_are_words():
    size = field("choice", 2048, "px", None, None, ((1024, "Small"), (2048, "Medium")))
    assert with_unit(size, 2048) == "Medium px"
    assert shown(field("switch", True, ""), True) == "On"
    assert shown(field("integer", 5, ""), 5_000_000) == "5,000,000"


@given(st.floats(1e-6, 1e6))
def test_a_step_is_a_round_number_near_a_tenth_of_the_default(default):
    size = step(field(value=default, low=None, high=None))
    assert default / 100 < size <= default / 5
    assert f"{size:e}".startswith("1.000000e")


def test_whole_numbers_step_by_whole_numbers():
    assert step(field("integer", 1, "", 0, 9)) == 1.0
    assert step(field("integer", 2048, "MB", 64, None)) == 100.0
    assert step(field("integer", 0, "", 0, 9)) == 1.0
