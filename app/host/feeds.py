"""What the engine's process tells about one scan or model, no more often than it changes."""

from collections import deque
from collections.abc import Callable
from dataclasses import replace

from app.host.words import ModelHandle, ModelView, ScanHandle, ScanTold
from engine.core.faults import Fault
from engine.core.news import FaultNews, ScanNews, ScanState
from engine.runtime.sizes import bytes_of
from ui.ports import ModelPort, ScanPort, Surface

# What may be on its way to the window, or wait there unseen: a few ticks' helpings. The rest waits
# where it was made, and there the newest piece of a place replaces the older.
UNDER_WAY_BYTES = 16 << 20
# One message: small news behind it waits a millisecond or two at most.
HELPING_BYTES = 1 << 20
FINAL = (ScanState.DONE, ScanState.FAILED, ScanState.ABORTED)


class ModelFeed:
    """One model; sends its surface only when that is another one."""

    def __init__(self, number: int, model: ModelPort) -> None:
        """Remember nothing as sent."""
        self.model = model
        self._number = number
        self._sent: Surface | None = None

    def handle(self) -> ModelHandle:
        """Return how the model is now."""
        model = self.model
        surface = model.surface
        changed = None if surface is self._sent else surface
        self._sent = surface
        view = ModelView(
            model.title,
            changed,
            model.counts,
            model.grades,
            model.done,
            model.undone,
            model.texture_note,
            model.can_texture,
        )
        return ModelHandle(self._number, view)


class ScanFeed:
    """One scan: obeys orders, and tells its news within the limits.

    A final state is held back until every patch before it was sent, for whoever sees it expects
    nothing more.
    """

    def __init__(self, number: int, scan: ScanPort) -> None:
        """Remember the scan as it is now."""
        self.scan = scan
        self.handle = ScanHandle(number, scan.title, scan.remarks, scan.state, scan.can_resume)
        self._number = number
        self._obeyed = 0
        self._refusals: deque[FaultNews] = deque()
        self._sent_bytes = self._taken_bytes = 0
        self._told = (scan.state, scan.can_resume, 0)

    @property
    def is_over(self) -> bool:
        """Whether all was told."""
        return self._told[0] in FINAL

    def obey(self, order: Callable[[], None]) -> None:
        """Carry out an order; a refusal is told among the faults."""
        try:
            order()
        except Fault as fault:
            self.refuse(FaultNews(fault.says, fault.remedy, fault.severity.value))
        else:
            self._obeyed += 1

    def refuse(self, fault: FaultNews) -> None:
        """Have an order not carried out, for this reason."""
        self._refusals.append(fault)
        self._obeyed += 1

    def taken(self, total_bytes: int) -> None:
        """Have the window's word for what it took."""
        self._taken_bytes = total_bytes

    def next(self, model_of: Callable[[ModelPort], ModelFeed]) -> ScanTold | None:
        """Return what is new, or None when nothing is."""
        room = min(HELPING_BYTES, UNDER_WAY_BYTES - self._sent_bytes + self._taken_bytes)
        news = self.scan.poll(max(room, 0))
        self._sent_bytes += bytes_of(news.patches)
        if news.state in FINAL and (news.patches or room <= 0):
            news = replace(news, state=self._told[0])
        if self._refusals:
            news = replace(news, faults=(*news.faults, *self._refusals))
            self._refusals.clear()
        now = (news.state, self.scan.can_resume, self._obeyed)
        if now == self._told and news == ScanNews(news.state):
            return None
        self._told = now
        told = ScanTold(self._number, news, now[1], now[2])
        if news.state is not ScanState.DONE:
            return told
        model = self.scan.model
        handle = None if model is None else model_of(model).handle()
        return replace(told, result=self.scan.result, model=handle)
