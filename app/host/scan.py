"""What the window holds in place of a scan of the engine."""

import threading
from contextlib import suppress
from typing import Any, TypeVar

from app.fuser import NotNow
from app.host.proxies import ModelProxy, Way
from app.host.words import Abort, Order, ScanHandle, ScanTold, Taken
from engine.core.news import FaultNews, Progress, ScanNews, ScanState, ScanStats, TrackView
from engine.core.surface import MeshPatch
from engine.runtime.channels import Closed, KeyedLatest, Latest, Overflow
from engine.runtime.sizes import bytes_of
from ui.ports import Surface

# The engine keeps far below it.
INBOX_BYTES = 1 << 30
FAULTS_KEPT = 256
FINAL = (ScanState.DONE, ScanState.FAILED, ScanState.ABORTED)

T = TypeVar("T")


class ScanProxy:
    """A scan of the engine; a `ScanPort`.

    Between a command and the engine's answer to it, the state is what the command should make it;
    a command that the engine refuses is a fault among the news.
    """

    def __init__(self, handle: ScanHandle, way: Way) -> None:
        """Stand for a scan as it was when it was opened."""
        self.title = handle.title
        self.remarks = handle.remarks
        self._number = handle.scan
        self._way = way
        self._lock = threading.Lock()
        self._state = handle.state
        self._can_resume = handle.can_resume
        self._ordered = 0
        self._result: Surface | None = None
        self._model: ModelProxy | None = None
        self._received_bytes = self._taken_bytes = 0
        self._patches = KeyedLatest[MeshPatch](INBOX_BYTES, bytes_of, Overflow.REFUSE)
        self._track = Latest[TrackView]()
        self._stats = Latest[ScanStats]()
        self._progress = Latest[Progress]()
        self._faults = Latest[FaultNews](FAULTS_KEPT)

    @property
    def state(self) -> ScanState:
        """Where the scan is."""
        return self._state

    @property
    def can_resume(self) -> bool:
        """Whether a paused scan can go on."""
        return self._can_resume

    @property
    def result(self) -> Surface | None:
        """The finished mesh, or None."""
        return self._result

    @property
    def model(self) -> "ModelProxy | None":
        """The finished mesh as something to review and export, or None."""
        return self._model

    def start(self) -> None:
        """Begin.

        Raises:
            NotNow: here and below, the command does not fit the state.
        """
        self._order("start", ScanState.SCANNING, ScanState.READY)

    def pause(self) -> None:
        """Hold."""
        self._order("pause", ScanState.PAUSED, ScanState.SCANNING)

    def resume(self) -> None:
        """Go on."""
        if self._state is ScanState.PAUSED and not self._can_resume:
            raise NotNow(
                "The scan has failed and cannot go on.", "Press Finish: what is there is kept."
            )
        self._order("resume", ScanState.SCANNING, ScanState.PAUSED)

    def undo(self, seconds: float) -> None:
        """Take back what was scanned in the last so many seconds, soon."""
        self._order("undo", None, ScanState.SCANNING, ScanState.PAUSED, given=(seconds,))

    def finish(self) -> None:
        """Read no more and make the final mesh."""
        self._order("finish", ScanState.FINISHING, ScanState.SCANNING, ScanState.PAUSED)

    def abort(self, wait_s: float = 0.0) -> tuple[str, ...]:
        """Stop without a result; never waits, and the engine logs threads that still run."""
        with self._lock:
            if self._state not in FINAL:
                self._state = ScanState.ABORTED
            self._patches.close(discard=True)
        self._way.send(Abort(self._number))
        return ()

    def poll(self, limit_bytes: int | None = None) -> ScanNews:
        """Return what is new; never waits. Limit zero leaves patches where they are."""
        # State first, as it comes in last: whoever sees a final one has been given the rest.
        state = self._state
        patches = [] if limit_bytes == 0 else self._patches.take(limit_bytes)
        taken_bytes = self._received_bytes - self._patches.counters().waiting_bytes
        if taken_bytes > self._taken_bytes:
            self._taken_bytes = taken_bytes
            self._way.send(Taken(self._number, taken_bytes))
        return ScanNews(
            state,
            _only(self._track.take()),
            tuple(patches),
            _only(self._stats.take()),
            tuple(self._faults.take()),
            _only(self._progress.take()),
        )

    def told(self, told: ScanTold, model: "ModelProxy | None") -> None:
        """Take in what the scan has to tell."""
        news = told.news
        for fault in news.faults:
            self._faults.put(fault)
        if news.track is not None:
            self._track.put(news.track)
        if news.stats is not None:
            self._stats.put(news.stats)
        if news.progress is not None:
            self._progress.put(news.progress)
        with suppress(Closed):
            for patch in news.patches:
                self._patches.put(patch.key, patch)
        # Counted when they are in: until then they do not look as if they were taken already.
        self._received_bytes += bytes_of(news.patches)
        with self._lock:
            if self._state in FINAL:
                return
            # What was looked at before an order was obeyed is old news.
            if news.state in FINAL or told.obeyed == self._ordered:
                self._result, self._model = told.result, model
                self._can_resume = told.can_resume
                self._state = news.state

    def lost(self, fault: FaultNews) -> None:
        """Have the engine gone."""
        with self._lock:
            if self._state in FINAL:
                return
            self._faults.put(fault)
            self._can_resume = False
            self._state = ScanState.FAILED

    def _order(
        self, name: str, becomes: ScanState | None, *fits: ScanState, given: tuple[Any, ...] = ()
    ) -> None:
        with self._lock:
            if self._state not in fits:
                raise NotNow(f"Cannot {name} a scan that is {self._state.value}.")
            self._ordered += 1
            if becomes is not None:
                self._state = becomes
                self._can_resume = becomes is ScanState.PAUSED
        self._way.send(Order(self._number, name, given))


def _only(items: list[T]) -> T | None:
    return items[0] if items else None
