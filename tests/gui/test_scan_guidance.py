"""What the scan page says while someone walks, told by a scan that does as it is told."""

from collections import deque
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QStandardPaths
from PySide6.QtWidgets import QApplication

from engine.core.news import (
    Cause,
    Progress,
    ScanNews,
    ScanState,
    ScanStats,
    StageNews,
    TrackHealth,
    Tracking,
    TrackView,
)
from tests.app.fakes import patch_at, pose_at
from tests.gui.user import WAIT_MS, picture_of
from ui import theme
from ui.gl.modes import LEGENDS, ColorMode
from ui.views.plots import DELAY, LOSS, RATE
from ui.views.scan import ScanView

GOOD = TrackHealth(Tracking.GOOD, (), 0.3, 12.0, 1.8, 0.9, 0.9)
FAST = TrackHealth(Tracking.WEAK, (Cause.TOO_FAST,), 1.4, 12.0, 1.8, 0.9, 0.3)
NEAR = TrackHealth(Tracking.WEAK, (Cause.TOO_NEAR,), 0.2, 12.0, 0.22, 0.9, 0.3)
TURNING = TrackHealth(Tracking.WEAK, (Cause.TURNING_TOO_FAST,), 0.2, 130.0, 1.8, 0.9, 0.1)
LOST = TrackHealth(Tracking.LOST, (Cause.NO_POSE,), None, None, None, 0.0, 0.0)


class ToldScan:
    """A scan port whose news a test writes."""

    title = "Told"
    remarks = ("Read me.",)
    can_resume = True
    result = None
    model = None

    def __init__(self):
        self.state = ScanState.READY
        self.news = deque()
        self.index = 0

    def tell(self, health, **named):
        self.index += 1
        picture = np.full((60, 80, 3), 120, np.uint8)
        track = TrackView(self.index, self.index, pose_at(self.index, 50), picture, health)
        self.news.append(ScanNews(self.state, track, **named))

    def poll(self, limit_bytes=None):
        return self.news.popleft() if self.news else ScanNews(self.state)

    def start(self):
        self.state = ScanState.SCANNING

    def pause(self):
        self.state = ScanState.PAUSED

    def resume(self):
        self.state = ScanState.SCANNING

    def abort(self, wait_s=0.0):
        return ()


@pytest.fixture
def page(qtbot, dressed):
    """A scan page of its own on the screen, as large as in a window of 1280 x 776."""
    view = ScanView(ToldScan())
    view.resize(1196, 740)
    view.show()
    qtbot.waitExposed(view)
    yield view
    view.shut()
    view.close()
    view.deleteLater()


def hears(qtbot, page, health, **named):
    page.port.tell(health, **named)
    qtbot.waitUntil(lambda: not page.port.news, timeout=WAIT_MS)


def says(qtbot, page, word):
    qtbot.waitUntil(lambda: page.guidance.word.text() == word, timeout=WAIT_MS)


def test_state_cause_and_cure_are_on_the_screen_and_for_the_ear(qtbot, page):
    page.toggle()
    hears(qtbot, page, FAST)
    says(qtbot, page, "Tracking weak")
    strip = page.guidance
    assert strip.word.font().pixelSize() >= 24
    assert strip.word.fontInfo().pixelSize() >= 24
    assert (strip.cause.text(), strip.cure.text()) == ("Moving too fast.", "Move more slowly.")
    assert strip.cause.isVisible()
    assert strip.accessibleDescription() == "Tracking weak. Moving too fast. Move more slowly."
    assert strip.distance.value.text() == "1.8 m · good"
    assert strip.pace.value.text() == "1.4 m/s · too fast"
    assert strip.pace.accessibleDescription() == "1.4 m/s · too fast"


