"""How large text is, for what has a width of its own."""

from PySide6.QtGui import QFontInfo
from PySide6.QtWidgets import QWidget

from ui.theme import BODY_PX


def text_scale(widget: QWidget) -> float:
    """Return how much larger than usual a widget's text is, at least 1."""
    widget.ensurePolished()
    return max(1.0, QFontInfo(widget.font()).pixelSize() / BODY_PX)
