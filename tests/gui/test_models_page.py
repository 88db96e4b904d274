"""The page of networks: what is here, on what terms, and getting the rest."""

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QDesktopServices
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QMessageBox, QPushButton

from engine.core.faults import BadInput, MissingPart
from tests.gui.pages import fits, heard, letters, shown, tab_walk
from tests.gui.user import WAIT_MS, FakeStudio
from ui.views.models import ModelsView

YES = QMessageBox.StandardButton.Yes
NO = QMessageBox.StandardButton.No


@pytest.fixture
def page(dressed, qtbot, monkeypatch):
    """Show the page; `asked` grows by what it asks, answered with yes."""
    asked = []
    monkeypatch.setattr(QMessageBox, "question", lambda *given: asked.append(given[2]) or YES)
    studio = FakeStudio()
    view = ModelsView(studio)
    with shown(view, studio):
        look(qtbot, view)
        yield view, studio, asked


def look(qtbot, view):
    view.refresh()
    qtbot.waitUntil(lambda: view._looking is None, timeout=WAIT_MS)


def words_of(row):
    return [each.text() for each in row.findChildren(QLabel) if each.isVisible()]


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def test_rows_say_what_weights_are_for_and_on_what_terms(page):
    view, _, _ = page
    tiny, large = view.rows["tiny"], view.rows["large"]
    assert tiny.y() < large.y()
    assert words_of(tiny) == [
        "Tiny refiner", "Refines surfaces", "Licence:", "Part of Finescan · 1.5 MB"
    ]  # fmt: skip
    assert "non-commercial" in words_of(large)
    assert "Not installed · 120 MB" in words_of(large)
    assert "For research only." in words_of(large)
    assert not tiny.download_button.isVisible()
    assert large.download_button.isVisible()


def test_a_licence_is_opened_only_on_a_click(page, monkeypatch):
    view, _, _ = page
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toString()))
    links = {made.text(): made for made in view.findChildren(QPushButton)}
    press(links["CC BY-NC 4.0"])
    assert opened == ["https://example.org/nc"]


def test_weights_are_downloaded_after_agreeing_to_the_terms(qtbot, page):
    view, studio, asked = page
    row = view.rows["large"]
    studio.held.add("download")
    press(row.download_button)
    assert asked == [
        "120 MB will be downloaded, under this licence: CC BY-NC 4.0. "
        "It forbids commercial use of these weights."
    ]
    qtbot.waitUntil(lambda: row.says.text() == "Download · 50 %", timeout=WAIT_MS)
    assert row.bar.isVisible()
    assert row.bar.value() == 1
    assert row.cancel_button.hasFocus()
    assert not row.download_button.isVisible()
    # Looking anew leaves the download alone.
    look(qtbot, view)
    assert view.rows["large"] is row
    assert row.bar.isVisible()
    studio.held.clear()
    qtbot.waitUntil(lambda: row.card.state == "installed", timeout=WAIT_MS)
    assert "large is here and checked." in words_of(row)
    assert "Installed · 120 MB" in words_of(row)
    assert not row.download_button.isVisible()
    assert not row.bar.isVisible()
    qtbot.waitUntil(lambda: not view._heads["Not on this machine"].isVisible(), timeout=WAIT_MS)


def test_nothing_is_downloaded_without_agreeing(page, monkeypatch):
    view, studio, _ = page

    def question(*given):
        assert given[4] is NO
        return NO

    monkeypatch.setattr(QMessageBox, "question", question)
    calls = len(studio.tasks)
    press(view.rows["large"].download_button)
    assert len(studio.tasks) == calls
    assert not view.rows["large"].is_busy


def test_without_a_network_it_says_so_and_can_be_tried_again(qtbot, page):
    view, studio, _ = page
    row = view.rows["large"]
    studio.faults["download"] = MissingPart(
        "The server example.org cannot be reached.", "Check the network connection."
    )
    press(row.download_button)
    qtbot.waitUntil(lambda: not row.is_busy, timeout=WAIT_MS)
    assert row.wrong.isVisible()
    assert row.wrong.text() == (
        "The server example.org cannot be reached. Check the network connection."
    )
    assert row.download_button.text() == "Try again"
    assert row.download_button.hasFocus()
    studio.faults.clear()
    press(row.download_button)
    assert not row.wrong.isVisible()
    qtbot.waitUntil(lambda: row.card.state == "installed", timeout=WAIT_MS)


def test_a_download_can_be_cancelled(qtbot, page):
    view, studio, _ = page
    row = view.rows["large"]
    studio.held.add("download")
    press(row.download_button)
    press(row.cancel_button)
    assert not row.cancel_button.isEnabled()
    qtbot.waitUntil(lambda: not row.is_busy, timeout=WAIT_MS)
    assert row.says.text().startswith("Stopped.")
    assert row.download_button.isVisible()
    studio.held.clear()
    press(row.download_button)
    assert row.cancel_button.isEnabled()
    qtbot.waitUntil(lambda: row.card.state == "installed", timeout=WAIT_MS)


def test_weights_that_cannot_be_downloaded_offer_no_button(qtbot, page):
    view, studio, _ = page
    studio.weights_cards = (
        replace(studio.weights_cards[1], can_download=False, remark="Ask its authors."),
    )
    look(qtbot, view)
    assert list(view.rows) == ["large"]
    assert not view.rows["large"].download_button.isVisible()
    assert "Ask its authors." in words_of(view.rows["large"])


def test_an_empty_list_and_a_failure_are_told(qtbot, page):
    view, studio, _ = page
    studio.weights_cards = ()
    look(qtbot, view)
    assert view.note.text() == "No networks are known."
    assert view.note.isVisible()
    studio.faults["weights"] = BadInput("The folder cannot be read.", "Check its permissions.")
    look(qtbot, view)
    assert view.note.text() == (
        "It cannot be said which networks are here. The folder cannot be read. "
        "Check its permissions."
    )


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_nothing_is_wider_than_a_small_window(qtbot, page, dressed, scale):
    view, _, _ = page
    view.resize(860, 600)
    with letters(dressed, scale):
        look(qtbot, view)
        assert view.width() == 860
        assert fits(view._column)


def test_tab_goes_through_the_rows_as_they_stand(qtbot, page):
    view, studio, _ = page
    studio.weights_cards = studio.weights_cards[::-1]
    look(qtbot, view)
    names = [stop.accessibleName() for stop in tab_walk(view)]
    start = names.index("Back")
    assert names[start:] + names[:start] == [
        "Back", "Licence: Apache-2.0", "Licence: CC BY-NC 4.0", "Download Large refiner"
    ]  # fmt: skip


def test_back_leads_away(page):
    view, _, _ = page
    asked = heard(view.asked_back)
    press(view.back_button)
    assert asked == [None]
