"""Both palettes can be read by everyone, whatever the size of text."""

import itertools

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QPushButton, QVBoxLayout, QWidget

from tests.gui.user import picture_of
from ui import theme
from ui.theme import DARK, LIGHT, PALETTES, contrast

WORDS = ("text", "muted", "accent", "good", "warn", "record")
GROUNDS = ("background", "panel", "raised")
# What people without one kind of cone see, in linear RGB (Viénot, Brettel and Mollon 1999).
BLIND = {
    "protan": [[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]],
    "deutan": [[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]],
}
BOTH = pytest.mark.parametrize("palette", [DARK, LIGHT], ids=lambda p: p.name)


@pytest.fixture(autouse=True)
def as_before(dressed):
    yield
    theme.apply(dressed, "dark")


def test_contrast_is_what_the_standard_says():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert contrast("#123456", "#123456") == 1


@BOTH
def test_all_text_can_be_read(palette):
    for word, ground in itertools.product(WORDS, GROUNDS):
        found = contrast(getattr(palette, word), getattr(palette, ground))
        assert found >= 4.5, (word, ground, found)
    assert contrast(palette.on_accent, palette.accent) >= 4.5
    assert contrast(palette.muted, palette.picture) >= 4.5


@BOTH
def test_what_can_be_pressed_and_what_has_the_keyboard_stand_out(palette):
    for ground in GROUNDS:
        assert contrast(palette.edge, getattr(palette, ground)) >= 3
        assert contrast(palette.accent, getattr(palette, ground)) >= 3
    # The ring round a button that is itself of the accent's colour.
    assert contrast(palette.text, palette.accent) >= 1.5
    for ground in ("background", "panel"):
        assert contrast(palette.disabled, getattr(palette, ground)) >= 3


def seen_by(color, kind):
    share = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    found = np.clip(np.array(BLIND[kind]) @ linear, 0, 1)
    return 255 * np.where(found <= 0.0031308, 12.92 * found, 1.055 * found ** (1 / 2.4) - 0.055)


@BOTH
@pytest.mark.parametrize("kind", list(BLIND))
def test_signs_of_good_and_bad_differ_for_the_colour_blind(palette, kind):
    for one, other in itertools.combinations((palette.good, palette.warn, palette.record), 2):
        assert np.linalg.norm(seen_by(one, kind) - seen_by(other, kind)) > 35, (one, other)


def page():
    widget = QWidget()
    column = QVBoxLayout(widget)
    box = QCheckBox("A choice with y and g below the line")
    box.setChecked(True)
    choices = QComboBox()
    choices.addItem("Qualify")
    for one in (QPushButton("Begin again"), box, choices, QLineEdit("Typed")):
        column.addWidget(one)
    return widget


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0])
def test_no_control_cuts_its_text(qtbot, dressed, scale):
    theme.apply(dressed, "light", scale)
    widget = page()
    qtbot.addWidget(widget)
    widget.show()
    for child in widget.findChildren(QWidget):
        if type(child) in (QPushButton, QCheckBox, QComboBox, QLineEdit):
            assert child.height() >= child.fontMetrics().height(), child
            assert child.fontMetrics().height() >= 15 * scale


def test_both_palettes_reach_the_screen_and_can_be_changed_at_any_time(qtbot, dressed, tmp_path):
    widget = page()
    qtbot.addWidget(widget)
    widget.resize(300, 200)
    widget.show()
    for name in (*PALETTES, *PALETTES):
        theme.apply(dressed, name)
        shot = picture_of(widget, tmp_path / f"{name}.png")
        ground = tuple(int(theme.current().background[i : i + 2], 16) for i in (1, 3, 5))
        assert theme.current().name == name
        assert tuple(shot[2, 2]) == ground


def test_the_desktop_is_followed_when_asked(dressed, monkeypatch):
    class Hints:
        scheme = Qt.ColorScheme.Light

        def colorScheme(self):
            return self.scheme

    hints = Hints()

    class Dressed:
        def styleHints(self):
            return hints

        def __getattr__(self, name):
            return getattr(dressed, name)

    theme.apply(Dressed(), "system")
    assert theme.current() is LIGHT
    hints.scheme = Qt.ColorScheme.Dark
    theme.apply(Dressed(), "system")
    assert theme.current() is DARK


def test_ticks_and_arrows_are_drawn(qtbot, dressed, tmp_path):
    theme.apply(dressed, "dark")
    box = QCheckBox("")
    qtbot.addWidget(box)
    box.resize(40, 40)
    box.show()
    empty = picture_of(box, tmp_path / "empty.png")
    box.setChecked(True)
    ticked = picture_of(box, tmp_path / "ticked.png")
    assert (empty != ticked).any(axis=2).sum() > 60
    # A dark stroke on the accent, not only a filled square.
    dark = (ticked.max(axis=2) < 90) & (empty != ticked).any(axis=2)
    assert dark.sum() > 8
