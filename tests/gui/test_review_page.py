"""The review page before a model whose edits are crude but real, by mouse and by keyboard."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox

from engine.core.edits import Crop, FillHoles, Level, RemoveIslands, Simplify
from engine.core.faults import BadInput
from engine.core.poses import Pose
from engine.core.surface import TexturedMesh
from tests.gui.review_pages import UP, Noted, WatchedView, idle, pages, press
from tests.gui.user import WAIT_MS
from tests.ui.test_measure import FACES, POINTS, mesh_of
from ui import theme
from ui.gl.modes import ColorMode
from ui.gl.picking import Hit
from ui.units import Units
from ui.views import review


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(review, "best_view", WatchedView)


@pytest.fixture
def page_of(qtbot, dressed, watched):
    yield from pages(qtbot)


def test_it_shows_the_surface_and_what_it_amounts_to(page_of):
    page = page_of()
    assert page.view.shown == [page.model.surface]
    assert page.view.fits == 1
    assert f"{len(page.model.surface.faces):,} triangles" in page.counts.text()
    assert " m" in page.counts.text()
    page.set_units(Units.IMPERIAL)
    assert "'" in page.counts.text().splitlines()[1]
    assert not page.undo_button.isEnabled()


def test_tools_open_one_at_a_time(page_of):
    page = page_of()
    for title, button in page.tool_buttons.items():
        press(button)
        assert page.open_tool is page.tools[title]
        assert [t.title for t in page.tools.values() if t.isVisible()] == [title]
        assert [b.isChecked() for b in page.tool_buttons.values()].count(True) == 1
    press(page.tool_buttons["Texture"])
    assert page.open_tool is None


def test_the_box_crops_and_undo_brings_back(qtbot, page_of):
    page = page_of()
    whole = page.model.surface
    page.toggle_crop()
    crop = page.open_tool
    low, high = whole.bounds_m()
    pose, size = page.view.box
    np.testing.assert_allclose(pose.translation, (low + high) / 2, atol=1e-6)
    np.testing.assert_allclose(size, high - low, atol=1e-6)
    half = float(high[0] - low[0]) / 2
    crop.size_fields[0].setValue(half)
    assert page.view.box[1][0] == pytest.approx(half, abs=1e-3)
    crop.turn.setValue(90)
    size_m = crop.size_m
    np.testing.assert_allclose(page.view.box[0].rotation[:, 0], [0, 1, 0], atol=1e-9)
    press(crop.apply_button)
    idle(qtbot, page)
    assert page.faults == []
    edit = page.model.edits[0]
    assert edit == Crop(edit.T_world_box, size_m)
    # The box lies round what is left, for the next cut.
    low, high = page.model.surface.bounds_m()
    np.testing.assert_allclose(crop.size_m, high - low, atol=1e-6)
    assert len(page.model.surface.faces) < len(whole.faces)
    assert page.view.shown[-1] is page.model.surface
    assert f"{len(page.model.surface.faces):,} triangles" in page.counts.text()
    assert page.undo_button.toolTip() == "Undo: Crop."
    page.undo()
    idle(qtbot, page)
    assert page.model.surface is whole
    assert page.view.shown[-1] is whole
    page.redo()
    idle(qtbot, page)
    assert len(page.model.surface.faces) < len(whole.faces)


def test_a_dragged_box_fills_the_fields_in_metres_and_in_feet(page_of):
    page = page_of()
    page.show_tool("Crop")
    crop = page.open_tool
    page.view.box_changed.emit(Pose.from_parts(np.eye(3), [1, 2, 3]), (0.3048, 1.0, 2.0))
    assert [f.value() for f in crop.middle] == [1, 2, 3]
    assert crop.size_m == (0.3048, 1.0, 2.0)
    page.set_units(Units.IMPERIAL)
    assert crop.size_fields[0].value() == pytest.approx(1.0)
    assert crop.size_fields[0].suffix() == " ft"
    # Showing a length in other units must not change it.
    assert crop.size_m == (0.3048, 1.0, 2.0)
    page.show_tool(None)
    assert page.view.box is None


def test_an_impossible_crop_is_explained_and_changes_nothing(qtbot, page_of):
    page = page_of()
    page.show_tool("Crop")
    whole = page.model.surface
    page.view.box_changed.emit(Pose.from_parts(np.eye(3), [90, 90, 90]), (1.0, 1.0, 1.0))
    page.open_tool.apply()
    idle(qtbot, page)
    assert [fault.says for fault in page.faults] == ["Nothing would be left."]
    assert page.model.surface is whole
    assert not page.cancel_button.isVisible()


def test_the_floor_is_found_or_shown_by_three_points(qtbot, page_of):
    page = page_of()
    page.show_tool("Level")
    level = page.open_tool
    press(level.find_button)
    idle(qtbot, page)
    assert page.model.edits == [Level()]
    press(level.three_button)
    assert page.view.is_picking
    for point in ([0, 0, 0.0], [0, 2, 0.0], [2, 0, 0.2]):
        page.view.picked.emit(Hit(np.array(point, np.float32), UP, 0))
    idle(qtbot, page)
    edit = page.model.edits[1]
    expected = np.array([-0.1, 0, 1]) / np.linalg.norm([-0.1, 0, 1])
    np.testing.assert_allclose(edit.normal, expected, atol=1e-6)
    assert not page.view.is_picking
    press(level.three_button)
    for x in (0, 1, 2):
        page.view.picked.emit(Hit(np.array([x, 0, 0], np.float32), UP, 0))
    assert "one line" in page.faults[-1].says
    assert len(page.model.edits) == 2


def test_one_click_on_the_floor_takes_its_plane(qtbot, page_of):
    page = page_of(Noted(mesh_of(POINTS, FACES)))
    page.show_tool("Level")
    page.open_tool.one_button.click()
    page.view.picked.emit(Hit(np.array([0.1, 0.05, 0.2], np.float32), UP, 0))
    idle(qtbot, page)
    edit = page.model.edits[0]
    np.testing.assert_allclose(edit.normal, [0, 0, 1], atol=0.01)
    assert edit.point_m[2] == pytest.approx(0.2, abs=0.002)


def test_tidy_tells_before_what_it_does(qtbot, page_of):
    page = page_of()
    page.show_tool("Tidy")
    tidy = page.open_tool
    qtbot.waitUntil(lambda: tidy.islands_say.text() == "No piece is that small.", timeout=WAIT_MS)
    tidy.hole_field.setValue(9)
    qtbot.waitUntil(lambda: tidy.holes_say.text() == "No hole is that small.", timeout=WAIT_MS)
    assert page.model.previews == [RemoveIslands(200), FillHoles(9)]
    assert tidy.islands_say.text() == ""
    press(tidy.remove_button)
    idle(qtbot, page)
    press(tidy.fill_button)
    idle(qtbot, page)
    assert page.model.edits == [RemoveIslands(200), FillHoles(9)]


def test_simplify_shows_what_is_left_once_the_slider_rests(qtbot, page_of):
    page = page_of()
    page.show_tool("Simplify")
    tool = page.open_tool
    qtbot.waitUntil(lambda: "MB as glTF" in tool.size_says.text(), timeout=WAIT_MS)
    whole = len(page.model.surface.faces)
    assert not tool.apply_button.isEnabled()
    for step in (150, 140, 130, 120, 100):
        tool.slider.setValue(step)
    qtbot.waitUntil(lambda: tool.says.text().startswith("Shown"), timeout=WAIT_MS)
    left = round(whole * 0.1)
    assert page.model.previews == [Simplify(left)]
    assert len(page.view.shown[-1].faces) == left
    assert f"{left:,} triangles" in tool.says.text()
    assert page.model.surface is page.model.first
    press(tool.reset_button)
    assert page.view.shown[-1] is page.model.first
    tool.field.setValue(left)
    press(tool.apply_button)
    idle(qtbot, page)
    assert page.model.edits == [Simplify(left)]
    assert len(page.model.surface.faces) == left
    assert tool.field.maximum() == left


def test_a_preview_gives_way_to_what_the_user_asks_for(qtbot, page_of):
    page = page_of()
    page.show_tool("Simplify")
    idle(qtbot, page)
    tool = page.open_tool
    page.model.hold = True
    tool.field.setValue(1000)
    qtbot.waitUntil(lambda: page.model.previews != [], timeout=WAIT_MS)
    assert not page.cancel_button.isVisible()
    tool.apply()
    page.model.hold = False
    idle(qtbot, page)
    assert page.faults == []
    assert page.model.edits == [Simplify(1000)]
    assert len(page.model.surface.faces) == 1000


def test_a_texture_can_be_cancelled_and_made(qtbot, page_of):
    page = page_of()
    page.show_tool("Texture")
    tool = page.open_tool
    tool.size_box.setCurrentIndex(0)
    page.model.hold = True
    press(tool.build_button)
    qtbot.waitUntil(lambda: "50 %" in page.says.text(), timeout=WAIT_MS)
    for button in (tool.build_button, page.export_button, page.undo_button):
        assert not button.isEnabled()
    press(page.cancel_button)
    idle(qtbot, page)
    assert "Stopped" in page.says.text()
    assert page.model.done == ()
    page.model.hold = False
    press(tool.build_button)
    idle(qtbot, page)
    assert isinstance(page.model.surface, TexturedMesh)
    assert "texture 1024 px" in page.counts.text()
    assert "1024 × 1024" in tool.says.text()


def test_without_photographs_the_reason_is_told_and_no_button_pretends(page_of):
    class Plain(Noted):
        can_texture = False

    page = page_of(Plain())
    page.show_tool("Texture")
    assert not page.open_tool.build_button.isEnabled()
    assert "not at hand" in page.open_tool.findChildren(type(page.counts))[0].text()


def test_states_are_compared_and_flipped_while_a_key_is_held(qtbot, page_of):
    page = page_of()
    page.show_tool("Compare")
    compare = page.open_tool
    assert list(compare.choices) == ["draft", "refined", "final", "now"]
    press(compare.choices["draft"])
    idle(qtbot, page)
    draft = page.view.shown[-1]
    assert len(draft.faces) == int(0.8 * len(page.model.surface.faces))
    QTest.keyPress(page, Qt.Key.Key_X)
    assert page.view.shown[-1] is page.model.surface
    QTest.keyRelease(page, Qt.Key.Key_X)
    assert page.view.shown[-1] is draft
    press(compare.choices["now"])
    QTest.keyPress(page, Qt.Key.Key_X)
    assert page.view.shown[-1] is draft
    QTest.keyRelease(page, Qt.Key.Key_X)
    assert page.view.shown[-1] is page.model.surface
    compare.choices["now"].setFocus()
    QTest.keyClick(compare.choices["now"], Qt.Key.Key_Up)
    idle(qtbot, page)
    final = page.view.shown[-1]
    assert compare.choices["final"].isChecked()
    assert len(final.faces) == len(page.model.first.faces)
    assert final is not page.model.surface
    QTest.keyPress(page, Qt.Key.Key_X)
    QTest.keyRelease(page, Qt.Key.Key_X)
    page.show_tool(None)
    assert page.view.shown[-1] is page.model.surface


def test_keys_of_the_page(page_of):
    page = page_of()
    QTest.keyClick(page, Qt.Key.Key_3)
    assert page.view.modes == [ColorMode.CONFIDENCE]
    assert "seen often" in page.bar.legend.accessibleName()
    QTest.keyClick(page, Qt.Key.Key_W)
    assert page.view.wireframe
    QTest.keyClick(page, Qt.Key.Key_B)
    assert page.open_tool is page.tools["Crop"]
    QTest.keyClick(page, Qt.Key.Key_B)
    assert page.open_tool is None
    fits = page.view.fits
    QTest.keyClick(page, Qt.Key.Key_F)
    assert page.view.fits == fits + 1


def test_saving_tells_what_was_written_and_two_things_at_once_are_refused(qtbot, page_of):
    page = page_of()
    page.desk.apply("", Level())
    idle(qtbot, page)
    assert not page.is_saved
    press(page.save_button)
    idle(qtbot, page)
    assert page.says.text() == "Saved mesh.glb."
    assert page.is_saved
    page.model.hold = True
    page.save()
    page.desk.apply("", Level())
    assert "Something else" in page.faults[-1].says
    page.model.hold = False
    idle(qtbot, page)
    assert page.model.edits == [Level()]


def test_a_model_that_refuses_at_once_is_explained(qtbot, page_of):
    page = page_of()

    def refuse(edit):
        raise BadInput("It is closed.", "Open it again.")

    page.model.apply = refuse
    page.desk.apply("", Level())
    assert page.faults[-1].says == "It is closed."
    assert page.desk.is_idle


def test_shutting_in_the_middle_leaves_no_timer(qtbot, page_of):
    page = page_of()
    page.model.hold = True
    page.show_tool("Texture")
    page.open_tool.build()
    page.shut()
    assert not page.desk._timer.isActive()
    assert page.desk.is_idle


def test_every_control_has_a_name_and_every_tool_can_be_reached_by_tab(page_of):
    page = page_of()
    for title in page.tools:
        page.show_tool(title)
        for kind in (QAbstractButton, QComboBox, QAbstractSpinBox):
            for widget in page.findChildren(kind):
                if widget.isVisible():
                    text = widget.text() if isinstance(widget, QAbstractButton) else ""
                    assert widget.accessibleName() or text, widget
                    assert widget.focusPolicy() & Qt.FocusPolicy.TabFocus, widget


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0])
def test_it_fits_a_small_screen_with_large_text(qtbot, page_of, dressed, scale):
    theme.apply(dressed, "dark", scale)
    try:
        page = page_of()
        window = page.window()
        # Larger text settles first: what it takes at the old width is not what it takes.
        qtbot.wait(100)
        window.resize(962, 660)
        qtbot.wait(100)
        assert (page.width(), page.height()) == (962, 660)
        bar = page.bar
        for part in (
            page.export_button,
            page.close_button,
            bar.mode_box,
            bar.wireframe,
            bar.reset_button,
        ):
            assert page.rect().contains(part.mapTo(page, part.rect().bottomRight()))
        assert not bar.reset_button.geometry().intersects(bar.wireframe.geometry())
    finally:
        theme.apply(dressed, "dark", 1.0)
