"""Signs for the rail and the guides, drawn with a pen: sharp at any size, in any colour."""

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap

# All are drawn on a square of this size.
GRID = 24.0


def start() -> QPainterPath:
    """Return a house."""
    path = _line((3, 11), (12, 4), (21, 11))
    path.addPath(_line((6, 9.5), (6, 20), (18, 20), (18, 9.5)))
    path.addPath(_line((10, 20), (10, 14), (14, 14), (14, 20)))
    return path


def scan() -> QPainterPath:
    """Return the corners of a view finder round a disc."""
    path = QPainterPath()
    for x, y in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        path.addPath(_line(*((12 + x * a, 12 + y * b) for a, b in ((4.5, 9), (9, 9), (9, 4.5)))))
    path.addEllipse(QPointF(12, 12), 3.6, 3.6)
    return path


def review() -> QPainterPath:
    """Return a cube."""
    path = _line((12, 3), (20, 7.5), (20, 16.5), (12, 21), (4, 16.5), (4, 7.5), (12, 3))
    path.addPath(_line((4, 7.5), (12, 12), (20, 7.5)))
    path.addPath(_line((12, 12), (12, 21)))
    return path


def item() -> QPainterPath:
    """Return a vase on a turntable."""
    path = QPainterPath(QPointF(9.5, 3.5))
    path.lineTo(14.5, 3.5)
    path.cubicTo(13.5, 7, 18, 9, 15, 15.5)
    path.lineTo(9, 15.5)
    path.cubicTo(6, 9, 10.5, 7, 9.5, 3.5)
    path.addEllipse(QRectF(3, 15.5, 18, 5.5))
    return path


def calibration() -> QPainterPath:
    """Return a chequered target."""
    path = QPainterPath()
    path.addRect(QRectF(4, 4, 16, 16))
    for at in (9.33, 14.67):
        path.addPath(_line((at, 4), (at, 20)))
        path.addPath(_line((4, at), (20, at)))
    return path


def models() -> QPainterPath:
    """Return three layers."""
    path = _line((12, 3.5), (21, 8), (12, 12.5), (3, 8), (12, 3.5))
    path.addPath(_line((3, 12), (12, 16.5), (21, 12)))
    path.addPath(_line((3, 16), (12, 20.5), (21, 16)))
    return path


def settings() -> QPainterPath:
    """Return three sliders."""
    path = QPainterPath()
    for y, knob in ((6, 15), (12, 8), (18, 13)):
        path.addPath(_line((3, y), (knob - 2.4, y)))
        path.addPath(_line((knob + 2.4, y), (21, y)))
        path.addEllipse(QPointF(knob, y), 2.4, 2.4)
    return path


def icon(sign: Callable[[], QPainterPath], colors: tuple[str, str, str], size_px: int) -> QIcon:
    """Return a sign as an icon; colours for at rest, chosen, and not available."""
    made = QIcon()
    states = (
        (colors[0], QIcon.Mode.Normal, QIcon.State.Off),
        (colors[1], QIcon.Mode.Normal, QIcon.State.On),
        (colors[2], QIcon.Mode.Disabled, QIcon.State.Off),
        (colors[2], QIcon.Mode.Disabled, QIcon.State.On),
    )
    for color, mode, state in states:
        # Also at twice and three times the size, for screens of high density.
        for times in (1, 2, 3):
            made.addPixmap(_pixmap(sign(), color, size_px * times), mode, state)
    return made


def _pixmap(path: QPainterPath, color: str, size_px: int) -> QPixmap:
    pixmap = QPixmap(size_px, size_px)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(size_px / GRID, size_px / GRID)
    pen = QPen(QColor(color), 1.6)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    painter.setPen(pen)
    painter.drawPath(path)
    painter.end()
    return pixmap


def _line(*points: tuple[float, float]) -> QPainterPath:
    path = QPainterPath(QPointF(*points[0]))
    for point in points[1:]:
        path.lineTo(QPointF(*point))
    return path
