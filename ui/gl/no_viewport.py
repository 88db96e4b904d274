"""What stands where the 3D view would be on a screen that cannot draw one."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QWidget

from engine.core.news import ScanNews
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from ui.gl.guessed import Guessed
from ui.gl.marks import Mark
from ui.gl.modes import ColorMode

WITHOUT = "No 3D view here"
STILL_WORKS = (
    "Scanning, finishing and exporting work as usual. "
    "Update the graphics driver to see the mesh grow."
)
TOO_OLD = "This screen offers no OpenGL 3.2."


LOST = "The graphics driver ran out of room or stopped."
CLOSED = "The 3D view was closed."


def apology(reason: str) -> str:
    """Return what stands in place of the view, and why."""
    return f"{WITHOUT}\n\n{reason} {STILL_WORKS}"


class NoViewport(QLabel):
    """Has every method of the 3D view and draws nothing."""

    picked = Signal(object)
    box_changed = Signal(object, object)

    def __init__(self, parent: QWidget | None = None, reason: str = TOO_OLD) -> None:
        """Say so, and why."""
        super().__init__(apology(reason), parent)
        self.setProperty("role", "muted")
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.setWordWrap(True)
        self.setAccessibleName(WITHOUT)
        self.renderer = reason
        self.is_software = False
        self.triangles = 0

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

    def set_mode(self, mode: ColorMode) -> None:
        """Colour nothing."""

    def set_wireframe(self, wanted: bool) -> None:
        """Show no edges."""

    def coverage(self) -> float | None:
        """Not know."""
        return None

    def set_picking(self, wanted: bool) -> None:
        """Pick nothing."""

    def set_box(
        self, T_world_box: Pose | None, size_m: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ) -> None:
        """Show no box."""

    def set_marks(self, marks: tuple[Mark, ...]) -> None:
        """Show no lines."""

    def reset_view(self) -> None:
        """Look nowhere."""

    def fit_view(self) -> None:
        """Look nowhere."""

    def nudge(self, d_azimuth_deg: float, d_elevation_deg: float, zoom: float = 1.0) -> None:
        """Look nowhere."""

    def snapshot(self) -> QImage:
        """Return an empty picture."""
        return QImage()

    def paint_ms(self) -> list[float]:
        """Never paint."""
        return []

    def release(self) -> None:
        """Hold nothing."""
