"""All that stands in the scene, in a drawing context of its own; no widget, no clock."""

from collections.abc import Iterable

from engine.core.arrays import F32, F64
from engine.core.poses import Pose
from engine.core.surface import Mesh, MeshPatch, TexturedMesh
from ui.gl.finished import Finished
from ui.gl.guessed import Guessed
from ui.gl.markers import Markers
from ui.gl.offscreen import Offscreen
from ui.gl.pages import Growing
from ui.gl.painter import Painter, Picture, Shot, Surface
from ui.gl.picking import Hit, Ray, pick


class Stage:
    """The growing surface, or the finished one in its place; floor, camera and path."""

    def __init__(self) -> None:
        """Stand empty.

        Raises:
            NoOpenGL: nothing can be drawn here.
        """
        self.screen = Offscreen()
        self.markers = Markers()
        self.growing = Growing()
        self._finished: Finished | None = None
        self._coming: Finished | None = None
        self._painter = Painter()

    @property
    def surface(self) -> Surface:
        """What is shown now."""
        return self.growing if self._finished is None else self._finished

    @property
    def has_result(self) -> bool:
        """Whether a finished mesh is shown or about to be."""
        return self._finished is not None or self._coming is not None

    @property
    def painting(self) -> Shot | None:
        """What is being painted."""
        return self._painter.shot

    def absorb(self, patches: Iterable[MeshPatch], stamp: int) -> None:
        """Take in surface that changed at a time as `Page.stamps` has it; not after a result."""
        if not self.has_result:
            self.growing.book.absorb(patches, stamp)

    def show_camera(self, T_world_cam: Pose) -> None:
        """Put the camera at a pose."""
        self.markers.show_camera(T_world_cam)

    def show_result(self, result: Mesh | TexturedMesh) -> None:
        """Let a finished mesh come; what is shown now stays until it is all there."""
        if self._coming is not None:
            self.screen.make_current()
            self._coming.release()
        self._coming = Finished(result)
        self.markers.hide_camera()

    def bounds_m(self) -> tuple[F32, F32] | None:
        """Return the box (3,), (3,) round what is shown or about to be, or None."""
        return (self._coming or self.surface).bounds_m()

    def has_work(self) -> bool:
        """Whether something waits to be uploaded."""
        return self._coming is not None or (self._finished is None and self.growing.book.has_dirty)

    def work(self, deadline_s: float, eye_m: F64) -> bool:
        """Upload what waits until a `perf_counter` time; return whether the scene changed."""
        if not self.has_work():
            return False
        self.screen.make_current()
        if self._coming is None:
            self.growing.work(deadline_s, eye_m)
            return True
        if self._coming.work(deadline_s, eye_m):
            return False
        self.surface.release()
        self.growing = Growing()  # nothing of it is shown any more
        self._finished, self._coming = self._coming, None
        return True

    def begin(self, shot: Shot) -> None:
        """Start to paint a picture, in place of one that is being painted."""
        self.screen.make_current()
        self._painter.begin(shot, self.surface, self.markers.all)

    def step(self, deadline_s: float) -> Picture | None:
        """Paint until a `perf_counter` time; return the picture when it is done."""
        self.screen.make_current()
        return self._painter.step(deadline_s)

    def pick(self, ray: Ray, guessed: Guessed, unit_world: F64 | None) -> Hit | None:
        """Return where a ray meets what is shown."""
        return pick(self.surface, ray, guessed, unit_world)

    def abandon(self) -> None:
        """Forget a context that was lost, and all that was in it."""
        self._finished = self._coming = None
        self.growing = Growing()
        self._painter = Painter()

    def release(self) -> None:
        """Free all that the graphics card holds, and the context."""
        self.screen.make_current()
        for surface in (self._coming, self._finished, self.growing):
            if surface is not None:
                surface.release()
        for lines in self.markers.all:
            lines.release()
        self._painter.release()
        self.screen.close()
