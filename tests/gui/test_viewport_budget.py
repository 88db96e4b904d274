"""What the 3D view costs: nothing while nothing changes, little at a time, no buffer for ever."""

import time
from dataclasses import replace

import numpy as np
import pytest
from OpenGL import GL
from OpenGL.error import GLError
from PySide6.QtTest import QTest

from engine.core.poses import Pose
from engine.core.surface import Mesh, TexturedMesh
from tests.app.fakes import patch_at
from tests.gui.scene import drain, joined, news, picture
from ui.gl.canvas import STEP_S
from ui.gl.guessed import Guessed
from ui.gl.marks import Mark
from ui.gl.modes import ColorMode
from ui.gl.no_viewport import NoViewport
from ui.gl.offscreen import NoOpenGL
from ui.gl.rhythm import IN_HAND_S, REST, STILL_MS, Rhythm
from ui.gl.stage import Stage
from ui.gl.surface_view import SurfaceView
from ui.gl.viewport import Viewport, best_view

NAMES = range(1, 4000)


def hills(half, revision=0):
    return [patch_at(x, y, revision) for x in range(-half, half) for y in range(-half, half)]


def alive():
    """Return how many buffers, vertex arrays, textures and frames the context now holds."""
    kinds = (GL.glIsBuffer, GL.glIsVertexArray, GL.glIsTexture, GL.glIsFramebuffer)
    return tuple(sum(bool(kind(name)) for name in NAMES) for kind in kinds)


def count_pictures(view, monkeypatch):
    begun = []
    begin = view.stage.begin
    monkeypatch.setattr(view.stage, "begin", lambda shot: (begun.append(shot), begin(shot)))
    return begun


def settle(view, qtbot):
    """Wait until the picture with smooth edges is there."""
    qtbot.waitUntil(
        lambda: view._picture is not None and not view._pulse.isActive(), timeout=10_000
    )


def test_nothing_is_painted_while_nothing_changes(view, qtbot, monkeypatch):
    view.absorb(news(hills(2)))
    drain(view)
    view.fit_view()
    settle(view, qtbot)
    begun = count_pictures(view, monkeypatch)
    QTest.qWait(STILL_MS + 100)
    assert begun == []
    view.work(time.perf_counter())
    view.absorb(news())
    QTest.qWait(50)
    assert begun == []
    view.set_marks((Mark(np.zeros((1, 3)), "x"),))  # lies over the picture
    QTest.qWait(50)
    assert begun == []


def test_a_change_is_painted_at_once_and_smoothly_once_it_is_quiet(view, qtbot, monkeypatch):
    view.absorb(news(hills(2)))
    drain(view)
    settle(view, qtbot)
    begun = count_pictures(view, monkeypatch)
    view.nudge(10, 0)
    settle(view, qtbot)
    assert [shot.passes for shot in begun] == [1, 4]
    assert begun[-1].orbit.azimuth_deg == view.orbit.azimuth_deg


def test_painting_stops_when_its_time_is_up(view):
    """However much there is to draw, one step draws a sheet more than time allows, and no more."""
    view.absorb(news(hills(24)))
    drain(view)
    view.fit_view()
    picture(view)
    sheets = view.stage.growing.sheets
    assert len(sheets) == 144
    costs = []
    view.stage.begin(view._shot(1))
    painted = None
    while painted is None:
        start = time.thread_time()
        painted = view.stage.step(time.perf_counter() + STEP_S)
        costs.append(time.thread_time() - start)
    assert painted.pixels.shape == (300, 400, 4)
    assert max(costs) < 0.033
    begun = view._shot(1)
    view.stage.begin(begun)
    view.stage.step(0.0)
    assert view.stage.painting is begun


def test_what_is_out_of_view_is_not_drawn(view):
    view.absorb(news(hills(24)))
    drain(view)
    sheets = view.stage.growing.sheets

    def seen(orbit):
        return len(sheets.in_view(orbit.T_clip_world(4 / 3), orbit.eye_m()))

    view.fit_view()
    assert seen(view.orbit) == 144
    near = replace(view.orbit, distance_m=0.8)
    assert 0 < seen(near) < 30
    away = replace(near, centre_m=near.centre_m + np.array([100.0, 0, 0]))
    assert seen(away) == 0


def left_by(view, monkeypatch):
    """Release a view and return what its context still holds just before it goes."""
    found = []
    close = view.stage.screen.close
    monkeypatch.setattr(view.stage.screen, "close", lambda: (found.append(alive()), close()))
    view.release()
    return found


