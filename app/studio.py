"""What the window can ask of the program, answered without knowing the window."""

import datetime
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

from app import offers
from app.cameras import camera_cards
from app.choices import Choices
from app.forms import Chosen
from app.fuser import Fuser
from app.jobs import Task
from app.library import Library
from app.library_card import mesh_fault
from app.library_note import ScanNote, read_note
from app.method import Method
from app.model import Model
from app.opened_model import opened
from app.preferences import PreferencesFile, config_folder, scans_folder
from app.scan import ScanController
from app.scan_place import ScanPlace
from app.tracks import chosen_track
from app.unit import with_unit
from app.weights_cards import download_weights, weights_cards
from engine.core.news import Job, Progress, ScanState
from engine.core.settings import Settings
from engine.sources.base import FrameSource, SourceInfo
from ui.ports import CameraCard, Choice, ScanCard, SettingForm, Value, WeightsCard

JOIN_S = 10.0
OVER = (ScanState.FAILED, ScanState.ABORTED, ScanState.DONE)

T = TypeVar("T")
log = logging.getLogger(__name__)


class FuserMaker(Protocol):
    """Makes what turns frames of a source into a surface; `app.build.make_fuser` is one."""

    def __call__(self, settings: Settings, info: SourceInfo, *, method: Method) -> Fuser:
        """Return it.

        Raises:
            BadInput: the source lacks what the method needs.
            MissingPart: weights are needed and not installed.
        """
        ...


class Warmth(Protocol):
    """Gets ready to fuse, in the background; `app.host.warmup.WarmUp` is one."""

    def held(self) -> AbstractContextManager[None]:
        """Have it rest."""
        ...

    def wait(self) -> Job[None]:
        """Return the job of waiting until all is ready."""
        ...


