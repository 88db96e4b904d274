"""The drawings of the guides: a few strokes each, on a square of 100 by 100."""

from collections.abc import Callable
from math import cos, radians, sin

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF

from ui import theme

GRID = 100.0
LETTERS = 10
Picture = Callable[[QPainter], None]


def light(painter: QPainter) -> None:
    """Draw two lamps that shine on a vase from either side."""
    _vase(painter, 50, 88)
    _pen(painter, theme.current().warn, 2)
    for side in (-1, 1):
        for spread in (-8, 0, 8):
            x = 50 + side * 30
            painter.drawLine(QPointF(x, 22 + spread), QPointF(50 + side * 15, 46 + spread))
        _fill(painter, theme.current().warn)
        painter.drawEllipse(QPointF(50 + side * 37, 15), 6, 6)
        _pen(painter, theme.current().warn, 2)
    _table(painter)


def turntable(painter: QPainter) -> None:
    """Draw a vase on a disc that turns."""
    _pen(painter, theme.current().muted, 2)
    painter.drawEllipse(QRectF(14, 70, 72, 22))
    _vase(painter, 50, 82)
    _pen(painter, theme.current().accent, 2.5)
    painter.drawArc(QRectF(8, 66, 84, 30), 200 * 16, 80 * 16)
    _arrow_head(painter, 64, 95, -12)


def rounds(painter: QPainter) -> None:
    """Draw a vase and cameras on two circles round it."""
    _vase(painter, 50, 66)
    _pen(painter, theme.current().muted, 1.6, dashed=True)
    painter.drawEllipse(QRectF(8, 48, 84, 34))
    painter.drawEllipse(QRectF(22, 8, 56, 20))
    for degree in (20, 90, 160, 215, 325):
        angle = radians(degree)
        _camera(painter, 50 + 42 * cos(angle), 65 + 17 * sin(angle))
    for degree in (10, 90, 170):
        angle = radians(degree)
        _camera(painter, 50 + 28 * cos(angle), 18 + 10 * sin(angle))


def turned(painter: QPainter) -> None:
    """Draw a vase that is laid on its side."""
    _table(painter)
    painter.save()
    painter.translate(58, 76)
    painter.rotate(90)
    _vase(painter, 0, 26)
    painter.restore()
    _pen(painter, theme.current().accent, 2.5)
    painter.drawArc(QRectF(22, 16, 50, 50), 40 * 16, 120 * 16)
    _arrow_head(painter, 67, 25, 45)


def target(painter: QPainter) -> None:
    """Draw a chequered board with a ruler along one square."""
    _board(painter, QRectF(22, 10, 60, 60), 5)
    _pen(painter, theme.current().accent, 2)
    painter.drawLine(QPointF(22, 82), QPointF(34, 82))
    for x in (22, 34):
        painter.drawLine(QPointF(x, 78), QPointF(x, 86))
    _letters(painter)
    painter.drawText(QRectF(38, 74, 56, 16), Qt.AlignmentFlag.AlignVCenter, "30.0 mm")


def lens(painter: QPainter) -> None:
    """Draw a camera whose lens shines."""
    palette = theme.current()
    _pen(painter, palette.muted, 2.5)
    painter.drawRoundedRect(QRectF(14, 30, 72, 48), 7, 7)
    painter.drawRect(QRectF(36, 22, 22, 8))
    _pen(painter, palette.text, 2.5)
    painter.drawEllipse(QPointF(50, 54), 18, 18)
    painter.drawEllipse(QPointF(50, 54), 10, 10)
    _pen(painter, palette.accent, 2.5)
    for x, y, size in ((71, 37, 6), (79, 25, 4)):
        painter.drawLine(QPointF(x - size, y), QPointF(x + size, y))
        painter.drawLine(QPointF(x, y - size), QPointF(x, y + size))


