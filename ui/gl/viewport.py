"""The big 3D view: surface, floor and camera, seen from where the user likes."""

from dataclasses import replace
from time import perf_counter

import numpy as np
from PySide6.QtCore import QPointF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QWheelEvent
from PySide6.QtWidgets import QWidget

from engine.core.arrays import F32
from engine.core.news import ScanNews
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from ui.gl.box import Box
from ui.gl.canvas import Canvas
from ui.gl.guessed import Guessed
from ui.gl.hand import Hand
from ui.gl.marks import Mark
from ui.gl.modes import ColorMode
from ui.gl.no_viewport import NoViewport as NoViewport
from ui.gl.offscreen import NoOpenGL, why_no_opengl
from ui.gl.orbit import Orbit
from ui.gl.overlay import Lens, paint_box, paint_marks
from ui.gl.picking import Hit as Hit
from ui.gl.picking import Ray
from ui.gl.shaders import unit_of_box
from ui.gl.surface_view import SurfaceView as SurfaceView

# The camera in hand trembles; the view glides after it by this share per frame.
FOLLOW_SHARE = 0.08
# Until the user takes the view in hand, it backs off by this share per tick as the scan grows.
FRAME_SHARE = 0.04
AIM_TOLERANCE_M = 0.02
AHEAD_M = 1.5
# A camera that looks this nearly straight down or up has no heading to follow.
LEVEL_SHARE = 0.2


def opengl_works() -> bool:
    """Return whether this screen can draw in 3D."""
    return why_no_opengl() is None


def best_view(parent: QWidget | None = None) -> "Viewport | NoViewport":
    """Return a 3D view, or what stands in its place and says why there is none."""
    try:
        return Viewport(parent)
    except NoOpenGL as fault:
        return NoViewport(parent, str(fault))


