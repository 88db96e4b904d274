"""The window's own commands, and those of its pages, in the menus."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QStandardPaths, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu

from engine.core.news import FaultNews
from ui.gl.modes import MODE_NAMES, ColorMode
from ui.look import THEMES
from ui.menus import Menus
from ui.ports import ScanCard
from ui.snapshots import save_picture
from ui.views.keys import KeysDialog
from ui.widgets.errand import Errand

if TYPE_CHECKING:
    from ui.window import MainWindow

RECENT = 8


class Commands:
    """Fills the menus of a window and keeps them true."""

    def __init__(self, window: MainWindow) -> None:
        """Make all menus."""
        self._window = window
        self.menus = Menus(window, lambda: window.pages.shown, self._not_now)
        self._cards: tuple[ScanCard, ...] = ()
        self.recent = QMenu("Open &recent", window)
        self._fill_file()
        self._fill_edit()
        self._fill_scan()
        self._fill_view()
        go = self.menus.menu("G&o")
        for action in window.pages.actions_by_page.values():
            go.addAction(action)
        self.menus.add(self.menus.menu("&Help"), "&Keys", "F1", self.show_keys)

    def refresh(self) -> None:
        """Offer what can be done now."""
        has_work = self._window.scan is not None or self._window.review is not None
        self._close.setEnabled(has_work)
        self._stop.setEnabled(self._window.can_toggle())
        for name, action in self._themes.items():
            action.setChecked(name == self._window.look.theme_name)
        self.menus.refresh()

    def show_keys(self) -> None:
        """Show every key."""
        keys = KeysDialog(self._window.menuBar(), self._window)
        keys.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        keys.open()

    def full_screen(self) -> None:
        """Fill the whole screen, without the rail; or no more."""
        window = self._window
        window.setWindowState(window.windowState() ^ Qt.WindowState.WindowFullScreen)
        window.pages.rail.setVisible(not window.isFullScreen())

    def screenshot(self) -> None:
        """Keep a picture of the window among the user's pictures."""
        window = self._window
        picture = window.grab().toImage()
        try:
            path = save_picture(picture, "window", _pictures())
        except OSError as error:
            window.toasts.show_fault(
                FaultNews(
                    f"The picture could not be saved ({error.strerror or error}).",
                    "Look whether the disk is full.",
                    "degrade",
                )
            )
        else:
            show = ("Open folder", lambda: window.show_folder(path.parent))
            window.toasts.say(f"The picture is {path.name}.", show)

    def _not_now(self) -> frozenset[str]:
        # After a scan Space presses buttons again.
        return frozenset() if self._window.can_toggle() else frozenset({"toggle"})

    def _fill_file(self) -> None:
        window, menus = self._window, self.menus
        file = menus.menu("&File")
        menus.add(file, "Open &folder…", "Ctrl+O", window.start.pick_folder)
        menus.add(file, "Open f&ile…", "Ctrl+Shift+O", window.start.pick_file)
        file.addMenu(self.recent)
        file.aboutToShow.connect(self._look_for_scans)
        menus.add(file, "&Demo room", "Ctrl+D", lambda: window.open(window.studio.demo))
        file.addSeparator()
        menus.add_on_page(file, "&Save into the scan's folder", "Ctrl+S", "save")
        # Enabled with its key all the time: a key that does nothing would not tell why.
        menus.add(file, "&Export…", "Ctrl+E", window.export)
        menus.add(file, "Save a &picture of the window", "Ctrl+Shift+S", self.screenshot)
        file.addSeparator()
        self._close = menus.add(file, "&Close scan", "Ctrl+W", window.show_start)
        menus.add(file, "&Quit", "Ctrl+Q", window.close)
        self._show_recent(())

    def _fill_edit(self) -> None:
        edit, add = self.menus.menu("&Edit"), self.menus.add_on_page
        add(edit, "&Undo", "Ctrl+Z", "undo")
        add(edit, "&Redo", "Ctrl+Shift+Z", "redo")
        edit.addSeparator()
        add(edit, "Crop &box", "B", "toggle_crop")
        add(edit, "&Measure", "M", "toggle_measure")

    def _fill_scan(self) -> None:
        scan = self.menus.menu("Sca&n")
        self.menus.add_on_page(scan, "&Start, pause, go on", "Space", "toggle")
        self.menus.add_on_page(scan, "&Finish", "Ctrl+Return", "finish")
        self._stop: QAction = self.menus.add(scan, "S&top…", "Esc", self._window.stop)

    def _fill_view(self) -> None:
        window, menus = self._window, self.menus
        view = menus.menu("&View")
        modes = view.addMenu("&Colour by")
        for number, mode in enumerate(ColorMode, start=1):
            menus.add_on_page(modes, MODE_NAMES[mode], str(number), "set_mode", mode)
        menus.add_on_page(view, "&Wireframe", "W", "toggle_wireframe")
        menus.add_on_page(view, "&Reset view", "R", "view.reset_view")
        menus.add_on_page(view, "&Fit all", "F", "view.fit_view")
        menus.add_on_page(view, "Follow the c&amera", "C", "toggle_follow")
        menus.add_on_page(view, "&Details", "D", "toggle_details")
        view.addSeparator()
        themes = view.addMenu("&Theme")
        look = window.look
        self._themes = menus.add_choices(themes, THEMES, look.theme_name, look.choose_theme)
        menus.add(view, "&Larger text", "Ctrl++", lambda: look.step_text(1))
        menus.add(view, "&Smaller text", "Ctrl+-", lambda: look.step_text(-1))
        menus.add(view, "Text as &usual", "Ctrl+0", lambda: look.step_text(0))
        view.addSeparator()
        log = window.log_dock.toggleViewAction()
        log.setText("Lo&g")
        log.setShortcut("Ctrl+L")
        view.addAction(log)
        menus.add(view, "Full scree&n", "F11", self.full_screen)

    def _look_for_scans(self) -> None:
        errand = Errand(self._window.studio.scans(), self._window)
        errand.done.connect(self._show_recent)

    def _show_recent(self, cards: tuple[ScanCard, ...] | None) -> None:
        usable = [card for card in cards or () if card.state != "damaged"][:RECENT]
        self.recent.clear()
        self.recent.setEnabled(bool(usable))
        for card in usable:
            self.recent.addAction(_title_of(card), partial(self._open, card))

    def _open(self, card: ScanCard) -> None:
        if card.state == "finished":
            self._window.open_model(card.path)
        else:
            self._window.open(str(card.path))


def _title_of(card: ScanCard) -> str:
    # An & in a name would mark a letter.
    title = card.title.replace("&", "&&")
    return title if card.state == "finished" else f"{title} (recover)"


def _pictures() -> Path:
    where = QStandardPaths.StandardLocation.PicturesLocation
    return Path(QStandardPaths.writableLocation(where)) / "Finescan"
