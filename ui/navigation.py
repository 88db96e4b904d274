"""The rail and the stack of pages beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QActionGroup, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QScrollArea, QSizePolicy, QStackedWidget, QWidget

from ui.pages import PAGES, Page
from ui.rail import Rail

if TYPE_CHECKING:
    from ui.pages import AnyPage

NARROW_PX = 1100


class Navigation(QWidget):
    """Shows one page at a time; those that are not there yet are made when asked for.

    `turned` says that another page is on the screen, `changed` also that one came or went.
    """

    changed = Signal()
    turned = Signal()

    def __init__(self, make: Callable[[Page], AnyPage | None], parent: QWidget) -> None:
        """Show nothing yet; `make` returns a page, or None for one that has to be put in."""
        super().__init__(parent)
        self._make = make
        self._pages: dict[Page, AnyPage] = {}
        self._first: dict[Page, QWidget] = {}
        self._stack = QStackedWidget()
        self._stack.currentChanged.connect(self._turn)
        self.rail = Rail(self)
        # A page that has no room, with very large text say, scrolls instead of widening the window.
        area = QScrollArea(self)
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(self._stack)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.rail)
        row.addWidget(area, 1)
        group = QActionGroup(self)
        self.actions_by_page = {
            page: self._action(page, number, group) for number, page in enumerate(Page, start=1)
        }

    @property
    def shown(self) -> QWidget | None:
        """The page on the screen."""
        return self._stack.currentWidget()

    def widget(self, page: Page) -> AnyPage | None:
        """Return a page if it is there."""
        return self._pages.get(page)

    def put(self, page: Page, widget: AnyPage) -> None:
        """Hold a page without showing it."""
        self._pages[page] = widget
        # Kept here, as Tab would otherwise skip on every page what comes before its proxy.
        self._first[page] = widget.focusProxy() or widget
        widget.setFocusProxy(None)  # type: ignore[arg-type]  # Qt takes it, its types do not
        if self._stack.count():
            widget.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self._stack.addWidget(widget)
        self._changed()

    def take_out(self, page: Page) -> None:
        """Hold a page no more, and delete it soon."""
        widget = self._pages.pop(page)
        self._stack.removeWidget(widget)
        widget.deleteLater()
        self._changed()

    def go(self, page: Page) -> None:
        """Show a page, making it first if need be; one that cannot be made is not shown."""
        if page not in self._pages:
            made = self._make(page)
            if made is None:
                return
            self.put(page, made)
        widget = self._pages[page]
        if widget is not self._stack.currentWidget():
            self._stack.setCurrentWidget(widget)
            self.take_keyboard(page)
        self._changed()

    def take_keyboard(self, page: Page) -> None:
        """Give the keyboard to what is used first on a page."""
        self._first[page].setFocus()

    def allow(self, page: Page, is_there: bool) -> None:
        """Offer a page, or not."""
        self.actions_by_page[page].setEnabled(is_there)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave the words of the rail out where there is little room."""
        super().resizeEvent(event)
        self.rail.set_narrow(self.width() < NARROW_PX)

    def _turn(self) -> None:
        # Pages that are not shown must not ask for room.
        for page in self._pages.values():
            is_shown = page is self.shown
            policy = QSizePolicy.Policy.Preferred if is_shown else QSizePolicy.Policy.Ignored
            page.setSizePolicy(policy, policy)
        self.turned.emit()

    def _action(self, page: Page, number: int, group: QActionGroup) -> QAction:
        title, says, sign = PAGES[page]
        action = QAction(f"&{title}", self)
        action.setIconText(title)
        action.setToolTip(f"{says} (Ctrl+{number})")
        action.setShortcut(QKeySequence(f"Ctrl+{number}"))
        action.setCheckable(True)
        action.triggered.connect(lambda: self.go(page))
        group.addAction(action)
        self.rail.add(action, sign)
        return action

    def _changed(self) -> None:
        for page, action in self.actions_by_page.items():
            action.setChecked(self._pages.get(page) is self.shown)
        self.changed.emit()
