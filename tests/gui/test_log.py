"""The log pane: bounded, safe, filtered; and idle while nobody looks."""

import logging
import threading

import pytest
from PySide6.QtGui import QGuiApplication

from tests.gui.user import WAIT_MS, FakeStudio
from ui.logbook import Logbook
from ui.views.log import LogPane


@pytest.fixture
def logger_of():
    logger = logging.getLogger("tests.log")
    logger.propagate, logger.level = False, logging.DEBUG
    added = []

    def make(at_most=100):
        book = Logbook(at_most)
        logger.addHandler(book)
        added.append(book)
        return logger, book

    yield make
    for book in added:
        logger.removeHandler(book)


def pane_of(qtbot, book):
    pane = LogPane(book)
    qtbot.addWidget(pane)
    pane.show()
    return pane


def test_the_newest_records_are_kept_from_whatever_thread(logger_of):
    logger, book = logger_of(50)

    def write(name):
        for number in range(200):
            logger.info("%s %d", name, number)

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(book.lines()) == 50
    numbers = [entry.number for entry in book.after(0)]
    assert numbers == list(range(751, 801))
    assert book.after(800) == []
    assert [entry.number for entry in book.after(798)] == [799, 800]


def test_debug_records_are_left_out_and_tracebacks_kept(logger_of):
    logger, book = logger_of()
    logger.debug("too much")
    try:
        raise KeyError("which")
    except KeyError:
        logger.exception("failed")
    [text] = book.lines()
    assert "failed" in text
    assert "KeyError: 'which'" in text


def test_the_pane_follows_and_filters(qtbot, logger_of):
    logger, book = logger_of()
    logger.info("The first frame")
    logger.warning("A slow disk")
    pane = pane_of(qtbot, book)
    assert "first frame" in pane.text()
    logger.error("A full disk")
    qtbot.waitUntil(lambda: "full disk" in pane.text(), timeout=WAIT_MS)
    assert pane.count.text() == "3 lines"
    pane.level_box.setCurrentIndex(1)
    assert "first frame" not in pane.text()
    assert pane.count.text() == "2 lines"
    pane.search.setText("FULL")
    assert "A slow disk" not in pane.text()
    assert pane.count.text() == "1 line"
    pane.search.setText("nothing of this kind")
    assert pane.count.text() == "0 lines"
    pane.search.clear()
    pane.level_box.setCurrentIndex(0)
    assert pane.count.text() == "3 lines"


def test_the_pane_is_bounded_too(qtbot, logger_of):
    logger, book = logger_of(20)
    pane = pane_of(qtbot, book)
    for number in range(100):
        logger.info("line %d", number)
    qtbot.waitUntil(lambda: "line 99" in pane.text(), timeout=WAIT_MS)
    assert len(book.lines()) == 20


def test_a_hidden_pane_rests_and_catches_up(qtbot, logger_of):
    logger, book = logger_of()
    pane = pane_of(qtbot, book)
    pane.hide()
    logger.info("meanwhile")
    qtbot.wait(400)
    assert "meanwhile" not in pane.text()
    pane.show()
    assert "meanwhile" in pane.text()


def test_what_is_shown_is_copied_and_all_is_saved(qtbot, logger_of, tmp_path):
    logger, book = logger_of()
    logger.info("one")
    logger.error("two")
    pane = pane_of(qtbot, book)
    pane.level_box.setCurrentIndex(2)
    pane.copy_button.click()
    assert QGuiApplication.clipboard().text().endswith("two")
    assert "one" not in QGuiApplication.clipboard().text()
    saved, failed = [], []
    pane.saved.connect(saved.append)
    pane.faulted.connect(failed.append)
    pane.save(tmp_path / "log.txt")
    assert saved == [tmp_path / "log.txt"]
    text = (tmp_path / "log.txt").read_text()
    assert "one" in text
    assert "two" in text
    pane.save(tmp_path / "not" / "there" / "log.txt")
    assert "cannot be written" in failed[0].says


def test_the_window_shows_it_at_a_key(qtbot, window_of):
    window = window_of(FakeStudio())
    assert not window.log_dock.isVisible()
    action = window.log_dock.toggleViewAction()
    assert action.shortcut().toString() == "Ctrl+L"
    action.trigger()
    assert window.log_dock.isVisible()
