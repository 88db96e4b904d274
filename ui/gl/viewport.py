"""The big 3D view: surface, floor and camera, seen from where the user likes."""

from typing import Protocol

import numpy as np
from pyqtgraph import Vector
from pyqtgraph.opengl import GLMeshItem, GLViewWidget
from pyqtgraph.opengl.GLGraphicsItem import GLGraphicsItem
from pyqtgraph.opengl.shaders import FragmentShader, ShaderProgram, VertexShader
from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QMouseEvent, QOffscreenSurface, QOpenGLContext
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from engine.core.arrays import F32
from engine.core.news import ScanNews
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from ui import theme
from ui.gl.guessed import Guessed, shown_colors, shown_faces
from ui.gl.markers import Markers
from ui.gl.pages import Pages, surface_item
from ui.gl.textured import TexturedItem

OLDEST_GL = (3, 2)
FOV_DEG = 60.0
HOME_DISTANCE_M = 7.0
HOME_ELEVATION_DEG = 35.0
HOME_AZIMUTH_DEG = 45.0
# The camera in hand trembles; the view glides after it by this share per frame.
FOLLOW_SHARE = 0.08
# Until the user takes the view in hand, it backs off by this share per tick as the scan grows.
FRAME_SHARE = 0.04
AIM_TOLERANCE_M = 0.02
# A room fills its bounding sphere badly; seen from this much nearer it still fits.
SNUG = 0.95
PLAIN_GREY = 190
# A camera that looks this nearly straight down or up has no heading to follow.
LEVEL_SHARE = 0.2

# A lamp on the viewer's forehead, shining straight ahead. The face's direction comes from how the
# position changes between neighbouring pixels, so no normals are computed, stored or uploaded, and
# no seam shows at the border of two patches. The bottom row of the projection is the view axis.
_VERTEX = """#version 150
uniform mat4 u_mvp;
in vec3 a_position;
in vec4 a_color;
out vec3 v_world;
out vec4 v_color;
flat out vec3 v_axis;
void main() {
    v_world = a_position;
    v_color = a_color;
    v_axis = normalize(vec3(u_mvp[0][3], u_mvp[1][3], u_mvp[2][3]));
    gl_Position = u_mvp * vec4(a_position, 1.0);
}
"""
_FRAGMENT = """#version 150
in vec3 v_world;
in vec4 v_color;
flat in vec3 v_axis;
out vec4 color;
void main() {
    vec3 normal = normalize(cross(dFdx(v_world), dFdy(v_world)));
    float light = 0.55 + 0.45 * abs(dot(normal, v_axis));
    color = vec4(v_color.rgb * light, 1.0);
}
"""


class SurfaceView(Protocol):
    """What a page can ask of the 3D view, whether or not there is one."""

    def absorb(self, news: ScanNews) -> None:
        """Take in patches and the camera's place."""
        ...

    def work(self, deadline_s: float) -> bool:
        """Draw until a `perf_counter` time; return whether something is left to draw."""
        ...

    def show_result(self, result: Mesh | TexturedMesh) -> None:
        """Show the finished mesh in place of the growing one."""
        ...

    def set_follow(self, follow: bool) -> None:
        """Glide after the camera, or stay."""
        ...

    def set_guessed(self, how: Guessed) -> None:
        """Show surface that a network completed like all other, tinted, or not."""
        ...

    def reset_view(self) -> None:
        """Look from the first place again."""
        ...

    def fit_view(self) -> None:
        """Look at everything."""
        ...

    def release(self) -> None:
        """Give back what the graphics card holds; nothing is shown afterwards."""
        ...


def opengl_works() -> bool:
    """Return whether this screen can draw in 3D."""
    surface = QOffscreenSurface()
    surface.create()
    context = QOpenGLContext()
    if not context.create() or not context.makeCurrent(surface):
        return False
    version = context.format().version()
    context.doneCurrent()
    return tuple(version) >= OLDEST_GL


