"""The timer that fetches news, so that a busy engine never waits for the window or floods it."""

from collections import deque
from collections.abc import Callable
from time import perf_counter

from PySide6.QtCore import QObject, QTimer

from engine.core.news import ScanNews, ScanState
from ui.ports import ScanPort

TICK_MS = 16
TICK_BUDGET_S = 0.006
TICK_BYTES = 4 << 20
FINAL = frozenset({ScanState.DONE, ScanState.FAILED, ScanState.ABORTED})


class Bridge(QObject):
    """Pulls news of one scan on the GUI thread, a bounded helping per tick.

    Small news is always fetched; patches only while earlier ones have been drawn. The timer stops
    by itself once the scan is over and everything was shown.
    """

    def __init__(
        self,
        port: ScanPort,
        show: Callable[[ScanNews], None],
        work: Callable[[float], bool],
        parent: QObject,
    ) -> None:
        """Prepare the timer without starting it.

        Args:
            port: the scan to ask.
            show: takes in one helping; must be quick.
            work: draws until a `perf_counter` time, and returns whether something is left.
            parent: owns the timer.
        """
        super().__init__(parent)
        self._port = port
        self._show = show
        self._work = work
        self._has_backlog = False
        self._recent_ms: deque[float] = deque(maxlen=600)
        self._timer = QTimer(self)
        self._timer.setInterval(TICK_MS)
        self._timer.timeout.connect(self.tick)

    def start(self) -> None:
        """Begin to tick."""
        self._timer.start()

    def stop(self) -> None:
        """Tick no more."""
        self._timer.stop()

    @property
    def is_running(self) -> bool:
        """Whether the timer runs."""
        return self._timer.isActive()

    def tick(self) -> None:
        """Fetch one helping and draw for at most the budget."""
        start = perf_counter()
        had_backlog = self._has_backlog
        news = self._port.poll(0 if had_backlog else TICK_BYTES)
        self._show(news)
        self._has_backlog = self._work(start + TICK_BUDGET_S)
        is_all = not (had_backlog or self._has_backlog or news.patches)
        if news.state in FINAL and is_all:
            self.stop()
        self._recent_ms.append((perf_counter() - start) * 1000)

    def slow_tick_ms(self) -> float:
        """Return what ninety-nine of a hundred recent ticks stayed below."""
        ordered = sorted(self._recent_ms)
        return ordered[int(0.99 * (len(ordered) - 1))] if ordered else 0.0
