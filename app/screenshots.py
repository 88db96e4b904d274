"""`make screenshots`: the pages of the real window, driven through a scan of the demo room.

    python -m app.screenshots [FOLDER]

It needs a screen, a virtual one will do, and takes a few minutes.
"""

import sys
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import QBuffer, QIODevice
from PySide6.QtWidgets import QApplication

from app.gui import application, check_screen
from app.window_drive import rest, wait, window_of
from engine.core.news import Tracking
from ui.gl.modes import ColorMode
from ui.gl.picking import Hit
from ui.gl.viewport import Viewport
from ui.pages import Page
from ui.views.review_crop import CropTool
from ui.views.review_measure import MeasureTool
from ui.views.scan import ScanView
from ui.window import MainWindow

# Named, not loaded: only the engine's process does that.
MAKER = "app.screenshots_studio:make_studio"
FOLDER = Path(__file__).resolve().parents[1] / "assets" / "screenshots"
# Enough for soft shadows and photographs, and a third of the size.
COLORS = 160
OPEN_S, SCAN_S, FINISH_S = 180.0, 300.0, 600.0
SETTLE_S = 1.2
PLACE = "~/Demo-room.glb"
EARLY_FRAMES = 70
# The upper front edge of the demo room's chest, one metre long; world, metres.
# Distance, azimuth and elevation to look at it from: metres, degrees.
LOOK = (2.6, -62.0, 32.0)
EDGE_M = ((-1.711, 1.417, 0.5), (-0.711, 1.417, 0.5))


def main() -> None:
    """Write all pictures."""
    check_screen()
    app = application()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with window_of(MAKER) as window:
        Tour(window, folder).go()
    app.processEvents()


class Tour:
    """One way through the window, with a picture wherever there is something to see."""

    def __init__(self, window: MainWindow, folder: Path) -> None:
        """Begin on the first page."""
        self._window = window
        self._folder = folder

    def go(self) -> None:
        """Walk it."""
        window = self._window
        window.look.choose_theme("dark")
        self._scan(self._opened())
        self._review()
        self._others()
        window.look.choose_theme("light")
        window.pages.go(Page.REVIEW)
        self._shoot("review-light")
        self._leave_review()
        window.pages.go(Page.START)
        self._shoot("start-light")
        window.look.choose_theme("dark")
        self._shoot("start")
        window.open("/recordings/kitchen-that-is-gone")
        wait(window, lambda: bool(window.toasts.sentences()), OPEN_S)
        self._shoot("error")

    def _opened(self) -> ScanView:
        window = self._window
        window.open(window.studio.demo)
        wait(window, lambda: window.scan is not None, OPEN_S)
        assert window.scan is not None
        return window.scan

    def _scan(self, scan: ScanView) -> None:
        window = self._window
        wait(window, lambda: scan.track is not None, OPEN_S)
        self._shoot("ready")
        scan.toggle()
        self._when(lambda: scan.stats.frames_used > EARLY_FRAMES)
        self._shoot("scanning", 0.0)
        for tracking in (Tracking.WEAK, Tracking.LOST):
            self._when(partial(_is, scan, tracking))
            self._shoot(tracking.value)
        self._when(partial(_is, scan, Tracking.GOOD))
        scan.toggle_details()
        self._shoot("details", 4 * SETTLE_S)
        scan.toggle_details()
        scan.toggle()
        self._shoot("paused")
        scan.set_mode(ColorMode.CONFIDENCE)
        self._shoot("confidence")
        scan.set_mode(ColorMode.COLOR)
        scan.toggle()
        wait(window, lambda: window.review is not None, FINISH_S)

    def _review(self) -> None:
        review = self._window.review
        assert review is not None
        self._shoot("review", 3 * SETTLE_S)
        review.show_tool(CropTool.title)
        self._shoot("review-crop")
        review.show_tool(MeasureTool.title)
        measure = review.open_tool
        assert measure is not None
        for point_m in EDGE_M:
            measure.take(Hit(np.array(point_m), np.array([0.0, 0.0, 1.0]), None))
        assert isinstance(review.view, Viewport)
        orbit = review.view.orbit
        orbit.centre_m = np.mean(EDGE_M, axis=0)
        orbit.distance_m, orbit.azimuth_deg, orbit.elevation_deg = LOOK
        review.view.taken()
        self._shoot("review-measure", 2 * SETTLE_S)
        review.show_tool(None)
        review.view.fit_view()
        self._window.export()
        dialog = self._window.dialog
        assert dialog is not None
        # Not the home folder of whoever takes the picture.
        dialog.path_edit.setText(PLACE)
        self._shoot("export", 2 * SETTLE_S)
        dialog.reject()

    def _others(self) -> None:
        for page in (Page.SETTINGS, Page.MODELS, Page.OBJECT, Page.CALIBRATION):
            self._window.pages.go(page)
            self._shoot(page.value, 2 * SETTLE_S)

    def _leave_review(self) -> None:
        self._window.show_start()

    def _when(self, is_so: Callable[[], bool]) -> None:
        wait(self._window, is_so, SCAN_S)

    def _shoot(self, name: str, settle_s: float = SETTLE_S) -> None:
        """Keep what the screen shows where the window is, dialogs and notes included."""
        rest(self._window, settle_s)
        frame = self._window.geometry()
        screen = self._window.screen()
        picture = screen.grabWindow(0, frame.x(), frame.y(), frame.width(), frame.height())
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        picture.save(buffer, "PNG")
        image = Image.open(BytesIO(bytes(buffer.data().data()))).convert("RGB")
        path = self._folder / f"{name}.png"
        image.quantize(COLORS).save(path, optimize=True)
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1000:.0f} kB\n")
        QApplication.processEvents()


def _is(scan: ScanView, tracking: Tracking) -> bool:
    return scan.guidance.state is tracking


if __name__ == "__main__":
    main()
