"""What is round the pages: rail, questions, guides; and room for everything in a small window."""

import numpy as np
import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QToolButton,
    QWidget,
)

from tests.gui.pages import heard
from tests.gui.user import WAIT_MS, FakeStudio, open_demo, picture_of
from ui import theme
from ui.asking import Answer, ask
from ui.pages import PAGES, Page
from ui.views.guide import CALIBRATION, OBJECT, GuideView

ANSWERS = (Answer("keep", "Keep"), Answer("finish", "Finish"), Answer("drop", "Drop", True))


@pytest.fixture(autouse=True)
def as_before(dressed):
    yield
    theme.apply(dressed, "dark")


def rail_buttons(window):
    return window.pages.rail.findChildren(QToolButton)


@pytest.mark.parametrize("name", ["dark", "light"])
def test_every_page_has_its_sign_on_the_rail(qtbot, window_of, dressed, name, tmp_path):
    studio = FakeStudio()
    studio.kept_preferences["theme"] = name
    window = window_of(studio)
    qtbot.waitUntil(lambda: theme.current().name == name, timeout=WAIT_MS)
    buttons = rail_buttons(window)
    assert [b.text() for b in buttons] == [PAGES[page][0] for page in Page]
    for page in (Page.OBJECT, Page.MODELS, Page.START):
        window.pages.go(page)
    looks = set()
    for button in buttons:
        shot = picture_of(button, tmp_path / "button.png")
        assert len(np.unique(shot.reshape(-1, 3), axis=0)) > 10, button.text()
        looks.add(shot[: 2 * shot.shape[0] // 3].tobytes())
    assert len(looks) == len(Page)


def test_a_narrow_window_has_signs_without_words(qtbot, window_of):
    window = window_of(FakeStudio())
    wide = window.pages.rail.width()
    window.resize(1024, 700)
    qtbot.waitUntil(lambda: window.pages.rail.width() < wide - 20, timeout=WAIT_MS)
    assert all(b.accessibleName() and b.toolTip() for b in rail_buttons(window))
    window.resize(1280, 800)
    qtbot.waitUntil(lambda: window.pages.rail.width() == wide, timeout=WAIT_MS)


def scrolls(window):
    """Return how far the page does not fit, in pixels across and down."""
    [area] = [a for a in window.pages.findChildren(QScrollArea) if a.parent() is window.pages]
    return area.horizontalScrollBar().maximum(), area.verticalScrollBar().maximum()


def test_every_page_fits_a_small_window(qtbot, window_of, tmp_path):
    window = window_of(FakeStudio())
    window.resize(1024, 700)
    for page in (Page.START, Page.OBJECT, Page.CALIBRATION, Page.MODELS, Page.SETTINGS):
        window.pages.go(page)
        QApplication.processEvents()
        assert scrolls(window) == (0, 0), page
    # These two fold before they fit.
    open_demo(qtbot, window)
    qtbot.waitUntil(lambda: scrolls(window) == (0, 0), timeout=WAIT_MS)
    window.show_start()
    window.open_model(tmp_path)
    qtbot.waitUntil(lambda: window.review is not None, timeout=WAIT_MS)
    qtbot.waitUntil(lambda: scrolls(window) == (0, 0), timeout=WAIT_MS)
    assert (window.width(), window.height()) == (1024, 700)


def test_full_screen_hides_the_rail_and_comes_back(qtbot, window_of):
    window = window_of(FakeStudio())
    QTest.keyClick(window, Qt.Key.Key_F11)
    assert not window.pages.rail.isVisible()
    QTest.keyClick(window, Qt.Key.Key_F11)
    assert window.pages.rail.isVisible()


def answered(qtbot, parent, press):
    """Ask, do something with the question, and return the answer."""
    seen = []

    def look():
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            seen.append([button.text() for button in box.buttons()])
            press(box)
        else:
            QTimer.singleShot(20, look)

    QTimer.singleShot(20, look)
    answer = ask(parent, "Stop?", "Really?", ANSWERS)
    assert sorted(seen[0]) == ["Drop", "Finish", "Keep"]
    return answer


def test_a_question_is_answered_by_what_its_buttons_say(qtbot):
    parent = QWidget()
    qtbot.addWidget(parent)
    parent.show()
    for answer in ANSWERS:

        def press(box, text=answer.text):
            next(b for b in box.buttons() if b.text() == text).click()

        assert answered(qtbot, parent, press) == answer.name
    for key in (Qt.Key.Key_Escape, Qt.Key.Key_Return):
        assert answered(qtbot, parent, lambda box, k=key: QTest.keyClick(box, k)) == "keep"


@pytest.mark.parametrize("guide", [OBJECT, CALIBRATION], ids=["object", "calibration"])
@pytest.mark.parametrize("name", ["dark", "light"])
def test_guides_are_honest_drawn_and_without_dead_buttons(qtbot, dressed, guide, name, tmp_path):
    theme.apply(dressed, name)
    view = GuideView(guide)
    qtbot.addWidget(view)
    view.resize(1000, 700)
    view.show()
    asked = heard(view.asked_back)
    buttons = view.findChildren(QPushButton)
    assert [b.text() for b in buttons] == ["Back"]
    buttons[0].click()
    assert asked == [None]
    assert "This version" in guide.not_yet
    drawings = view.drawings
    assert len(drawings) == len(guide.steps) >= 4
    for drawing in drawings:
        shot = picture_of(drawing, tmp_path / "drawing.png")
        ground = shot[0, 0].astype(int)
        strokes = np.abs(shot.astype(int) - ground).max(axis=2) > 60
        assert 0.01 < strokes.mean() < 0.6
    row_of = {card.y() for card in view.cards}
    view.resize(500, 700)
    QApplication.processEvents()
    assert len({card.y() for card in view.cards}) > len(row_of)
