"""Toasts: bounded, readable, out of the way, and with one button that does something."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QFrame, QLabel, QPushButton, QWidget

from engine.core.news import FaultNews
from tests.gui.user import WAIT_MS, FakeStudio, open_demo
from ui import notify
from ui.notify import AT_MOST, KINDS, Toasts


@pytest.fixture
def toasts(qtbot):
    over = QWidget()
    qtbot.addWidget(over)
    over.resize(1200, 900)
    over.show()
    return Toasts(over)


def notes(toasts):
    return [f for f in toasts.findChildren(QFrame) if f.property("role") == "toast"]


def test_notes_do_not_repeat_and_the_oldest_go(toasts):
    news = FaultNews("One frame was lost.", "", "degrade")
    for _ in range(3):
        toasts.show_fault(news)
    assert toasts.sentences() == ["One frame was lost."]
    for number in range(AT_MOST + 2):
        toasts.show_fault(FaultNews(f"Number {number}.", "", "stop"))
    assert toasts.sentences() == [f"Number {n}." for n in range(2, AT_MOST + 2)]


@pytest.mark.parametrize("severity", list(KINDS))
def test_every_severity_has_a_sign_and_a_word_beside_its_colour(toasts, severity):
    toasts.show_fault(FaultNews("It happened.", "Do this.", severity))
    [note] = notes(toasts)
    texts = [label.text() for label in note.findChildren(QLabel)]
    assert texts == ["{}  {}".format(*KINDS[severity]), "It happened.", "Do this."]
    assert note.accessibleName() == f"{KINDS[severity][1]}: It happened. Do this."


def test_the_action_is_done_and_the_note_goes(qtbot, toasts):
    done = []
    toasts.show_fault(FaultNews("Full.", "", "stop"), ("Open folder", lambda: done.append(1)))
    [button] = toasts.buttons()
    assert button.text() == "Open folder"
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
    assert done == [1]
    assert toasts.sentences() == []
    assert not toasts.isVisible()


def test_an_action_may_itself_say_something(toasts):
    toasts.say("Written.", ("Again", lambda: toasts.say("Written again.")))
    toasts.buttons()[0].click()
    assert toasts.sentences() == ["Written again."]


def test_what_passed_goes_by_itself_but_not_from_under_the_keyboard(qtbot, toasts, monkeypatch):
    monkeypatch.setattr(notify, "SHOWN_MS", 40)
    toasts.show_fault(FaultNews("Gone soon.", "", "degrade"))
    toasts.show_fault(FaultNews("To be read.", "", "pause"))
    toasts.show_fault(FaultNews("Stays.", "", "stop"))
    toasts.window().activateWindow()
    assert QTest.qWaitForWindowActive(toasts.window(), WAIT_MS)
    notes(toasts)[1].findChild(QPushButton).setFocus()
    qtbot.wait(200)
    assert toasts.sentences() == ["To be read.", "Stays."]
    toasts.window().setFocus()
    qtbot.waitUntil(lambda: toasts.sentences() == ["Stays."], timeout=WAIT_MS)


def test_words_of_others_are_not_taken_for_markup(toasts):
    toasts.show_fault(FaultNews("<b>room</b>.ply is empty.", "", "stop"))
    [note] = notes(toasts)
    assert all(
        label.textFormat() == Qt.TextFormat.PlainText
        for label in note.findChildren(QLabel)
        if "room" in label.text()
    )


@pytest.mark.parametrize("size", [(1280, 800), (1024, 700)])
def test_notes_leave_the_buttons_of_a_scan_alone(qtbot, window_of, size):
    window = window_of(FakeStudio())
    scan = open_demo(qtbot, window)
    window.resize(*size)
    for number in range(AT_MOST):
        remedy = "Something has to be done about it, and this sentence says at length what."
        window.toasts.show_fault(FaultNews(f"{number} went wrong.", remedy, "stop"), ("Do", str))
    qtbot.waitUntil(lambda: window.width() == size[0], timeout=WAIT_MS)
    assert len(window.toasts.sentences()) >= 2
    taken = window.toasts.geometry()
    assert window.rect().contains(taken)
    for button in (scan.record, scan.finish_button, scan.undo_button, scan.guidance):
        where = button.rect().translated(button.mapTo(window, button.rect().topLeft()))
        assert not taken.intersects(where)
