"""Every command of the window in a menu, with its key.

Commands of pages are told by the names of their methods: an entry is there to be chosen while the
page on the screen has a method of that name. So a page need not know the menus, nor they the pages.
"""

from collections.abc import Callable
from functools import partial

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu, QWidget

Doing = Callable[[], object]

ORDER = ("&File", "&Edit", "Sca&n", "&View", "G&o", "&Help")


class Menus:
    """The menu bar; `refresh` after anything that changes what can be done."""

    def __init__(
        self,
        window: QMainWindow,
        page: Callable[[], QWidget | None],
        not_now: Callable[[], frozenset[str]],
    ) -> None:
        """Make empty menus.

        `page` tells which page is on the screen, `not_now` which of its methods make no sense.
        """
        self._window = window
        self._page = page
        self._not_now = not_now
        self._menus = {title: window.menuBar().addMenu(title) for title in ORDER}
        for menu in self._menus.values():
            menu.aboutToShow.connect(self.refresh)
        self._on_pages: list[tuple[QAction, str]] = []

    def menu(self, title: str) -> QMenu:
        """Return one of the menus."""
        return self._menus[title]

    def add(self, menu: QMenu, text: str, key: str, doing: Doing) -> QAction:
        """Add a command that does not belong to a page."""
        entry = QAction(text, self._window)
        entry.setShortcut(QKeySequence(key))
        entry.triggered.connect(lambda: doing())
        menu.addAction(entry)
        return entry

    def add_on_page(self, menu: QMenu, text: str, key: str, method: str, *values: object) -> None:
        """Add a command of pages: the method of that name, called with these values.

        "view.fit_view" is a method of the page's `view`.
        """

        def do() -> None:
            found = self._method(method)
            if found is not None:
                found(*values)

        self._on_pages.append((self.add(menu, text, key, do), method))

    def add_choices(
        self, menu: QMenu, choices: dict[str, str], chosen: str, choose: Callable[[str], object]
    ) -> dict[str, QAction]:
        """Add commands of which exactly one holds: wording by name."""
        group = QActionGroup(self._window)
        made = {}
        for name, text in choices.items():
            entry = self.add(menu, text, "", partial(choose, name))
            entry.setCheckable(True)
            entry.setChecked(name == chosen)
            group.addAction(entry)
            made[name] = entry
        return made

    def action(self, method: str) -> QAction:
        """Return the command for pages' method of this name."""
        return next(entry for entry, name in self._on_pages if name == method)

    def refresh(self) -> None:
        """Offer what the page on the screen can do."""
        not_now = self._not_now()
        for entry, method in self._on_pages:
            entry.setEnabled(method not in not_now and self._method(method) is not None)

    def _method(self, path: str) -> Callable[..., object] | None:
        found: object = self._page()
        for name in path.split("."):
            found = getattr(found, name, None)
        return found if callable(found) else None