def test_distance_and_turning_are_told_in_words(qtbot, page):
    page.toggle()
    hears(qtbot, page, NEAR)
    says(qtbot, page, "Tracking weak")
    assert page.guidance.distance.value.text() == "0.2 m · too near"
    hears(qtbot, page, LOST)
    says(qtbot, page, "Tracking lost")
    assert page.guidance.distance.value.text() == "unknown"
    assert page.guidance.pace.value.text() == "unknown"
    qtbot.wait(1300)
    hears(qtbot, page, TURNING)
    says(qtbot, page, "Tracking weak")
    assert page.guidance.pace.value.text() == "130° a second · too fast"


def colours(picture):
    return {tuple(pixel) for pixel in picture.reshape(-1, 3)}


def rgb(name):
    return tuple(int(name[at : at + 2], 16) for at in (1, 3, 5))


def test_the_picture_is_framed_while_tracking_is_weak_or_lost(qtbot, page, tmp_path):
    palette = theme.current()
    page.toggle()
    shown = []
    for health, word in ((GOOD, "good"), (FAST, "weak"), (LOST, "lost")):
        hears(qtbot, page, health)
        says(qtbot, page, f"Tracking {word}")
        shown.append(colours(picture_of(page.side.camera, tmp_path / f"{word}.png")))
    framed = [{rgb(palette.warn), rgb(palette.record)} & seen for seen in shown]
    assert framed == [set(), {rgb(palette.warn)}, {rgb(palette.record)}]


def test_a_sound_for_lost_only_if_asked_for_and_only_while_scanning(qtbot, page, monkeypatch):
    beeps = []
    monkeypatch.setattr(QApplication, "beep", lambda: beeps.append(page.port.index))
    assert not page.side.sound.isChecked()
    hears(qtbot, page, LOST)
    says(qtbot, page, "Tracking lost")
    page.toggle()
    qtbot.wait(1300)
    hears(qtbot, page, GOOD)
    hears(qtbot, page, LOST)
    says(qtbot, page, "Tracking lost")
    assert beeps == []
    with qtbot.waitSignal(page.sound_chosen, timeout=WAIT_MS) as told:
        page.set_sound(True)
    assert told.args == [True]
    qtbot.wait(1300)
    hears(qtbot, page, GOOD)
    says(qtbot, page, "Tracking good")
    for _ in range(5):
        hears(qtbot, page, LOST)
    says(qtbot, page, "Tracking lost")
    assert len(beeps) == 1


def test_before_the_scan_it_is_told_what_is_there(qtbot, page):
    assert page.state_text() == "Ready"
    assert page.side.steps.text() == "✓ Camera found\n… Waiting for its first picture"
    hears(qtbot, page, GOOD)
    qtbot.waitUntil(lambda: "✓ Place known" in page.side.steps.text(), timeout=WAIT_MS)
    assert page.side.steps.text().splitlines() == [
        "✓ Camera found",
        "✓ Picture",
        "✓ Depth",
        "✓ Place known",
    ]
    assert page.guidance.cure.text() == "Ready when you are."
    hears(qtbot, page, LOST)
    qtbot.waitUntil(lambda: "✗ Place unknown" in page.side.steps.text(), timeout=WAIT_MS)
    assert "✗ No depth" in page.side.steps.text()
    assert page.record.isEnabled()
    page.toggle()
    qtbot.waitUntil(lambda: not page.side.steps.isVisible(), timeout=WAIT_MS)


def test_a_pause_says_so(qtbot, page):
    page.toggle()
    hears(qtbot, page, GOOD)
    page.toggle()
    says(qtbot, page, "Paused")
    assert page.guidance.cure.text() == "Space goes on."
    page.toggle()
    says(qtbot, page, "Tracking good")


def test_what_a_scan_waits_for_at_its_start_is_told_and_goes_again(qtbot, page):
    page.toggle()
    usual = "Waiting for the first picture."
    qtbot.waitUntil(lambda: page.side.hint.text() == usual, timeout=WAIT_MS)
    page.port.news.append(ScanNews(ScanState.SCANNING, progress=Progress("Getting warm", 0)))
    qtbot.waitUntil(lambda: "Getting warm" in page.side.hint.text(), timeout=WAIT_MS)
    assert page.side.progress.isVisible()
    hears(qtbot, page, GOOD, stats=ScanStats(frames_used=1))
    qtbot.waitUntil(lambda: "Getting warm" not in page.side.hint.text(), timeout=WAIT_MS)
    assert not page.side.progress.isVisible()


