"""One scan, from the first frame to the finished mesh, on threads of its own."""

import logging
import math
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from app.crew import Recorder, capture, first_picture, record, refine
from app.fuser import Fuser, NotNow
from app.mailboxes import COMMANDS_LIMIT, Command, Mailboxes, Undo
from app.map_loop import MapLoop
from app.model import Model, model_of
from app.model_place import Place
from engine.core.faults import BadInput, CannotWrite, Fault, Severity
from engine.core.frames import PoseUpdate
from engine.core.news import Job, Progress, ScanNews, ScanState, ScanStats
from engine.core.settings import DepthSettings
from engine.core.surface import Mesh, TexturedMesh
from engine.runtime.meters import Meters
from engine.runtime.progress import run_job
from engine.runtime.worker import Crashed, Crew, FaultPolicy, StopToken, Worker
from engine.sources.base import FrameSource, SourceInfo
from engine.tracking.health import HealthMeter

JOIN_S = 10.0
# A first picture is looked for this often.
PREVIEW_S = 0.05

T = TypeVar("T")
log = logging.getLogger(__name__)


class ScanController:
    """Runs one scan; any thread may command it and ask for news.

        ready --start--> scanning <--pause, resume--> paused
        scanning or paused --finish, or the recording ends--> finishing --> done
        any --abort--> aborted;  fusing or finishing fails --> failed

    A source that fails leaves the scan paused with everything kept: `finish` still makes a mesh
    of it, and `resume` opens the source again if its fault was of the kind that asks for that. A
    record that cannot be written pauses the scan likewise, for good. A helper that fails is done
    without.

    Before it begins, `preview` shows the first picture of a recording, or all that a camera sees.

    Threads: *capture* reads the source and closes it; *preview* reads the first frame of a
    recording; *record*, if there is a recorder, keeps what
    is to be fused; *map* makes the fuser, fuses, and finishes; *refine*, if the fuser has a
    helper, runs it. From live sources the oldest waiting frame is dropped; a recording waits for
    the map, and the map for whoever shows its patches, so call `poll` until the state is final, or
    `abort`.
    """

    def __init__(
        self,
        source: FrameSource,
        make_fuser: Callable[[SourceInfo], Fuser],
        title: str | None = None,
        recorder: Recorder | None = None,
        place: Place | None = None,
        *,
        max_depth_m: float = DepthSettings().max_m,
        disk: Path | None = None,
        prepare: Callable[[], Job[None]] | None = None,
    ) -> None:
        """Prepare a scan; the source is open already and from now on belongs to the controller.

        So does the recorder. The title is for people; without one, the source's name is used. In
        its place, if it has one, the finished surface is kept. What is farther than `max_depth_m`
        is called too far. `disk` is a folder, there already or not, on the disk whose free space
        is told; the one for temporary files if not given. What is to `prepare` is done, with
        progress, before the fuser is made.
        """
        self.info = source.describe()
        self.title = title or self.info.name
        self.meters = Meters()
        self._source = source
        self._make_fuser = make_fuser
        self._prepare = prepare
        self._recorder = recorder
        self._place = place
        self._health = HealthMeter(max_depth_m)
        self._disk = disk or Path(tempfile.gettempdir())
        self._changed = threading.Condition()
        self._state = ScanState.READY
        self._result: Mesh | TexturedMesh | None = None
        self._model: Model | None = None
        self._failure: Fault | None = None
        self._fuser: Fuser | None = None
        self._loop: MapLoop | None = None
        self._recording: Worker | None = None
        self._previewing: Worker | None = None
        self._is_capturing = self._is_fusing = False
        self._boxes = Mailboxes(self.info.is_live)
        self._crew = Crew(self._failed)
        self._crew.stop.on_set(self._boxes.drop_all)
        self._crew.stop.on_set(self._wake)

    @property
    def remarks(self) -> tuple[str, ...]:
        """One sentence for each thing about the source the user should look at."""
        return self.info.warnings

    @property
    def state(self) -> ScanState:
        """Where the scan is now."""
        return self._state

    @property
    def result(self) -> Mesh | TexturedMesh | None:
        """The finished mesh once the state is done, else None."""
        return self._result

    @property
    def model(self) -> Model | None:
        """The finished mesh as something to work on, once the state is done, else None."""
        return self._model

    @property
    def is_closed(self) -> bool:
        """Whether it was aborted, finished or not, and nothing of it runs any more."""
        return self._crew.stop.is_set and not self._crew.join(0)

    @property
    def last_stats(self) -> ScanStats:
        """The counters after the newest fused frame; unlike `poll`, asking changes nothing."""
        return ScanStats() if self._loop is None else self._loop.last_stats

    @property
    def failure(self) -> Fault | None:
        """What paused the scan by failing, or failed it; None while all is well."""
        return self._failure

    @property
    def can_resume(self) -> bool:
        """Whether `resume` would be accepted."""
        fault = self._failure
        return self._state is ScanState.PAUSED and (
            fault is None or fault.severity is Severity.PAUSE
        )

    def preview(self) -> None:
        """Show what there is to see before the scan starts; a second time changes nothing.

        Raises:
            NotNow: the scan has started already.
        """
        with self._changed:
            self._expect("preview", ScanState.READY)
            if self.info.is_live:
                self._begin_capture()
            elif self._previewing is None:
                self._previewing = self._crew.spawn("preview", self._preview, FaultPolicy.ALONE)

    def previewed(self) -> Job[None]:
        """Return the job of waiting until the first picture of a recording has been told."""
        while self._previewing is not None and not self._previewing.join(PREVIEW_S):
            yield Progress("Looking at its first frames", 0)

    def start(self) -> None:
        """Begin to read and fuse.

        Raises:
            NotNow: it has begun already.
        """
        with self._changed:
            self._expect("start", ScanState.READY)
            self._state = ScanState.SCANNING
        if self._recorder is not None:
            self._recording = self._crew.spawn("record", self._record, FaultPolicy.ALONE)
        else:
            self._boxes.record.close()
        self._crew.spawn("map", self._map)

    def pause(self) -> None:
        """Fuse no more frames until `resume`; a live camera keeps showing what it sees.

        Raises:
            NotNow: nothing is being scanned.
        """
        with self._changed:
            self._expect("pause", ScanState.SCANNING)
            self._state = ScanState.PAUSED

    def resume(self) -> None:
        """Go on after a pause; a source that had failed in a curable way is opened again.

        Raises:
            NotNow: the scan is not paused, or its source is gone for good.
        """
        with self._changed:
            self._expect("resume", ScanState.PAUSED)
            if not self.can_resume:
                raise NotNow(
                    "The scan has failed and cannot go on.", "Press Finish: what is there is kept."
                )
            reopen = self._failure is not None
            self._failure = None
            self._state = ScanState.SCANNING
            self._changed.notify_all()
            if reopen:
                self._begin_capture()

    def finish(self) -> None:
        """Read no more; fuse what was read, then make the final mesh.

        Raises:
            NotNow: there is nothing to finish, or it is being finished.
        """
        with self._changed:
            self._expect("finish", ScanState.SCANNING, ScanState.PAUSED)
            self._enter_finishing()

    def update(self, update: PoseUpdate) -> None:
        """Have frames moved or taken out, after what was read before has been fused.

        Returns at once. Whether it can be done is told among the news.

        Raises:
            NotNow: nothing is being scanned, or too many commands wait already.
        """
        self._order("update", update)

    def undo(self, seconds: float) -> None:
        """Have what was scanned in the last so many seconds taken back, likewise.

        Raises:
            NotNow: nothing is being scanned, or too many commands wait already.
            BadInput: not a length of time.
        """
        if not 0 < seconds < math.inf:
            raise BadInput(f"{seconds} seconds cannot be taken back.", "Ask for more than zero.")
        self._order("undo", Undo(seconds))

    def abort(self, wait_s: float = JOIN_S) -> tuple[str, ...]:
        """Stop everything now and keep no result; return the names of threads that still run.

        A finished scan stays finished. Threads end at their next step; this waits so long for
        them and then logs where the rest is.
        """
        with self._changed:
            was_ready = self._state is ScanState.READY
            if was_ready or self._state in _RUNNING:
                self._state = ScanState.ABORTED
        self._crew.stop.set()
        running = self._crew.join(wait_s)
        if was_ready:
            self._close_unused(is_read=bool(running))
        if running:
            log.warning("Still running after %g s:\n%s", wait_s, self._crew.stacks())
        elif self._fuser is not None:
            self._fuser.close()
        return running

    def poll(self, limit_bytes: int | None = None) -> ScanNews:
        """Return what is new since the last call, patches up to about so many bytes; never waits.

        Limit zero leaves patches where they are.
        """
        # State first: whoever sees a final state has then been given everything before it,
        # except patches beyond the limit.
        state = self._state
        patches = [] if limit_bytes == 0 else self._boxes.patches.take(limit_bytes)
        return ScanNews(
            state,
            _only(self._boxes.track.take()),
            tuple(patches),
            _only(self._boxes.stats.take()),
            tuple(self._boxes.faults.take()),
            _only(self._boxes.progress.take()),
        )

    def _capture(self, stop: StopToken) -> None:
        def is_wanted() -> bool:
            """Return whether to fuse the frame at hand, waiting while a recording is paused."""
            with self._changed:
                if not self.info.is_live:
                    self._changed.wait_for(
                        lambda: stop.is_set or self._state is not ScanState.PAUSED
                    )
                # What a camera sees before anyone can fuse it would only be lost.
                return self._is_fusing and self._state is ScanState.SCANNING

        is_recorded, is_over = self._recorder is not None, False
        try:
            is_over = capture(
                self._source, self._boxes, self.meters, self._health, is_wanted, is_recorded
            )
        finally:
            with self._changed:
                self._is_capturing = False
                if is_over and self._state in (ScanState.SCANNING, ScanState.PAUSED):
                    self._enter_finishing()

    def _begin_capture(self) -> None:
        """Read the source unless that is being done already. The lock is held."""
        if not self._is_capturing:
            self._is_capturing = True
            self._crew.spawn("capture", self._capture, FaultPolicy.ALONE)

    def _preview(self, stop: StopToken) -> None:
        try:
            first_picture(self._source, self._boxes, self._health)
        finally:
            # Whoever asked to stop may no longer be waiting to clear up.
            if stop.is_set:
                self._source.close()

    def _record(self, stop: StopToken) -> None:
        assert self._recorder is not None
        record(self._recorder, self._boxes, self.meters)

    def _map(self, stop: StopToken) -> None:
        try:
            if self._previewing is not None:
                # One thread at a time reads a source.
                self._previewing.join()
            if self._prepare is not None:
                run_job(self._prepare(), self._boxes.progress.put, lambda: stop.is_set)
            self._fuser = fuser = self._make_fuser(self.info)
        except BaseException:
            # Capture will not come to close it, or is here already and will.
            with self._changed:
                if not self._is_capturing:
                    self._source.close()
            raise
        helper, refining = fuser.helper, None
        if helper is not None:
            refining = self._crew.spawn(
                "refine", lambda _: refine(helper, self._boxes, self.meters), FaultPolicy.ALONE
            )
        try:
            self._loop = MapLoop(fuser, self._boxes, self.meters, self.info, self._disk)
            with self._changed:
                self._is_fusing = True
                self._begin_capture()
            self._loop.run()
            # What the helper owned is the fuser's again only when its thread is gone.
            if refining is not None:
                refining.join()
            result = run_job(fuser.finish(), self._boxes.progress.put, lambda: stop.is_set)
            model = model_of(self.title, result, fuser.keepsakes(), self._place)
            self._loop.tell_last()
            # Done means safe on disk too, and a record that failed at its end has said so.
            if self._recording is not None:
                self._recording.join()
            self._save(result)
            with self._changed:
                if not stop.is_set:
                    self._result, self._model = result, model
                    self._state = ScanState.DONE
        finally:
            # Whoever asked to stop may no longer be waiting to clear up.
            if stop.is_set:
                if refining is not None:
                    refining.join()
                fuser.close()

    def _save(self, result: Mesh | TexturedMesh) -> None:
        """Keep the surface in its place; what goes wrong there is told, and costs no scan."""
        if self._place is None:
            return
        job = self._place.keep(result)

        def save(stop: StopToken) -> None:
            run_job(job, self._boxes.progress.put, lambda: stop.is_set)

        self._crew.spawn("save", save, FaultPolicy.ALONE).join()

    def _failed(self, worker: str, fault: Fault) -> None:
        # A foreseen fault explains itself; only a crash needs its traceback in the log.
        if isinstance(fault, Crashed):
            log.error("%s: %s", worker, fault, exc_info=fault)
        else:
            log.info("%s: %s", worker, fault)
        # Told first: whoever sees the new state finds the reason among the news.
        if worker == "refine":
            self._boxes.tell(fault, Severity.DEGRADE, "The scan goes on without refinement.")
            return
        if worker == "save":
            self._boxes.tell(fault, Severity.DEGRADE)
            return
        self._boxes.tell(fault)
        if worker == "preview":
            # If it matters, capture will meet it too.
            return
        with self._changed:
            if worker == "map":
                if self._state in _RUNNING:
                    self._failure = fault
                    self._state = ScanState.FAILED
            elif self._state in (ScanState.SCANNING, ScanState.PAUSED):
                # A failure that is for good stays the one to show.
                if self._failure is None or self._failure.severity is Severity.PAUSE:
                    self._failure = fault
                self._state = ScanState.PAUSED

    def _order(self, name: str, what: PoseUpdate | Undo) -> None:
        with self._changed:
            self._expect(name, ScanState.SCANNING, ScanState.PAUSED)
            command = Command(what, self._boxes.frames.counters().offered)
            if not self._boxes.commands.put(command):
                raise NotNow(f"{COMMANDS_LIMIT} commands wait already.", "Try again in a moment.")

    def _expect(self, command: str, *states: ScanState) -> None:
        if self._state not in states:
            raise NotNow(f"Cannot {command} a scan that is {self._state.value}.")

    def _enter_finishing(self) -> None:
        """Close the way in; the map drains what is there. The lock is held."""
        self._state = ScanState.FINISHING
        self._boxes.close_entrance()
        self._changed.notify_all()

    def _close_unused(self, is_read: bool) -> None:
        """Close what no thread came to close; a source that is still being read is left to it."""
        if not is_read:
            self._source.close()
        if self._recorder is not None:
            # Nothing was recorded, so nothing is lost.
            with suppress(CannotWrite):
                self._recorder.close()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


_RUNNING = (ScanState.SCANNING, ScanState.PAUSED, ScanState.FINISHING)


def _only(items: list[T]) -> T | None:
    return items[0] if items else None
