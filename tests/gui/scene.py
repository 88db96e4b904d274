"""Small surfaces with known places and colours, and pictures of them."""

import numpy as np
from PySide6.QtGui import QImage

from engine.core.news import ScanNews, ScanState, TrackView
from engine.core.surface import Mesh
from ui.gl.orbit import Orbit


def picture(view):
    """Return what the view shows as (h, w, 3)."""
    image = view.snapshot().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def where(shot, rgb, tolerance=12):
    """Return the mean (row, column) of pixels of a colour, and how many there are."""
    rows, columns = np.nonzero((np.abs(shot.astype(int) - rgb) <= tolerance).all(axis=2))
    return (rows.mean(), columns.mean(), len(rows)) if len(rows) else (0, 0, 0)


def news(patches=(), pose=None):
    track = None if pose is None else TrackView(0, 0, pose, None)
    return ScanNews(ScanState.SCANNING, track, tuple(patches))


def drain(view):
    while view.work(float("inf")):
        pass


def look(view, azimuth_deg, elevation_deg, distance_m):
    """Look at the origin, and stay there."""
    view.reset_view()
    view.orbit = Orbit(np.zeros(3), distance_m, azimuth_deg, elevation_deg)
    view.touch()


def square(size_m=2.0):
    """A wall in the plane y = 0, facing +y; z is up."""
    h = size_m / 2
    corners = np.array([[h, 0, -h], [-h, 0, -h], [-h, 0, h], [h, 0, h]], np.float32)
    return corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def face_the_wall(view, from_y):
    drain(view)
    look(view, 90 if from_y > 0 else -90, 0, 4)


def joined(patches):
    starts = np.cumsum([0, *(len(p.vertices) for p in patches[:-1])])
    faces = np.concatenate([p.faces + s for p, s in zip(patches, starts, strict=True)])
    observed = [
        np.ones(len(p.vertices), bool) if p.is_observed is None else p.is_observed for p in patches
    ]
    return Mesh(
        np.concatenate([p.vertices for p in patches]),
        faces.astype(np.int32),
        np.concatenate([p.colors for p in patches]),
        np.concatenate(observed),
    )