def test_words_change_a_few_times_a_second_however_many_pictures_come(qtbot, page, monkeypatch):
    page.toggle()
    hears(qtbot, page, GOOD)
    says(qtbot, page, "Tracking good")
    told = []
    plain = page.guidance.distance.show_value
    monkeypatch.setattr(
        page.guidance.distance, "show_value", lambda *given: (told.append(given), plain(*given))
    )
    start = page.port.index
    for step in range(60):
        hears(qtbot, page, replace(GOOD, distance_m=1.0 + step / 60))
    assert page.port.index == start + 60
    # Sixty pictures take a second or so.
    assert 1 <= len(told) <= 20


def test_coverage_is_told_in_words_while_there_is_any(qtbot, page, monkeypatch):
    monkeypatch.setattr(page.view, "coverage", lambda: 0.621)
    assert page.side.coverage.text() == ""
    page.toggle()
    qtbot.waitUntil(
        lambda: page.side.coverage.text() == "62 % of what you see is measured well.",
        timeout=WAIT_MS,
    )
    monkeypatch.setattr(page.view, "coverage", lambda: None)
    qtbot.waitUntil(lambda: page.side.coverage.text() == "", timeout=WAIT_MS)


@pytest.mark.parametrize("mode", ColorMode)
def test_a_mode_colours_the_view_and_has_a_legend(page, mode, monkeypatch):
    asked = []
    monkeypatch.setattr(page.view, "set_mode", asked.append)
    page.bar.mode_chosen.disconnect()
    page.bar.mode_chosen.connect(page.view.set_mode)
    page.set_mode(ColorMode.AGE if mode is ColorMode.COLOR else ColorMode.COLOR)
    page.set_mode(mode)
    assert asked[-1] is mode
    words = page.bar.legend.words()
    assert words
    assert all(word in page.bar.legend.accessibleName() for word in words)
    if LEGENDS[mode]:
        assert words == tuple(word for _, word in LEGENDS[mode])
    for width in (700, 200):
        assert page.bar.legend.heightForWidth(width) > 0
    assert page.bar.legend.heightForWidth(60) >= page.bar.legend.heightForWidth(700)


def test_a_mode_is_seen(qtbot, page, tmp_path):
    patches = tuple(patch_at(x, y, 0) for x in range(-3, 3) for y in range(-3, 3))
    page.toggle()
    hears(qtbot, page, GOOD, patches=patches)
    qtbot.waitUntil(lambda: page.view.triangles > 1000, timeout=WAIT_MS)
    qtbot.wait(300)
    sand = picture_of(page.view, tmp_path / "sand.png").astype(int)
    page.set_mode(ColorMode.PLAIN)
    qtbot.wait(400)
    plain = picture_of(page.view, tmp_path / "plain.png").astype(int)
    spread = [np.ptp(shot, axis=2)[100:-100, 200:-200] for shot in (sand, plain)]
    assert (spread[0] > 25).sum() > 4 * (spread[1] > 25).sum() + 1000


def test_a_snapshot_lies_where_the_note_says(qtbot, page, tmp_path, monkeypatch):
    monkeypatch.setattr(QStandardPaths, "writableLocation", lambda where: str(tmp_path))
    with qtbot.waitSignal(page.faulted, timeout=WAIT_MS) as told:
        page.bar.snapshot_button.click()
    [kept] = (tmp_path / "Finescan").glob("*.png")
    assert kept.name in told.args[0].says
    assert str(kept.parent) in told.args[0].remedy
    assert told.args[0].severity == "info"
    assert kept.read_bytes()[:4] == b"\x89PNG"