class Studio:
    """Opens sources as scans and looks after what is on disk, each on a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        open_source: Callable[[str], FrameSource],
        make_fuser: FuserMaker,
        warm_up: Warmth | None = None,
    ) -> None:
        """Use these parts for every scan; the warm-up must end before anything is fused.

        `settings` are those of users who chose nothing. What they choose, and their scans, lie
        where `app.preferences` says.
        """
        self._choices = Choices(PreferencesFile(config_folder()), settings)
        self._open_source = open_source
        self._make_fuser = make_fuser
        self._warm_up = warm_up
        self._tasks: list[Task[Any]] = []
        self._scans: list[tuple[ScanController, ScanPlace]] = []

    @property
    def demo(self) -> str:
        """The name under which `open` finds the demo room."""
        return offers.DEMO

    @property
    def formats(self) -> tuple[Choice, ...]:
        """File formats to export to."""
        return offers.formats()

    @property
    def targets(self) -> tuple[Choice, ...]:
        """What an exported file may be meant for."""
        return offers.targets()

    def open(self, spec: str) -> Task[ScanController]:
        """Open a source on a thread; the scan is ready to start when the task is over."""
        return self._started(Task("open", self._opened(spec), ScanController.abort))

    def scans(self) -> Task[tuple[ScanCard, ...]]:
        """Look through the scans on disk, newest first; those being made are left out."""
        return self._started(Task("scans", self._library().cards(self._busy())))

    def open_model(self, path: Path) -> Task[Model]:
        """Open the mesh of a finished scan."""
        job = opened(path, self._library(), self._choices.now().settings, self._open_source)
        return self._started(Task("open model", job, Model.close))

    def delete_scan(self, path: Path) -> Task[None]:
        """Delete a scan from disk for good."""
        return self._quick(
            "delete", "Deleting the scan", lambda: self._library().delete(path, self._busy())
        )

    def cameras(self) -> Task[tuple[CameraCard, ...]]:
        """Look for cameras."""
        return self._started(Task("cameras", camera_cards()))

    def settings(self) -> Task[SettingForm]:
        """Return all settings as they are."""
        return self._quick("settings", "Reading the settings", self._choices.form)

    def change_settings(self, values: dict[str, Value]) -> Task[SettingForm]:
        """Change some settings by path, keep them, and return all; scans begun stay as they are."""
        return self._quick("settings", "Keeping the settings", lambda: self._choices.change(values))

    def use_preset(self, name: str) -> Task[SettingForm]:
        """Take over a preset, keep it, and return all settings."""
        return self._quick(
            "settings", "Keeping the settings", lambda: self._choices.use_preset(name)
        )

    def preferences(self) -> Task[dict[str, Value]]:
        """Return what the window itself has to know: theme, sound, last_folder."""
        return self._quick("preferences", "Reading the preferences", self._choices.window)

    def set_preference(self, name: str, value: Value) -> Task[None]:
        """Keep one of these."""
        return self._quick(
            "preferences",
            "Keeping the preferences",
            lambda: self._choices.set_window(name, value),
        )

    def weights(self) -> Task[tuple[WeightsCard, ...]]:
        """Look which weights are there."""
        return self._started(Task("weights", weights_cards()))

    def download(self, name: str) -> Task[str]:
        """Download weights and check them; the result is a sentence."""
        return self._started(Task("download", download_weights(name)))

    def close(self) -> None:
        """Stop what still runs, and wait for it."""
        for task in self._tasks:
            task.cancel()
        for scan, _ in self._scans:
            scan.abort()
        if not all(task.join(JOIN_S) for task in self._tasks):
            log.error("A task did not end within %g s.", JOIN_S)

    def _started(self, task: Task[Any]) -> Task[Any]:
        self._tasks = [old for old in self._tasks if not old.poll().is_over]
        self._tasks.append(task)
        return task

    def _quick(self, name: str, stage: str, step: Callable[[], T]) -> Task[T]:
        return self._started(Task(name, _one_step(stage, step)))

    def _library(self) -> Library:
        return Library(scans_folder(self._choices.preferences))

    def _busy(self) -> set[Path]:
        """Return the folders of scans that are being made."""
        return {
            place.folder
            for scan, place in self._scans
            if place.folder is not None and scan.state not in OVER
        }

    def _opened(self, spec: str) -> Job[ScanController]:
        yield Progress("Opening the recording", 0)
        chosen, library = self._choices.now(), self._library()
        with self._alone():
            source = chosen_track(self._open_source(spec))
        try:
            yield Progress("Looking at its first frames", 0)
            source = with_unit(source)
            info = source.describe()
            if info.is_live and self._warm_up is not None:
                # A camera waits for nobody; a recording does, and shows a picture meanwhile.
                yield from self._warm_up.wait()
            note, folder = _described(spec, info, chosen, library)
            place = ScanPlace(library, note, folder)
            if info.is_live:
                library.need_room()
        except BaseException:
            # Given up or failed: nobody else knows of it yet.
            source.close()
            raise
        scan = ScanController(
            source,
            lambda info: self._make_fuser(chosen.settings, info, method=chosen.method),
            note.title,
            place.recorder(note.title, info.is_metric) if info.is_live else None,
            place,
            max_depth_m=chosen.settings.depth.max_m,
            disk=library.root,
            prepare=self._warm_up.wait if self._warm_up and not info.is_live else None,
        )
        # A finished scan holds its volume and its photographs until it is let go of.
        self._scans = [old for old in self._scans if not old[0].is_closed]
        self._scans.append((scan, place))
        try:
            scan.preview()
            with self._alone():
                yield from scan.previewed()
        except BaseException:
            scan.abort()
            raise
        return scan

    def _alone(self) -> AbstractContextManager[None]:
        """Keep the warm-up from taking the processor meanwhile."""
        return nullcontext() if self._warm_up is None else self._warm_up.held()


def _described(
    spec: str, info: SourceInfo, chosen: Chosen, library: Library
) -> tuple[ScanNote, Path | None]:
    """Return what a new scan says about itself, and the folder it has already, if it has one."""
    found = library.scan_at(spec)
    before = None if found is None else read_note(found)
    title = info.name if before is None else before.title
    if info.is_live:
        title = f"{datetime.datetime.now():Scan of %d %B %Y, %H:%M}"
    elif spec == offers.DEMO:
        title = "Demo room"
    note = ScanNote.of(title, spec, chosen.settings, chosen.method)
    if found is None or not mesh_fault(found):
        # What is finished stays; a second mesh of its frames is another scan.
        return note, None
    if before is not None:
        note = note.model_copy(update={"source": before.source, "started": before.started})
    return note, found


def _one_step(stage: str, step: Callable[[], T]) -> Job[T]:
    yield Progress(stage, 0)
    return step()
