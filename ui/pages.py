"""The pages of the window: what they are called, and how each is made when it is first needed.

Their code is loaded only then, so that the first page is on the screen sooner.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ui import icons

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtWidgets import QWidget

    from ui.ports import ModelPort, ScanPort, StudioPort
    from ui.views.export import ExportDialog
    from ui.views.guide import GuideView
    from ui.views.models import ModelsView
    from ui.views.review import ReviewView
    from ui.views.scan import ScanView
    from ui.views.settings import SettingsView
    from ui.views.start import StartView

    SidePage = SettingsView | ModelsView | GuideView
    AnyPage = StartView | ScanView | ReviewView | SidePage


class Page(Enum):
    """A page, in the order of the rail."""

    START = "start"
    SCAN = "scan"
    REVIEW = "review"
    OBJECT = "object"
    CALIBRATION = "calibration"
    MODELS = "models"
    SETTINGS = "settings"


# Word on the rail, sentence for the menu and screen readers, sign.
PAGES = {
    Page.START: ("Start", "Choose what to scan or open", icons.start),
    Page.SCAN: ("Scan", "The scan under way", icons.scan),
    Page.REVIEW: ("Review", "The finished surface", icons.review),
    Page.OBJECT: ("Object", "How objects will be scanned", icons.item),
    Page.CALIBRATION: ("Calibrate", "How cameras will be measured", icons.calibration),
    Page.MODELS: ("Networks", "Installed and missing networks", icons.models),
    Page.SETTINGS: ("Settings", "How scans are made", icons.settings),
}


def make_start(studio: StudioPort, parent: QWidget) -> StartView:
    """Return the first page."""
    from ui.views.start import StartView

    return StartView(studio, parent)


def make_scan(port: ScanPort, parent: QWidget) -> ScanView:
    """Return the page of a scan."""
    from ui.views.scan import ScanView

    return ScanView(port, parent)


def make_review(model: ModelPort, studio: StudioPort, parent: QWidget) -> ReviewView:
    """Return the page of a finished surface."""
    from ui.views.review import ReviewView

    return ReviewView(model, studio, parent)


def make_side_page(page: Page, studio: StudioPort, parent: QWidget) -> SidePage:
    """Return one of the pages that can be looked at beside a scan."""
    if page is Page.SETTINGS:
        from ui.views.settings import SettingsView

        return SettingsView(studio, parent)
    if page is Page.MODELS:
        from ui.views.models import ModelsView

        return ModelsView(studio, parent)
    from ui.views.guide import calibration_guide, object_guide

    return object_guide(parent) if page is Page.OBJECT else calibration_guide(parent)


def make_export(studio: StudioPort, model: ModelPort, path: Path, parent: QWidget) -> ExportDialog:
    """Return the dialog that writes a surface into a file."""
    from ui.views.export import ExportDialog

    return ExportDialog(studio, model, path, parent)
