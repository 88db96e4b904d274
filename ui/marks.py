"""The small marks that style sheets want as files: arrows of boxes, the tick."""

from pathlib import Path

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPen, QPolygonF

# On a square of 16; drawn large enough for screens of any density.
STROKES = {
    "down": ((4.0, 6.0), (8.0, 10.0), (12.0, 6.0)),
    "up": ((4.0, 10.0), (8.0, 6.0), (12.0, 10.0)),
    "tick": ((3.0, 8.5), (6.5, 12.0), (13.0, 4.5)),
}
GRID, SIZE_PX = 16, 64


def draw_marks(folder: Path, line: str, on_accent: str, name: str) -> dict[str, str]:
    """Write the marks in these colours as files and return their paths by mark."""
    paths = {}
    for mark, points in STROKES.items():
        image = QImage(SIZE_PX, SIZE_PX, QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(SIZE_PX / GRID, SIZE_PX / GRID)
        pen = QPen(QColor(on_accent if mark == "tick" else line), 2)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        painter.drawPolyline(QPolygonF([QPointF(x, y) for x, y in points]))
        painter.end()
        path = folder / f"{name}-{mark}.png"
        image.save(str(path))
        paths[mark] = path.as_posix()
    return paths
