"""Everything on every page has a name for screen readers, and can be reached with the Tab key."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QApplication,
    QLabel,
    QStackedWidget,
    QWidget,
)

from tests.app.fakes import FakeSource
from tests.gui.user import WAIT_MS, FakeStudio, open_demo, press_space, scan_card, state_is
from ui.pages import Page

CARDS = (scan_card("one", "recoverable"), scan_card("two"), scan_card("three", "damaged"))


def name_of(widget):
    found = QAccessible.queryAccessibleInterface(widget)
    return "" if found is None else found.text(QAccessible.Text.Name).strip()


def takes_tab(widget):
    return (
        widget.isVisible()
        and widget.isEnabled()
        and bool(widget.focusPolicy().value & Qt.FocusPolicy.TabFocus.value)
        and widget.focusProxy() is None
    )


def is_inner(widget):
    """Return whether a widget is a part that Qt made for a control, and not a control."""
    parent = widget.parentWidget()
    return widget.objectName().startswith("qt_") or (
        isinstance(parent, QAbstractScrollArea) and parent.viewport() is widget
    )


def speaks_for_itself(widget):
    """Return whether a widget only holds others, or holds nothing to be told."""
    draws = any(
        "paintEvent" in vars(kind) for kind in type(widget).__mro__ if "ui." in kind.__module__
    )
    shows_picture = isinstance(widget, QLabel) and not widget.pixmap().isNull()
    return not (draws or shows_picture)


def is_told(drawing):
    """Return whether a drawing, or a control that it is within, has a name."""
    widget = drawing
    while widget is not None and not isinstance(widget, QStackedWidget):
        if name_of(widget):
            return True
        widget = widget.parentWidget()
    return False


def check(window):
    """Fail for what is on the screen and has no name or cannot be reached; return how much is."""
    QApplication.processEvents()
    shown = [w for w in window.findChildren(QWidget) if w.isVisible() and not is_inner(w)]
    stops = [w for w in shown if takes_tab(w)]
    assert not [w for w in stops if not name_of(w)]
    drawn = [w for w in shown if not speaks_for_itself(w)]
    assert not [w for w in drawn if not is_told(w)]
    reached = set()
    stops[0].setFocus()
    # Twice round: what is reached the second time is always reached.
    for number in range(2 * len(stops)):
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        if number >= len(stops) // 2:
            reached.add(QApplication.focusWidget())
    # Of buttons that exclude each other, Tab stops at one, and arrows lead to the others.
    exclusive = [w for w in stops if isinstance(w, QAbstractButton) and w.autoExclusive()]
    assert not set(stops) - reached - set(exclusive)
    return len(stops)


@pytest.mark.parametrize("page", [p for p in Page if p not in (Page.SCAN, Page.REVIEW)])
def test_pages_beside_a_scan(qtbot, window_of, page):
    studio = FakeStudio(scan_cards=CARDS)
    window = window_of(studio)
    window.pages.go(page)
    qtbot.waitUntil(lambda: all(t.poll().is_over for t in studio.tasks), timeout=WAIT_MS)
    qtbot.wait(150)
    window.log_dock.show()
    window.toasts.say("Something went well.", ("Open folder", str))
    # The rail, the log and the note alone are more than ten.
    assert check(window) > 10


def test_the_scan_page_in_every_state(qtbot, window_of):
    window = window_of(FakeStudio(FakeSource(count=10_000)))
    scan = open_demo(qtbot, window)
    assert check(window) > 10
    press_space(window)
    state_is(qtbot, scan, "Scanning")
    press_space(window)
    state_is(qtbot, scan, "Paused")
    scan.toggle_details()
    assert check(window) > 10


def test_the_review_page_with_every_tool(qtbot, window_of):
    window = window_of(FakeStudio())
    window.open_model(CARDS[1].path)
    qtbot.waitUntil(lambda: window.review is not None, timeout=WAIT_MS)
    assert check(window) > 15
    for title in window.review.tools:
        window.review.show_tool(title)
        qtbot.wait(100)
        assert check(window) > 15
    window.export()
    qtbot.wait(200)
    shown = [w for w in window.dialog.findChildren(QWidget) if takes_tab(w) and not is_inner(w)]
    assert len(shown) >= 5
    assert not [w for w in shown if not name_of(w)]
    window.dialog.reject()
    qtbot.waitUntil(lambda: window.dialog is None, timeout=WAIT_MS)


def test_the_page_of_keys_tells_every_key_of_the_menus(qtbot, window_of):
    window = window_of(FakeStudio())
    QTest.keyClick(window, Qt.Key.Key_F1)
    qtbot.waitUntil(lambda: QApplication.activeModalWidget() is not None, timeout=WAIT_MS)
    dialog = QApplication.activeModalWidget()
    rows = dict(dialog.rows())
    expected = {
        "Space": "Start, pause, go on",
        "Ctrl+Z": "Undo",
        "Esc": "Stop",
        "F11": "Full screen",
        "F1": "Keys",
        "3": "Confidence",
        "Ctrl+1": "Start",
        "Ctrl+L": "Log",
    }
    assert expected.items() <= rows.items()
    assert len(rows) > 40
    dialog.reject()
