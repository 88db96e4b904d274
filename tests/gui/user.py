"""A scripted user, and a program for the window to ask with fakes behind it."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtTest import QTest

from app.jobs import Task
from app.scan import ScanController
from engine.core.faults import BadInput
from engine.core.news import Progress
from tests.app.fakes import FakeFuser, FakeSource
from tests.gui.fake_model import FakeModel
from ui.ports import (
    CameraCard,
    Choice,
    ScanCard,
    SettingField,
    SettingForm,
    SettingGroup,
    WeightsCard,
)

WAIT_MS = 15_000


class ScanWithModel(ScanController):
    """A scan whose finished mesh can be reviewed."""

    make_model = None
    _made = None

    @property
    def model(self):
        if self.make_model is None or self.result is None:
            return None
        if self._made is None:
            self._made = self.make_model(self.result)
        return self._made


class FakeStudio:
    """Opens the sand hills whatever is asked for, and answers all else from lists it was given.

    With `has_model`, a finished scan has a model. `faults` maps the name of a call to the fault its
    task ends with; calls named in `held` never end until they are taken out of it.
    """

    demo = "synthetic:hills"
    formats = (Choice("glb", "glTF", "Everything."), Choice("stl", "STL", "Shape only."))
    targets = (Choice("finescan", "As scanned", "Metres."), Choice("print", "Print", "mm."))

    def __init__(
        self,
        source=None,
        open_fault=None,
        export_fault=None,
        pace_s=0.02,
        has_model=False,
        scan_cards=(),
        camera_cards=None,
    ):
        self.source = source or FakeSource(count=60)
        self.open_fault = open_fault
        self.export_fault = export_fault
        self.pace_s = pace_s
        self.has_model = has_model
        self.scan_cards = tuple(scan_cards)
        self.camera_cards = CAMERAS if camera_cards is None else tuple(camera_cards)
        self.weights_cards = WEIGHTS
        self.form = FORM
        self.kept_preferences = {"theme": "dark", "sound": False, "last_folder": ""}
        self.opened = []
        self.deleted = []
        self.models = []
        self.faults = {}
        self.held = set()
        self.tasks = []
        self.scans_begun = []
        self.make_fuser = FakeFuser

    def open(self, spec):
        self.opened.append(spec)

        def job():
            yield Progress("Looking", 0)
            while "open" in self.held:
                yield Progress("Looking", 0)
                time.sleep(0.005)
            if self.open_fault:
                raise self.open_fault
            scan = ScanWithModel(
                self.source, lambda info: self.make_fuser(lambda frame: time.sleep(self.pace_s))
            )
            if self.has_model:
                scan.make_model = lambda surface: self.new_model(surface, scan.title)
            self.scans_begun.append(scan)
            return scan

        return self._kept(Task("open", job(), ScanController.abort))

    def new_model(self, surface=None, title="sand hills"):
        model = FakeModel(surface, title, kept=self._kept)
        model.export_fault = self.export_fault
        self.models.append(model)
        return model

    def scans(self):
        return self._soon("scans", lambda: self.scan_cards)

    def cameras(self):
        return self._soon("cameras", lambda: self.camera_cards)

    def open_model(self, path):
        return self._soon("open_model", lambda: self.new_model(title=path.name))

    def delete_scan(self, path):
        def work():
            self.deleted.append(path)
            self.scan_cards = tuple(card for card in self.scan_cards if card.path != path)

        return self._soon("delete_scan", work)

    def settings(self):
        return self._soon("settings", lambda: self.form)

    def change_settings(self, values):
        def work():
            for group in self.form.groups:
                for field in group.fields:
                    _check(field, values.get(field.path, field.value))
            self.form = replace(self.form, preset="", groups=_changed(self.form.groups, values))
            return self.form

        return self._soon("change_settings", work)

    def use_preset(self, name):
        def work():
            defaults = {f.path: f.default for g in self.form.groups for f in g.fields}
            self.form = replace(self.form, preset=name, groups=_changed(self.form.groups, defaults))
            return self.form

        return self._soon("use_preset", work)

    def weights(self):
        return self._soon("weights", lambda: self.weights_cards)

    def download(self, name):
        def work():
            self.weights_cards = tuple(
                replace(card, state="installed", can_download=False) if card.name == name else card
                for card in self.weights_cards
            )
            return f"{name} is here and checked."

        return self._soon("download", work)

    def preferences(self):
        return self._soon("preferences", lambda: dict(self.kept_preferences))

    def set_preference(self, name, value):
        return self._soon("set_preference", lambda: self.kept_preferences.update({name: value}))

    def _soon(self, name, work):
        def job():
            yield Progress(name, 0, 2)
            while name in self.held:
                yield Progress(name, 1, 2)
                time.sleep(0.005)
            if name in self.faults:
                raise self.faults[name]
            return work()

        return self._kept(Task(name, job()))

    def _kept(self, task):
        self.tasks.append(task)
        return task

    def close(self):
        for task in self.tasks:
            task.cancel()
            assert task.join(5)
        for model in self.models:
            model.close()
        assert not [name for scan in self.scans_begun for name in scan.abort()]


CAMERAS = (
    CameraCard("synthetic:live", "Practice camera", True, "A made-up room, 30 frames a second."),
    CameraCard("", "Intel RealSense", False, "Its library is missing: pip install pyrealsense2."),
)

WEIGHTS = (
    WeightsCard(
        "tiny", "Tiny refiner", "Refines surfaces", "Apache-2.0", "https://example.org/apache",
        False, 1.5, "bundled", False,
    ),
    WeightsCard(
        "large", "Large refiner", "Refines surfaces better", "CC BY-NC 4.0",
        "https://example.org/nc", True, 120.0, "missing", True, "For research only.",
    ),
)  # fmt: skip

FORM = SettingForm(
    groups=(
        SettingGroup(
            "Surface",
            "How fine the surface is.",
            (
                SettingField(
                    "volume.voxel_m", "Voxel", "Edge of the smallest cube.", "number",
                    0.02, 0.02, "m", 0.002, 0.1,
                ),
                SettingField(
                    "mesh.faces", "Triangles", "At most so many.", "integer",
                    300_000, 300_000, "", 100, 5_000_000, is_advanced=True,
                ),
            ),
        ),
        SettingGroup(
            "Texture",
            "What is painted onto it.",
            (
                SettingField("texture.make", "Make a texture", "Or colour corners.", "switch",
                             True, True),
                SettingField("texture.size_px", "Size", "Edge of the picture.", "choice",
                             2048, 2048, "px",
                             choices=((1024, "Small"), (2048, "Medium"), (4096, "Large"))),
                SettingField("texture.note", "Note", "Kept with the file.", "text", "", ""),
            ),
        ),
    ),
    presets=(Choice("medium", "Medium", "For most rooms."), Choice("full", "Full", "Slower.")),
    preset="medium",
    suggested="medium",
    why="This machine has two cores and no graphics card that can compute.",
)  # fmt: skip


def scan_card(path="room", state="finished", **changes):
    """Return a card of a scan, one hour old."""
    card = ScanCard(Path(path), "Living room", time.time() - 3600, state, 12.5)
    return replace(card, **changes)


def _check(field, value):
    low, high = field.low, field.high
    if field.kind in ("number", "integer") and not low <= value <= high:
        raise BadInput(f"{field.title} must lie between {low} and {high}.", "Choose another.")


def _changed(groups, values):
    return tuple(
        replace(
            group,
            fields=tuple(
                replace(field, value=values.get(field.path, field.value)) for field in group.fields
            ),
        )
        for group in groups
    )


def open_demo(qtbot, window):
    QTest.mouseClick(window.start.demo_button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: window.scan is not None, timeout=WAIT_MS)
    return window.scan


def state_is(qtbot, scan, state):
    qtbot.waitUntil(lambda: scan.state_text() == state, timeout=WAIT_MS)


def press_space(window):
    QTest.keyClick(window, Qt.Key.Key_Space)


def picture_of(widget, path):
    """Return a screenshot (h, w, 3) and keep it as a file."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    assert image.save(str(path))
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    # The picture's own memory goes with it.
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()
