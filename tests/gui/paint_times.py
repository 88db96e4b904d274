"""How long the 3D view holds the window's thread, with 200,000 triangles in a hundred pages.

Run on a (virtual) screen: python -m tests.gui.paint_times
"""

import sys
import time

import numpy as np
from PySide6.QtWidgets import QApplication

from engine.core.news import ScanNews, ScanState
from tests.app.fakes import patch_at
from ui import theme
from ui.gl.viewport import Viewport

HALF = 20
SECONDS = 4.0
PATCHES_PER_SECOND = 400


def stretch(application, view, act):
    """Let the program live for a while; return a line that says how that went."""
    begun, start, cpu = time.perf_counter(), time.perf_counter(), time.process_time()
    gaps = []
    while start < begun + SECONDS:
        act()
        application.processEvents()
        time.sleep(0.001)
        gaps.append(time.perf_counter() - start)
        start += gaps[-1]
    held, gaps_ms = np.array(view.paint_ms() or [0.0]), np.array(gaps) * 1000
    return (
        f"painting held it {np.median(held):.1f} ms (p99 {np.percentile(held, 99):.1f}, "
        f"longest {held.max():.1f}); round of events p99 {np.percentile(gaps_ms, 99):.1f} ms, "
        f"longest {gaps_ms.max():.1f}; {(time.process_time() - cpu) / SECONDS:.2f} cores"
    )


def say(line):
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main():
    """Print one line a situation."""
    application = QApplication(sys.argv)
    theme.apply(application)
    view = Viewport()
    view.resize(1280, 800)
    view.show()
    hills = [patch_at(x, y, 0) for x in range(-HALF, HALF) for y in range(-HALF, HALF)]
    view.absorb(ScanNews(ScanState.SCANNING, None, tuple(hills)))
    while view.work(time.perf_counter() + 0.006):
        application.processEvents()
    view.fit_view()
    sheets = view.stage.growing.sheets
    say(f"{view.triangles:,} triangles in {len(sheets)} pages, 1280 x 800, {view.renderer}")
    say("first pictures: " + stretch(application, view, lambda: None))
    rng = np.random.default_rng(0)
    revisions = iter(range(1, 10**9))
    due = [time.perf_counter()]

    def grow():
        now = time.perf_counter()
        if now > due[0]:
            due[0] = now + 0.05
            cells = rng.integers(-HALF, HALF, (PATCHES_PER_SECOND // 20, 2))
            changed = tuple(patch_at(x, y, next(revisions)) for x, y in cells.tolist())
            view.absorb(ScanNews(ScanState.SCANNING, None, changed))
        view.work(time.perf_counter() + 0.006)

    view._held_ms.clear()
    say("scanning: " + stretch(application, view, grow))
    view._held_ms.clear()
    say("turned by hand: " + stretch(application, view, lambda: view.nudge(0.3, 0)))
    time.sleep(1.0)
    stretch(application, view, lambda: None)
    view._held_ms.clear()
    say("untouched: " + stretch(application, view, lambda: None))
    view.release()


if __name__ == "__main__":
    main()