def test_a_snapshot_that_cannot_be_kept_is_told(qtbot, page, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setattr(QStandardPaths, "writableLocation", lambda where: str(blocked))
    with qtbot.waitSignal(page.faulted, timeout=WAIT_MS) as told:
        page.snapshot()
    assert "could not be saved" in told.args[0].says
    assert Path(blocked).read_text() == "no folder"


STATS = ScanStats(
    frames_read=40,
    frames_per_second=12.5,
    disk_free_mb=41_200,
    stages=(StageNews("capture", 9, 8.0, 9.0), StageNews("frame", 9, 31.0, 60.0)),
)


def test_curves_are_drawn_while_the_details_are_open_and_hold_what_was_before(qtbot, page):
    page.toggle()
    for dropped in range(3):
        hears(qtbot, page, GOOD, stats=replace(STATS, dropped=dropped))
        qtbot.wait(550)
    assert page.details.plots is None
    page.toggle_details()
    plots = page.details.plots
    qtbot.waitUntil(lambda: len(plots.values(RATE)) >= 3, timeout=WAIT_MS)
    assert plots.isVisible()
    assert plots.values(RATE)[-1] == 12.5
    assert plots.values(DELAY, "frame")[-1] == 31.0
    assert max(plots.values(LOSS)) > 0
    names = [page.details.table.item(row, 0).text() for row in range(12)]
    at = names.index("Disk left")
    assert page.details.table.item(at, 1).text() == "41.2 GB"
    page.toggle_details()
    drawn = len(plots.values(RATE))
    qtbot.wait(1200)
    assert len(plots.values(RATE)) == drawn


def test_on_a_low_screen_the_picture_gives_way_to_the_buttons(qtbot, page):
    page.toggle()
    hears(qtbot, page, GOOD)
    page.resize(940, 640)
    qtbot.waitUntil(lambda: page.picture_height_px() > 200, timeout=WAIT_MS)
    high = page.picture_height_px()
    page.resize(940, 440)
    qtbot.waitUntil(lambda: page.picture_height_px() < 0.8 * high, timeout=WAIT_MS)
    assert page.height() == 440
    for button in (page.record, page.undo_button, page.finish_button, page.details_button):
        assert page.rect().contains(button.mapTo(page, button.rect().bottomRight()))


def test_on_a_narrow_screen_the_details_take_the_place_of_the_view(qtbot, page):
    page.resize(940, 640)
    qtbot.waitUntil(lambda: page.width() == 940, timeout=WAIT_MS)
    assert page.view.isVisible()
    page.toggle_details()
    qtbot.wait(100)
    assert page.width() == 940
    assert page.details.isVisible()
    assert not page.view.isVisible()
    page.toggle_details()
    qtbot.wait(100)
    assert page.width() == 940
    assert page.view.isVisible()
    page.resize(1300, 640)
    page.toggle_details()
    qtbot.waitUntil(page.details.isVisible, timeout=WAIT_MS)
    assert page.view.isVisible()


@pytest.mark.parametrize(
    ("scale", "wide", "tall"), [(1.0, 940, 600), (1.5, 1196, 660), (2.0, 1196, 780)]
)
def test_it_fits_small_screens_and_large_text(qtbot, page, dressed, scale, wide, tall):
    theme.apply(dressed, "dark", scale)
    try:
        page.toggle()
        hears(qtbot, page, FAST)
        # Larger text settles first: what it takes at the old width is not what it takes.
        qtbot.wait(100)
        page.resize(wide, tall)
        qtbot.wait(100)
        assert (page.width(), page.height()) == (wide, tall)
        for part in (page.record, page.finish_button, page.details_button, page.bar.follow):
            corner = part.mapTo(page, part.rect().bottomRight())
            assert page.rect().contains(corner)
        assert page.guidance.word.width() >= page.guidance.word.sizeHint().width()
        assert page.view.height() >= 120
    finally:
        theme.apply(dressed, "dark", 1.0)