def corners(painter: QPainter) -> None:
    """Draw the board in the middle and in the corners of a picture."""
    _pen(painter, theme.current().muted, 2)
    painter.drawRoundedRect(QRectF(6, 16, 88, 68), 4, 4)
    for x, y, tilt in ((24, 31, -14), (76, 31, 10), (24, 69, 12), (76, 69, -10), (50, 50, 0)):
        painter.save()
        painter.translate(x, y)
        painter.rotate(tilt)
        _board(painter, QRectF(-10, -10, 20, 20), 4)
        painter.restore()


def wall(painter: QPainter) -> None:
    """Draw a wall and a camera at four distances."""
    palette = theme.current()
    _fill(painter, palette.line)
    painter.drawPolygon(
        QPolygonF([QPointF(82, 8), QPointF(94, 16), QPointF(94, 88), QPointF(82, 80)])
    )
    _pen(painter, palette.muted, 1.6, dashed=True)
    painter.drawLine(QPointF(12, 46), QPointF(82, 46))
    for x in (16, 36, 54, 68):
        _camera(painter, x, 46)
    _pen(painter, palette.text, 1)
    _letters(painter)
    for x, words in ((14, "3"), (34, "2"), (52, "1"), (66, "½ m")):
        painter.drawText(QRectF(x, 56, 26, 16), Qt.AlignmentFlag.AlignLeft, words)


def _vase(painter: QPainter, x: float, foot_y: float) -> None:
    palette = theme.current()
    path = QPainterPath(QPointF(x - 8, foot_y - 42))
    path.lineTo(x + 8, foot_y - 42)
    path.cubicTo(x + 3, foot_y - 32, x + 22, foot_y - 18, x + 9, foot_y)
    path.lineTo(x - 9, foot_y)
    path.cubicTo(x - 22, foot_y - 18, x - 3, foot_y - 32, x - 8, foot_y - 42)
    painter.setPen(QPen(QColor(palette.text), 2))
    painter.setBrush(QColor(palette.raised))
    painter.drawPath(path)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _table(painter: QPainter) -> None:
    _pen(painter, theme.current().muted, 2.5)
    painter.drawLine(QPointF(8, 89), QPointF(92, 89))


def _camera(painter: QPainter, x: float, y: float) -> None:
    palette = theme.current()
    painter.setPen(QPen(QColor(palette.accent), 1.8))
    painter.setBrush(QColor(palette.panel))
    painter.drawRoundedRect(QRectF(x - 6, y - 4, 12, 8), 2, 2)
    painter.drawEllipse(QPointF(x, y), 2.2, 2.2)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _board(painter: QPainter, where: QRectF, squares: int) -> None:
    palette = theme.current()
    side = where.width() / squares
    painter.setPen(QPen(QColor(palette.edge), 1))
    painter.setBrush(QColor("#ffffff"))
    painter.drawRect(where)
    # Printed in black on white, whatever the theme.
    _fill(painter, "#15191f")
    for row in range(squares):
        for column in range(squares):
            if (row + column) % 2 == 0:
                corner = where.topLeft() + QPointF(column * side, row * side)
                painter.drawRect(QRectF(corner.x(), corner.y(), side, side))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _arrow_head(painter: QPainter, x: float, y: float, turn_deg: float) -> None:
    painter.save()
    painter.translate(x, y)
    painter.rotate(turn_deg)
    painter.drawLine(QPointF(0, 0), QPointF(-7, -5))
    painter.drawLine(QPointF(0, 0), QPointF(-7, 5))
    painter.restore()


def _pen(painter: QPainter, color: str, width: float, dashed: bool = False) -> None:
    pen = QPen(QColor(color), width)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    if dashed:
        pen.setStyle(Qt.PenStyle.DashLine)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _letters(painter: QPainter) -> None:
    font = painter.font()
    font.setPixelSize(LETTERS)
    painter.setFont(font)


def _fill(painter: QPainter, color: str) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(color))
