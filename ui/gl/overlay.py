"""What lies over the picture: measuring lines with their labels, and the box with its handles.

All of it is painted twice, dark and broad, then light and thin, and so it shows on any surface.
"""

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from engine.core.arrays import F64
from ui.gl.box import Box
from ui.gl.marks import Mark

DARK, LIGHT = QColor(12, 14, 18), QColor(255, 255, 255)
BOX = QColor(255, 209, 82)
HANDLE_PX = 8.0
DOT_PX = 4.0
LABEL_GAP_PX = 10.0


class Lens:
    """Where points of the world are on the widget."""

    def __init__(self, T_clip_world: F64, width: float, height: float) -> None:
        """Take the matrix (4, 4) to clip space and the widget's size in its own pixels."""
        self._matrix = T_clip_world
        self._half = np.array([width / 2, height / 2])

    def places(self, points_m: F64) -> tuple[F64, F64]:
        """Return where points (n, 3) are (n, 2), and how far ahead (n,); behind the eye below 0."""
        clip = points_m @ self._matrix[:3, :3].T + self._matrix[:3, 3]
        ahead = points_m @ self._matrix[3, :3] + self._matrix[3, 3]
        at = clip[:, :2] / np.where(np.abs(ahead) < 1e-9, 1e-9, ahead)[:, None]
        return (at * [1, -1] + 1) * self._half, ahead

    def segment(self, ends_m: F64) -> F64 | None:
        """Return where the part of a line (2, 3) ahead of the eye is (2, 2), or None."""
        near = 1e-3
        ahead = self.places(ends_m)[1]
        if (ahead <= near).all():
            return None
        if (ahead <= near).any():
            share = (near - ahead[0]) / (ahead[1] - ahead[0])
            cut = ends_m[0] + (ends_m[1] - ends_m[0]) * share
            ends_m = np.array([cut, ends_m[1]] if ahead[0] <= near else [ends_m[0], cut])
        return self.places(ends_m)[0]


def paint_marks(painter: QPainter, lens: Lens, marks: tuple[Mark, ...]) -> None:
    """Paint lines, dots at their points, and labels beside their middles."""
    for mark in marks:
        points = np.asarray(mark.points_m, np.float64).reshape(-1, 3)
        if not len(points):
            continue
        ends = np.stack([points[:-1], points[1:]], axis=1)
        if mark.closed and len(points) > 2:
            ends = np.concatenate([ends, [[points[-1], points[0]]]])
        _paint_lines(painter, lens, ends, LIGHT)
        places, ahead = lens.places(points)
        for place in places[ahead > 0]:
            _paint_dot(painter, place, DOT_PX, LIGHT)
    for mark in marks:
        points = np.asarray(mark.points_m, np.float64).reshape(-1, 3)
        if mark.text and len(points):
            place, ahead = lens.places(points.mean(axis=0)[None])
            if ahead[0] > 0:
                _paint_label(painter, place[0], mark.text)


def paint_box(painter: QPainter, lens: Lens, box: Box, held: int | None) -> None:
    """Paint the edges and six handles, the held one filled."""
    _paint_lines(painter, lens, box.edges_m(), BOX)
    places, ahead = lens.places(box.handles_m())
    for handle in np.argsort(-ahead):
        if ahead[handle] > 0:
            _paint_dot(painter, places[handle], HANDLE_PX, DARK if handle == held else BOX)


def handle_at(lens: Lens, box: Box, x_px: float, y_px: float) -> int | None:
    """Return the handle at a place of the widget, the nearer one where two meet, or None."""
    places, ahead = lens.places(box.handles_m())
    near = np.hypot(*(places - [x_px, y_px]).T) <= HANDLE_PX * 1.75
    candidates = np.flatnonzero(near & (ahead > 0))
    return int(candidates[np.argmin(ahead[candidates])]) if len(candidates) else None


def _paint_lines(painter: QPainter, lens: Lens, ends_m: F64, color: QColor) -> None:
    seen = [place for place in map(lens.segment, ends_m) if place is not None]
    for tone, width in ((DARK, 4.5), (color, 2.0)):
        painter.setPen(QPen(tone, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
        for first, last in seen:
            painter.drawPolyline(QPolygonF([QPointF(*first), QPointF(*last)]))


def _paint_dot(painter: QPainter, place: F64, radius: float, color: QColor) -> None:
    painter.setPen(QPen(DARK if color != DARK else BOX, 2.0))
    painter.setBrush(color)
    painter.drawEllipse(QPointF(*place), radius, radius)


def _paint_label(painter: QPainter, place: F64, text: str) -> None:
    room = QRectF(painter.fontMetrics().boundingRect(text)).adjusted(-8, -4, 8, 4)
    room.moveCenter(QPointF(place[0], place[1] - room.height() / 2 - LABEL_GAP_PX))
    painter.setPen(QPen(LIGHT, 1.0))
    painter.setBrush(DARK)
    painter.drawRoundedRect(room, 6, 6)
    painter.drawText(room, Qt.AlignmentFlag.AlignCenter, text)
