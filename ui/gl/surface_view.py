"""What a page can ask of the 3D view, whether or not there is one."""

from typing import Protocol

from PySide6.QtCore import SignalInstance
from PySide6.QtGui import QImage

from engine.core.news import ScanNews
from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from ui.gl.guessed import Guessed
from ui.gl.marks import Mark
from ui.gl.modes import ColorMode


class SurfaceView(Protocol):
    """The 3D view, or what stands in its place.

    Attributes:
        renderer: what draws, in the driver's words; why nothing does where there is no view.
        is_software: whether the processor draws.
        picked: emits a `picking.Hit` for a click on the surface while picking.
        box_changed: emits T_world_box (Pose) and size_m (tuple) while a face of the box is dragged.
    """

    renderer: str
    is_software: bool
    picked: SignalInstance
    box_changed: SignalInstance

    @property
    def triangles(self) -> int:
        """How many triangles are shown."""
        ...

    def absorb(self, news: ScanNews) -> None:
        """Take in patches and the camera's place."""
        ...

    def work(self, deadline_s: float) -> bool:
        """Draw until a `perf_counter` time; return whether something is left to draw."""
        ...

    def show_result(self, result: Mesh | TexturedMesh) -> None:
        """Show a finished mesh in place of the growing one or of an earlier finished one."""
        ...

    def set_follow(self, follow: bool) -> None:
        """Glide after the camera, or stay."""
        ...

    def set_guessed(self, how: Guessed) -> None:
        """Show surface that a network completed like all other, tinted, or not."""
        ...

    def set_mode(self, mode: ColorMode) -> None:
        """Colour the surface by something."""
        ...

    def set_wireframe(self, wanted: bool) -> None:
        """Show the edges of the triangles, or not."""
        ...

    def coverage(self) -> float | None:
        """Return the share of the surface that is measured well; None when nobody kept count."""
        ...

    def set_picking(self, wanted: bool) -> None:
        """Tell of clicks on the surface by `picked`, or not."""
        ...

    def set_box(
        self, T_world_box: Pose | None, size_m: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ) -> None:
        """Show a box with six handles and dim what is outside; None takes it away."""
        ...

    def set_marks(self, marks: tuple[Mark, ...]) -> None:
        """Show these measuring lines and no others."""
        ...

    def reset_view(self) -> None:
        """Look from the first place again."""
        ...

    def fit_view(self) -> None:
        """Look at everything."""
        ...

    def nudge(self, d_azimuth_deg: float, d_elevation_deg: float, zoom: float = 1.0) -> None:
        """Turn the view, and come nearer by a factor."""
        ...

    def snapshot(self) -> QImage:
        """Return what is shown, in full resolution."""
        ...

    def paint_ms(self) -> list[float]:
        """Return how long the window's thread was held for each recent stretch of painting."""
        ...

    def release(self) -> None:
        """Give back what the graphics card holds; nothing is shown afterwards."""
        ...
