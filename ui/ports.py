"""What the window needs from outside; `app` provides it, tests fake it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from engine.core.news import FaultNews, Progress, ScanNews, ScanState
from engine.core.surface import Mesh, TexturedMesh

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class TaskNews(Generic[T_co]):
    """How a long task stands: running, or over with either a result or a fault.

    A cancelled task is over with neither.
    """

    is_over: bool = False
    progress: Progress | None = None
    result: T_co | None = None
    fault: FaultNews | None = None


class TaskPort(Protocol[T_co]):
    """A long task on a thread of its own."""

    def poll(self) -> TaskNews[T_co]:
        """Return how it stands; never waits."""
        ...

    def cancel(self) -> None:
        """Ask it to stop at its next step; `poll` tells when it has."""
        ...


class ScanPort(Protocol):
    """One scan. Commands that do not fit its state raise a fault that says so."""

    @property
    def title(self) -> str:
        """What the recording is called."""
        ...

    @property
    def remarks(self) -> tuple[str, ...]:
        """Sentences about the source that the user should read."""
        ...

    @property
    def state(self) -> ScanState:
        """Where the scan is."""
        ...

    @property
    def can_resume(self) -> bool:
        """Whether a paused scan can go on."""
        ...

    @property
    def result(self) -> Mesh | TexturedMesh | None:
        """The finished mesh, or None."""
        ...

    def start(self) -> None:
        """Begin."""
        ...

    def pause(self) -> None:
        """Hold."""
        ...

    def resume(self) -> None:
        """Go on."""
        ...

    def undo(self, seconds: float) -> None:
        """Take back what was scanned in the last so many seconds, soon."""
        ...

    def finish(self) -> None:
        """Read no more and make the final mesh."""
        ...

    def abort(self, wait_s: float = ...) -> tuple[str, ...]:
        """Stop without a result, waiting so long; return the names of threads that still run."""
        ...

    def poll(self, limit_bytes: int | None = None) -> ScanNews:
        """Return what is new; never waits."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a list to choose from: name for machines, title and remark for people."""

    name: str
    title: str
    remark: str = ""


class StudioPort(Protocol):
    """What the window can ask the program for."""

    @property
    def demo(self) -> str:
        """The name under which `open` finds the demo room."""
        ...

    @property
    def formats(self) -> tuple[Choice, ...]:
        """File formats to export to; the name is also the file's ending."""
        ...

    @property
    def targets(self) -> tuple[Choice, ...]:
        """What an exported file may be meant for."""
        ...

    def open(self, spec: str) -> TaskPort[ScanPort]:
        """Open a recording, device or world; nothing is read until the scan starts."""
        ...

    def export(
        self, mesh: Mesh | TexturedMesh, path: Path, format_name: str, target_name: str
    ) -> TaskPort[str]:
        """Write the mesh; the result is a sentence about what was written."""
        ...
