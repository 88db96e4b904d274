"""The settings page: any form of settings, searched, changed, refused, taken back."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton

from engine.core.faults import BadInput, CannotWrite
from engine.core.news import FaultNews
from tests.gui.pages import fits, heard, letters, shown, tab_walk
from tests.gui.user import WAIT_MS, FakeStudio
from ui.ports import Choice
from ui.views.settings import SettingsView

VOXEL = "volume.voxel_m"
FACES = "mesh.faces"
TEXTURE = "texture.make"
SIZE = "texture.size_px"
NOTE = "texture.note"


class Recording(FakeStudio):
    """Remembers what it was asked to change."""

    def __init__(self):
        super().__init__()
        self.changes = []

    def change_settings(self, values):
        self.changes.append(values)
        return super().change_settings(values)

    def value(self, path):
        return next(f.value for g in self.form.groups for f in g.fields if f.path == path)


@pytest.fixture
def page(dressed, qtbot):
    studio = Recording()
    view = SettingsView(studio)
    with shown(view, studio):
        view.refresh()
        settled(qtbot, view)
        yield view, studio


def settled(qtbot, view):
    def is_settled():
        return view._errand is None and not view._waiting and not view._soon.isActive()

    qtbot.waitUntil(is_settled, timeout=WAIT_MS)


def type_into(row, text):
    line = row.editor.line
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, text)
    QTest.keyClick(line, Qt.Key.Key_Return)


def visible(view):
    return [row.field.path for row in view.form.rows() if row.isVisible()]


def test_a_form_shows_every_setting_with_its_unit_help_and_bounds(page):
    view, studio = page
    assert [group.title for group in view.form.groups] == ["Surface", "Texture"]
    assert visible(view) == [VOXEL, TEXTURE, SIZE, NOTE]
    voxel = view.form.row(VOXEL)
    assert voxel.editor.line.text() == "0.02"
    assert voxel.editor.line.accessibleName() == "Voxel in m"
    help_text = "Edge of the smallest cube. From 0.002 to 0.1 m."
    assert voxel.editor.line.accessibleDescription() == help_text
    assert view.form.row(TEXTURE).editor.box.isChecked()
    assert view.form.row(SIZE).editor.box.currentText() == "Medium"
    assert studio.changes == []


def test_advanced_settings_wait_to_be_asked_for(page):
    view, _ = page
    QTest.mouseClick(view.advanced, Qt.MouseButton.LeftButton, pos=view.advanced.rect().center())
    assert FACES in visible(view)
    view.advanced.setChecked(False)
    assert FACES not in visible(view)


def test_a_typed_number_is_kept_marked_and_taken_back(qtbot, page):
    view, studio = page
    news = heard(view.changed)
    row = view.form.row(VOXEL)
    assert not row.reset_button.isVisible()
    type_into(row, "0,05")
    settled(qtbot, view)
    assert studio.changes == [{VOXEL: 0.05}]
    assert studio.value(VOXEL) == 0.05
    assert [form is studio.form for form in news] == [True]
    assert row.editor.line.text() == "0.05"
    assert row.reset_button.text() == "Reset to 0.02 m"
    QTest.mouseClick(row.reset_button, Qt.MouseButton.LeftButton)
    settled(qtbot, view)
    assert studio.value(VOXEL) == 0.02
    assert row.editor.line.text() == "0.02"
    assert not row.reset_button.isVisible()


def test_every_kind_of_field_hands_over_its_value(qtbot, page):
    view, studio = page
    view.advanced.setChecked(True)
    box = view.form.row(TEXTURE).editor.box
    QTest.keyClick(box, Qt.Key.Key_Space)
    assert box.text() == "Off"
    size = view.form.row(SIZE).editor.box
    QTest.keyClick(size, Qt.Key.Key_Down)
    type_into(view.form.row(NOTE), "for the museum")
    type_into(view.form.row(FACES), "20,000")
    settled(qtbot, view)
    assert studio.changes == [
        {TEXTURE: False},
        {SIZE: 4096},
        {NOTE: "for the museum"},
        {FACES: 20_000},
    ]
    assert isinstance(studio.value(FACES), int)


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("5", "It cannot be more than 0.1 m. The old value stands."),
        ("thin", "“thin” is not a number. The old value stands."),
    ],
)
def test_what_cannot_be_is_refused_beside_the_field(qtbot, page, typed, why):
    view, studio = page
    row = view.form.row(VOXEL)
    type_into(row, typed)
    assert row.error.isVisible()
    assert row.error.text() == why
    assert row.editor.line.text() == "0.02"
    settled(qtbot, view)
    assert studio.changes == []
    type_into(row, "0.03")
    assert not row.error.isVisible()
    settled(qtbot, view)
    assert studio.value(VOXEL) == 0.03


def test_what_the_program_refuses_is_told_beside_the_field(qtbot, page):
    view, studio = page
    studio.faults["change_settings"] = BadInput("Voxel must divide 4 cm.", "Choose 0.02.")
    row = view.form.row(VOXEL)
    type_into(row, "0.03")
    assert row.editor.line.text() == "0.03"
    settled(qtbot, view)
    assert row.error.text() == "Voxel must divide 4 cm. Choose 0.02. The old value stands."
    assert row.editor.line.text() == "0.02"
    assert not row.reset_button.isVisible()
    QTest.keyClick(view.form.row(TEXTURE).editor.box, Qt.Key.Key_Space)
    settled(qtbot, view)
    assert view.form.row(TEXTURE).editor.box.isChecked()
    assert view.form.row(TEXTURE).error.isVisible()


def test_arrow_keys_step_and_only_where_they_stop_is_handed_over(qtbot, page):
    view, studio = page
    row = view.form.row(VOXEL)
    row.editor.line.setFocus()
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Down):
        QTest.keyClick(row.editor.line, key)
    assert row.editor.line.text() == "0.022"
    qtbot.waitUntil(lambda: studio.changes != [], timeout=WAIT_MS)
    settled(qtbot, view)
    assert studio.changes == [{VOXEL: 0.022}]
    type_into(row, "0.002")
    QTest.keyClick(row.editor.line, Qt.Key.Key_Down)
    assert row.editor.line.text() == "0.002"
    settled(qtbot, view)


def test_esc_takes_back_what_is_being_typed(qtbot, page):
    view, studio = page
    line = view.form.row(VOXEL).editor.line
    line.setFocus()
    QTest.keyClicks(line, "99")
    QTest.keyClick(line, Qt.Key.Key_Escape)
    assert line.text() == "0.02"
    view.search.setFocus()
    settled(qtbot, view)
    assert studio.changes == []
    assert not view.form.row(VOXEL).error.isVisible()


def test_changes_in_quick_succession_count_once(qtbot, page):
    view, studio = page
    box = view.form.row(TEXTURE).editor.box
    for _ in range(5):
        QTest.keyClick(box, Qt.Key.Key_Space)
    settled(qtbot, view)
    assert studio.changes == [{TEXTURE: False}]


def test_an_answer_does_not_overwrite_what_was_changed_meanwhile(qtbot, page):
    view, studio = page
    studio.held.add("change_settings")
    type_into(view.form.row(VOXEL), "0.03")
    qtbot.waitUntil(lambda: studio.changes != [], timeout=WAIT_MS)
    type_into(view.form.row(VOXEL), "0.04")
    texts = heard(view.form.row(VOXEL).editor.line.textChanged)
    view.form.row(NOTE).editor.line.setFocus()
    QTest.keyClicks(view.form.row(NOTE).editor.line, "half ty")
    studio.held.clear()
    qtbot.waitUntil(lambda: studio.value(VOXEL) == 0.04, timeout=WAIT_MS)
    settled(qtbot, view)
    assert view.form.row(VOXEL).editor.line.text() == "0.04"
    assert texts == []
    assert view.form.row(NOTE).editor.line.text() == "half ty"


def test_leaving_hands_over_what_was_being_typed(qtbot, page):
    view, studio = page
    line = view.form.row(NOTE).editor.line
    line.setFocus()
    QTest.keyClicks(line, "kept")
    view.hide()
    qtbot.waitUntil(lambda: studio.value(NOTE) == "kept", timeout=WAIT_MS)
    settled(qtbot, view)


def test_closing_hands_over_what_was_being_typed(qtbot, dressed):
    studio = Recording()
    view = SettingsView(studio)
    with shown(view, studio):
        view.refresh()
        settled(qtbot, view)
        view.form.row(NOTE).editor.line.setFocus()
        QTest.keyClicks(view.form.row(NOTE).editor.line, "kept")
        view.shut()
        assert studio.changes == [{NOTE: "kept"}]
        view.hide()
        assert not view._soon.isActive()
        assert view._errand is None


def test_tab_goes_through_the_page_from_top_to_bottom(qtbot, page):
    view, _ = page
    type_into(view.form.row(VOXEL), "0.05")
    settled(qtbot, view)
    names = [stop.accessibleName() or stop.text() for stop in tab_walk(view)]
    start = names.index("Back")
    assert names[start:] + names[:start] == [
        "Back", "Show advanced", "Search the settings",
        "Go to Surface", "Go to Texture",
        "Preset Medium", "Preset Full",
        "Voxel in m", "Changed: reset Voxel to 0.02 m",
        "Make a texture", "Size in px", "Note",
    ]  # fmt: skip


def test_closing_hands_over_what_waits(qtbot, dressed):
    studio = Recording()
    view = SettingsView(studio)
    with shown(view, studio):
        view.refresh()
        settled(qtbot, view)
        QTest.keyClick(view.form.row(TEXTURE).editor.box, Qt.Key.Key_Space)
        assert studio.changes == []
        view.shut()
        assert studio.changes == [{TEXTURE: False}]
        qtbot.waitUntil(lambda: studio.value(TEXTURE) is False, timeout=WAIT_MS)


def test_searching_finds_words_anywhere_and_advanced_ones_too(qtbot, page):
    view, _ = page
    QTest.keyClicks(view.search, "at MOST")
    assert visible(view) == [FACES]
    view.search.setText("surface cube")
    assert visible(view) == [VOXEL]
    view.search.setText("large")
    assert visible(view) == [SIZE]
    assert not view.presets.isVisible()
    view.search.setText("banana")
    assert visible(view) == []
    assert view.note.text() == "No setting says “banana”."
    view.search.clear()
    assert visible(view) == [VOXEL, TEXTURE, SIZE, NOTE]
    assert view.presets.isVisible()


def test_a_preset_is_taken_over_and_the_suggested_one_is_told(qtbot, page):
    view, studio = page
    presets = view.presets
    assert [made.text() for made in presets.buttons] == ["✓ Medium", "Full"]
    assert presets.says.text() == "For most rooms."
    assert presets.suggestion.text() == (
        "Suggested for this machine: Medium. "
        "This machine has two cores and no graphics card that can compute."
    )
    presets.buttons[1].setFocus()
    QTest.keyClick(presets.buttons[1], Qt.Key.Key_Space)
    settled(qtbot, view)
    assert studio.form.preset == "full"
    assert [made.text() for made in presets.buttons] == ["Medium", "✓ Full"]
    assert presets.buttons[1].hasFocus()


@pytest.mark.parametrize("answer", ["Yes", "No"])
def test_a_preset_does_not_replace_own_values_unasked(qtbot, page, monkeypatch, answer):
    view, studio = page
    type_into(view.form.row(VOXEL), "0.05")
    settled(qtbot, view)
    assert view.presets.says.text().startswith("Your own mixture")
    asked = []

    def question(*given):
        asked.append(given[2])
        return getattr(QMessageBox.StandardButton, answer)

    monkeypatch.setattr(QMessageBox, "question", question)
    QTest.mouseClick(view.presets.buttons[0], Qt.MouseButton.LeftButton)
    settled(qtbot, view)
    assert asked == ["Your own values will be replaced by those of “Medium”."]
    assert studio.value(VOXEL) == (0.02 if answer == "Yes" else 0.05)


def test_a_preset_pressed_during_a_change_waits_for_it(qtbot, page):
    view, studio = page
    studio.held.add("change_settings")
    QTest.keyClick(view.form.row(TEXTURE).editor.box, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: studio.changes != [], timeout=WAIT_MS)
    QTest.mouseClick(view.presets.buttons[1], Qt.MouseButton.LeftButton)
    studio.held.clear()
    qtbot.waitUntil(lambda: studio.form.preset == "full", timeout=WAIT_MS)
    settled(qtbot, view)
    assert view.form.row(TEXTURE).editor.box.isChecked()


def test_a_preset_replaces_what_was_about_to_be_changed(qtbot, page):
    view, studio = page
    QTest.keyClick(view.form.row(TEXTURE).editor.box, Qt.Key.Key_Space)
    QTest.mouseClick(view.presets.buttons[1], Qt.MouseButton.LeftButton)
    settled(qtbot, view)
    assert studio.changes == []
    assert studio.form.preset == "full"
    assert view.form.row(TEXTURE).editor.box.isChecked()


def test_a_preset_that_is_refused_is_told(qtbot, page):
    view, studio = page
    faults = heard(view.faulted)
    studio.faults["use_preset"] = CannotWrite("The disk is full.", "Free some space.")
    QTest.mouseClick(view.presets.buttons[1], Qt.MouseButton.LeftButton)
    settled(qtbot, view)
    assert faults == [FaultNews("The disk is full.", "Free some space.", "stop")]
    assert view.presets.buttons[0].text() == "✓ Medium"


def test_settings_changed_elsewhere_and_new_ones_are_shown(qtbot, page):
    view, studio = page
    first = studio.form.groups[0]
    studio.form = replace(
        studio.form, groups=(replace(first, fields=(replace(first.fields[0], value=0.04),)),)
    )
    view.refresh()
    settled(qtbot, view)
    assert visible(view) == [VOXEL]
    assert view.form.row(VOXEL).editor.line.text() == "0.04"
    assert view.form.row(VOXEL).reset_button.isVisible()


def test_settings_that_cannot_be_read_say_why(qtbot, dressed):
    studio = FakeStudio()
    studio.faults["settings"] = BadInput("The engine does not answer.", "Start again.")
    view = SettingsView(studio)
    with shown(view, studio):
        view.refresh()
        settled(qtbot, view)
        assert view.note.text() == (
            "The settings cannot be read. The engine does not answer. Start again."
        )
        studio.faults.clear()
        view.refresh()
        settled(qtbot, view)
        assert view.form.row(VOXEL).isVisible()


def test_the_index_leads_to_a_group_and_back_leads_away(qtbot, page):
    view, _ = page
    view.resize(900, 400)
    buttons = {made.accessibleName(): made for made in view.findChildren(QPushButton)}
    QTest.mouseClick(buttons["Go to Texture"], Qt.MouseButton.LeftButton)
    assert QApplication.focusWidget() is view.form.row(TEXTURE).editor.box
    texture = view.form.groups[1]
    assert not texture.visibleRegion().isEmpty()
    view.search.setText("voxel")
    assert not buttons["Go to Texture"].isVisible()
    assert buttons["Go to Surface"].isVisible()
    asked = heard(view.asked_back)
    QTest.mouseClick(buttons["Back"], Qt.MouseButton.LeftButton)
    assert asked == [None]


@pytest.mark.parametrize("scale", [1.0, 2.0])
def test_nothing_is_wider_than_a_small_window(qtbot, page, dressed, scale):
    view, studio = page
    many = tuple(Choice(name, name.capitalize()) for name in ("one", "two", "three", "four"))
    studio.form = replace(studio.form, presets=many * 4)
    view.resize(860, 600)
    with letters(dressed, scale):
        view.refresh()
        settled(qtbot, view)
        view.advanced.setChecked(True)
        assert view.width() == 860
        assert fits(view._column)
        lines = {made.y() for made in view.presets.buttons}
        assert len(lines) > 1
        rights = [made.geometry().right() for made in view.presets.buttons]
        assert max(rights) < view.presets.width()
        assert view._side.isVisible() is (scale == 1.0)


def test_the_wheel_scrolls_the_page_and_changes_nothing(qtbot, page):
    view, studio = page
    box = view.form.row(SIZE).editor.box
    box.setFocus()
    at = QPointF(box.rect().center())
    event = QWheelEvent(
        at,
        box.mapToGlobal(at),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(box, event)
    assert box.currentText() == "Medium"
    settled(qtbot, view)
    assert studio.changes == []
