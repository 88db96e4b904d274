"""`bench --suite window`: how free the window's thread stays while a scan grows."""

import threading
from collections.abc import Callable
from time import monotonic, perf_counter
from typing import Any

import numpy as np
import psutil
from PySide6.QtCore import QObject, Qt, QTimer

from app.diagnostics import machine, version
from app.gui import application, check_screen
from app.window_drive import SIZE_PX, rest, wait, window_of
from engine.core.news import Progress, ScanState
from ui.views.scan import ScanView
from ui.window import MainWindow

Report = Callable[[Progress], object]

# Named, not loaded: only the engine's process does that.
MAKER = "app.bench.window_studio:make_studio"
# As often as a screen is drawn.
BEAT_MS = 16
# By how many triangles are on the screen; the second is what is judged.
WANTED = "200,000 to 500,000"
GROUPS = (
    ("below 200,000", 0, 200_000),
    (WANTED, 200_000, 500_000),
    ("500,000 to a million", 500_000, 1_000_000),
    ("from a million", 1_000_000, 2**62),
)
MINUTES, QUICK_MINUTES = 1.0, 0.05
WARM_UP_S, SAMPLE_S = 2.0, 2.0
OPEN_S = 180.0
# A full turn of the view in a quarter of a minute.
TURN_DEG = 0.4
MB = 2**20
PROTOCOL = (
    "A scan of sensor depth runs in the engine's process, its frames come at 30 Hz as from a "
    "camera, and the window draws it while the view turns all the time. A tick is the time "
    "between two beats of a 16 ms timer on the window's thread: whatever holds that thread up, "
    "painting included, is in it. tick_p99_ms: while 200,000 to 500,000 triangles were on the "
    "screen, or of the whole scan where it never had as many; tick_max_ms: of the whole scan. "
    "Memory, threads and timers are those of the window's process."
)


class Beats(QObject):
    """The beats of a timer on the window's thread: when, and how many triangles were shown."""

    def __init__(self, view: ScanView) -> None:
        """Begin to beat, and to turn the view."""
        super().__init__(view)
        self.ticks_ms: list[float] = []
        self.triangles: list[int] = []
        self._view = view
        self._last_s = perf_counter()
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._beat)
        self._timer.start(BEAT_MS)

    def stop(self) -> None:
        """Beat no more."""
        self._timer.stop()

    def _beat(self) -> None:
        now_s = perf_counter()
        self.ticks_ms.append(1e3 * (now_s - self._last_s))
        self.triangles.append(self._view.view.triangles)
        self._last_s = now_s
        self._view.view.nudge(TURN_DEG, 0.0, 1.0)


def window(
    on_progress: Report, quick: bool = False, minutes: float | None = None
) -> dict[str, Any]:
    """Return how long the window's thread was held up, and what the window grew by.

    `quick` plays a tiny room, to see that everything runs. `minutes` is how long it is scanned.

    Raises:
        MissingPart: there is no screen.
        Fault: the scan failed.
    """
    check_screen()
    lasts_s = 60 * (minutes or (QUICK_MINUTES if quick else MINUTES))
    app = application()
    with window_of(MAKER) as main:
        row = _scanned(main, f"{'quick' if quick else 'normal'} {lasts_s:g}", lasts_s, on_progress)
    app.processEvents()
    width, height = SIZE_PX
    return {
        "suite": "window",
        "version": version(),
        "machine": machine(),
        "window_px": f"{width}x{height}",
        **row,
        "protocol": PROTOCOL,
    }


def _scanned(main: MainWindow, camera: str, lasts_s: float, on_progress: Report) -> dict[str, Any]:
    on_progress(Progress("draw", 0))
    main.open(camera)
    wait(main, lambda: main.scan is not None, OPEN_S)
    scan = main.scan
    assert scan is not None
    scan.toggle()
    wait(main, lambda: scan.view.triangles > 0, OPEN_S)
    rest(main, WARM_UP_S)
    beats, rows, begun_s = Beats(scan), [_sample(0.0, scan)], monotonic()
    while (now_s := monotonic() - begun_s) < lasts_s:
        if scan.port.state is not ScanState.SCANNING:
            break
        on_progress(Progress("scan", round(now_s), round(lasts_s)))
        rest(main, min(SAMPLE_S, lasts_s - now_s))
        rows.append(_sample(monotonic() - begun_s, scan))
    beats.stop()
    return _figures(beats, rows, scan)


def _figures(beats: Beats, rows: list[dict[str, Any]], scan: ScanView) -> dict[str, Any]:
    ticks, triangles = np.array(beats.ticks_ms), np.array(beats.triangles)
    groups = {name: ticks[(low <= triangles) & (triangles < high)] for name, low, high in GROUPS}
    counted = groups[WANTED] if len(groups[WANTED]) else ticks
    paint = np.array(scan.view.paint_ms() or [0.0])
    half = rows[len(rows) // 2]
    return {
        "tick_p50_ms": float(np.median(counted)),
        "tick_p99_ms": float(np.percentile(counted, 99)),
        "tick_max_ms": float(ticks.max()),
        "ticks": len(ticks),
        "ticks_over_200_ms": int((ticks > 200).sum()),
        "tick_p99_ms_by_triangles": {
            name: float(np.percentile(group, 99)) if len(group) else None
            for name, group in groups.items()
        },
        "paint_p50_ms": float(np.median(paint)),
        "paint_p99_ms": float(np.percentile(paint, 99)),
        "triangles": int(triangles.max()),
        "renderer": scan.view.renderer,
        "is_software": scan.view.is_software,
        "seconds": rows[-1]["second"],
        "memory_mb": rows[-1]["resident_mb"],
        # The first half is when the rooms are new.
        "memory_growth_mb": rows[-1]["resident_mb"] - half["resident_mb"],
        "threads": [rows[0]["threads"], rows[-1]["threads"]],
        "timers": [rows[0]["timers"], rows[-1]["timers"]],
        "over_time": rows,
    }


def _sample(second: float, scan: ScanView) -> dict[str, Any]:
    return {
        "second": second,
        "resident_mb": psutil.Process().memory_info().rss / MB,
        "triangles": scan.view.triangles,
        "threads": threading.active_count(),
        "timers": len(scan.window().findChildren(QTimer)),
    }