class Viewport(QWidget):
    """Orbit: left drag. Pan: middle drag, or Shift and left drag. Zoom: wheel."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Show an empty floor."""
        super().__init__(parent)
        self.setMinimumSize(240, 240)
        self.gl = GLViewWidget(self)
        self.gl.setAccessibleName("3D view of the scan")
        self.gl.setBackgroundColor(theme.BACKGROUND)
        self.gl.installEventFilter(self)
        fill = QVBoxLayout(self)
        fill.setContentsMargins(0, 0, 0, 0)
        fill.addWidget(self.gl)
        self._shader = ShaderProgram(
            "headlight", [VertexShader(_VERTEX), FragmentShader(_FRAGMENT)]
        )
        self._markers = Markers(self.gl)
        self.pages = Pages(self.gl, self._shader)
        self.result_item: GLGraphicsItem | None = None
        self._result_bounds: tuple[F32, F32] | None = None
        self._plain_result: tuple[Mesh, GLMeshItem] | None = None
        self._guessed = Guessed.SHOW
        self._follow = False
        self._has_seen_camera = False
        self.reset_view()
        self._is_in_hand = False

    def absorb(self, news: ScanNews) -> None:
        """Take in patches and the camera's place."""
        self.pages.book.absorb(news.patches)
        if news.track is not None and news.track.T_world_cam is not None:
            self._markers.show_camera(news.track.T_world_cam)
            if not self._has_seen_camera:
                self._has_seen_camera = True
                self._look_along(news.track.T_world_cam)
            if self._follow:
                self._glide(news.track.T_world_cam)
            self.gl.update()

    def work(self, deadline_s: float) -> bool:
        """Draw until a `perf_counter` time; return whether something is left to draw."""
        has_more = self.pages.work(deadline_s, self.centre_m())
        if not self._is_in_hand and not self._follow:
            self._aim_at_all(FRAME_SHARE)
        return has_more

    def show_result(self, result: Mesh | TexturedMesh) -> None:
        """Show the finished mesh in place of the growing one."""
        self.pages.set_visible(False)
        self._markers.hide_camera()
        if isinstance(result, TexturedMesh):
            mesh, item = result.mesh, TexturedItem(result)
            item.set_guessed(self._guessed)
        else:
            mesh, item = result, surface_item(self._shader)
            self._plain_result = mesh, item
            self._dress(mesh, item)
        self.result_item = item
        self.gl.addItem(item)
        self._result_bounds = mesh.bounds_m()

    def _dress(self, mesh: Mesh, item: GLMeshItem) -> None:
        colors = np.full((len(mesh.vertices), 4), 255, np.uint8)
        colors[:, :3] = PLAIN_GREY if mesh.colors is None else mesh.colors
        faces = shown_faces(mesh.faces, mesh.is_observed, self._guessed)
        item.setMeshData(
            vertexes=mesh.vertices,
            faces=faces,
            vertexColors=shown_colors(colors, mesh.is_observed, self._guessed),
        )
        item.setVisible(len(faces) > 0)

    def centre_m(self) -> F32:
        """Return the point (3,) the view turns about, world."""
        centre = self.gl.opts["center"]
        return np.array([centre.x(), centre.y(), centre.z()], np.float32)

    def set_follow(self, follow: bool) -> None:
        """Glide after the camera, or stay."""
        self._follow = follow

    def set_guessed(self, how: Guessed) -> None:
        """Show surface that a network completed like all other, tinted, or not."""
        self._guessed = how
        self.pages.set_guessed(how)
        if self._plain_result is not None:
            self._dress(*self._plain_result)
        elif isinstance(self.result_item, TexturedItem):
            self.result_item.set_guessed(how)
        self.gl.update()

    def reset_view(self) -> None:
        """Look from the first place again, and stay there."""
        self._is_in_hand = True
        self.gl.setCameraParams(
            center=Vector(0, 0, 1),
            distance=HOME_DISTANCE_M,
            elevation=HOME_ELEVATION_DEG,
            azimuth=HOME_AZIMUTH_DEG,
            fov=FOV_DEG,
        )

    def fit_view(self) -> None:
        """Look at everything, and keep doing so as it grows."""
        self._is_in_hand = False
        self._aim_at_all(1.0)

    def release(self) -> None:
        """Give back what the graphics card holds; nothing is shown afterwards."""
        self.gl.makeCurrent()
        if isinstance(self.result_item, TexturedItem):
            self.result_item.release()
        self.gl.clear()
        self.gl.doneCurrent()

    def _aim_at_all(self, share: float) -> None:
        """Bring the view a share of the way to where it shows everything."""
        bounds = self._result_bounds or self.pages.book.bounds_m()
        if bounds is None:
            return
        low, high = bounds
        middle = (low + high) / 2
        radius = max(float(np.linalg.norm(high - low)) / 2 * SNUG, 0.5)
        aspect = max(self.width(), 1) / max(self.height(), 1)
        half = np.arctan(np.tan(np.radians(FOV_DEG / 2)) * min(1.0, 1 / aspect))
        gap = Vector(*middle) - self.gl.opts["center"]
        farther = radius / np.sin(half) - self.gl.opts["distance"]
        self._markers.set_floor(float(middle[0]), float(middle[1]), float(low[2]))
        if share < 1.0 and gap.length() + abs(farther) < AIM_TOLERANCE_M:
            return
        self.gl.setCameraParams(
            center=self.gl.opts["center"] + gap * share,
            distance=self.gl.opts["distance"] + farther * share,
        )

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let Shift and left drag pan, for those without a middle button."""
        if event.type() in (QEvent.Type.MouseButtonPress, QEvent.Type.Wheel):
            self._is_in_hand = True
        if isinstance(event, QMouseEvent) and event.type() == QEvent.Type.MouseMove:
            shift = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            if shift and event.buttons() == Qt.MouseButton.LeftButton:
                moved = event.position() - self.gl.mousePos
                self.gl.mousePos = event.position()
                self.gl.pan(moved.x(), moved.y(), 0, relative="view-upright")
                return True
        return super().eventFilter(watched, event)

    def _look_along(self, T_world_cam: Pose) -> None:
        """Stand behind the camera, so that left on the picture is left in the view."""
        behind_deg = _behind_deg(T_world_cam)
        if behind_deg is not None and not self._is_in_hand:
            self.gl.setCameraParams(azimuth=behind_deg)

    def _glide(self, T_world_cam: Pose) -> None:
        ahead_m = 1.5
        aim = T_world_cam.apply(np.array([0.0, 0.0, ahead_m]))
        self.gl.opts["center"] += Vector(*(aim - self.centre_m())) * FOLLOW_SHARE
        behind_deg = _behind_deg(T_world_cam)
        if behind_deg is not None:
            turn = (behind_deg - self.gl.opts["azimuth"] + 180) % 360 - 180
            self.gl.opts["azimuth"] += turn * FOLLOW_SHARE
        self.gl.update()


class NoViewport(QLabel):
    """Stands where the 3D view would be on a screen that cannot draw one."""

    def __init__(self, parent: QWidget | None = None) -> None:
        """Say so."""
        super().__init__(
            "No 3D view here\n\nThis screen offers no OpenGL 3.2. Scanning, finishing and\n"
            "exporting work as usual. Update the graphics driver to see the mesh grow.",
            parent,
        )
        self.setProperty("role", "muted")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)

    def absorb(self, news: ScanNews) -> None:
        """Take nothing in."""

    def work(self, deadline_s: float) -> bool:
        """Have nothing to draw."""
        return False

    def show_result(self, result: Mesh | TexturedMesh) -> None:
        """Show nothing."""

    def set_follow(self, follow: bool) -> None:
        """Follow nothing."""

    def set_guessed(self, how: Guessed) -> None:
        """Show nothing either way."""

    def reset_view(self) -> None:
        """Look nowhere."""

    def fit_view(self) -> None:
        """Look nowhere."""

    def release(self) -> None:
        """Hold nothing."""


def _behind_deg(T_world_cam: Pose) -> float | None:
    """Return the azimuth from which one looks where the camera looks; None when that is down."""
    ahead = T_world_cam.rotation[:, 2]
    if np.hypot(ahead[0], ahead[1]) < LEVEL_SHARE:
        return None
    return float(np.degrees(np.arctan2(-ahead[1], -ahead[0])))
