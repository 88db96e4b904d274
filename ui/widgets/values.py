"""Values of settings as people write them, and what they wrote as values."""

import math
import re

from ui.ports import SettingField, Value

GROUPED = re.compile(r"[-+]?\d{1,3}(,\d{3})+")
NO_SPACE_BEFORE = ("°", "%")
ON, OFF = "On", "Off"
NO_NUMBER = "“{text}” is not a number."
NO_WHOLE = "“{text}” is not a whole number."
TOO_LOW = "It cannot be less than {limit}."
NOT_ENOUGH = "It must be more than {limit}."
TOO_HIGH = "It cannot be more than {limit}."
BETWEEN = "From {low} to {high}."
ABOVE_TO = "More than {low}, at most {high}."
AT_LEAST = "At least {low}."
ABOVE = "More than {low}."
AT_MOST = "At most {high}."


def shown(field: SettingField, value: Value) -> str:
    """Return what stands in the field for a value, without its unit."""
    for choice, title in field.choices:
        if choice == value:
            return title
    if isinstance(value, bool):
        return ON if value else OFF
    if isinstance(value, int) and abs(value) >= 10_000:
        return f"{value:,}"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def with_unit(field: SettingField, value: Value) -> str:
    """Return a value as it stands in a sentence."""
    space = "" if field.unit in NO_SPACE_BEFORE else " "
    return f"{shown(field, value)}{space}{field.unit}".strip()


def bounds(field: SettingField) -> str:
    """Return what may be entered as a sentence; empty without bounds."""
    if field.low is not None and field.high is not None:
        both = ABOVE_TO if field.is_low_open else BETWEEN
        return both.format(low=shown(field, field.low), high=with_unit(field, field.high))
    if field.low is not None:
        only = ABOVE if field.is_low_open else AT_LEAST
        return only.format(low=with_unit(field, field.low))
    return "" if field.high is None else AT_MOST.format(high=with_unit(field, field.high))


def read(field: SettingField, text: str) -> Value:
    """Return what was typed as a value of the field.

    A comma counts as a decimal point, but in whole numbers it may part thousands; so may spaces.

    Raises:
        ValueError: it cannot be taken; says why in a sentence for the user.
    """
    if field.kind not in ("integer", "number"):
        return text
    is_whole = field.kind == "integer"
    plain = "".join(text.split()).replace("\u2212", "-")
    if is_whole and GROUPED.fullmatch(plain):
        plain = plain.replace(",", "")
    plain = plain.replace(",", ".")
    try:
        number = int(plain) if is_whole else float(plain)
    except ValueError:
        raise ValueError((NO_WHOLE if is_whole else NO_NUMBER).format(text=text.strip())) from None
    if not math.isfinite(number):
        raise ValueError(NO_NUMBER.format(text=text.strip()))
    if field.low is not None and number < field.low:
        raise ValueError(TOO_LOW.format(limit=with_unit(field, field.low)))
    if field.is_low_open and number == field.low:
        raise ValueError(NOT_ENOUGH.format(limit=with_unit(field, number)))
    if field.high is not None and number > field.high:
        raise ValueError(TOO_HIGH.format(limit=with_unit(field, field.high)))
    return number


def step(field: SettingField) -> float:
    """Return how far one press of an arrow key goes: about a tenth of the default, a round number.

    It is the same wherever the value is, so that up and down end where they began.
    """
    size = abs(float(field.default))
    tenth = 10.0 ** math.floor(math.log10(size) - 0.9) if size > 0 else 0.1
    return max(1.0, tenth) if field.kind == "integer" else tenth
