"""The colours of the 3D view mean what the legend says."""

from dataclasses import replace

import numpy as np
import pytest

from engine.core.surface import Mesh, MeshPatch
from tests.gui.scene import drain, face_the_wall, news, picture, square, where
from ui import theme
from ui.gl.canvas import SMOOTH_PASSES
from ui.gl.modes import (
    HARDLY_SEEN,
    LEGENDS,
    MODE_NAMES,
    SPAN_TICKS,
    WELL_MEASURED,
    ColorMode,
    cividis,
)


def wall(confidence=None, is_observed=None, rgb=(200, 120, 40), revision=0):
    vertices, faces = square()
    return MeshPatch(
        0,
        revision,
        vertices,
        faces,
        np.tile(np.uint8(rgb), (4, 1)),
        is_observed=None if is_observed is None else np.full(4, is_observed),
        confidence=None if confidence is None else np.full(4, confidence, np.uint8),
    )


def shown(view, patch, mode):
    view.absorb(news([patch]))
    face_the_wall(view, from_y=1)
    view.set_mode(mode)
    return picture(view)


def fills(shot, rgb, tolerance=3):
    return where(shot, rgb, tolerance)[2] > 8000


def words(mode):
    return {says: rgb for rgb, says in LEGENDS[mode]}


def test_every_mode_has_a_name_and_a_legend():
    assert set(MODE_NAMES) == set(LEGENDS) == set(ColorMode)
    assert len(set(MODE_NAMES.values())) == len(ColorMode)
    for mode in (ColorMode.CONFIDENCE, ColorMode.AGE):
        ends = {cividis(share) for share in (0.0, 0.5, 1.0)}
        assert {rgb for rgb, _ in LEGENDS[mode]} == ends


def test_colour_and_plain(view):
    assert fills(shown(view, wall(), ColorMode.COLOR), (200, 120, 40))
    view.set_mode(ColorMode.PLAIN)
    assert fills(picture(view), (190, 190, 190))


def test_direction_tells_which_way_a_wall_faces(view):
    assert fills(shown(view, wall(), ColorMode.NORMALS), words(ColorMode.NORMALS)["faces along y"])
    # The same wall laid on the floor.
    vertices = wall().vertices[:, [0, 2, 1]] * np.float32([1, 1, 0])
    lying = replace(wall(revision=1), vertices=vertices, faces=wall().faces[:, ::-1].copy())
    view.absorb(news([lying]))
    drain(view)
    view.orbit.elevation_deg = 90
    assert fills(picture(view), words(ColorMode.NORMALS)["faces up"])


@pytest.mark.parametrize("confidence", [0, 40, 128, 255])
def test_confidence_goes_from_blue_to_yellow(view, confidence):
    shot = shown(view, wall(confidence), ColorMode.CONFIDENCE)
    assert fills(shot, cividis(confidence / 255))


def test_where_nobody_counted_there_is_no_colour(view):
    for mode in (ColorMode.CONFIDENCE, ColorMode.COVERAGE):
        assert fills(shown(view, wall(), mode), (190, 190, 190))
    assert view.coverage() is None


@pytest.mark.parametrize(
    ("confidence", "says"),
    [
        (WELL_MEASURED, "measured well"),
        (WELL_MEASURED - 1, "look again"),
        (HARDLY_SEEN, "look again"),
        (HARDLY_SEEN - 1, "hardly seen"),
    ],
)
def test_coverage_has_three_classes(view, confidence, says):
    shot = shown(view, wall(confidence), ColorMode.COVERAGE)
    assert fills(shot, words(ColorMode.COVERAGE)[says])
    assert view.coverage() == (confidence >= WELL_MEASURED)


def test_coverage_is_a_share_of_what_is_shown_now(view):
    mixed = wall(255)
    mixed.confidence[:1] = 0
    view.absorb(news([mixed]))
    drain(view)
    assert view.coverage() == 0.75
    view.absorb(news([replace(wall(0, revision=1), key=1 << 30), wall(255, revision=1)]))
    drain(view)
    assert view.coverage() == 0.5


def test_age_fades_from_yellow_to_blue(view, monkeypatch):
    now = [5]
    monkeypatch.setattr(view, "now", lambda: now[0])
    assert fills(shown(view, wall(), ColorMode.AGE), cividis(1.0))
    now[0] += int(SPAN_TICKS / 2)
    assert fills(picture(view), cividis(0.5))
    now[0] += int(SPAN_TICKS)
    assert fills(picture(view), cividis(0.0))
    view.absorb(news([wall(revision=1)]))
    drain(view)
    assert fills(picture(view), cividis(1.0))


def test_completed_surface_is_told_from_measured(view):
    for is_observed, says in ((True, "measured"), (False, "completed by a network")):
        shot = shown(view, wall(is_observed=is_observed), ColorMode.OBSERVED)
        assert fills(shot, words(ColorMode.OBSERVED)[says])


@pytest.mark.parametrize("mode", [ColorMode.CONFIDENCE, ColorMode.COVERAGE, ColorMode.AGE])
def test_a_finished_mesh_is_plain_where_it_knows_nothing(view, mode):
    vertices, faces = square()
    view.show_result(Mesh(vertices, faces, np.tile(np.uint8((200, 120, 40)), (4, 1))))
    face_the_wall(view, from_y=1)
    view.set_mode(mode)
    assert fills(picture(view), (190, 190, 190))
    view.set_mode(ColorMode.COLOR)
    assert fills(picture(view), (200, 120, 40))


def test_the_paper_follows_the_theme(view, dressed):
    def corner():
        # Not at the very edge, where a line of the floor may end.
        return picture(view)[3, 3].astype(int)

    try:
        theme.apply(dressed, "light")
        assert corner().min() > 200
        theme.apply(dressed, "dark")
        assert corner().max() < 60
    finally:
        theme.apply(dressed)


def test_edges_are_smooth_in_a_snapshot(view):
    view.absorb(news([wall(rgb=(255, 255, 255))]))
    face_the_wall(view, from_y=1)
    view.orbit.elevation_deg = 7
    view.orbit.azimuth_deg = 81
    tones = np.unique(picture(view)[..., 0])
    assert SMOOTH_PASSES == 4
    assert len(tones) > 4  # paper, wall, floor and what lies between


def test_a_wire_frame_darkens_all_but_the_edges(view):
    solid = shown(view, wall(rgb=(255, 255, 255)), ColorMode.COLOR)
    view.set_wireframe(True)
    wires = picture(view)
    full = where(solid, (255, 255, 255), 5)[2]
    bright = (wires.min(axis=2) > 150).sum()
    assert 0.005 * full < bright < 0.1 * full
    view.set_wireframe(False)
    assert np.array_equal(picture(view), solid)
