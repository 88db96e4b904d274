"""What the window needs from outside; `app` provides it, tests fake it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from engine.core.arrays import U8
from engine.core.edits import Counts, Edit, EditPreview, Rung
from engine.core.news import FaultNews, Progress, ScanNews, ScanState
from engine.core.surface import Mesh, TexturedMesh

Surface = Mesh | TexturedMesh

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

    @property
    def model(self) -> "ModelPort | None":
        """The finished mesh as something to review and export, or None."""
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


class ModelPort(Protocol):
    """A finished surface and what was done to it since; the engine holds it, this has a copy."""

    @property
    def title(self) -> str:
        """What the scan is called."""
        ...

    @property
    def surface(self) -> Surface:
        """The surface as it is now; a new one only after a task that changed it is over."""
        ...

    @property
    def counts(self) -> Counts:
        """What the surface amounts to."""
        ...

    @property
    def grades(self) -> tuple[str, ...]:
        """Which states can be looked at for comparison: of "draft", "refined", "final"."""
        ...

    @property
    def done(self) -> tuple[str, ...]:
        """Sentences about the edits that `undo` takes back, oldest first."""
        ...

    @property
    def undone(self) -> tuple[str, ...]:
        """Sentences about the edits that `redo` makes again, next one last."""
        ...

    @property
    def texture_note(self) -> str:
        """Why there is no texture, or that it no longer fits; empty when all is well."""
        ...

    @property
    def can_texture(self) -> bool:
        """Whether there are photographs to make a texture of."""
        ...

    def grade(self, name: str) -> TaskPort[Surface]:
        """Fetch one of the states to compare with; "final" is before any edit."""
        ...

    def preview(self, edit: Edit) -> TaskPort[EditPreview]:
        """Find out what an edit would do."""
        ...

    def apply(self, edit: Edit) -> TaskPort[Surface]:
        """Make an edit."""
        ...

    def undo(self) -> TaskPort[Surface]:
        """Take the last edit back."""
        ...

    def redo(self) -> TaskPort[Surface]:
        """Make the edit again that was taken back last."""
        ...

    def texture(self, size_px: int) -> TaskPort[Surface]:
        """Make the texture anew from the photographs; can be undone like an edit."""
        ...

    def ladder(self) -> TaskPort[tuple[Rung, ...]]:
        """Estimate what files of each detail would hold, coarsest first."""
        ...

    def export(
        self, path: Path, format_name: str, target_name: str, detail: str | None = None
    ) -> TaskPort[str]:
        """Write the surface, reduced to a rung of the ladder if one is named."""
        ...

    def save(self) -> TaskPort[str]:
        """Put the surface into the scan's folder in place of the one there; says what it wrote."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


@dataclass(frozen=True, slots=True)
class ScanCard:
    """A scan on disk.

    Attributes:
        path: its folder.
        changed_s: when it was last written, seconds since 1970.
        state: "finished" has a mesh; "recoverable" was cut short, and its frames can be fused
            again; "damaged" can be neither, and `remark` says why.
        thumbnail: (h, w, 3) uint8 RGB, or None.
    """

    path: Path
    title: str
    changed_s: float
    state: str
    megabytes: float = 0.0
    remark: str = ""
    thumbnail: U8 | None = None


@dataclass(frozen=True, slots=True)
class CameraCard:
    """A camera, or a kind of camera that none is plugged in of.

    Attributes:
        spec: what `open` takes.
        remark: what it gives; or why it cannot be used and what to do.
    """

    spec: str
    title: str
    is_usable: bool
    remark: str = ""


@dataclass(frozen=True, slots=True)
class WeightsCard:
    """Weights of a network.

    Attributes:
        state: "bundled", "installed" or "missing".
        is_restricted: whether the licence forbids commercial use.
    """

    name: str
    title: str
    purpose: str
    licence: str
    licence_url: str
    is_restricted: bool
    megabytes: float
    state: str
    can_download: bool
    remark: str = ""


Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class SettingField:
    """One setting as a form shows it.

    Attributes:
        path: "volume.voxel_m".
        kind: "switch", "integer", "number", "choice" or "text".
        unit: "m", "px", "MB"; empty without one.
        low, high: bounds of a number that may be reached; None where there is none.
        choices: for a choice, values and titles.
        is_advanced: whether only those who ask for everything see it.
        is_low_open: whether the low bound may not be reached itself.
    """

    path: str
    title: str
    help: str
    kind: str
    value: Value
    default: Value
    unit: str = ""
    low: float | None = None
    high: float | None = None
    choices: tuple[tuple[Value, str], ...] = ()
    is_advanced: bool = False
    is_low_open: bool = False


@dataclass(frozen=True, slots=True)
class SettingGroup:
    """Settings that belong together."""

    title: str
    help: str
    fields: tuple[SettingField, ...]


@dataclass(frozen=True, slots=True)
class SettingForm:
    """All settings.

    Attributes:
        preset: name of the preset they equal, or empty.
        suggested: name of the preset that suits this machine; `why` says so in a sentence.
    """

    groups: tuple[SettingGroup, ...]
    presets: tuple["Choice", ...]
    preset: str
    suggested: str
    why: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a list to choose from: name for machines, title and remark for people.

    Attributes:
        unit_m: metres in one unit of its files: a target's, or what a format's standard demands
            whatever the target; None where the entry has no say.
    """

    name: str
    title: str
    remark: str = ""
    unit_m: float | None = None


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

    def scans(self) -> TaskPort[tuple[ScanCard, ...]]:
        """Look through the scans on disk, newest first."""
        ...

    def cameras(self) -> TaskPort[tuple[CameraCard, ...]]:
        """Look for cameras."""
        ...

    def open_model(self, path: Path) -> TaskPort[ModelPort]:
        """Open the mesh of a finished scan."""
        ...

    def delete_scan(self, path: Path) -> TaskPort[None]:
        """Delete a scan from disk for good."""
        ...

    def settings(self) -> TaskPort[SettingForm]:
        """Return all settings as they are."""
        ...

    def change_settings(self, values: dict[str, Value]) -> TaskPort[SettingForm]:
        """Change some settings by path, keep them, and return all; scans begun stay as they are."""
        ...

    def use_preset(self, name: str) -> TaskPort[SettingForm]:
        """Take over a preset, keep it, and return all settings."""
        ...

    def preferences(self) -> TaskPort[dict[str, Value]]:
        """Return what the user chose about the window itself: "theme", "sound", "last_folder"."""
        ...

    def set_preference(self, name: str, value: Value) -> TaskPort[None]:
        """Keep one of these; an unknown name is refused."""
        ...

    def weights(self) -> TaskPort[tuple[WeightsCard, ...]]:
        """Look which weights are there."""
        ...

    def download(self, name: str) -> TaskPort[str]:
        """Download weights and check them; the result is a sentence."""
        ...

    def close(self) -> None:
        """Stop everything and wait for it."""
        ...
