"""What the window can ask of the program, answered without knowing the window."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.fuser import Fuser
from app.jobs import Task
from app.scan import ScanController
from app.tracks import chosen_track
from app.unit import with_unit
from engine.core.news import Job, Progress, ScanState
from engine.core.settings import Settings
from engine.core.surface import Mesh, TexturedMesh
from engine.export.axes import TARGETS
from engine.export.formats import FORMATS, Format
from engine.export.write import export
from engine.sources.base import FrameSource, SourceInfo
from ui.ports import Choice

DEMO = "synthetic:room?seed=7&frames=240"
JOIN_S = 10.0
OVER = (ScanState.FAILED, ScanState.ABORTED)

log = logging.getLogger(__name__)


class Studio:
    """Opens sources as scans and writes meshes, each on a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        open_source: Callable[[str], FrameSource],
        make_fuser: Callable[[Settings, SourceInfo], Fuser],
        prepare: Callable[[], Job[None]] | None = None,
    ) -> None:
        """Use these settings and parts for every scan; `prepare` must end before the first."""
        self._settings = settings
        self._open_source = open_source
        self._make_fuser = make_fuser
        self._prepare = prepare
        self._tasks: list[Task[Any]] = []
        self._scans: list[ScanController] = []

    @property
    def demo(self) -> str:
        """The name under which `open` finds the demo room."""
        return DEMO

    @property
    def formats(self) -> tuple[Choice, ...]:
        """File formats to export to."""
        return tuple(
            Choice(f.name, f"{f.title} ({f.extension})", _carries(f)) for f in FORMATS.values()
        )

    @property
    def targets(self) -> tuple[Choice, ...]:
        """What an exported file may be meant for."""
        return tuple(Choice(t.name, t.title, t.arrives) for t in TARGETS.values())

    def open(self, spec: str) -> Task[ScanController]:
        """Open a source on a thread; the scan is ready to start when the task is over."""
        return self._started(Task("open", self._opened(spec), ScanController.abort))

    def export(
        self, mesh: Mesh | TexturedMesh, path: Path, format_name: str, target_name: str
    ) -> Task[str]:
        """Write the mesh on a thread; the result says what was written."""
        goal = path.with_suffix(f".{format_name}")
        return self._started(Task("export", _exported(mesh, goal, target_name)))

    def close(self) -> None:
        """Stop what still runs, and wait for it."""
        for task in self._tasks:
            task.cancel()
        for scan in self._scans:
            scan.abort()
        if not all(task.join(JOIN_S) for task in self._tasks):
            log.error("A task did not end within %g s.", JOIN_S)

    def _started(self, task: Task[Any]) -> Task[Any]:
        self._tasks = [old for old in self._tasks if not old.poll().is_over]
        self._tasks.append(task)
        return task

    def _opened(self, spec: str) -> Job[ScanController]:
        yield Progress("Opening the recording", 0)
        source = chosen_track(self._open_source(spec))
        yield Progress("Looking at its first frames", 0)
        if self._prepare is not None:
            yield from self._prepare()
        source = with_unit(source)
        title = "Demo room" if spec == DEMO else None
        scan = ScanController(source, lambda info: self._make_fuser(self._settings, info), title)
        self._scans = [old for old in self._scans if old.state not in OVER] + [scan]
        return scan


def _exported(mesh: Mesh | TexturedMesh, path: Path, target_name: str) -> Job[str]:
    report = yield from export(mesh, path, target_name)
    x, y, z = report.size_m
    names = ", ".join(file.name for file in report.files)
    return (
        f"Wrote {names}: {report.faces:,} triangles, {report.bytes / 1e6:.1f} MB, "
        f"{x:.2f} × {y:.2f} × {z:.2f} m, read back and checked."
    )


def _carries(file_format: Format) -> str:
    if file_format.carries_texture:
        return "Carries shape and texture."
    if file_format.carries_colors:
        return "Carries shape and a colour for every corner, no texture."
    return "Carries shape only."
