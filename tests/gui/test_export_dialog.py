"""The export dialog before a model that is not in a hurry."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QWidget

from engine.core.edits import Counts, Rung
from engine.core.faults import BadInput, CannotWrite
from tests.gui.fake_model import FakeModel, hills
from tests.gui.user import WAIT_MS, FakeStudio
from ui.ports import Choice
from ui.views.export import AS_IT_IS, ExportDialog, size_in_file


class Studio(FakeStudio):
    formats = (
        Choice("glb", "glTF", "Everything.", 1.0),
        Choice("stl", "STL", "Shape only."),
    )
    targets = (
        Choice("finescan", "As scanned", "Metres.", 1.0),
        Choice("print", "3D print", "Millimetres.", 0.001),
    )


@pytest.fixture
def dialog_of(qtbot, dressed, tmp_path, monkeypatch):
    monkeypatch.setattr(ExportDialog, "last_folder", None)
    made = []
    window = QWidget()

    def make(model, path=None):
        dialog = ExportDialog(Studio(), model, path or tmp_path / "hills.glb", window)
        made.append((dialog, model))
        dialog.show()
        return dialog

    yield make
    for dialog, model in made:
        model.hold = False
        model.close()
        dialog.reject()
        qtbot.waitUntil(lambda d=dialog: d._task is None, timeout=WAIT_MS)
        dialog.close()
    window.deleteLater()


def estimated(qtbot, dialog):
    qtbot.waitUntil(lambda: dialog.detail_box.count() > 1, timeout=WAIT_MS)
    return dialog


def written(qtbot, dialog):
    qtbot.waitUntil(lambda: dialog.says.text().startswith("Wrote"), timeout=WAIT_MS)


def test_it_says_what_each_rung_would_hold_and_writes_the_chosen_one(qtbot, dialog_of, tmp_path):
    model = FakeModel(hills())
    dialog = estimated(qtbot, dialog_of(model))
    faces = len(model.surface.faces)
    assert dialog.detail_box.currentText() == AS_IT_IS
    assert f"{faces:,} triangles" in dialog.detail_says.text()
    assert "about 10.0 MB" in dialog.detail_says.text()
    titles = [dialog.detail_box.itemText(i) for i in range(dialog.detail_box.count())]
    assert titles == [AS_IT_IS, "Preview", "Medium"]
    dialog.detail_box.setCurrentIndex(1)
    assert "2,000 triangles" in dialog.detail_says.text()
    assert "67 kB" in dialog.detail_says.text()
    dialog.format_box.setCurrentIndex(1)
    assert "about 0.1 MB" in dialog.detail_says.text()
    dialog.begin()
    written(qtbot, dialog)
    assert model.exports == [(tmp_path / "hills.stl", "stl", "finescan", "preview", faces)]
    assert dialog.folder_button.isVisible()


def test_as_it_is_reduces_nothing(qtbot, dialog_of, tmp_path):
    model = FakeModel(hills())
    dialog = dialog_of(model)
    dialog.begin()
    written(qtbot, dialog)
    assert model.exports[0][:4] == (tmp_path / "hills.glb", "glb", "finescan", None)


def test_the_size_is_told_in_metres_and_in_the_unit_of_the_file(qtbot, dialog_of):
    dialog = dialog_of(FakeModel(hills()))
    x, y, z = FakeModel(hills()).counts.size_m
    metres = f"{x:.2f} × {y:.2f} × {z:.2f} m"
    assert dialog.size_says.text() == f"Size: {metres}"
    dialog.target_box.setCurrentIndex(1)
    # glTF is in metres whoever it is for.
    assert dialog.size_says.text() == f"Size: {metres}"
    dialog.format_box.setCurrentIndex(1)
    assert dialog.size_says.text().startswith(f"Size: {metres}; {1000 * x:,.0f} ×")
    assert dialog.size_says.text().endswith("mm in the file")
    assert size_in_file((1.0, 2.0, 3.0), 0.01).endswith("100 × 200 × 300 cm in the file")


def test_a_file_that_is_there_is_replaced_only_when_asked_twice(qtbot, dialog_of, tmp_path):
    there = tmp_path / "hills.glb"
    there.write_text("precious")
    model = FakeModel(hills())
    dialog = dialog_of(model)
    dialog.begin()
    assert "is there already" in dialog.says.text()
    assert dialog.export_button.text() == "Replace the file"
    assert there.read_text() == "precious"
    # Another name is another question.
    dialog.path_edit.setText(str(tmp_path / "other"))
    assert dialog.export_button.text() == "Export"
    dialog.path_edit.setText(str(there))
    dialog.begin()
    assert there.read_text() == "precious"
    dialog.begin()
    written(qtbot, dialog)
    assert there.read_text() == f"{len(model.surface.faces)} faces"


def test_an_ending_that_was_left_out_is_added_before_looking_whether_it_is_there(
    qtbot, dialog_of, tmp_path
):
    (tmp_path / "room.v2.glb").write_text("precious")
    dialog = dialog_of(FakeModel(hills()))
    dialog.path_edit.setText(str(tmp_path / "room.v2"))
    assert dialog.path == tmp_path / "room.v2.glb"
    dialog.begin()
    assert "room.v2.glb is there already" in dialog.says.text()


def test_it_remembers_the_folder_of_the_file_before(qtbot, dialog_of, tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    first = dialog_of(FakeModel(hills()))
    first.path_edit.setText(str(folder / "a.glb"))
    first.begin()
    written(qtbot, first)
    second = dialog_of(FakeModel(hills()), tmp_path / "b.glb")
    assert second.path == folder / "b.glb"


def test_closing_cancels_first_and_nothing_is_written(qtbot, dialog_of, tmp_path):
    model = FakeModel(hills())
    dialog = estimated(qtbot, dialog_of(model))
    model.hold = True
    dialog.begin()
    qtbot.waitUntil(lambda: "50 %" in dialog.says.text(), timeout=WAIT_MS)
    assert dialog.close_button.text() == "Cancel"
    assert not dialog.format_box.isEnabled()
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert dialog.isVisible()
    qtbot.waitUntil(lambda: dialog.says.text().startswith("Stopped"), timeout=WAIT_MS)
    assert dialog.format_box.isEnabled()
    assert not list(tmp_path.glob("*.glb"))
    QTest.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_a_failure_is_told_and_can_be_tried_again(qtbot, dialog_of):
    model = FakeModel(hills())
    dialog = estimated(qtbot, dialog_of(model))
    model.fault = CannotWrite("The disk is full.", "Free some.")
    dialog.begin()
    qtbot.waitUntil(lambda: dialog.says.text() == "The disk is full. Free some.", timeout=WAIT_MS)
    assert dialog.says.property("role") == "warn"
    model.fault = None
    dialog.begin()
    written(qtbot, dialog)
    assert dialog.says.property("role") != "warn"


def test_without_estimates_one_can_still_export(qtbot, dialog_of):
    model = FakeModel(hills(), fault=BadInput("No estimate today."))
    dialog = dialog_of(model)
    qtbot.waitUntil(lambda: dialog.detail_says.text() == "No estimate today.", timeout=WAIT_MS)
    model.fault = None
    dialog.begin()
    written(qtbot, dialog)


def test_closing_while_estimating_leaves_nothing_running(qtbot, dialog_of):
    model = FakeModel(hills())
    model.hold = True
    dialog = dialog_of(model)
    assert "Working out" in dialog.detail_says.text()
    dialog.reject()
    assert not dialog.isVisible()
    assert not dialog._timer.isActive()
    qtbot.waitUntil(lambda: all(t.poll().is_over for t in model._tasks), timeout=WAIT_MS)


def test_an_empty_surface_cannot_be_exported(dialog_of):
    class Empty(FakeModel):
        counts = Counts(0, 0, 0, 0, 0.0, (0.0, 0.0, 0.0))

    dialog = dialog_of(Empty(hills()))
    assert not dialog.export_button.isEnabled()
    assert "empty" in dialog.says.text()


def test_every_control_has_a_name_and_the_keyboard_reaches_it(qtbot, dialog_of):
    dialog = estimated(qtbot, dialog_of(FakeModel(hills())))
    for box in (dialog.format_box, dialog.target_box, dialog.detail_box, dialog.path_edit):
        assert box.accessibleName()
        assert box.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert isinstance(dialog.detail_box.itemData(1), Rung)


def test_the_dialog_grows_with_what_it_has_to_say(qtbot, dialog_of):
    dialog = dialog_of(FakeModel(hills()))
    dialog._tell("A sentence. " * 60)
    qtbot.waitUntil(lambda: dialog.says.height() >= dialog.says.heightForWidth(dialog.says.width()))
    box = dialog.format_box
    assert box.height() >= box.sizeHint().height()
