"""Rows of results as JSON that every reader accepts."""

import json
import math
from typing import Any


def as_json(row: dict[str, Any]) -> str:
    """Return a row as one JSON object; NaN and infinity, which JSON has not, become null."""
    return json.dumps(_finite(row), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