class Viewport(Canvas):
    """Orbit: left drag or arrows. Pan: middle drag, or with Shift. Zoom: wheel, plus and minus.

    A double click sets the point it turns about.
    """

    picked = Signal(object)
    box_changed = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        """Show an empty floor.

        Raises:
            NoOpenGL: nothing can be drawn in 3D here.
        """
        super().__init__(parent)
        self.setMinimumSize(240, 240)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("3D view of the scan")
        self.setAccessibleDescription("Arrow keys turn, with Shift they move; plus and minus zoom.")
        self.box: Box | None = None
        self.is_picking = False
        self._hand = Hand(self)
        self._guessed = Guessed.SHOW
        self._marks: tuple[Mark, ...] = ()
        self._follow = False
        self._has_seen_camera = False
        self._is_in_hand = False

    # What is shown

    def absorb(self, news: ScanNews) -> None:
        """Take in patches and the camera's place."""
        if news.patches:
            self.last_change = self.now()
            self.stage.absorb(news.patches, self.last_change)
        if news.track is not None and news.track.T_world_cam is not None:
            self.stage.show_camera(news.track.T_world_cam)
            if not self._has_seen_camera:
                self._has_seen_camera = True
                self._look_along(news.track.T_world_cam)
            if self._follow:
                self._glide(news.track.T_world_cam)
            self.touch()

    def work(self, deadline_s: float) -> bool:
        """Upload until a `perf_counter` time; return whether something is left."""
        has_more = self.upload(deadline_s)
        if not self._is_in_hand and not self._follow:
            self._aim_at_all(FRAME_SHARE)
        return has_more

    def show_result(self, result: Mesh | TexturedMesh) -> None:
        """Show a finished mesh in place of what is shown, as soon as it is uploaded."""
        if self.fault:
            return
        is_first = not self.stage.has_result and not self._has_seen_camera
        self.stage.show_result(result)
        if is_first and not self._is_in_hand:
            self._aim_at_all(1.0)
        self.touch()

    @property
    def triangles(self) -> int:
        """How many triangles are shown."""
        return self.stage.surface.sheets.triangles

    def coverage(self) -> float | None:
        """Return the share of the surface that is measured well; None when nobody kept count."""
        return self.stage.surface.coverage()

    # How it is shown

    def set_mode(self, mode: ColorMode) -> None:
        """Colour the surface by something."""
        self.look = replace(self.look, mode=mode)
        self.touch()

    def set_guessed(self, how: Guessed) -> None:
        """Show surface that a network completed like all other, tinted, or not."""
        self._guessed = how
        hides, tints = how is Guessed.HIDE, how is Guessed.TINT
        self.look = replace(self.look, hides=hides, tints=tints)
        self.touch()

    def set_wireframe(self, wanted: bool) -> None:
        """Show the edges of the triangles, or not."""
        self.look = replace(self.look, has_wires=wanted)
        self.touch()

    def set_picking(self, wanted: bool) -> None:
        """Tell of clicks on the surface by `picked`, or not."""
        self.is_picking = wanted
        self.setCursor(Qt.CursorShape.CrossCursor if wanted else Qt.CursorShape.ArrowCursor)

    def set_box(
        self, T_world_box: Pose | None, size_m: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ) -> None:
        """Show a box with six handles and dim what is outside; None takes it away."""
        self.box, self.unit_world = None, None
        if T_world_box is not None:
            self.box = Box(T_world_box, size_m)
            self.unit_world = unit_of_box(T_world_box.inverse.matrix, size_m)
        self.look = replace(self.look, is_boxed=self.box is not None)
        self.touch()

    def set_marks(self, marks: tuple[Mark, ...]) -> None:
        """Show these measuring lines and no others."""
        self._marks = marks
        self.update()

    def paint_over(self, painter: QPainter, lens: Lens) -> None:
        """Paint box and marks."""
        if self.box is not None:
            paint_box(painter, lens, self.box, self._hand.handle)
        paint_marks(painter, lens, self._marks)

    # From where

    def centre_m(self) -> F32:
        """Return the point (3,) the view turns about, world."""
        return self.orbit.centre_m.astype(np.float32)

    def set_follow(self, follow: bool) -> None:
        """Glide after the camera, or stay."""
        self._follow = follow

    def reset_view(self) -> None:
        """Look from the first place again, and stay there."""
        self._is_in_hand = True
        self.orbit = Orbit()
        self.touch()

    def fit_view(self) -> None:
        """Look at everything, and keep doing so as it grows."""
        self._is_in_hand = False
        self._aim_at_all(1.0)

    def nudge(self, d_azimuth_deg: float, d_elevation_deg: float, zoom: float = 1.0) -> None:
        """Turn the view, and come nearer by a factor."""
        self.orbit.turn(d_azimuth_deg, d_elevation_deg)
        self.orbit.zoom(zoom)
        self.taken()

    def _aim_at_all(self, share: float) -> None:
        """Bring the view a share of the way to where it shows everything."""
        bounds = self.stage.bounds_m()
        if bounds is None:
            return
        low, high = (corner.astype(float) for corner in bounds)
        x, y = ((low + high) / 2)[:2]
        self.stage.markers.set_floor(float(x), float(y), float(low[2]))
        there = replace(self.orbit)
        aspect = max(self.width(), 1) / max(self.height(), 1)
        if there.approach(low, high, aspect, share) >= AIM_TOLERANCE_M or share == 1.0:
            self.orbit = there
            self.touch()

    def _look_along(self, T_world_cam: Pose) -> None:
        """Stand behind the camera, so that left on the picture is left in the view."""
        behind_deg = _behind_deg(T_world_cam)
        if behind_deg is not None and not self._is_in_hand:
            self.orbit.azimuth_deg = behind_deg

    def _glide(self, T_world_cam: Pose) -> None:
        aim = T_world_cam.apply(np.array([0.0, 0.0, AHEAD_M]))
        self.orbit.centre_m = self.orbit.centre_m + (aim - self.orbit.centre_m) * FOLLOW_SHARE
        behind_deg = _behind_deg(T_world_cam)
        if behind_deg is not None:
            turn = (behind_deg - self.orbit.azimuth_deg + 180) % 360 - 180
            self.orbit.azimuth_deg += turn * FOLLOW_SHARE

    # What the hand asks and tells

    def taken(self) -> None:
        """The user has the view in hand: it moves by itself no more, and is painted often."""
        self._is_in_hand = True
        self.rhythm.hurry(perf_counter())
        self.touch()

    def ray(self, at_px: QPointF) -> Ray:
        """Return the ray from the eye through a place of the widget."""
        width, height = max(self.width(), 1), max(self.height(), 1)
        x, y = 2 * at_px.x() / width - 1, 1 - 2 * at_px.y() / height
        return Ray(self.orbit.eye_m(), self.orbit.direction(x, y, width / height))

    def lens(self) -> Lens:
        """Return where points of the world are once the view has been painted."""
        width, height = max(self.width(), 1), max(self.height(), 1)
        return Lens(self.orbit.T_clip_world(width / height), width, height)

    def pick(self, at_px: QPointF) -> Hit | None:
        """Return what of the surface is at a place of the widget."""
        if self.fault:
            return None
        return self.stage.pick(self.ray(at_px), self._guessed, self.unit_world)

    def tell_picked(self, hit: Hit) -> None:
        """Say what was clicked on."""
        self.picked.emit(hit)

    def pull_box(self, box: Box) -> None:
        """Show the box as the user pulled it, and tell."""
        self.set_box(box.T_world_box, box.size_m)
        self.box_changed.emit(box.T_world_box, box.size_m)

    # Qt

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold."""
        self._hand.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag."""
        self._hand.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        self._hand.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Turn about this."""
        self._hand.double_click(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom."""
        self._hand.wheel(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Turn, move, zoom or pick by keys; others go to the window."""
        if not self._hand.key(event):
            super().keyPressEvent(event)


def _behind_deg(T_world_cam: Pose) -> float | None:
    """Return the azimuth from which one looks where the camera looks; None when that is down."""
    ahead = T_world_cam.rotation[:, 2]
    if np.hypot(ahead[0], ahead[1]) < LEVEL_SHARE:
        return None
    return float(np.degrees(np.arctan2(-ahead[1], -ahead[0])))
