"""The order in which the Tab key goes through a page."""

from collections.abc import Iterable
from itertools import pairwise

from PySide6.QtWidgets import QWidget


def tab_through(widgets: Iterable[QWidget]) -> None:
    """Have the Tab key go from one to the next; those made last would otherwise come last."""
    for first, then in pairwise(widgets):
        QWidget.setTabOrder(first, then)