def test_buffers_do_not_grow_over_updates_and_scans(qtbot, monkeypatch):
    counts = []
    for _ in range(10):
        view = Viewport()
        qtbot.addWidget(view)
        view.resize(240, 240)
        view.show()
        qtbot.waitExposed(view)
        view.absorb(news(hills(3)))
        drain(view)
        picture(view)
        before = alive()
        for revision in range(1, 21):
            view.absorb(news(hills(3, revision)))
            drain(view)
            if revision % 5 == 0:
                picture(view)
        after = alive()
        assert after == before
        assert view.stage.growing.sheets.uploads == 21 * len(view.stage.growing.sheets)
        counts.append(before)
        assert left_by(view, monkeypatch) == [(0, 0, 0, 0)]
    assert len(set(counts)) == 1


def test_a_result_in_place_of_another_frees_it(view):
    mesh = joined(hills(3))
    uv = np.zeros((len(mesh.vertices), 2), np.float32)
    view.absorb(news(hills(3)))
    drain(view)
    seen = set()
    for _ in range(4):
        view.show_result(mesh)
        drain(view)
        picture(view)
        seen.add(alive())
    assert len(seen) == 1
    view.show_result(TexturedMesh(mesh, uv, np.zeros((64, 64, 3), np.uint8)))
    view.show_result(mesh)  # before the last one was there
    drain(view)
    picture(view)
    assert alive() in seen


def test_pauses_are_long_while_the_scan_grows_and_short_in_the_hand():
    rhythm = Rhythm(is_software=True)
    assert rhythm.wait_ms(100.0) == 0
    rhythm.painted(100.0, 0.020)
    assert rhythm.wait_ms(100.0) == pytest.approx(20 * REST, abs=1)
    rhythm.hurry(100.0)
    assert rhythm.wait_ms(100.0) <= 10
    rhythm.painted(100.0 + IN_HAND_S + 0.1, 0.020)
    assert rhythm.wait_ms(100.0 + IN_HAND_S + 0.1) == pytest.approx(20 * REST, abs=1)
    card = Rhythm(is_software=False)
    card.painted(100.0, 0.002)
    assert 10 <= card.wait_ms(100.0) <= 16


def test_a_lost_context_leaves_words_and_a_view_that_takes_everything(view, monkeypatch, qtbot):
    view.absorb(news(hills(1)))
    drain(view)
    before = view.grab().toImage()

    def lost(*given):
        raise GLError(1285)

    monkeypatch.setattr(view.stage, "begin", lost)
    view.nudge(10, 0)
    qtbot.waitUntil(lambda: view.fault != "", timeout=5000)
    assert view.renderer == view.fault
    assert view.grab().toImage() != before
    view.absorb(news(hills(2), Pose.identity()))
    assert view.work(float("inf")) is False
    view.show_result(joined(hills(1)))
    view.set_mode(ColorMode.AGE)
    view.fit_view()
    assert view.snapshot().isNull()
    assert view.triangles == 0
    assert not view._pulse.isActive()


def test_a_context_lost_during_a_snapshot_leaves_an_empty_image(view, monkeypatch):
    def lost(deadline_s):
        raise NoOpenGL("The graphics driver stopped.")

    monkeypatch.setattr(view.stage, "step", lost)
    assert view.snapshot().isNull()
    assert view.fault == "The graphics driver stopped."


def test_without_opengl_stands_what_says_why(dressed, monkeypatch):
    def too_old(self):
        raise NoOpenGL("This screen offers OpenGL 2.1, which is too old.")

    monkeypatch.setattr("ui.gl.stage.Offscreen.__init__", too_old)
    view = best_view()
    assert isinstance(view, NoViewport)
    assert "OpenGL 2.1" in view.text()
    assert view.renderer == "This screen offers OpenGL 2.1, which is too old."
    with pytest.raises(NoOpenGL):
        Stage()
    view.deleteLater()


def test_both_views_answer_everything_a_page_may_ask(view):
    nothing = NoViewport()
    asked = [name for name in vars(SurfaceView) | SurfaceView.__annotations__ if name[0] != "_"]
    assert {"absorb", "set_box", "snapshot", "renderer", "picked"} <= set(asked)
    for name in asked:
        assert hasattr(view, name), name
        assert hasattr(nothing, name), name
    mesh = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    for either in (nothing, view):
        either.absorb(news())
        assert either.work(0.0) is False
        either.show_result(mesh)
        either.set_follow(True)
        either.set_guessed(Guessed.TINT)
        either.set_mode(ColorMode.AGE)
        either.set_wireframe(True)
        either.set_picking(True)
        either.set_box(None)
        either.set_box(Pose.identity(), (1.0, 1.0, 1.0))
        either.set_marks((Mark(np.zeros((1, 3)), ""),))
        either.reset_view()
        either.fit_view()
        either.nudge(1.0, 2.0)
        assert either.coverage() is None
        assert either.triangles == 0
        assert isinstance(either.paint_ms(), list)
    assert nothing.snapshot().isNull()
    assert not view.snapshot().isNull()
    nothing.release()
    nothing.deleteLater()
