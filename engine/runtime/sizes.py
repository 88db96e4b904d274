"""How large a record is, for channels that limit bytes."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def bytes_of(record: Any) -> int:
    """Return the bytes of all arrays a record holds, at any depth; what else it holds is small."""
    if isinstance(record, np.ndarray):
        return record.nbytes
    if isinstance(record, list | tuple):
        return sum(bytes_of(item) for item in record)
    if isinstance(record, Mapping):
        return sum(bytes_of(item) for item in record.values())
    if is_dataclass(record):
        return sum(bytes_of(getattr(record, field.name)) for field in fields(record))
    return 0
