"""What pointer and keys do to the 3D view."""

from itertools import chain
from typing import Protocol

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent, QWheelEvent

from ui.gl.box import Box
from ui.gl.orbit import Orbit
from ui.gl.overlay import Lens, handle_at
from ui.gl.picking import Hit, Ray

# A press that moved less than this was a click.
CLICK_PX = 4.0
# Corners are clicked from outside as often as from inside.
MISSES_PX = (3.0, 6.0)
TURN_DEG_PER_PX = 0.4
STEP_DEG, STEP_PX, STEP_ZOOM = 5.0, 40.0, 1.15
ZOOM_PER_NOTCH = 1.13
NOTCH = 120
_LEFT, _MIDDLE = Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton
_SHIFT = Qt.KeyboardModifier.ShiftModifier
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
_AROUND = tuple((x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y)
_ZOOMS = {Qt.Key.Key_Plus: 1, Qt.Key.Key_Equal: 1, Qt.Key.Key_Minus: -1}


class Held(Protocol):
    """The view that is handled."""

    orbit: Orbit
    box: Box | None
    is_picking: bool

    def width(self) -> int:
        """Return its width in pixels."""
        ...

    def taken(self) -> None:
        """Hear that the user has the view in hand."""
        ...

    def ray(self, at_px: QPointF) -> Ray:
        """Return the ray through a place."""
        ...

    def lens(self) -> Lens:
        """Return where points of the world are."""
        ...

    def pick(self, at_px: QPointF) -> Hit | None:
        """Return what is at a place."""
        ...

    def tell_picked(self, hit: Hit) -> None:
        """Hear of a click on the surface."""
        ...

    def pull_box(self, box: Box) -> None:
        """Hear that a face of the box was pulled."""
        ...


class Hand:
    """Turns events into what the view is told; remembers a drag."""

    def __init__(self, view: Held) -> None:
        """Hold nothing."""
        self._view = view
        self.handle: int | None = None
        self._grabbed: Box | None = None
        self._pressed_at: QPointF | None = None
        self._last = QPointF()
        self._is_drag = False

    def press(self, event: QMouseEvent) -> None:
        """Take a handle of the box, or the scene."""
        self._pressed_at = self._last = event.position()
        self._is_drag = False
        box = self._view.box
        if box is not None and event.button() == _LEFT:
            at = event.position()
            self.handle = handle_at(self._view.lens(), box, at.x(), at.y())
            self._grabbed = box if self.handle is not None else None
        self._view.taken()

    def move(self, event: QMouseEvent) -> None:
        """Pull the handle, or turn or move the scene."""
        at = event.position()
        moved, self._last = at - self._last, at
        if self._pressed_at is None:
            return
        gone = at - self._pressed_at
        if not self._is_drag and max(abs(gone.x()), abs(gone.y())) < CLICK_PX:
            return
        if not self._is_drag:
            moved, self._is_drag = gone, True
        if self.handle is not None and self._grabbed is not None:
            self._view.pull_box(self._grabbed.pulled(self.handle, self._view.ray(at)))
        elif event.buttons() & _MIDDLE or event.modifiers() & _SHIFT:
            self._view.orbit.pan(moved.x(), moved.y(), self._view.width())
        elif event.buttons() & _LEFT:
            self._view.orbit.turn(-moved.x() * TURN_DEG_PER_PX, moved.y() * TURN_DEG_PER_PX)
        self._view.taken()

    def release(self, event: QMouseEvent) -> None:
        """Let go; what did not move was a click."""
        was_click = self._pressed_at is not None and not self._is_drag and self.handle is None
        self._pressed_at = self.handle = self._grabbed = None
        if was_click and self._view.is_picking and event.button() == _LEFT:
            hit = self._near(event.position())
            if hit is not None:
                self._view.tell_picked(hit)
        self._view.taken()

    def _near(self, at_px: QPointF) -> Hit | None:
        """Return what is at a place or, where nothing is, what a hand may have missed there."""
        beside = (QPointF(far * x, far * y) for far in MISSES_PX for x, y in _AROUND)
        places = chain([at_px], (at_px + step for step in beside))
        return next((hit for hit in map(self._view.pick, places) if hit is not None), None)

    def double_click(self, event: QMouseEvent) -> None:
        """Turn about what was clicked from now on."""
        self._pressed_at = None
        hit = self._view.pick(event.position())
        if hit is not None:
            self._view.orbit.centre_m = hit.point_m.astype(float)
            self._view.taken()

    def wheel(self, event: QWheelEvent) -> None:
        """Come nearer or go away."""
        turned = event.angleDelta().y() or event.angleDelta().x()
        self._view.orbit.zoom(ZOOM_PER_NOTCH ** (turned / NOTCH))
        self._view.taken()

    def key(self, event: QKeyEvent) -> bool:
        """Return whether the key meant something here, after doing it."""
        key = Qt.Key(event.key())
        if event.modifiers() & ~(_SHIFT | Qt.KeyboardModifier.KeypadModifier):
            return False
        if key in _ARROWS:
            right, down = _ARROWS[key]
            if event.modifiers() & _SHIFT:
                self._view.orbit.pan(-right * STEP_PX, -down * STEP_PX, self._view.width())
            else:
                self._view.orbit.turn(right * STEP_DEG, -down * STEP_DEG)
        elif key in _ZOOMS:
            self._view.orbit.zoom(STEP_ZOOM ** _ZOOMS[key])
        else:
            return False
        self._view.taken()
        return True
