"""What the camera sees, in a frame that says how tracking stands."""

import numpy as np
from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QImage,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.core.arrays import U8
from engine.core.news import Tracking
from ui import theme
from ui.views.gauges import state_color

LEAST_PX, HIGHEST_PX = 90, 300
WAITING = "The camera picture appears here"
FRAMED = (Tracking.WEAK, Tracking.LOST)
FRAME_PX = 5


class CameraPicture(QWidget):
    """The newest picture in its own shape; on a low screen it gives way before buttons do."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Wait for a picture."""
        super().__init__(parent)
        self._picture: QPixmap | None = None
        self._scaled: QPixmap | None = None
        self._state = Tracking.WAITING
        self.setMinimumHeight(LEAST_PX)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Camera picture; amber where no depth is known")

    def show_picture(self, picture: U8) -> None:
        """Show a picture (h, w, 3) uint8 RGB."""
        had = self._picture
        self._picture, self._scaled = _pixmap(picture), None
        if had is None or had.size() != self._picture.size():
            self.setMaximumHeight(self._tall(self.width()))
        self.update()

    def show_state(self, state: Tracking) -> None:
        """Frame the picture while tracking is weak or lost."""
        if state is not self._state:
            self._state = state
            self.update()

    def picture_height_px(self) -> int:
        """Return how high the picture is shown."""
        return self._place().height()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take no more height than the picture fills."""
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.setMaximumHeight(self._tall(event.size().width()))

    def sizeHint(self) -> QSize:
        """Return the least height: it grows where there is room, and nothing scrolls for it."""
        return QSize(320, LEAST_PX)

    def _tall(self, width: int) -> int:
        if self._picture is None:
            return min(round(width * 3 / 4), HIGHEST_PX)
        tall = round(width * self._picture.height() / max(self._picture.width(), 1))
        return max(LEAST_PX, min(tall, HIGHEST_PX))

    def _place(self) -> QRect:
        room = self.rect()
        if self._picture is None:
            return room
        size = self._picture.size().scaled(room.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRect(room.topLeft(), size)
        place.moveCenter(room.center())
        return place

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the picture and its frame."""
        painter = QPainter(self)
        palette = theme.current()
        place = self._place()
        if self._picture is None:
            painter.fillRect(place, QColor(palette.picture))
            painter.setPen(QColor(palette.muted))
            wrap = Qt.AlignmentFlag.AlignCenter.value | Qt.TextFlag.TextWordWrap.value
            painter.drawText(place, wrap, WAITING)
        else:
            painter.drawPixmap(place, self._fitting(place.size()))
        if self._state in FRAMED:
            inset = FRAME_PX / 2
            painter.setPen(QPen(state_color(self._state), FRAME_PX))
            painter.drawRect(QRectF(place).adjusted(inset, inset, -inset, -inset))
        painter.end()

    def _fitting(self, size: QSize) -> QPixmap:
        """Return the picture in the pixels of the screen, scaled once."""
        assert self._picture is not None
        ratio = self.devicePixelRatioF()
        wanted = size * ratio
        if self._scaled is None or self._scaled.size() != wanted:
            self._scaled = self._picture.scaled(
                wanted,
                Qt.AspectRatioMode.IgnoreAspectRatio,
                Qt.TransformationMode.SmoothTransformation,
            )
            self._scaled.setDevicePixelRatio(ratio)
        return self._scaled


def _pixmap(picture: U8) -> QPixmap:
    rows, columns = picture.shape[:2]
    packed = np.ascontiguousarray(picture)
    image = QImage(packed.data, columns, rows, 3 * columns, QImage.Format.Format_RGB888)
    # The pixmap copies, so the array need not outlive this call.
    return QPixmap.fromImage(image)
