"""Pages on the screen without the window round them."""

from contextlib import contextmanager

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from tests.gui.user import WAIT_MS
from ui import theme


@contextmanager
def shown(view, studio, size=(1100, 700)):
    """Show a page for a while; it and its studio end afterwards."""
    view.resize(*size)
    view.show()
    view.activateWindow()
    assert QTest.qWaitForWindowActive(view, WAIT_MS)
    try:
        yield view
    finally:
        view.shut()
        view.close()
        view.deleteLater()
        studio.close()


@contextmanager
def letters(application, scale):
    """Make all text larger for a while."""
    theme.apply(application, "dark", scale)
    try:
        yield
    finally:
        theme.apply(application, "dark")


def fits(column):
    """Whether nothing in a column sticks out to the right, where no scroll bar leads."""
    QTest.qWait(50)
    return column.widget().width() <= column.viewport().width()


def tab_walk(view):
    """Return everything the Tab key comes by, from the first of a page until it is there again."""
    first = view.nextInFocusChain()
    while not _takes_tab(first):
        first = first.nextInFocusChain()
    first.setFocus(Qt.FocusReason.TabFocusReason)
    walk = []
    while (here := QApplication.focusWidget()) not in walk:
        walk.append(here)
        QTest.keyClick(here, Qt.Key.Key_Tab)
    return walk


def _takes_tab(widget):
    policy = widget.focusPolicy()
    return widget.isVisible() and widget.isEnabled() and bool(policy & Qt.FocusPolicy.TabFocus)


def heard(signal):
    """Return a list that grows by what a signal carries."""
    said = []
    signal.connect(lambda *given: said.append(given[0] if given else None))
    return said
