"""What the tools of the review page share: the model, the view, units, and one pair of hands."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from PySide6.QtCore import QObject, QTimer, Signal

from engine.core.arrays import F32
from engine.core.edits import Edit, EditPreview, Rung
from engine.core.faults import Fault
from engine.core.news import FaultNews, Progress
from engine.core.surface import Mesh, TexturedMesh
from ui.gl.surface_view import SurfaceView
from ui.ports import ModelPort, Surface, TaskNews, TaskPort
from ui.units import Units

POLL_MS = 50

STOPPED = "Stopped. Nothing was changed."
TAKEN_BACK = "Taken back: {}"
WAIT = FaultNews("Something else is being done.", "Wait for it, or cancel it.", "degrade")

T = TypeVar("T")


def shape_of(surface: Surface) -> Mesh:
    """Return the triangles of a surface, with or without a texture."""
    return surface.mesh if isinstance(surface, TexturedMesh) else surface


@dataclass(slots=True)
class _Job:
    """Something to do.

    Attributes:
        says: what the user reads while it is done.
        start: begins it.
        then: takes its result.
        fails: takes its fault in place of everybody.
        is_quiet: whether it only looks something up, and gives way to all else.
    """

    says: str
    start: Callable[[], TaskPort[Any]]
    then: Callable[[Any], object]
    fails: Callable[[FaultNews], object] | None = None
    is_quiet: bool = False


class Desk(QObject):
    """Does one thing at a time to a model.

    What only looks gives way to what changes: it is cancelled, and the other begins once the model
    says that it has stopped. `changed` says that the surface is another, `moved` that it also lies
    elsewhere, `busy_changed` that something began or ended, `said` what came of it.
    """

    changed = Signal()
    moved = Signal()
    busy_changed = Signal()
    progressed = Signal(object)
    said = Signal(str)
    faulted = Signal(object)
    units_changed = Signal()
    picking_changed = Signal(bool)

    def __init__(self, model: ModelPort, view: SurfaceView, parent: QObject) -> None:
        """Have nothing to do."""
        super().__init__(parent)
        self.model = model
        self.view = view
        self.units = Units.METRIC
        self._now: tuple[_Job, TaskPort[Any]] | None = None
        self._next: _Job | None = None
        self._is_displaced = False
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def is_busy(self) -> bool:
        """Whether something is done, or about to be, that the user waits for."""
        jobs = [self._now[0] if self._now else None, self._next]
        return any(job is not None and not job.is_quiet for job in jobs)

    @property
    def is_idle(self) -> bool:
        """Whether nothing at all is done."""
        return self._now is None and self._next is None

    def run(self, says: str, start: Callable[[], TaskPort[T]], then: Callable[[T], object]) -> None:
        """Do something the user waits for, unless such a thing is being done already."""
        if self.is_busy:
            self.faulted.emit(WAIT)
            return
        self._take(_Job(says, start, then))

    def change(self, says: str, start: Callable[[], TaskPort[Surface]]) -> None:
        """Do something after which the surface is another."""
        before, done = shape_of(self.model.surface).vertices, self.model.done
        self.run(says, start, lambda surface: self._changed(before, done, surface))

    def apply(self, says: str, edit: Edit) -> None:
        """Make an edit."""
        self.change(says, lambda: self.model.apply(edit))

    def preview(
        self,
        edit: Edit,
        then: Callable[[EditPreview], object],
        fails: Callable[[FaultNews], object],
    ) -> None:
        """Find out what an edit would do, in place of whatever else is being looked up."""
        self._look(_Job("", lambda: self.model.preview(edit), then, fails, is_quiet=True))

    def ladder(self, then: Callable[[tuple[Rung, ...]], object]) -> None:
        """Find out what files would hold."""
        self._look(_Job("", self.model.ladder, then, lambda fault: None, is_quiet=True))

    def cancel(self) -> None:
        """Stop what is being done."""
        self._next = None
        if self._now is not None:
            self._now[1].cancel()
        self.busy_changed.emit()

    def shut(self) -> None:
        """Stop, and hear of nothing any more."""
        self._timer.stop()
        self._next = None
        if self._now is not None:
            self._now[1].cancel()
            self._now = None

    def set_units(self, units: Units) -> None:
        """Say all lengths in these from now on."""
        self.units = units
        self.units_changed.emit()

    def set_picking(self, wanted: bool) -> None:
        """Have clicks on the surface told to the open tool, or not."""
        self.view.set_picking(wanted)
        self.picking_changed.emit(wanted)

    def _look(self, job: _Job) -> None:
        if not self.is_busy:
            self._take(job)

    def _take(self, job: _Job) -> None:
        if self._now is None:
            self._begin(job)
            return
        self._next = job
        self._is_displaced = True
        self._now[1].cancel()
        self.busy_changed.emit()

    def _begin(self, job: _Job) -> None:
        try:
            task = job.start()
        except Fault as fault:
            self._failed(job, FaultNews(fault.says, fault.remedy, fault.severity.value))
            self.busy_changed.emit()
            return
        self._now = job, task
        self._timer.start()
        if not job.is_quiet:
            self.said.emit(job.says)
        self.busy_changed.emit()

    def _poll(self) -> None:
        if self._now is None:
            self._timer.stop()
            return
        job, task = self._now
        news = task.poll()
        if news.progress is not None and not job.is_quiet:
            progress: Progress = news.progress
            self.progressed.emit(progress)
        if news.is_over:
            self._over(job, news)

    def _over(self, job: _Job, news: TaskNews[Any]) -> None:
        displaced, following = self._is_displaced, self._next
        self._now, self._next, self._is_displaced = None, None, False
        self._timer.stop()
        if not displaced:
            if news.fault is not None:
                self._failed(job, news.fault)
            elif news.result is not None:
                if not job.is_quiet:
                    self.said.emit("")
                job.then(news.result)
            elif not job.is_quiet:
                self.said.emit(STOPPED)
        if following is not None:
            self._begin(following)
        self.busy_changed.emit()

    def _failed(self, job: _Job, fault: FaultNews) -> None:
        if job.fails is not None:
            job.fails(fault)
            return
        self.said.emit("")
        self.faulted.emit(fault)

    def _changed(self, before: F32, done: tuple[str, ...], surface: Surface) -> None:
        self.view.show_result(surface)
        if len(self.model.done) < len(done):
            self.said.emit(TAKEN_BACK.format(done[-1]))
        elif self.model.done:
            self.said.emit(self.model.done[-1])
        after = shape_of(surface).vertices
        # Levelling keeps all corners and moves them; every other edit leaves those it keeps alone.
        if before.shape == after.shape and not np.array_equal(before, after):
            self.moved.emit()
        self.changed.emit()
