"""Lengths, areas and volumes in words, metric or imperial."""

from collections.abc import Sequence
from enum import Enum

METRES_A_FOOT = 0.3048
# A scan is good to a few millimetres, and so is an eighth of an inch.
PARTS_OF_AN_INCH = 8
INCHES_A_FOOT = 12


class Units(Enum):
    """What people measure in."""

    METRIC = "metric"
    IMPERIAL = "imperial"


UNIT_NAMES = {Units.METRIC: "Metres", Units.IMPERIAL: "Feet and inches"}


def length_in_words(metres: float, units: Units) -> str:
    """Return "1.234 m", or feet and inches to the nearest eighth."""
    if units is Units.METRIC:
        return f"{metres:.3f} m"
    parts = round(abs(metres) / METRES_A_FOOT * INCHES_A_FOOT * PARTS_OF_AN_INCH)
    inches, part = divmod(parts, PARTS_OF_AN_INCH)
    feet, inches = divmod(inches, INCHES_A_FOOT)
    sign = "-" if metres < 0 and parts else ""
    return f"{sign}{feet}' {inches}{_fraction(part)}\""


def area_in_words(square_metres: float, units: Units) -> str:
    """Return "1.23 m²" or "13.2 sq ft"."""
    if units is Units.METRIC:
        return f"{square_metres:.2f} m²"
    return f"{square_metres / METRES_A_FOOT**2:.1f} sq ft"


def volume_in_words(cubic_metres: float, units: Units) -> str:
    """Return "1.23 m³" or "43.4 cu ft"."""
    if units is Units.METRIC:
        return f"{cubic_metres:.2f} m³"
    return f"{cubic_metres / METRES_A_FOOT**3:.1f} cu ft"


def size_in_words(size_m: Sequence[float], units: Units) -> str:
    """Return the edges of a box: "4.20 × 3.10 × 2.40 m"."""
    if units is Units.METRIC:
        return " × ".join(f"{edge:.2f}" for edge in size_m) + " m"
    return " × ".join(length_in_words(edge, units) for edge in size_m)


def angle_in_words(degrees: float) -> str:
    """Return "90.2°"."""
    return f"{degrees:.1f}°"


def metres_a_unit(units: Units) -> float:
    """Return how long one unit of a number field is, metres: fields hold metres or feet."""
    return 1.0 if units is Units.METRIC else METRES_A_FOOT


def _fraction(part: int) -> str:
    if not part:
        return ""
    whole = PARTS_OF_AN_INCH
    while part % 2 == 0:
        part, whole = part // 2, whole // 2
    return f" {part}/{whole}"
