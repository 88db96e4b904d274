"""Libraries that are loaded when they are first needed, not when the program starts."""

from importlib import import_module
from typing import Any


def open3d() -> Any:
    """Return Open3D; with all that it brings for notebooks, loading it takes half a second."""
    return import_module("open3d")
