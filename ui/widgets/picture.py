"""A picture that fills its frame, whatever the frame's shape and the screen's scale."""

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from engine.core.arrays import U8

ROUND_PX = 6
HEIGHT_EM = 8


class Picture(QLabel):
    """Shows the middle of a picture; without one, words."""

    def __init__(self, picture: U8 | None, words: str, parent: QWidget | None = None) -> None:
        """Show an (h, w, 3) uint8 RGB picture."""
        super().__init__("" if picture is not None else words, parent)
        self.setProperty("role", "picture")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._image = QImage() if picture is None else _image(picture)

    def sizeHint(self) -> QSize:
        """Return a height that grows with the text; layouts give it the width there is."""
        high_px = HEIGHT_EM * self.fontMetrics().height()
        return QSize(high_px, high_px)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the picture over its frame, cut to the frame's shape."""
        if self._image.isNull():
            super().paintEvent(event)
            return
        frame = QRectF(self.rect())
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        path = QPainterPath()
        path.addRoundedRect(frame, ROUND_PX, ROUND_PX)
        painter.setClipPath(path)
        scale = max(frame.width() / self._image.width(), frame.height() / self._image.height())
        wide, high = self._image.width() * scale, self._image.height() * scale
        target = QRectF(frame.center().x() - wide / 2, frame.center().y() - high / 2, wide, high)
        painter.drawImage(target, self._image)
        painter.end()


def _image(picture: U8) -> QImage:
    rows = np.ascontiguousarray(picture)
    high, wide = rows.shape[:2]
    # The copy owns its pixels; an image of a buffer would point into memory that is gone.
    return QImage(rows.tobytes(), wide, high, 3 * wide, QImage.Format.Format_RGB888).copy()
